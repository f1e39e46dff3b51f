"""A latency-controlled bidirectional LSTM, which does not wait for the end of the utterance (Zhang et al.
2016, arXiv:1510.08983, section 4).

B batch, T frames, K chunks, C frames of a chunk, S frames of a chunk with its look-ahead, D input size, H
cells a direction.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from xlt.core.errors import ConfigError
from xlt.nets.chunks import frames_of
from xlt.nets.encoders.blstm import BlstmEncoder, backwards
from xlt.nets.lc_stream import LcStream


class LcBlstmEncoder(BlstmEncoder):
    """The forward LSTM of each layer runs through the whole utterance, the backward one through each chunk
    and ``look_ahead_s`` seconds behind it.

    ``chunk_s``: seconds of a chunk, or a list of such lengths: a training step draws one of them, otherwise
    the first counts unless a stream asks for another; ``frame_rate``: frames a second of the input. All
    layers hear the same look-ahead: what a lower layer gives of it is made for the chunk before it and
    forgotten, so that the wait is one look-ahead, not one a layer.

    Weights have the names of those of ``blstm``; with a chunk as long as the utterance both give the same.
    """

    streams = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int = 160,
        num_layers: int = 2,
        dropout: float = 0.3,
        chunk_s: float | Sequence[float] = 0.64,
        look_ahead_s: float = 0.0,
        frame_rate: float = 50.0,
    ):
        super().__init__(input_size, hidden_size, num_layers, dropout)
        given = [chunk_s] if isinstance(chunk_s, int | float) else chunk_s
        sizes = [frames_of("train.encoder_conf.chunk_s", seconds, frame_rate) for seconds in given]
        if not sizes or not all(sizes):
            raise ConfigError(
                f"train.encoder_conf.chunk_s={chunk_s}: a chunk has a frame or more; give 0.64, or a list of"
                " lengths"
            )
        self.chunk_sizes = tuple(sizes)
        self.look_ahead = frames_of("train.encoder_conf.look_ahead_s", look_ahead_s, frame_rate)

    def latency(self, chunk: int | None = None) -> int:
        """Of the first frame of a chunk."""
        return (chunk or self.chunk_sizes[0]) - 1 + self.look_ahead

    def forward(
        self, xs_pad: Tensor, ilens: Tensor, prev_states: Tensor | None = None
    ) -> tuple[Tensor, Tensor, None]:
        """(B, T, D), (B,) → (B, T, 2H), (B,), None."""
        draws = self.training and len(self.chunk_sizes) > 1
        size = self.chunk_sizes[int(torch.randint(len(self.chunk_sizes), ())) if draws else 0]
        x = self.dropout(xs_pad[:, : int(ilens.max())])
        batch, frames = x.shape[:2]
        count, seen = -(-frames // size), size + self.look_ahead
        x = torch.nn.functional.pad(x, (0, 0, 0, count * size + self.look_ahead - frames))
        begins = torch.arange(count, device=x.device) * size  # (K,)
        inside = (ilens[:, None] - begins).clamp(0, seen).flatten()  # (B·K,), frames of each

        def parts(z: Tensor) -> Tensor:
            """(B, K·C + look-ahead, D) → (B·K, S, D)."""
            return z.unfold(1, seen, size).permute(0, 1, 3, 2).reshape(batch * count, seen, -1)

        y = parts(x)
        last = len(self.ahead) - 1
        for number, (ahead, back) in enumerate(zip(self.ahead, self.back, strict=True)):
            if number == 0:
                fore = parts(ahead(x)[0])  # what is behind a chunk is read as it will be once more
            else:
                y = self.dropout(y)
                fore = self._forwards(ahead, y, batch, size, number < last)
            y = torch.cat([fore, backwards(back, y, inside)[:, : fore.shape[1]]], dim=-1)
        y = y[:, :size].reshape(batch, count * size, -1)[:, :frames]
        return self.dropout(y), ilens, None

    def _forwards(self, ahead: torch.nn.Module, y: Tensor, batch: int, size: int, all_of_it: bool) -> Tensor:
        """(B·K, S, D) → (B·K, S, H), without ``all_of_it`` (B·K, C, H): chunk behind chunk, and from the end
        of each through its look-ahead.
        """
        chunks = y[:, :size].reshape(batch, -1, size, y.shape[-1])  # (B, K, C, D)
        if not (all_of_it and self.look_ahead):
            return ahead(chunks.flatten(1, 2))[0].reshape(len(y), size, -1)
        given, state, states = [], None, []
        for number in range(chunks.shape[1]):
            out, state = ahead(chunks[:, number], state)
            given.append(out)
            states.append(state)
        ends = tuple(torch.stack([s[n] for s in states], dim=2).flatten(1, 2) for n in (0, 1))  # (1, B·K, H)
        behind = ahead(y[:, size:], ends)[0]
        return torch.cat([torch.stack(given, dim=1).flatten(0, 1), behind], dim=1)

    def open_stream(self, chunk: int | None = None) -> LcStream:
        """See :class:`xlt.nets.streams.Streaming`."""
        return LcStream(self.ahead, self.back, chunk or self.chunk_sizes[0], self.look_ahead)
