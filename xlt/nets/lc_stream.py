"""Bidirectional LSTMs on a stream: the backward half reads each chunk from its end (Zhang et al. 2016,
arXiv:1510.08983, section 4).

T frames, C frames of a chunk, S frames of a chunk with its look-ahead, D input size, H cells a direction.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class LcStream:
    """See :class:`xlt.nets.streams.HeadStream`. ``ahead``, ``back``: a one-way LSTM of each layer for either
    direction; ``chunk``, ``look_ahead``: frames.

    It keeps less than a chunk with its look-ahead, and a state a layer.
    """

    def __init__(
        self, ahead: Iterable[nn.Module], back: Iterable[nn.Module], chunk: int, look_ahead: int = 0
    ):
        self.layers = list(zip(ahead, back, strict=True))
        self.chunk, self.look_ahead = chunk, look_ahead
        self.dim = sum(int(lstm.hidden_size) for lstm in self.layers[-1])  # type: ignore[arg-type]
        self.left: Tensor | None = None  # (T, D), what was heard and has not come out
        self.states: list[tuple[Tensor, Tensor] | None] = [None] * len(self.layers)

    @torch.inference_mode()
    def push(self, feats: Tensor, last: bool = False) -> Tensor:
        """(T, D) → (T', 2H)."""
        x = feats if self.left is None else torch.cat([self.left, feats])
        given, seen = [x.new_zeros(0, self.dim)], self.chunk + self.look_ahead
        while len(x) >= seen or (last and len(x)):
            given.append(self._chunk(x[:seen]))
            x = x[self.chunk :]
        self.left = x
        return torch.cat(given)

    def _chunk(self, x: Tensor) -> Tensor:
        """A chunk with what is behind it (S, D) → the chunk (C, 2H)."""
        y, count = x[None], min(self.chunk, len(x))
        for number, (ahead, back) in enumerate(self.layers):
            behind = back(y.flip(1))[0].flip(1)
            fore, state = ahead(y[:, :count], self.states[number])
            if len(x) > count:
                fore = torch.cat([fore, ahead(y[:, count:], state)[0]], dim=1)
            self.states[number] = state
            y = torch.cat([fore, behind], dim=-1)
        return y[0, :count]


def halves(lstm: nn.LSTM) -> tuple[nn.LSTM, nn.LSTM]:
    """The forward and the backward half of a bidirectional LSTM of one layer, on the same weights."""
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    found = []
    for end in ("", "_reverse"):
        half = nn.LSTM(lstm.input_size, lstm.hidden_size, batch_first=True, device="meta")
        half.load_state_dict({name: getattr(lstm, name + end) for name in names}, assign=True)
        found.append(half.requires_grad_(False).eval())
    return found[0], found[1]
