"""Interpolated n-gram models, p = Σ wᵢ pᵢ, with weights learned by EM (Jelinek and Mercer 1980).

K parts, N symbols.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from xlt.lm.ngram import NGram

UNK = "<unk>"
_MEMO = 50_000  # answers that are kept, about 12 MB
FLOOR = 1e-12  # of a probability, where no part knows a symbol


@dataclass(frozen=True)
class Part:
    """One of the models. ``restart``: it knows single words; each begins anew and ends with a space or with
    the sentence.
    """

    name: str
    model: NGram
    restart: bool = False


class Mixture:
    """Parts over the same kind of symbol, e.g. characters, seen as one model; states are numbers.

    ``symbols``: all that may be asked for; what is not among them is ``<unk>``, 0. ``space``: that which ends
    a word, None if there is none; ``end_share``: the share of words that end a sentence, for parts that know
    only words.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        weights: Sequence[float],
        symbols: Sequence[str],
        space: str | None = " ",
        end_share: float = 0.2,
    ):
        self.parts, self.weights, self.end_share = list(parts), list(weights), end_share
        self.symbols = [UNK, *(symbol for symbol in symbols if symbol != UNK)]
        self.ids = {symbol: number for number, symbol in enumerate(self.symbols)}
        self._space = self.ids.get(space, -1) if space is not None else -1
        self._own = [[part.model.id(symbol) for symbol in self.symbols] for part in self.parts]
        self._share = [self._shares(part, own) for part, own in zip(self.parts, self._own, strict=True)]
        self._sizes = [part.model.states for part in self.parts]
        self._steps: dict[int, tuple[float, int]] = {}
        self._ends: dict[int, float] = {}
        self._first = self._number([part.model.start() for part in self.parts])

    def _shares(self, part: Part, own: list[int]) -> list[float]:
        """Of each symbol its share of what the part gives it: those unknown to it share its ``<unk>``."""
        unk = part.model.id(UNK)
        count = own.count(unk) - (part.restart and self._space >= 0)  # such a part ends at a space
        return [1 / count if one == unk else 1.0 for one in own]

    def _number(self, states: Sequence[int]) -> int:
        """The states of the parts as one number, of which nothing need be remembered."""
        number = 0
        for state, size in zip(states, self._sizes, strict=True):
            number = number * size + state
        return number

    def _states(self, number: int) -> list[int]:
        found = []
        for size in reversed(self._sizes):
            number, state = divmod(number, size)
            found.append(state)
        return found[::-1]

    def start(self) -> int:
        """The state at the start of a sentence."""
        return self._first

    def step(self, state: int, symbol: int) -> tuple[float, int]:
        """log p(symbol | state), natural, and the state behind it; ``symbol``: a place in ``symbols``."""
        key = state * len(self.symbols) + symbol
        found = self._steps.get(key)
        if found is None:
            parts = [self._part(i, own, symbol) for i, own in enumerate(self._states(state))]
            total = sum(w * p for w, (p, _) in zip(self.weights, parts, strict=True))
            if len(self._steps) >= _MEMO:
                self._steps.clear()
            found = (math.log(total + FLOOR), self._number([after for _, after in parts]))
            self._steps[key] = found
        return found

    def _part(self, i: int, state: int, symbol: int) -> tuple[float, int]:
        part = self.parts[i]
        if part.restart and symbol == self._space:
            p = math.exp(part.model.look_up(state, _END)[0])
            return p * (1 - self.end_share), part.model.start()
        logp, after = part.model.look_up(state, self._own[i][symbol])
        return math.exp(logp) * self._share[i][symbol], after

    def end(self, state: int) -> float:
        """log p(the sentence ends here), natural."""
        found = self._ends.get(state)
        if found is None:
            total = 0.0
            for part, weight, own in zip(self.parts, self.weights, self._states(state), strict=True):
                p = math.exp(part.model.look_up(own, _END)[0])
                total += weight * p * (self.end_share if part.restart else 1)
            if len(self._ends) >= _MEMO:
                self._ends.clear()
            found = self._ends[state] = math.log(total + FLOOR)
        return found

    def logp(self, sentence: Iterable[str]) -> float:
        """log p of a whole sentence, its end included; a symbol that is not known counts as ``<unk>``."""
        total, state = 0.0, self._first
        for symbol in sentence:
            logp, state = self.step(state, self.ids.get(symbol, 0))
            total += logp
        return total + self.end(state)

    def probabilities(self, sentences: Iterable[Sequence[str]]) -> np.ndarray:
        """p of each symbol and each end by each part alone → (K, N)."""
        rows: list[list[float]] = [[] for _ in self.parts]
        for sentence in sentences:
            for i, part in enumerate(self.parts):
                state = part.model.start()
                for symbol in sentence:
                    p, state = self._part(i, state, self.ids.get(symbol, 0))
                    rows[i].append(p)
                share = self.end_share if part.restart else 1
                rows[i].append(math.exp(part.model.step(state, _END)[0]) * share)
        return np.array(rows)


_END = 1  # `</s>` of every NGram


def learn_weights(probabilities: np.ndarray, rounds: int = 100) -> list[float]:
    """(K, N), p of N symbols by K models → the weights under which all are likeliest.

    >>> [round(w, 2) for w in learn_weights(np.array([[0.9, 0.1, 0.9], [0.1, 0.9, 0.1]]))]
    [0.71, 0.29]
    """
    weights = np.full(len(probabilities), 1 / len(probabilities))
    for _ in range(rounds):
        shares = weights[:, None] * probabilities  # (K, N)
        total = shares.sum(axis=0) + 1e-300
        weights = (shares / total).mean(axis=1)
        weights /= weights.sum()
    return [float(weight) for weight in weights]
