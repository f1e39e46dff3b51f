"""Beam search of a transducer, with language models beside it (Graves 2012, arXiv:1211.3711, section 2.5).

Frame by frame: all texts so far stay as they are by a blank, or grow by one token and another one, up to a
bound. A text's probability is the sum over the frames in which its tokens may have come, as far as the beam
keeps them.

T frames, H size of the encoder's output, n texts, V tokens.
"""

from __future__ import annotations

import heapq
import itertools
import math
import operator
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from xlt import lm
from xlt.core.context import Context
from xlt.core.errors import ConfigError
from xlt.core.settings import DecodeConfig
from xlt.decode.beam import LEAST, WIDEST, Node, Open, PrefixSearch
from xlt.decode.decoder import Decoded, weights_of
from xlt.nets.paths import BLANK_ID

if TYPE_CHECKING:
    import torch

    from xlt.lm.model import LanguageModel
    from xlt.models.family import Model, Transducing
    from xlt.nets.transducer import State, Transducer

TRANSDUCER = "transducer"  # of decode.method
BEAM_SIZE = 8  # what decode.beam_size=null means here
WEIGHT, BONUS = 0.3, 0.5  # of a language model, where nothing is tuned: a transducer has learned texts itself
_MOST_KNOWN = 4000  # frames of tokens that are kept, before those that are out of the beam go


class ByTransducer:
    """See :class:`~xlt.decode.decoder.Decoder`. With ``decode.beam_size=1`` it is greedy, without language
    models.
    """

    settings: tuple[str, ...] = ("lm", "decode.beam_size", "decode.lm_weight", "decode.length_bonus")
    batched = True
    uses_lm = True

    @classmethod
    def files(cls, ctx: Context) -> list[Path]:
        return lm.files(ctx)

    def __init__(self, model: Model, decode: DecodeConfig, lms: Sequence[LanguageModel]):
        net: Transducer | None = getattr(model, TRANSDUCER, None)
        if net is None:
            raise ConfigError(
                f"decode.method={decode.method}: this model has no transducer; use decode.method=beam, or"
                " train with preset=emformer"
            )
        self.model = cast("Transducing", model)
        self.size = decode.beam_size or BEAM_SIZE
        weights, bonus = weights_of(decode, len(lms))
        prefixes = PrefixSearch(lms, weights, bonus, self.size, silent=set(model.tokenizer.tags))
        self.search = TransducerSearch(net, prefixes)

    def open(self) -> OpenTransducer | OpenGreedy:
        """A search for a stream of what the encoder gives."""
        return OpenGreedy(self.search.net) if self.size == 1 else OpenTransducer(self.search)

    def __call__(self, inputs: list[np.ndarray]) -> list[Decoded]:
        found = []
        for hidden in self.model.hidden(inputs):
            search = self.open()
            search.push(hidden)
            found.append(search.end())
        return found


class TransducerSearch:
    """``prefixes``: language models, their weights and the beam's size; ``most``: tokens of one frame; tokens
    less likely than ``least`` are not tried; texts ``widest`` nats below the best one are given up.
    """

    def __init__(
        self,
        net: Transducer,
        prefixes: PrefixSearch,
        most: int | None = None,
        least: float = LEAST,
        widest: float = WIDEST,
    ):
        from xlt.nets.transducer import MOST

        self.net, self.prefixes = net, prefixes
        self.most = MOST if most is None else most
        self.least = math.log(least) if least else -math.inf
        self.widest = widest

    def __call__(self, hidden: torch.Tensor) -> Decoded:
        """(T, H) → the best tokens and others."""
        found = OpenTransducer(self)
        found.push(hidden)
        return found.end()


class OpenTransducer(Open):
    """A search that has not ended; what comes is the encoder's output."""

    def __init__(self, search: TransducerSearch):
        import torch

        super().__init__(search.prefixes)
        self.by, self.fixed_frames = search, tuple[int, ...]()
        root = self._beam[0][0]
        with torch.inference_mode():
            self._states: dict[Node, State] = {root: search.net.first()}
        self._came: dict[Node, tuple[float, int]] = {}  # how likely its token was to come, and in which frame

    def push(self, hidden: torch.Tensor) -> None:  # type: ignore[override]
        """The next (T, H)."""
        import torch

        if not len(hidden):
            return
        beam = {node: math.log(mass) + self._scale for node, mass, _ in self._beam if mass > 0.0}
        with torch.inference_mode():
            for frame in self.by.net.project(hidden):
                beam = self._step(beam, frame)
                self._heard += 1
        self._scale = max(beam.values())
        self._beam = [(node, math.exp(mass - self._scale), 0.0) for node, mass in beam.items()]

    def _step(self, beam: dict[Node, float], frame: torch.Tensor) -> dict[Node, float]:
        """The texts (log probabilities) with one frame more."""
        found: dict[Node, float] = {}
        tried = beam
        for count in range(self.by.most + 1):
            rows = self._rows(list(tried), frame)
            for (node, mass), row in zip(tried.items(), rows, strict=True):
                found[node] = float(np.logaddexp(found.get(node, -math.inf), mass + row[BLANK_ID]))
            if count == self.by.most:
                break
            tried = self._longer(tried, rows, found)
            if not tried:
                break
        best = heapq.nlargest(self.search.size, ((m + node.lm, node, m) for node, m in found.items()), _score)
        kept = {node: mass for total, node, mass in best if total >= best[0][0] - self.by.widest}
        self._states = {node: self._states[node] for node in kept}
        return kept

    def _rows(self, nodes: list[Node], frame: torch.Tensor) -> np.ndarray:
        """Log probabilities (n, V) of the next token."""
        import torch

        outputs = torch.stack([self._states[node].output for node in nodes])  # (n, J)
        return self.by.net.join(frame[None], outputs).double().cpu().numpy()

    def _longer(
        self, tried: dict[Node, float], rows: np.ndarray, found: dict[Node, float]
    ) -> dict[Node, float]:
        """Texts with one token more that may be among the best of this frame."""
        totals = heapq.nlargest(self.search.size, (mass + node.lm for node, mass in found.items()))
        floor = totals[0] - self.by.widest
        if len(totals) == self.search.size:
            floor = max(floor, totals[-1])
        bonus, last = max(0.0, self.search.bonus), rows.shape[1] - 1  # the last one is never said
        scored = []
        for (node, mass), row in zip(tried.items(), rows, strict=True):
            least = max(self.by.least, floor - mass - node.lm - bonus)
            for token in np.flatnonzero(row > least).tolist():
                if token in (BLANK_ID, last):
                    continue
                child = node.children.get(token)
                if child is None:
                    child = node.children[token] = self.search.extended(node, token)
                more = mass + float(row[token])
                if more + child.lm > floor:
                    scored.append((more + child.lm, node, child, more))
        best = heapq.nlargest(self.search.size, scored, _score)
        new = [(node, child) for _, node, child, _ in best if child not in self._states]
        states = (
            self.by.net.follow([self._states[n] for n, _ in new], [c.token for _, c in new]) if new else []
        )
        self._states.update(zip((child for _, child in new), states, strict=True))
        for _, _, child, mass in best:
            if child not in self._came or mass > self._came[child][0]:
                self._came[child] = mass, self._heard
        return {child: mass for _, _, child, mass in best}

    def settle(self) -> None:
        """As :meth:`Open.settle`."""
        way, before = self._beam[0][0].way(), len(self.fixed)
        super().settle()
        moved = len(self.fixed) - before
        self.fixed_frames += tuple(self._came[node][1] for node in way[1 : moved + 1])
        if len(self._came) > _MOST_KNOWN:
            there = {node for one, _, _ in self._beam for node in one.way()}
            self._came = {node: came for node, came in self._came.items() if node in there}

    def end(self, ends: bool = True) -> Decoded:
        """As :meth:`Open.end`, with the frame in which each token most likely came."""
        found = super().end(ends)
        rest = tuple(found.ids[len(self.fixed) :])
        way = next(node.way() for node, _, _ in self._beam if node.ids() == rest)
        frames = [*self.fixed_frames, *(self._came[node][1] for node in way[1:])]
        return found._replace(frames=tuple(itertools.accumulate(frames, max)))


class OpenGreedy:
    """As :class:`OpenTransducer`, greedy: what was written stays."""

    def __init__(self, net: Transducer):
        from xlt.nets.transducer import Greedy

        self._greedy = Greedy(net)
        self.fixed = tuple[int, ...]()

    def push(self, hidden: torch.Tensor) -> None:
        """The next (T, H)."""
        self._greedy.push(hidden)
        self.fixed = tuple(self._greedy.emitted.ids)

    def best(self) -> tuple[int, ...]:
        return self.fixed

    def settle(self) -> None:
        """All is."""

    def end(self) -> Decoded:
        ids, frames, score = self._greedy.emitted
        return Decoded(list(ids), score, frames=tuple(frames))


_score = operator.itemgetter(0)
