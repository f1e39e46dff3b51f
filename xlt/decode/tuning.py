"""Weights of the language models and the length bonus, chosen on dev.

The search goes from neighbour to neighbour over a grid that has no edge but where weights make no sense any
more, and tries some twenty points. Errors are counted by Levenshtein's distance; stage 8's alignment may
count one or two otherwise.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from xlt.core.registry import DECODERS
from xlt.core.settings import DecodeConfig
from xlt.decode.decoder import Decoded, Decoder, weights_of
from xlt.decode.greedy import Greedy
from xlt.decode.lexicon import BONUS as WORD_BONUS
from xlt.decode.lexicon import LEXICON, WEIGHT
from xlt.decode.remember import remembering
from xlt.decode.transducer import BONUS as BESIDE_BONUS
from xlt.decode.transducer import TRANSDUCER
from xlt.decode.transducer import WEIGHT as BESIDE_WEIGHT
from xlt.metrics.metric import PHONES, TEXT, tokens

if TYPE_CHECKING:
    from xlt.decode.recognise import Recogniser
    from xlt.models.family import Model
    from xlt.tokens.tokenizer import Tokenizer

ALIKE = 1.03  # times the least loss: such points are alike, and the one nearest to the start is taken
BEAM_SIZE = 16  # at most: half of the usual one ranks the points alike


class Point(NamedTuple):
    """Weights of the language models, and the length bonus."""

    weights: tuple[float, ...]
    bonus: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Point:
        return cls(tuple(values[:-1]), values[-1])


class Axis(NamedTuple):
    """One of the values that are tuned: where the search starts, its step, and where it ends; ``low`` and
    ``high``: between them good values are usually found. A step of 0: it is fixed.
    """

    name: str
    start: float
    step: float
    least: float
    low: float
    high: float
    most: float

    def moved(self, value: float, steps: float) -> float:
        return round(min(self.most, max(self.least, value + steps * self.step)), 3)

    def usual(self, value: float) -> bool:
        return not self.step or self.low <= value <= self.high


# the starts are the best fixed values on dev of eight languages; ALIKE was chosen there by cross-validation
FIRST = Axis("weight", 1.5, 0.5, 0.0, 0.5, 2.5, 4.0)
SECOND = Axis("weight of lm.model", 0.2, 0.2, 0.0, 0.0, 0.6, 2.0)
BONUS = Axis("bonus", 3.0, 1.0, -2.0, 0.0, 5.0, 8.0)
OF_WORDS = {  # of a lexicon's search: the start is what is used where nothing is tuned
    FIRST: Axis("weight", WEIGHT, 0.25, 0.0, 0.25, 1.0, 3.0),
    SECOND: SECOND,
    BONUS: Axis("bonus", WORD_BONUS, 1.0, -12.0, -6.0, 0.0, 8.0),
}


OF_TRANSDUCER = {
    FIRST: Axis("weight", BESIDE_WEIGHT, 0.2, 0.0, 0.0, 0.9, 2.0),
    SECOND: SECOND,
    BONUS: Axis("bonus", BESIDE_BONUS, 0.5, -2.0, 0.0, 2.0, 5.0),
}


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

    def errors(self, lists: Sequence[Sequence[str]], reference: Rates) -> list[np.ndarray]:
        """What each candidate of each utterance adds to :meth:`Rates.relative_to` ``reference``."""
        import editdistance

        found = [np.zeros(len(texts)) for texts in lists]
        for unit, cut in self.units.items():
            rows = [cut(ref) for ref in self.refs]
            whole = max(1, sum(map(len, rows))) * max(reference.values[unit], 0.1) / 100 * len(self.units)
            for each, row, texts in zip(found, rows, lists, strict=True):
                each += [editdistance.eval(row, cut(text)) / whole for text in texts]
        return found


def units_of(phones: bool) -> dict[str, Callable[[str], list[str]]]:
    """How texts are cut to count errors."""
    return {token.name: token.cut for token in tokens(PHONES if phones else TEXT).values()}


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

    words = decode.method == LEXICON
    whole = words or decode.method == TRANSDUCER  # whose usual beams are narrow
    size = decode.beam_size if whole else min(decode.beam_size or BEAM_SIZE, BEAM_SIZE)

    def decoder(point: Point, size: int | None) -> Decoder:
        weights = list(point.weights)
        settings = dataclasses.replace(decode, lm_weight=weights, length_bonus=point.bonus, beam_size=size)
        return kind(model, settings, lms)

    def search(point: Point) -> list[Decoded]:
        by = decoder(point, size)
        return [found for batch in inputs for found in by(batch)]

    def write(found: Decoded) -> str:
        return found.text(tokenizer)

    axes = _axes(decode, len(lms))
    texts = Texts(refs, units_of(phones))
    if words:  # phones of the best path do not compare
        reference = Rates(dict.fromkeys(texts.units, 100.0))
    elif decode.method == TRANSDUCER:
        alone = Point((0.0,) * len(lms), 0.0)
        reference = texts.rates([write(found) for found in search(alone)])
    else:
        greedy = Greedy(model, decode, ())
        reference = texts.rates([write(found) for batch in inputs for found in greedy(batch)])
    grid = _Grid(search, write, texts, reference)
    best = grid.best(axes)
    least_bad = min(grid.tried, key=grid.loss)
    return {
        "greedy": None if words else rounded(reference.values),
        "tried": [grid.row(point) for point in grid.tried],
        "widened": grid.beyond(axes, best or least_bad),
        "best": None if best is None else grid.row(best),
        "least_bad": grid.row(least_bad),
        "confidence": _searched(
            decoder(best or least_bad, decode.beam_size), model, inputs, refs, recogniser.frame_rate
        ),
    }


def _axes(decode: DecodeConfig, models: int) -> list[Axis]:
    """Those that ``decode`` fixes have no steps."""
    own = {LEXICON: OF_WORDS, TRANSDUCER: OF_TRANSDUCER}
    kinds = own.get(decode.method, {axis: axis for axis in (FIRST, SECOND, BONUS)})
    found = [kinds[axis] for axis in (FIRST, *([SECOND] * (models - 1)))][:models]
    if decode.lm_weight is not None:
        given = weights_of(decode, models)[0]
        found = [axis._replace(start=value, step=0.0) for axis, value in zip(found, given, strict=True)]
    bonus, axis = decode.length_bonus, kinds[BONUS]
    return [*found, axis if bonus is None else axis._replace(start=bonus, step=0.0)]


def confidence(
    found: Sequence[Decoded], refs: Sequence[str], tokenizer: Tokenizer
) -> dict[str, float] | None:
    """How the words' confidences are calibrated by whole n-best lists; None if there are none."""
    from xlt.decode.confidence import fit, right_words
    from xlt.decode.evidence import listed

    ballots = [ballot for one in found for ballot in listed(one, tokenizer)]
    right = [
        good for one, ref in zip(found, refs, strict=True) for good in right_words(ref, one.text(tokenizer))
    ]
    return fit(ballots, right).to_json() if ballots else None


def _searched(
    decoder: Decoder, model: Model, inputs: list[list[Any]], refs: list[str], frame_rate: float
) -> dict[str, float] | None:
    """How the words' confidences are calibrated; None for a search without n-best lists."""
    from xlt.decode.confidence import fit, right_words
    from xlt.decode.evidence import evidence

    ballots, right, left = [], [], iter(refs)
    for batch in inputs:
        probs, lengths = model.log_probs(batch)  # (B, T, V), (B,)
        for found, row, length in zip(decoder(batch), probs, lengths.tolist(), strict=True):
            ballots += evidence(found, row[:length], model.tokenizer, decoder, frame_rate)
            right += right_words(next(left), found.text(model.tokenizer))
    return fit(ballots, right).to_json() if ballots else None


def rounded(rates: dict[str, float]) -> dict[str, float]:
    """As files have them."""
    return {unit: round(rate, 3) for unit, rate in rates.items()}


class _Grid:
    """Points that have been tried, and the way between them."""

    def __init__(self, search: Search, write: Callable[[Decoded], str], texts: Texts, greedy: Rates):
        self.search, self.write, self.texts, self.greedy = search, write, texts, greedy
        self.tried: dict[Point, Rates] = {}

    def rates(self, point: Point) -> Rates:
        if point not in self.tried:
            self.tried[point] = self.texts.rates([self.write(found) for found in self.search(point)])
        return self.tried[point]

    def row(self, point: Point) -> dict[str, Any]:
        return {
            "lm_weight": list(point.weights),
            "length_bonus": point.bonus,
            **rounded(self.tried[point].values),
        }

    def loss(self, point: Point) -> float:
        return self.rates(point).relative_to(self.greedy)

    def best(self, axes: Sequence[Axis]) -> Point | None:
        """The best point, None if greedy is better than all: from the start to the best neighbour, until none
        is better; then in half steps. Of points that are alike on so little speech, the least extreme.
        """
        at = Point.of([axis.start for axis in axes])
        for share in (1.0, 0.5):
            while True:
                before = at
                for places in (1, 2):  # along one axis; then, if that brings nothing, along two
                    around = list(_around(at, axes, share, places))
                    at = min([at, *around], key=self.loss)
                    if at != before:
                        break
                if at == before:
                    break
        good = [point for point in self.tried if not self.rates(point).as_bad_as(self.greedy)]
        limit = min(map(self.loss, good), default=0.0) * ALIKE
        return min(
            (point for point in good if self.loss(point) <= limit),
            key=lambda point: (_steps(point, axes), self.loss(point)),
            default=None,
        )

    def beyond(self, axes: Sequence[Axis], point: Point) -> list[str]:
        """The values of ``point`` that are outside the usual range."""
        values = zip(axes, (*point.weights, point.bonus), strict=True)
        return [f"{axis.name} {value:g}" for axis, value in values if not axis.usual(value)]


def _steps(point: Point, axes: Sequence[Axis]) -> float:
    """How far a point is from where the search starts."""
    values = zip(axes, (*point.weights, point.bonus), strict=True)
    return sum(abs(value - axis.start) / axis.step for axis, value in values if axis.step)


def _around(point: Point, axes: Sequence[Axis], share: float, places: int) -> Iterator[Point]:
    """The neighbours of ``point`` that differ from it on ``places`` axes, by ``share`` of a step."""
    values = (*point.weights, point.bonus)
    for chosen in itertools.combinations(range(len(axes)), places):
        for signs in itertools.product((-1, 1), repeat=places):
            moved = list(values)
            for place, sign in zip(chosen, signs, strict=True):
                moved[place] = axes[place].moved(values[place], sign * share)
            if all(moved[place] != values[place] for place in chosen):
                yield Point.of(moved)
