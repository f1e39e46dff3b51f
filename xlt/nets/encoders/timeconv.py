"""What QuartzNet and Jasper share: blocks of 1-D convolutions over time with batch norm, and 1x1 convolutions
around them. An utterance's result in evaluation does not depend on what it is batched with.

B batch, T frames, C channels of a layer, K kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from espnet2.asr.encoder.abs_encoder import AbsEncoder

from xlt.core.errors import ConfigError
from xlt.nets.encoders.deepspeech2 import MaskedBatchNorm
from xlt.nets.lengths import Strided, through


@dataclass(frozen=True)
class Layer:
    """A row of the papers' tables: ``channels`` out, ``kernel``, ``dropout``; ``separable``: a convolution
    for each channel, then one over channels (Kriman et al. 2019, section 3.1).
    """

    channels: int
    kernel: int
    dropout: float
    separable: bool


class TimeConvEncoder(AbsEncoder):
    """``first`` with ``stride``, ``blocks`` of ``repeats`` layers each, then ``last``: two layers, the first
    with dilation 2. The output layer is ESPnet's CTC.

    A block adds its input, and with ``dense`` the inputs of all blocks before it (Li et al. 2019, section
    2.1), each through a 1x1 convolution and batch norm, before its last ReLU.
    """

    streams = False  # half of every kernel is behind its frame: seconds with these sizes

    def __init__(
        self,
        input_size: int,
        first: Layer,
        blocks: Sequence[Layer],
        last: tuple[Layer, Layer],
        repeats: int,
        stride: int,
        dense: bool = False,
    ):
        super().__init__()
        self.first = _Conv(input_size, first, stride=stride)
        self.strided = first_convolution(first.kernel, stride)
        self.blocks = torch.nn.ModuleList()
        inputs = [first.channels]
        for block in blocks:
            self.blocks.append(_Block(inputs if dense else inputs[-1:], block, repeats))
            inputs.append(block.channels)
        self.last = torch.nn.ModuleList(
            [_Conv(inputs[-1], last[0], dilation=2), _Conv(last[0].channels, last[1])]
        )
        self.dense, self.dim = dense, last[1].channels

    def output_size(self) -> int:
        return self.dim

    def forward(
        self, xs_pad: torch.Tensor, ilens: torch.Tensor, prev_states: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, None]:
        """(B, T, D), (B,) → (B, ceil(T/stride), C), (B,), None."""
        x = xs_pad[:, : int(ilens.max())].transpose(1, 2)  # (B, D, T)
        x = x * _inside(ilens, x.shape[2])
        lengths = through(ilens, [self.strided])
        inside = _inside(lengths, int(lengths.max()))  # (B, 1, T)
        x = self.first(x, inside)
        inputs = [x]
        for block in self.blocks:
            x = block(inputs if self.dense else inputs[-1:], inside)
            inputs.append(x)
        for layer in self.last:
            x = layer(x, inside)
        return x.transpose(1, 2), lengths, None


def first_convolution(kernel: int, stride: int) -> Strided:
    """The only convolution that changes the number of frames; as all here it is padded by half its kernel."""
    return Strided(kernel, stride, kernel // 2)


def scaled(channels: Sequence[int], width: float) -> list[int]:
    """The papers' numbers of channels times ``width``, in eights."""
    return [max(8, 8 * round(width * c / 8)) for c in channels]


def check_sizes(name: str, kinds: int, conf: dict[str, Any]) -> None:
    """ConfigError unless ``blocks`` is a multiple of ``kinds`` and everything else positive."""
    for key, value in conf.items():
        least = 0 if key == "dropout" else 1 if isinstance(value, int) else 1e-3
        if value < least:
            raise ConfigError(
                f"train.encoder_conf.{key}={value}: {name} needs at least {least}; raise it or leave it out"
            )
    if conf["blocks"] % kinds:
        raise ConfigError(
            f"train.encoder_conf.blocks={conf['blocks']}: {name} has {kinds} kinds of blocks, each as often"
            f" as the others; give a multiple of {kinds}"
        )


def _inside(lengths: torch.Tensor, frames: int) -> torch.Tensor:
    """(B,) → (B, 1, T): true within each utterance."""
    return (torch.arange(frames, device=lengths.device)[None, :] < lengths[:, None])[:, None]


class _Conv(torch.nn.Module):
    """Convolution and batch norm; then, with ``active``, ReLU and dropout. What is behind an utterance's end
    is 0 before and after.
    """

    def __init__(self, size: int, layer: Layer, stride: int = 1, dilation: int = 1, active: bool = True):
        super().__init__()
        if layer.kernel % 2 == 0:
            raise ConfigError(
                f"train.encoder_conf: found a kernel of {layer.kernel} frames; kernels are odd: add 1"
            )
        time = {
            "kernel_size": layer.kernel,
            "stride": stride,
            "dilation": dilation,
            "padding": dilation * (layer.kernel // 2),
        }
        if layer.separable:
            self.conv = torch.nn.Sequential(
                torch.nn.Conv1d(size, size, groups=size, bias=False, **time),
                torch.nn.Conv1d(size, layer.channels, 1, bias=False),
            )
        else:
            self.conv = torch.nn.Sequential(torch.nn.Conv1d(size, layer.channels, bias=False, **time))
        self.norm = MaskedBatchNorm(layer.channels)
        self.dropout = torch.nn.Dropout(layer.dropout)
        self.active = active

    def forward(self, x: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
        """(B, C, T), (B, 1, T') → (B, C', T')."""
        x = self.norm(self.conv(x)[..., None], inside[..., None])[..., 0] * inside
        return self.dropout(torch.relu(x)) if self.active else x


class _Block(torch.nn.Module):
    def __init__(self, inputs: Sequence[int], layer: Layer, repeats: int):
        super().__init__()
        self.layers = torch.nn.ModuleList(
            _Conv(layer.channels if n else inputs[-1], layer, active=n < repeats - 1) for n in range(repeats)
        )
        side = Layer(layer.channels, 1, 0.0, False)
        self.sides = torch.nn.ModuleList(_Conv(size, side, active=False) for size in inputs)
        self.dropout = torch.nn.Dropout(layer.dropout)

    def forward(self, inputs: Sequence[torch.Tensor], inside: torch.Tensor) -> torch.Tensor:
        """Inputs of this block and, before it, of others, each (B, C, T) → (B, C', T)."""
        x = inputs[-1]
        for layer in self.layers:
            x = layer(x, inside)
        for side, one in zip(self.sides, inputs, strict=True):
            x = x + side(one, inside)
        return self.dropout(torch.relu(x))
