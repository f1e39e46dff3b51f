"""Layers of the upstreams as a processor computes them fastest, from the weights of a model that is loaded.

N rows (frames of all clips of a batch, one behind the other), T frames of a clip, D dimensions, C channels, K
kernel width.
"""

from __future__ import annotations

import functools
import platform
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from xlt.core.errors import ConfigError
from xlt.upstreams.base import has_fast_bf16, has_gpu


def usable() -> bool:
    """Whether torch brings oneDNN for this processor."""
    return torch.backends.mkldnn.is_available() and platform.machine() in ("x86_64", "AMD64")


@functools.cache
def supports(dtype: str) -> bool:
    """Whether this processor computes ``dtype`` rightly.

    Without AVX-512, oneDNN has no bfloat16. Without VNNI, it sums products of bytes in 16 bits, in which the
    sums do not fit, and does not say so: 64 products of ones in int8 gave 0.5.
    """
    if dtype == "bfloat16":
        return torch.ops.mkldnn._is_mkldnn_bf16_supported()
    if dtype == "int8":
        ones = torch.ones(1, 64)
        return abs(Dense(ones, None, dtype)._int8(ones.clone()).item() - 64) < 0.01
    return True


def check(dtype: str) -> None:
    """ConfigError if this processor does not compute ``dtype`` rightly."""
    if not supports(dtype):
        needs = {"bfloat16": "AVX-512", "int8": "AVX-512 with VNNI"}[dtype]
        raise ConfigError(f"features.dtype={dtype}: this processor lacks {needs}; use float32")


def check_groups(model: nn.Module, dtype: str) -> None:
    """ConfigError if this processor gets the grouped convolutions of ``model`` wrong in ``dtype``.

    With AMX, those of torch 2.14 (Conv1d under autocast) are wrong in bfloat16 where a group has fewer than
    16 channels: off by as much as the outputs themselves. Published models have 48 and more; Conv and
    LongConv below are right for any number.
    """
    if dtype != "bfloat16" or has_gpu() or not has_fast_bf16():
        return
    for name, part in model.named_modules():
        if isinstance(part, nn.Conv1d) and 1 < part.groups < part.in_channels < 16 * part.groups:
            raise ConfigError(
                f"features.dtype=bfloat16: this processor multiplies the convolution {name} wrongly: it has "
                f"{part.in_channels // part.groups} channels a group (torch 2.14 with AMX: fewer than 16); "
                "use float32"
            )


class Dense(nn.Module):
    """A linear layer for inference in ``dtype``: float32, bfloat16, or int8. See :func:`check`.

    int8: weights have one scale an output, inputs one a row, found as they come (so a row's output depends on
    no other row); products are summed in 32-bit integers. Inputs and outputs are float32, but bfloat16 where
    ``dtype`` is that.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, dtype: str):
        super().__init__()
        self.out_features, self.in_features = weight.shape
        self.dtype = dtype
        bias = torch.zeros(len(weight)) if bias is None else bias.detach().float()
        weight = weight.detach().float()
        if dtype == "int8":
            scale = weight.abs().amax(1).clamp_(min=1e-12) / 127
            rounded = (weight / scale[:, None]).round_().to(torch.int8)
            self.scale, self.zero = scale, torch.zeros(len(weight), dtype=torch.int64)
            self.weight, self.bias = torch.ops.onednn.qlinear_prepack(rounded, None), bias
        else:
            kind = torch.bfloat16 if dtype == "bfloat16" else torch.float32
            self.weight = torch.ops.mkldnn._reorder_linear_weight(weight.to(kind).contiguous())
            self.bias = bias.to(kind)

    def forward(self, x: Tensor, gelu: bool = False, add: Tensor | None = None) -> Tensor:
        """(N, in) → (N, out), then GELU or the sum with ``add`` (N, out)."""
        if self.dtype == "int8":
            y = self._int8(x)
            return torch.ops.aten.gelu_(y) if gelu else y if add is None else y.add_(add)
        x = x.to(self.bias.dtype)
        if gelu or add is None or add.dtype != x.dtype:
            kind = "gelu" if gelu else "none"
            y = torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, kind, [], "none")
            return y if add is None else add + y
        return torch.ops.mkldnn._linear_pointwise.binary(x, add, self.weight, self.bias, "add")

    def _int8(self, x: Tensor) -> Tensor:
        largest = torch.maximum(
            x.amax(1, keepdim=True), -x.amin(1, keepdim=True)
        )  # (N, 1); aminmax is six times slower
        scale = largest.clamp_(min=1e-12).div_(127)
        rounded = x.div(scale).add_(128.5).to(torch.uint8)  # oneDNN multiplies unsigned by signed bytes
        y = torch.ops.onednn.qlinear_pointwise(
            rounded, 1.0, 128, self.weight, self.scale, self.zero, None, 1.0, 0, torch.float32, "none", [], ""
        )
        return torch.addcmul(self.bias, y, scale)


def attention(qkv: Tensor, heads: int, spans: list[tuple[int, int]]) -> Tensor:
    """Self-attention (N, D) of queries, keys and values (N, 3 D); the rows of each span see each other
    only.
    """
    dim = qkv.shape[1] // 3
    out = torch.empty_like(qkv[:, :dim], memory_format=torch.contiguous_format)
    for begin, end in spans:
        q, k, v = (
            qkv[begin:end].view(1, end - begin, 3, heads, dim // heads).permute(2, 0, 3, 1, 4)
        )  # (1, H, T, D / H)
        y = functional.scaled_dot_product_attention(q, k, v)
        out[begin:end] = y.transpose(1, 2).reshape(end - begin, dim)
    return out


class Layer(nn.Module):
    """A transformer layer on packed rows; ``norm_first``: norms before attention and feed-forward, else
    behind.
    """

    def __init__(self, modules: dict[str, nn.Module], heads: int, norm_first: bool, dtype: str):
        super().__init__()
        q, k, v = (modules[name] for name in "qkv")
        self.qkv = Dense(
            torch.cat([q.weight, k.weight, v.weight]), torch.cat([_bias(m) for m in (q, k, v)]), dtype
        )
        self.out = Dense(modules["out"].weight, modules["out"].bias, dtype)
        self.fc1 = Dense(modules["fc1"].weight, modules["fc1"].bias, dtype)
        self.fc2 = Dense(modules["fc2"].weight, modules["fc2"].bias, dtype)
        self.norm1, self.norm2, self.heads, self.norm_first = (
            modules["norm1"],
            modules["norm2"],
            heads,
            norm_first,
        )

    def forward(self, x: Tensor, spans: list[tuple[int, int]]) -> Tensor:
        """(N, D) → (N, D)."""
        return self.attending(x, functools.partial(attention, spans=spans))

    def attending(self, x: Tensor, attend: Callable[[Tensor, int], Tensor]) -> Tensor:
        """(N, D) → (N, D); ``attend``: queries, keys and values (N, 3 D), and heads → (N, D)."""
        if self.norm_first:
            x = self.out(attend(self.qkv(self.norm1(x)), self.heads), add=x)
            return self.fc2(self.fc1(self.norm2(x), gelu=True), add=x)
        x = self.norm1(self.out(attend(self.qkv(x), self.heads), add=x))
        return self.norm2(self.fc2(self.fc1(x, gelu=True), add=x))


def _bias(linear: nn.Linear) -> Tensor:
    return torch.zeros(linear.out_features) if linear.bias is None else linear.bias


class Conv:
    """A convolution along time as matrix products, its norm and GELU: (T, C) → (T', C')."""

    def __init__(self, conv: nn.Conv1d, norm: nn.Module | None):
        self.kernel, self.stride = conv.kernel_size[0], conv.stride[0]
        weight = conv.weight.detach().float().permute(2, 1, 0)  # (K, C, C')
        step = self.kernel if weight.shape[1] == 1 else self.stride
        self.parts = [
            (k, weight[k : k + step].reshape(-1, weight.shape[2]).contiguous())
            for k in range(0, self.kernel, step)
        ]
        self.bias = torch.zeros(weight.shape[2]) if conv.bias is None else conv.bias.detach()
        self.norm, self.per_frame = norm, not isinstance(norm, nn.GroupNorm)

    def __call__(self, x: Tensor) -> Tensor:
        frames, channels = (len(x) - self.kernel) // self.stride + 1, x.shape[1]
        y = self.bias
        for k, weight in self.parts:  # frame t sees rows t · stride + k …, which lie one behind the other
            rows = x[k:].as_strided((frames, len(weight)), (self.stride * channels, 1))
            y = torch.addmm(y, rows, weight) if y is self.bias else y.addmm_(rows, weight)
        if self.norm is not None:
            y = self.norm(y) if self.per_frame else self.norm(y.T[None])[0].T.contiguous()
        return torch.ops.aten.gelu_(y)


class LongConv:
    """A grouped convolution along time with a kernel of many frames, by Fourier transforms of overlapping
    blocks.

    Same padding as wav2vec 2.0's positions: K / 2 frames of zeros before a clip, so many frames out as in.
    For 128 frames of kernel it takes a fifth of the direct convolution's time. F frequencies, G groups.
    """

    def __init__(self, conv: nn.Conv1d):
        weight = (
            conv.weight
        )  # (D, D / G, K); the older weight norm brings it up to date only when the module is called
        weight = torch._weight_norm(conv.weight_v, conv.weight_g, 2) if hasattr(conv, "weight_v") else weight
        self.kernel, self.groups, dim = conv.kernel_size[0], conv.groups, len(weight)
        self.size = 3 * self.kernel
        self.hop = self.size - self.kernel + 1
        spectrum = torch.fft.rfft(weight.detach().float(), n=self.size, dim=2).conj()
        spectrum = spectrum.reshape(self.groups, dim // self.groups, dim // self.groups, -1).permute(
            3, 0, 2, 1
        )
        self.spectrum = spectrum.reshape(-1, *spectrum.shape[2:]).contiguous()  # (F G, in, out)
        self.bias = conv.bias.detach()

    def __call__(self, clips: list[Tensor]) -> list[Tensor]:
        """(T, D) each → (T, D) each."""
        dim, blocks = clips[0].shape[1], []
        for x in clips:
            count = -(-len(x) // self.hop)
            before = self.kernel // 2
            x = functional.pad(x, (0, 0, before, (count - 1) * self.hop + self.size - before - len(x)))
            blocks.append(x.as_strided((count, self.size, dim), (self.hop * dim, dim, 1)))
        spectra = torch.fft.rfft(torch.cat(blocks), dim=1)  # (B, F, D)
        split = spectra.reshape(len(spectra), len(self.spectrum), -1).transpose(0, 1)  # (F G, B, D / G)
        spectra = torch.bmm(split, self.spectrum).transpose(0, 1).reshape(spectra.shape)
        y = torch.fft.irfft(spectra, n=self.size, dim=1)[:, : self.hop]  # (B, hop, D)
        ends = torch.tensor([len(b) for b in blocks]).cumsum(0).tolist()
        return [
            y[end - len(b) : end].reshape(-1, dim)[: len(x)] + self.bias
            for x, b, end in zip(clips, blocks, ends, strict=True)
        ]
