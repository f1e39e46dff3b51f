"""Causal convolutions over time: a frame sees itself and frames before it.

Blocks are the convolution module of Conformer (Gulati et al. 2020, arXiv:2005.08100, figure 2), padded on the
left only and with layer norm in place of batch norm, as streaming Conformers have it.

B batch, T frames, D input size, C channels, K kernel.
"""

from __future__ import annotations

import torch
from espnet2.asr.encoder.abs_encoder import AbsEncoder
from torch import Tensor, nn
from torch.nn.functional import glu, silu

from xlt.core.errors import ConfigError


class CausalConvEncoder(AbsEncoder):
    """``num_layers`` residual blocks of ``channels`` with a depthwise convolution over ``kernel`` frames."""

    streams = True
    chunk_sizes: tuple[int, ...] = ()

    def __init__(
        self,
        input_size: int,
        channels: int = 256,
        kernel: int = 15,
        num_layers: int = 6,
        dropout: float = 0.1,
    ):
        super().__init__()
        for name, value in {"channels": channels, "kernel": kernel, "num_layers": num_layers}.items():
            if value < 1:
                raise ConfigError(
                    f"train.encoder_conf.{name}={value}: needs at least 1; raise it or leave it out"
                )
        self.first = nn.Linear(input_size, channels)
        self.blocks = nn.ModuleList(_Block(channels, kernel, dropout) for _ in range(num_layers))
        self.norm, self.dropout = nn.LayerNorm(channels), nn.Dropout(dropout)
        self.dim = channels

    def output_size(self) -> int:
        return self.dim

    def latency(self, chunk: int | None = None) -> int:
        """0: no frame waits for a later one."""
        return 0

    def forward(
        self, xs_pad: Tensor, ilens: Tensor, prev_states: Tensor | None = None
    ) -> tuple[Tensor, Tensor, None]:
        """(B, T, D), (B,) → (B, T, C), (B,), None."""
        x = self.first(self.dropout(xs_pad))
        for block in self.blocks:
            x, _ = block(x, block.nothing(x))
        return self.norm(x), ilens, None

    def open_stream(self, chunk: int | None = None) -> CausalConvStream:
        """See :class:`xlt.nets.streams.Streaming`."""
        return CausalConvStream(self)


class CausalConvStream:
    """See :class:`xlt.nets.streams.HeadStream`. It keeps K - 1 frames a block."""

    def __init__(self, net: CausalConvEncoder):
        self.net = net
        self.before: list[Tensor | None] = [None] * len(net.blocks)

    @torch.inference_mode()
    def push(self, feats: Tensor, last: bool = False) -> Tensor:
        """(T, D) → (T, C)."""
        x = self.net.first(feats)[None]
        for number, block in enumerate(self.net.blocks):
            before = self.before[number]
            x, self.before[number] = block(x, block.nothing(x) if before is None else before)
        return self.net.norm(x)[0]


class _Block(nn.Module):
    def __init__(self, channels: int, kernel: int, dropout: float):
        super().__init__()
        self.norm, self.inner_norm = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.gate, self.out = nn.Linear(channels, 2 * channels), nn.Linear(channels, channels)
        self.conv = nn.Conv1d(channels, channels, kernel, groups=channels)
        self.dropout, self.reach = nn.Dropout(dropout), kernel - 1

    def nothing(self, x: Tensor) -> Tensor:
        """What the convolution sees before the first frame, (B, C, K - 1)."""
        return x.new_zeros(len(x), x.shape[2], self.reach)

    def forward(self, x: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, C), (B, C, K - 1) → (B, T, C), and ``before`` of the frames that follow."""
        y = torch.cat([before, glu(self.gate(self.norm(x))).transpose(1, 2)], dim=2)  # (B, C, K - 1 + T)
        kept = y[..., y.shape[2] - self.reach :]
        if x.shape[1]:
            y = self.conv(y).transpose(1, 2)
            x = x + self.dropout(self.out(silu(self.inner_norm(y))))
        return x, kept
