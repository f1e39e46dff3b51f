"""The parts of a model as torch modules that can be traced: inputs of any batch and length, each row whole.

B batch, N samples, M mel bands, L layers, T frames, D dimensions, V tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, pad

from xlt.models.onnx.mels import WHISPER_FFT, WHISPER_HOP, whisper_filters
from xlt.upstreams.mels import GRID, HOP, MAX_SAMPLES

if TYPE_CHECKING:
    from xlt.features.mix import Mix


class Backbone(nn.Module):
    """Whisper's encoder of transformers: log-mels (B, M, N / 160) → all hidden states (L, B, T, D), as
    :class:`xlt.upstreams.whisper.WhisperEncoder` has them.
    """

    def __init__(self, encoder: nn.Module):
        super().__init__()
        self.net: Any = encoder

    def forward(self, mels: Tensor) -> Tensor:
        net = self.net
        x = gelu(_in_products(net.conv2, gelu(net.conv1(mels)).transpose(1, 2)))  # (B, T, D)
        x = x + net.embed_positions.weight[: x.shape[1]]
        hidden = [x]
        for layer in net.layers:
            x = layer(x, None)
            hidden.append(x)
        return torch.stack([*hidden[:-1], net.layer_norm(x)])


def _in_products(conv: nn.Conv1d, x: Tensor) -> Tensor:
    """A convolution of width 3, stride 2 and padding 1 over (B, 2 T, D) → (B, T, D'), as one product of
    matrices: faster in onnxruntime, and stored in one byte a value like all the others.
    """
    x = pad(x, (0, 0, 1, 1))
    frames = torch.cat([x[:, :-2:2], x[:, 1:-1:2], x[:, 2::2]], dim=-1)  # (B, T, 3 D)
    weight = conv.weight.permute(0, 2, 1).flatten(1)  # (D', 3 D)
    return nn.functional.linear(frames, weight, conv.bias)


class Head(nn.Module):
    """What is behind the features of an ESPnet model: normalisation, stem, encoder, CTC. Features (B, T, D) →
    log probabilities (B, T', V).
    """

    def __init__(self, net: Any):
        super().__init__()
        if net.normalize is not None:
            for name in ("mean", "std"):  # float64 in ESPnet, which onnxruntime would compute in, too
                self.register_buffer(name, getattr(net.normalize, name).float())
        self.normalises = net.normalize is not None
        self.stem, self.encoder, self.ctc = net.preencoder, net.encoder, net.ctc.ctc_lo

    def forward(self, feats: Tensor) -> Tensor:
        x = (feats - self.mean) / self.std if self.normalises else feats
        lengths = torch.ones_like(x[:, 0, 0], dtype=torch.long) * x.shape[1]  # (B,)
        if self.stem is not None:
            x, lengths = self.stem(x, lengths)
        x = self.encoder(x, lengths)[0]
        x = x[0] if isinstance(x, tuple) else x
        return self.ctc(x).log_softmax(dim=-1)


class Mixing(nn.Module):
    """Hidden states (L, B, T, D) → features (B, T, D'): the layer mix, or some layers side by side."""

    def __init__(self, layers: Any, mix: Mix | None):
        super().__init__()
        self.mix = mix
        self.layers = layers if isinstance(layers, list) else [layers]

    def forward(self, hidden: Tensor) -> Tensor:
        if self.mix is not None:
            return self.mix.apply([hidden[n] for n in self.mix.layers])
        return torch.cat([hidden[-1 if n == "last" else n] for n in self.layers], dim=-1)


class WhisperMels(nn.Module):
    """Samples (B, N) → log-mels (B, M, N / 160); a Fourier transform by matrices, which every runtime has."""

    def __init__(self, mels: int):
        super().__init__()
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WHISPER_FFT) / WHISPER_FFT)
        turns = np.exp(
            -2j * np.pi * np.outer(np.arange(WHISPER_FFT // 2 + 1), np.arange(WHISPER_FFT)) / WHISPER_FFT
        )
        waves = np.concatenate([turns.real, turns.imag]) * window  # (402, 400)
        self.register_buffer("waves", torch.from_numpy(waves).float()[:, None])
        self.register_buffer("filters", torch.from_numpy(whisper_filters(mels).T.copy()).float())

    def forward(self, samples: Tensor) -> Tensor:
        x = pad(samples[:, None], (WHISPER_FFT // 2, WHISPER_FFT // 2), mode="reflect")
        parts = nn.functional.conv1d(x, self.waves, stride=WHISPER_HOP)[..., :-1]  # (B, 402, N / 160)
        real, imaginary = parts.chunk(2, dim=1)
        logs = (self.filters @ (real**2 + imaginary**2)).clamp(min=1e-10).log10()
        return (torch.maximum(logs, logs.amax(dim=(1, 2), keepdim=True) - 8.0) + 4.0) / 4.0


class FromSamples(nn.Module):
    """A whole model: samples (1, N) of any level → log probabilities (1, T, V).

    They are scaled to ``level`` times their deviation, padded with silence to a multiple of 5 s, and cut into
    windows of 30 s. Each row of log probabilities is given ``repeats`` times, which changes no text.
    """

    def __init__(self, parts: tuple[WhisperMels, Backbone, Mixing, Head], level: float, repeats: int):
        super().__init__()
        self.mels, self.backbone, self.mixing, self.head = parts
        self.level, self.repeats = level, repeats

    def forward(self, samples: Tensor) -> Tensor:
        count = torch._shape_as_tensor(samples)[1]
        window = torch.clamp((count + GRID - 1) // GRID * GRID, max=MAX_SAMPLES)
        windows = (count + window - 1) // window
        x = pad(samples * self.level, (0, windows * window - count)).reshape(windows, window)
        feats = self.mixing(self.backbone(self.mels(x)))  # (W, T, D)
        feats = feats.reshape(1, -1, feats.shape[-1])[:, : (count + HOP - 1) // HOP]
        found = self.head(feats)  # (1, T, V)
        if self.repeats == 1:
            return found
        return found[:, :, None].expand(-1, -1, self.repeats, -1).reshape(1, -1, found.shape[-1])
