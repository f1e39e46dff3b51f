"""CTC prefix beam search with language models (Hannun et al. 2014, arXiv 1408.2873).

T frames, D dimensions, N samples, V tokens.
"""

from __future__ import annotations

import heapq
import math
import operator
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xlt import lm
from xlt.core.context import Context
from xlt.core.settings import DecodeConfig
from xlt.decode.decoder import Candidate, Decoded, weights_of
from xlt.nets.paths import BLANK_ID, as_array, best_path

if TYPE_CHECKING:
    from xlt.lm.model import LanguageModel
    from xlt.models.family import Model

BEAM_SIZE = 32  # what decode.beam_size=null means here
LEAST = 1e-3  # a token less likely than this in a frame is not tried there; 1e-4 takes twice as long
SMALLEST = 1e-30  # of a probability: the product of those of eight frames must not become 0
WIDEST = 14.0  # nats below the best prefix, acoustics and language models together, at which one is given up
N_BEST = 16


class Beam:
    """See :class:`~xlt.decode.decoder.Decoder`."""

    settings: tuple[str, ...] = ("lm", "decode.beam_size", "decode.lm_weight", "decode.length_bonus")
    batched = True
    uses_lm = True

    @classmethod
    def files(cls, ctx: Context) -> list[Path]:
        return lm.files(ctx)

    def __init__(self, model: Model, decode: DecodeConfig, lms: Sequence[LanguageModel]):
        self.model = model
        self.size = decode.beam_size or BEAM_SIZE
        weights, bonus = weights_of(decode, len(lms))
        self.search = PrefixSearch(lms, weights, bonus, self.size, silent=set(model.tokenizer.tags))

    def __call__(self, inputs: list[np.ndarray]) -> list[Decoded]:
        probs, lengths = self.model.log_probs(inputs)  # (B, T, V), (B,)
        found = []
        for row, length in zip(as_array(probs), lengths.tolist(), strict=True):
            decoded = self.search(row[:length])
            found.append(decoded._replace(best_path=best_path(row[:length].argmax(axis=-1))))
        return found


class Node:
    """A prefix: a way down a tree of tokens, so that each is scored by the language models once."""

    __slots__ = ("children", "lm", "parent", "states", "token")

    def __init__(self, parent: Node | None, token: int, states: tuple[Any, ...], lm: float):
        self.parent, self.token, self.states, self.lm = parent, token, states, lm
        self.children: dict[int, Node] = {}

    def way(self) -> list[Node]:
        """From the root to this one."""
        found, node = [self], self
        while node.parent is not None:
            node = node.parent
            found.append(node)
        return found[::-1]

    def ids(self) -> tuple[int, ...]:
        """The tokens behind the root's."""
        return tuple(node.token for node in self.way()[1:])


type Prefixes = list[tuple[Node, float, float]]


class PrefixSearch:
    """Finds the tokens y with the largest log p(y | sound) + Σ wᵢ log pᵢ(y) + bonus · |y|.

    ``silent``: tokens that earn no bonus, those of languages.
    """

    def __init__(
        self,
        lms: Sequence[LanguageModel],
        weights: Sequence[float],
        bonus: float,
        size: int,
        n_best: int = N_BEST,
        silent: set[int] = frozenset(),  # type: ignore[assignment]
    ):
        self.lms = [(model, weight) for model, weight in zip(lms, weights, strict=True) if weight]
        self.bonus, self.size, self.n_best, self.silent = bonus, size, n_best, silent

    def __call__(self, log_probs: np.ndarray, before: Sequence[int] = (), ends: bool = True) -> Decoded:
        """(T, V), natural → the best tokens and others.

        ``before``: the tokens before these frames, and ``ends``: whether the text ends with them, for the
        language models.
        """
        found = Open(self, before)
        found.push(log_probs)
        return found.end(ends)

    def root(self, before: Sequence[int] = ()) -> Node:
        """The empty prefix behind the tokens ``before``."""
        return Node(None, BLANK_ID, tuple(_state(model, before) for model, _ in self.lms), 0.0)

    def step(self, beam: Prefixes, row: list[float], tried: list[tuple[int, float]]) -> Prefixes:
        """The prefixes with one frame more: ``row``, probabilities (V,), and those of the tokens that are
        tried.
        """
        blank = row[BLANK_ID]
        if not tried:
            return [(node, (b + e) * blank, e * row[node.token]) for node, b, e in beam]
        ends_blank: dict[Node, float] = {}
        ends_token: dict[Node, float] = {}
        for node, b, e in beam:
            both = b + e
            ends_blank[node] = both * blank
            if e:
                ends_token[node] = ends_token.get(node, 0.0) + e * row[node.token]
            children = node.children
            for token, p in tried:
                more = (b if token == node.token else both) * p
                if not more:
                    continue
                child = children.get(token)
                if child is None:
                    child = children[token] = self.extended(node, token)
                ends_token[child] = ends_token.get(child, 0.0) + more
        log = math.log
        scored = []
        for node, e in ends_token.items():
            total = e + ends_blank.get(node, 0.0)
            if total > 0.0:
                scored.append((log(total) + node.lm, node))
        for node, b in ends_blank.items():
            if node not in ends_token and b > 0.0:
                scored.append((log(b) + node.lm, node))
        best = heapq.nlargest(self.size, scored, key=_score)
        limit = best[0][0] - WIDEST
        return [
            (node, ends_blank.get(node, 0.0), ends_token.get(node, 0.0))
            for score, node in best
            if score >= limit
        ]

    def extended(self, node: Node, token: int) -> Node:
        """A prefix with one token more, scored by the language models."""
        lm, states = node.lm + (0.0 if token in self.silent else self.bonus), []
        for (model, weight), state in zip(self.lms, node.states, strict=True):
            logp, state = model.score(state, token)
            lm += weight * logp
            states.append(state)
        return Node(node, token, tuple(states), lm)


class Open:
    """A search that has not ended: frames come in as many parts as one likes.

    ``fixed``: tokens that no further frame can change, once :meth:`settle` has looked for them.
    """

    def __init__(self, search: PrefixSearch, before: Sequence[int] = ()):
        self.search, self.fixed = search, tuple[int, ...]()
        # probabilities that end in a blank, and in the last token, each over e^scale
        self._beam: Prefixes = [(search.root(before), 1.0, 0.0)]
        self._scale, self._heard = 0.0, 0

    def push(self, log_probs: np.ndarray) -> None:
        """The next (T, V), natural."""
        probs = np.maximum(np.exp(log_probs.astype(np.float64)), SMALLEST)
        last_token = probs.shape[1] - 1  # ESPnet's <sos/eos>, which CTC never learns
        rows, columns = np.nonzero(probs > LEAST)
        starts, tokens = np.searchsorted(rows, np.arange(len(probs) + 1)).tolist(), columns.tolist()
        for t, row in enumerate(probs.tolist()):
            tried = [
                (v, row[v]) for v in tokens[starts[t] : starts[t + 1]] if v not in (BLANK_ID, last_token)
            ]
            self._beam = self.search.step(self._beam, row, tried)
            if not self._heard % 8:
                self._beam, self._scale = _rescaled(self._beam, self._scale)
            self._heard += 1

    def best(self) -> tuple[int, ...]:
        """The best tokens so far, :attr:`fixed` among them; the text does not end here."""
        node, _, _ = max(self._beam, key=lambda one: _log(one[1] + one[2]) + one[0].lm)
        return self.fixed + node.ids()

    def settle(self) -> None:
        """Move what all prefixes begin with to :attr:`fixed`, and let go of all that branched off before: a
        prefix only grows, so that none of it comes back. Changes no result.
        """
        ways = [node.way() for node, _, _ in self._beam]
        shared = 0
        for nodes in zip(*ways, strict=False):
            if any(node is not nodes[0] for node in nodes):
                break
            shared += 1
        root = ways[0][shared - 1]
        self.fixed += root.ids()
        root.parent = None

    def end(self, ends: bool = True) -> Decoded:
        """The best tokens and others. ``ends``: whether the text ends here, for the language models."""
        found = []
        for node, b, e in self._beam:
            if b + e <= 0.0:
                continue
            acoustic = math.log(b + e) + self._scale
            lm = node.lm
            for (model, weight), state in zip(self.search.lms, node.states, strict=True):
                lm += weight * model.end(state) if ends else 0.0
            found.append(Candidate(self.fixed + node.ids(), acoustic, lm, acoustic + lm))
        found.sort(key=lambda one: (-one.score, one.ids))
        best = found[0]
        return Decoded(list(best.ids), best.score, tuple(found[: self.search.n_best]))


def _log(p: float) -> float:
    return math.log(p) if p > 0.0 else -math.inf


def _state(model: LanguageModel, tokens: Sequence[int]) -> Any:
    state = model.start()
    for token in tokens:
        _, state = model.score(state, token)
    return state


_score = operator.itemgetter(0)


def _rescaled(beam: Prefixes, scale: float) -> tuple[Prefixes, float]:
    """The same with the largest probability at 1, so that none becomes too small for a float."""
    top = max(b + e for _, b, e in beam)
    return [(node, b / top, e / top) for node, b, e in beam], scale + math.log(top)
