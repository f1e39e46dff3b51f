"""No encoder: the CTC layer reads the features. Shows what the features themselves hold."""

from __future__ import annotations

import torch
from espnet2.asr.encoder.abs_encoder import AbsEncoder

from xlt.nets.streams import Chain


class LinearEncoder(AbsEncoder):
    """Dropout only; ESPnet's CTC layer behind it is the linear map."""

    streams = True
    chunk_sizes: tuple[int, ...] = ()

    def __init__(self, input_size: int, dropout: float = 0.1):
        super().__init__()
        self.dim = input_size
        self.dropout = torch.nn.Dropout(dropout)

    def output_size(self) -> int:
        return self.dim

    def forward(
        self, xs_pad: torch.Tensor, ilens: torch.Tensor, prev_states: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, None]:
        """(B, T, D), (B,) → (B, T, D), (B,), None."""
        return self.dropout(xs_pad), ilens, None

    def latency(self, chunk: int | None = None) -> int:
        """None."""
        return 0

    def open_stream(self, chunk: int | None = None) -> Chain:
        """See :class:`xlt.nets.streams.Streaming`."""
        return Chain()
