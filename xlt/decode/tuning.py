"""Weights of the language models and the length bonus, chosen on dev.

The grid is small: it grows on the side at which the best point lies, until that point has neighbours all
around. Errors are counted by Levenshtein's distance; stage 8's alignment may count one or two otherwise.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from xlt.core.registry import DECODERS
from xlt.core.settings import DecodeConfig
from xlt.decode.decoder import Decoded, weights_of
from xlt.decode.greedy import Greedy
from xlt.decode.lexicon import LEXICON
from xlt.decode.remember import remembering
from xlt.metrics.metric import PHONES, TEXT, tokens

if TYPE_CHECKING:
    from xlt.decode.recognise import Recogniser

WEIGHTS = [0.5, 1.0, 1.5, 2.0]  # of the first language model
SECOND = [0.0, 0.2, 0.4]  # of each further one
BONUSES = [0.0, 1.0, 2.0, 3.0]
LARGEST_WEIGHT, LARGEST_BONUS, SMALLEST_BONUS = 4.0, 8.0, -2.0  # where growing ends


class Point(NamedTuple):
    """Weights of the language models, and the length bonus."""

    weights: tuple[float, ...]
    bonus: float


@dataclass(frozen=True)
class Rates:
    """Error rates in percent, by unit (char and word, or phone), and whether the second counts."""

    values: dict[str, float]

    def relative_to(self, other: Rates) -> float:
        """The mean of the rates, each over that of ``other``."""
        ratios = [self.values[unit] / max(other.values[unit], 0.1) for unit in self.values]
        return sum(ratios) / len(ratios)

    def as_bad_as(self, other: Rates) -> bool:
        """Whether one of the rates is above that of ``other``."""
        return any(self.values[unit] > other.values[unit] for unit in self.values)


@dataclass(frozen=True)
class Texts:
    """How hypotheses are measured: ``{unit: how a text is cut}``, against ``refs``."""

    refs: list[str]
    units: dict[str, Callable[[str], list[str]]]

    def rates(self, hyps: Sequence[str]) -> Rates:
        import editdistance

        found = {}
        for unit, cut in self.units.items():
            errors = sum(
                editdistance.eval(cut(ref), cut(" ".join(hyp.split())))
                for ref, hyp in zip(self.refs, hyps, strict=True)
            )
            found[unit] = 100 * errors / max(1, sum(len(cut(ref)) for ref in self.refs))
        return Rates(found)


Search = Callable[[Point], list["Decoded"]]


def tune(
    recogniser: Recogniser, decode: DecodeConfig, inputs: list[list[Any]], refs: list[str], phones: bool
) -> dict[str, Any]:
    """Try the grid on batches of speech; what was tried, greedy's rates, and the best point that is nowhere
    worse than greedy, None if there is none.

    ``refs``: the texts in the order of the utterances; ``phones``: whether they are phones. What ``decode``
    fixes is not varied.
    """
    model, tokenizer, lms = remembering(recogniser.model), recogniser.tokenizer, recogniser.lms
    kind = DECODERS.get(decode.method)

    def search(point: Point) -> list[Decoded]:
        settings = dataclasses.replace(decode, lm_weight=list(point.weights), length_bonus=point.bonus)
        decoder = kind(model, settings, lms)
        return [found for batch in inputs for found in decoder(batch)]

    def write(found: Decoded) -> str:
        return found.text(tokenizer)

    given = weights_of(decode, len(lms))[0] if decode.lm_weight is not None else None
    weights = [[w] for w in given] if given else [WEIGHTS, *([SECOND] * (len(lms) - 1))]
    bonuses = BONUSES if decode.length_bonus is None else [decode.length_bonus]
    words = decode.method == LEXICON
    texts = Texts(refs, {token.name: token.cut for token in tokens(PHONES if phones else TEXT).values()})
    if words:  # phones of the best path do not compare
        reference = Rates(dict.fromkeys(texts.units, 100.0))
    else:
        greedy = Greedy(model, decode, ())
        reference = texts.rates([write(found) for batch in inputs for found in greedy(batch)])
    grid = _Grid(search, write, texts, reference)
    best = grid.best(weights, bonuses)
    least_bad = min(grid.tried, key=grid.loss)
    return {
        "greedy": None if words else _rounded(reference.values),
        "tried": [grid.row(point) for point in grid.tried],
        "widened": grid.widened,
        "best": None if best is None else grid.row(best),
        "least_bad": grid.row(least_bad),
        "confidence": _confidence(search(best or least_bad), refs, tokenizer.decode),
    }


def _confidence(
    found: list[Decoded], refs: list[str], write: Callable[[list[int]], str]
) -> dict[str, float] | None:
    """How the words' confidences are calibrated; None for a search without n-best lists."""
    from xlt.decode.confidence import fit, right_words, votes

    if not any(one.nbest for one in found):
        return None
    evidence, right = {}, {}
    for number, (one, ref) in enumerate(zip(found, refs, strict=True)):
        texts = [write(list(other.ids)) for other in one.nbest]
        evidence[str(number)] = votes(texts, [other.score for other in one.nbest])
        right[str(number)] = right_words(ref, texts[0])
    return fit(evidence, right).to_json()


def _rounded(rates: dict[str, float]) -> dict[str, float]:
    return {unit: round(rate, 3) for unit, rate in rates.items()}


class _Grid:
    def __init__(self, search: Search, write: Callable[[Decoded], str], texts: Texts, greedy: Rates):
        self.search, self.write, self.texts, self.greedy = search, write, texts, greedy
        self.tried: dict[Point, Rates] = {}
        self.widened: list[str] = []

    def rates(self, point: Point) -> Rates:
        if point not in self.tried:
            self.tried[point] = self.texts.rates([self.write(found) for found in self.search(point)])
        return self.tried[point]

    def row(self, point: Point) -> dict[str, Any]:
        return {
            "lm_weight": list(point.weights),
            "length_bonus": point.bonus,
            **_rounded(self.tried[point].values),
        }

    def loss(self, point: Point) -> float:
        return self.rates(point).relative_to(self.greedy)

    def best(self, weights: list[list[float]], bonuses: list[float]) -> Point | None:
        """The best point, None if greedy is better than all. Several models are tuned one after another."""
        first, others = weights[0], weights[1:]
        best = self._square(first, bonuses, lambda w, b: Point((w, *(0.0 for _ in others)), b))
        for place, values in enumerate(others, 1):
            around = [best.bonus - 0.5, best.bonus, best.bonus + 0.5] if len(bonuses) > 1 else bonuses
            fixed = best.weights

            def point(w: float, b: float, place: int = place, fixed: tuple[float, ...] = fixed) -> Point:
                return Point((*fixed[:place], w, *fixed[place + 1 :]), b)

            best = self._square(values, around, point)
        steps = [(w, b) for w in (-0.25, 0, 0.25) for b in (-0.5, 0, 0.5)]
        if len(first) > 1:  # between the points of the grid
            for w, b in steps if len(bonuses) > 1 else steps[1::3]:
                near = round(best.weights[0] + w, 3)
                self.rates(Point((max(0.0, near), *best.weights[1:]), best.bonus + b))
        good = [point for point in self.tried if not self.rates(point).as_bad_as(self.greedy)]
        return min(good, key=self.loss, default=None)

    def _square(
        self, weights: list[float], bonuses: list[float], point: Callable[[float, float], Point]
    ) -> Point:
        """The best point of a grid of two axes, which grow where it lies at an edge."""
        weights, bonuses = list(weights), list(bonuses)
        while True:
            best = min(
                (point(w, b) for w, b in itertools.product(weights, bonuses)), key=lambda p: self.loss(p)
            )
            at = next(w for w in weights if point(w, best.bonus) == best)
            grown = []
            if len(weights) == 1:
                pass  # fixed by the settings
            elif at == weights[-1] and at < LARGEST_WEIGHT:
                weights.append(round(2 * weights[-1] - weights[-2], 3))
                grown.append(f"weight {weights[-1]}")
            elif at == weights[0] and at > 0:
                weights.insert(0, round(max(0.0, 2 * weights[0] - weights[1]), 3))
                grown.append(f"weight {weights[0]}")
            if len(bonuses) == 1:
                pass
            elif best.bonus == bonuses[-1] and best.bonus < LARGEST_BONUS:
                bonuses.append(bonuses[-1] + 1)
                grown.append(f"bonus {bonuses[-1]}")
            elif best.bonus == bonuses[0] and best.bonus > SMALLEST_BONUS:
                bonuses.insert(0, bonuses[0] - 1)
                grown.append(f"bonus {bonuses[0]}")
            if not grown:
                return best
            self.widened += grown
