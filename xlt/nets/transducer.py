"""A recurrent transducer behind an encoder (RNN-T; Graves 2012, arXiv:1211.3711): its networks, step by step,
and its greedy search.

B batch, T frames, H size of the encoder's output, J of the joint network, n texts, V tokens; token 0 is the
blank, which also stands before the first token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from xlt.nets.paths import BLANK_ID

MOST = 5  # tokens of one frame: at 25 frames a second nobody says more
AHEAD = 16  # frames that are searched for the next token at once


class Emitted(NamedTuple):
    """Tokens, the frame in which each came, and the log probability of the path, natural."""

    ids: list[int]
    frames: list[int]
    score: float


class State(NamedTuple):
    """Of the prediction network behind a text: what the joint network takes of it, (J,), and its ``memory``,
    hidden values and, of an LSTM, cells, each (layers, D).
    """

    output: Tensor
    memory: tuple[Tensor, ...]


class Transducer:
    """``predictor``: ESPnet's TransducerDecoder, ``joint``: its JointNetwork; in evaluation mode. It is asked
    within ``torch.inference_mode()``.
    """

    def __init__(self, predictor: Any, joint: Any):
        self.predictor, self.joint = predictor, joint
        self.device = next(predictor.parameters()).device
        # cell by cell: torch's LSTM packs its weights anew in each call, which takes a hundred times as long
        self._cell: Any = torch.lstm_cell if predictor.dtype == "lstm" else torch.gru_cell
        self._weights = [
            (layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0, layer.bias_hh_l0)
            for layer in predictor.decoder
        ]

    def first(self) -> State:
        """Before the first token."""
        parts = 2 if self.predictor.dtype == "lstm" else 1
        nothing = torch.zeros(len(self._weights), 1, self.predictor.dunits, device=self.device)
        return self._states([BLANK_ID], (nothing,) * parts)[0]

    def follow(self, states: Sequence[State], tokens: Sequence[int]) -> list[State]:
        """The states of texts, each one token longer."""
        parts = zip(*(state.memory for state in states), strict=True)
        return self._states(tokens, tuple(torch.stack(part, dim=1) for part in parts))

    def _states(self, tokens: Sequence[int], memory: tuple[Tensor, ...]) -> list[State]:
        """``memory``: each (layers, n, D)."""
        x = self.predictor.embed.weight[torch.tensor(tokens, device=self.device)]  # (n, D)
        layers = []
        for number, weights in enumerate(self._weights):
            before = tuple(part[number] for part in memory)
            after = self._cell(x, before if len(before) > 1 else before[0], *weights)
            layers.append(after if isinstance(after, tuple) else (after,))
            x = layers[-1][0]
        parts = [torch.stack(part) for part in zip(*layers, strict=True)]  # each (layers, n, D)
        outputs = self.joint.lin_dec(x)  # (n, J)
        return [State(output, tuple(part[:, row] for part in parts)) for row, output in enumerate(outputs)]

    def project(self, hidden: Tensor) -> Tensor:
        """(T, H) → (T, J), as :meth:`join` takes it."""
        return self.joint.lin_enc(hidden.to(self.device))

    def join(self, frames: Tensor, outputs: Tensor) -> Tensor:
        """(…, J) and (…, J) that fit each other → log probabilities of the tokens, natural, (…, V)."""
        return self.joint(frames, outputs, no_projection=True).log_softmax(-1)


class Greedy:
    """The best token again and again, at most ``most`` in a frame; frames come in as many parts as one likes.

    It goes from label to label and not from frame to frame: between two labels all frames are blank and the
    prediction network stands still, so that they are looked at together (Galvez et al. 2024,
    arXiv:2406.06220, section 3).
    """

    @torch.inference_mode()
    def __init__(self, net: Transducer, most: int = MOST):
        self.net, self.most = net, most
        self.emitted = Emitted([], [], 0.0)
        self._state, self._heard = net.first(), 0

    @torch.inference_mode()
    def push(self, hidden: Tensor) -> None:
        """The next (T, H)."""
        net, (ids, places, score), state = self.net, self.emitted, self._state
        frames = net.project(hidden) if len(hidden) else hidden
        at = here = 0  # ``here``: tokens of frame ``at``
        while at < len(frames):
            rows = net.join(frames[at : at + AHEAD], state.output)
            values, tokens = rows.max(dim=-1)
            labels = (tokens != BLANK_ID).nonzero()
            blanks = int(labels[0]) if len(labels) else len(rows)
            if here == self.most and not blanks:
                score, at, here = score + float(rows[0, BLANK_ID]), at + 1, 0
                continue
            score += float(values[:blanks].sum())
            at, here = at + blanks, 0 if blanks else here
            if blanks < len(rows):
                ids.append(int(tokens[blanks]))
                places.append(self._heard + at)
                score, here = score + float(values[blanks]), here + 1
                (state,) = net.follow([state], ids[-1:])
        self.emitted, self._state = Emitted(ids, places, score), state
        self._heard += len(frames)


def greedy(net: Transducer, hidden: Tensor, most: int = MOST) -> Emitted:
    """What :class:`Greedy` finds in all frames (T, H)."""
    found = Greedy(net, most)
    found.push(hidden)
    return found.emitted
