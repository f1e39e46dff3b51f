"""When each unit of a transcript is said: the best way through it, what is told of its quality, and what is
said elsewhere than its place in the text.

What a text costs that is not said is measured on decoys, the units' own labels backwards, at places all over
the recording. From that comes all else: what a label brings, and the confidence of a unit, 1 where the model
would have written the same, 0 where it fits no better than a wrong text.

T frames, V tokens.
"""

from __future__ import annotations

import bisect
import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from xlt.align.listen import Track
from xlt.align.search import Costs, Text, best_way, spot
from xlt.align.texts import Unit

DECOYS, LENGTHS = 24, (30, 60)  # of them, and labels of each
WINDOWS, WINDOW = 8, 1500  # places at which they are tried, and frames of each
REWARD = 0.8  # of what a decoy in ten costs less than
JUMP = 2.0  # rewards
GAP_S = 1.0  # of speech without text, in which a text without a place is looked for
ROUNDS = 4  # of such searches
MOVED = 40  # labels that follow each other, of what is said elsewhere
WALL = -1e4  # between two gaps, so that no text goes on in the next


@dataclass(frozen=True)
class Scale:
    """Nats a label: ``wrong``: what wrong texts cost; ``reward``: what is hardly a right one's cost."""

    wrong: float
    reward: float

    @property
    def costs(self) -> Costs:
        return Costs(self.reward, JUMP * self.reward)

    def confidence(self, cost: float) -> float:
        """Of a text that costs so much a label, from 0 to 1."""
        return float(min(1.0, max(0.0, 1 - cost / self.wrong)))


@dataclass(frozen=True)
class Said:
    """A unit in its place. ``words``: start and end in seconds of each of its tokens; ``moved``: not where
    the text has it."""

    unit: Unit
    number: int
    words: tuple[tuple[float, float], ...]
    confidence: float
    frames: tuple[int, int]
    moved: bool = False

    @property
    def start_s(self) -> float:
        return self.words[0][0]

    @property
    def end_s(self) -> float:
        return self.words[-1][1]


@dataclass(frozen=True)
class Found:
    """``said``: in order of time; ``lost``: numbers of the units that have no place."""

    said: list[Said]
    lost: list[int]
    scale: Scale


def scale(values: np.ndarray, units: Sequence[Unit]) -> Scale:
    """Of what (T, V) is heard; the units have labels."""
    rng = np.random.default_rng(0)
    least, most = LENGTHS
    everything = [unit.labels for unit in units]
    decoys = []
    for first in rng.integers(len(units), size=DECOYS).tolist():
        own: list[int] = []
        for labels in [*everything[first:], *everything[:first]]:
            own += labels
            if len(own) >= least:
                break
        decoys.append(own[:most][::-1])
    count = min(WINDOWS, -(-len(values) // WINDOW))
    places = np.linspace(0, max(0, len(values) - WINDOW), count).astype(int).tolist()
    costs = [one.cost for place in places for one in spot(values[place : place + WINDOW], decoys)]
    known = [cost for cost in costs if np.isfinite(cost)]
    if not known:  # less speech than a sentence
        return Scale(8.0, 6.0)
    return Scale(float(np.mean(known)), REWARD * float(np.percentile(known, 10)))


def find(track: Track, units: Sequence[Unit], known: Scale | None = None) -> Found:
    """Where the units are said. Those that have no place in the order of the text are looked for in the
    speech that is without text then, again in their order, and so on.
    """
    by = known or scale(track.values, units)
    said: list[Said] = []
    lost = list(range(len(units)))
    values: np.ndarray | _Gaps = track.values
    places = np.arange(len(track.values))
    first: list[Said] = []
    for number in range(ROUNDS):
        found = _in_order(track, values, places, units, lost, by)
        first = first if number else found
        found = list(_trusted([_noted(one, first) for one in found]))
        said = sorted([*said, *found], key=lambda one: one.frames)
        there = {one.number for one in found}
        lost = [number for number in lost if number not in there]
        places = _gaps(track, said)
        if not found or not lost or not len(places):
            break
        values = _Gaps(track.values, places)
    return Found(said, lost, by)


def _in_order(
    track: Track,
    values: np.ndarray | _Gaps,
    places: np.ndarray,
    units: Sequence[Unit],
    wanted: Sequence[int],
    by: Scale,
) -> list[Said]:
    """The units ``wanted`` in ``values``, whose frames are those at ``places`` of the recording."""
    text = Text([units[number].labels for number in wanted])
    way = best_way(values, text, by.costs)
    found = []
    for nth, number in enumerate(wanted):
        own = slice(int(text.firsts[nth]), int(text.firsts[nth + 1]))
        if way.starts[own.start] >= 0:
            starts, ends = places[way.starts[own]], places[way.ends[own] - 1] + 1
            found.append(_said(track, units[number], number, starts, ends, way.costs[own], by))
    return found


def _trusted(found: Sequence[Said]) -> Iterator[Said]:
    """Without texts of a few words that are out of order: such are found everywhere."""
    runs: list[list[Said]] = []
    for one in found:
        if runs and one.moved and runs[-1][-1].moved and one.number == runs[-1][-1].number + 1:
            runs[-1].append(one)
        else:
            runs.append([one])
    for run in runs:
        if not run[0].moved or sum(len(one.unit.labels) for one in run) >= MOVED:
            yield from run


def _noted(one: Said, in_order: Sequence[Said]) -> Said:
    """The same with ``moved``, by its neighbours in the text among those that are said in its order."""
    at = bisect.bisect_left(in_order, one.number, key=lambda other: other.number)
    late = at > 0 and in_order[at - 1].frames[1] > one.frames[0] and in_order[at - 1].number != one.number
    behind = next((other for other in in_order[at : at + 2] if other.number > one.number), None)
    early = behind is not None and behind.frames[0] < one.frames[1]
    return dataclasses.replace(one, moved=late or early)


def _said(
    track: Track,
    unit: Unit,
    number: int,
    starts: np.ndarray,
    ends: np.ndarray,
    costs: np.ndarray,
    by: Scale,
) -> Said:
    words = []
    for token in unit.tokens:
        start, end = int(starts[token.first]), int(ends[token.last - 1])
        words.append((track.seconds(start), track.end_s(end)))
    sure = by.confidence(float(costs.sum()) / len(unit.labels))
    return Said(unit, number, tuple(words), sure, (int(starts[0]), int(ends[-1])))


class _Gaps:
    """The frames ``places`` of (T, V), read as they are asked for; where it says -1, nothing goes on."""

    def __init__(self, values: np.ndarray, places: np.ndarray):
        self._values, self._places = values, places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, part: slice) -> np.ndarray:
        places = self._places[part]
        rows = np.asarray(self._values[np.maximum(places, 0)], np.float32)
        rows[places < 0] = WALL
        return rows


def _gaps(track: Track, said: Sequence[Said]) -> np.ndarray:
    """The frames between units that are said, where they are many, with -1 behind each gap."""
    edges = [0, *(frame for one in said for frame in one.frames), len(track.values)]
    least = round(GAP_S * track.rate)
    gaps = zip(edges[::2], edges[1::2], strict=True)
    parts = [np.r_[a:b, -1] for a, b in gaps if b - a >= least]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)
