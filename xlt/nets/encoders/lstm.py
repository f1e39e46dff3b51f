"""A one-way LSTM, which waits for nothing.

B batch, T frames, D input size, H cells.
"""

from __future__ import annotations

import torch
from espnet2.asr.encoder.abs_encoder import AbsEncoder
from torch import Tensor


class LstmEncoder(AbsEncoder):
    """``num_layers`` LSTM layers of ``hidden_size`` cells, from the past to the future."""

    streams = True
    chunk_sizes: tuple[int, ...] = ()

    def __init__(self, input_size: int, hidden_size: int = 320, num_layers: int = 2, dropout: float = 0.3):
        super().__init__()
        self.dropout = torch.nn.Dropout(dropout)
        between = dropout if num_layers > 1 else 0.0
        self.lstm = torch.nn.LSTM(input_size, hidden_size, num_layers, batch_first=True, dropout=between)
        self.dim = hidden_size

    def output_size(self) -> int:
        return self.dim

    def latency(self, chunk: int | None = None) -> int:
        """0: no frame waits for a later one."""
        return 0

    def forward(
        self, xs_pad: Tensor, ilens: Tensor, prev_states: Tensor | None = None
    ) -> tuple[Tensor, Tensor, None]:
        """(B, T, D), (B,) → (B, T, H), (B,), None."""
        return self.dropout(self.lstm(self.dropout(xs_pad))[0]), ilens, None

    def open_stream(self, chunk: int | None = None) -> LstmStream:
        """See :class:`xlt.nets.streams.Streaming`."""
        return LstmStream(self)


class LstmStream:
    """See :class:`xlt.nets.streams.HeadStream`."""

    def __init__(self, net: LstmEncoder):
        self.net, self.state = net, None

    @torch.inference_mode()
    def push(self, feats: Tensor, last: bool = False) -> Tensor:
        """(T, D) → (T, H)."""
        if not len(feats):
            return feats.new_zeros(0, self.net.dim)
        out, self.state = self.net.lstm(feats[None], self.state)
        return out[0]
