"""The best way through a long recording and its text, and where in a recording a text is said at all.

The states are CTC's, a blank between labels, with a ``<star>`` in the place of the blank before each unit of
the text and at the end. The star costs nothing in any frame, so that speech without a text goes there and not
into its neighbours (Pratap et al. 2024, https://arxiv.org/abs/2305.13516). Each label of a text that is used
brings ``reward``, its frames cost what the model hears less than the best; a way may leave out units, for
``jump``. So a text that is not said costs more than it brings, and is left out.

Viterbi's search goes over a band of labels, which moves on when the ways at its beginning are far worse than
the best one; it keeps its scores every SEGMENT frames and finds the way back segment by segment, so that
memory hardly grows with the recording: 12 hours need about 100 MB.

T frames, V tokens, U labels, W labels of the band, N units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from xlt.nets.paths import BLANK_ID

BAND = 8000  # labels, about ten minutes of speech
BEAM = 300.0  # nats: a way that is so much worse than the best one is given up
SEGMENT = 1024  # frames
MOVE = 64  # frames after which the band moves
FEWEST = 24  # labels: shorter units are left out with their neighbours only
_NEVER = np.float32(-1e9)
_STAY, _STEP, _SKIP = 0, 1, 2


@dataclass(frozen=True)
class Costs:
    """In nats. ``reward``: what a label brings; ``jump``: what it costs to leave out units."""

    reward: float
    jump: float


class Text:
    """The labels of units, one behind the other. ``firsts``: (N + 1,) the first label of each, and U."""

    def __init__(self, units: Sequence[Sequence[int]]):
        self.labels = np.array([i for unit in units for i in unit], np.int64)
        self.firsts = np.cumsum([0, *map(len, units)])
        star = np.zeros(len(self.labels) + 1, bool)
        star[self.firsts] = True
        self.star = star
        self.jumps = np.array(_parted(self.firsts.tolist()))
        differs = np.ones(len(self.labels), bool)
        differs[1:] = self.labels[1:] != self.labels[:-1]
        self.differs = differs

    def __len__(self) -> int:
        return len(self.labels)


def _parted(firsts: list[int]) -> list[int]:
    """The beginnings of units between which units may be left out: FEWEST labels apart, and both ends."""
    found = [firsts[0]]
    for first in firsts[1:-1]:
        if first - found[-1] >= FEWEST and firsts[-1] - first >= FEWEST:
            found.append(first)
    return [*found, firsts[-1]] if firsts[-1] > found[-1] else found


class _Band:
    """The scores at one frame: ``blank`` (W + 1,) before each label and behind the last, ``label`` (W,);
    ``low``: the first label of the band."""

    def __init__(self, text: Text, costs: Costs, width: int):
        self.text, self.costs = text, costs
        self.width = min(width, len(text))
        self.low = 0
        self.blank = np.full(self.width + 1, _NEVER)
        self.label = np.full(self.width, _NEVER)
        self._look()
        self.blank[self.stars] = -np.float32(costs.jump)
        self.blank[0] = 0.0

    def _look(self) -> None:
        """What of the text is in the band."""
        text, low, high = self.text, self.low, self.low + self.width
        self.ids = text.labels[low:high]
        self.no_skip = ~text.differs[low:high]
        self.is_star = text.star[low : high + 1]
        first, last = np.searchsorted(text.jumps, (low, high + 1))
        self.stars = text.jumps[first:last] - low

    def copy(self) -> tuple[int, np.ndarray, np.ndarray]:
        return self.low, self.blank.copy(), self.label.copy()

    def restore(self, kept: tuple[int, np.ndarray, np.ndarray]) -> None:
        low, blank, label = kept
        self.low, self.blank, self.label = low, blank.copy(), label.copy()
        self._look()

    def move(self) -> None:
        """Leave behind what lags far behind the best way; scores count from its own, so that they stay
        small."""
        top = max(self.blank.max(), self.label.max())
        self.blank -= top
        self.label -= top
        np.maximum(self.blank, _NEVER, out=self.blank)
        np.maximum(self.label, _NEVER, out=self.label)
        near = np.maximum(self.blank[:-1], self.label) > -BEAM
        first = int(near.argmax()) if near.any() else self.width
        best = int(np.maximum(self.blank[:-1], self.label).argmax())
        low = min(self.low + max(first, best - 3 * self.width // 4), len(self.text) - self.width)
        if by := low - self.low:
            for scores in (self.blank, self.label):
                scores[:-by] = scores[by:].copy()
                scores[-by:] = _NEVER
            self.low = low
            self._look()

    def step(self, row: np.ndarray, back: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None) -> None:
        """One frame, (V,) float32; ``back``: where each state came from: of labels (W,), of blanks (W + 1,),
        and of the stars behind jumps the number of the star that they jump from, or -1.
        """
        blank, label, reward = self.blank, self.label, np.float32(self.costs.reward)
        before = np.empty_like(label)  # the label before
        before[0] = _NEVER
        before[1:] = label[:-1]
        skip = np.where(self.no_skip, _NEVER, before)
        enter = np.maximum(blank[:-1], skip)
        enter += reward
        stay = label >= enter
        into = np.full_like(blank, _NEVER)
        into[1:] = label
        rest = blank >= into
        if back is not None:
            back[0][:] = np.where(stay, _STAY, np.where(blank[:-1] >= skip, _STEP, _SKIP))
            back[1][:] = ~rest
        self.label = np.where(stay, label, enter) + row[self.ids]
        self.blank = np.where(rest, blank, into) + np.where(self.is_star, np.float32(0), row[BLANK_ID])
        self._jump(back[2] if back is not None else None)

    def _jump(self, back: np.ndarray | None) -> None:
        scores = self.blank[self.stars]
        if back is not None:
            back[:] = -1
        if len(scores) < 2:
            return
        top = np.maximum.accumulate(scores)
        reached = top[:-1] - np.float32(self.costs.jump)
        better = reached > scores[1:]
        if not better.any():
            return
        if back is not None:
            places = np.arange(len(scores))
            origin = np.maximum.accumulate(np.where(scores >= top, places, 0))
            back[1 : len(scores)][better] = origin[:-1][better]
        scores[1:][better] = reached[better]
        self.blank[self.stars] = scores


class Way(NamedTuple):
    """``starts``, ``ends``: of each label its first frame and the one behind its last, (U,); -1: left out.
    ``costs``: what its frames cost, in nats."""

    starts: np.ndarray
    ends: np.ndarray
    costs: np.ndarray


class Values(Protocol):
    """What is heard, (T, V), of which some frames at a time are read."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> np.ndarray: ...


def best_way(values: Values, text: Text, costs: Costs, width: int = BAND) -> Way:
    """The best way of ``text`` through (T, V) log probabilities less those of the likeliest tokens."""
    band = _Band(text, costs, width)
    kept = []
    for start in range(0, len(values), SEGMENT):
        kept.append(band.copy())
        for t, row in enumerate(_rows(values, start), start):
            if t % MOVE == 0 and t:
                band.move()
            band.step(row)
    count = len(text)
    way = Way(np.full(count, -1), np.full(count, -1), np.zeros(count, np.float32))
    at, is_label = _end(band)
    for number in range(len(kept) - 1, -1, -1):
        band.restore(kept[number])
        at, is_label = _back(values, number * SEGMENT, band, at, is_label, way)
    return way


def _rows(values: Values, start: int) -> np.ndarray:
    return np.asarray(values[start : start + SEGMENT], np.float32)


def _end(band: _Band) -> tuple[int, bool]:
    """The best place to end: at a star, or at the last label before one."""
    stars = np.flatnonzero(band.is_star)
    best_star = int(stars[band.blank[stars].argmax()])
    lasts = stars[stars > 0] - 1
    if len(lasts):
        last = int(lasts[band.label[lasts].argmax()])
        if band.label[last] > band.blank[best_star]:
            return band.low + last, True
    return band.low + best_star, False


def _back(values: Values, start: int, band: _Band, at: int, is_label: bool, way: Way) -> tuple[int, bool]:
    """The way back through a segment, from the state behind its last frame to the one before its first."""
    rows = _rows(values, start)
    labels = np.empty((len(rows), band.width), np.uint8)
    blanks = np.empty((len(rows), band.width + 1), bool)
    jumps: list[np.ndarray] = []
    lows, stars = [], []
    for t, row in enumerate(rows):
        if (start + t) % MOVE == 0 and start + t:
            band.move()
        jumped = np.empty(len(band.stars), np.int32)
        band.step(row, (labels[t], blanks[t], jumped))
        lows.append(band.low)
        jumps.append(jumped)
        stars.append(band.stars)
    for t in range(len(rows) - 1, -1, -1):
        low = lows[t]
        if not is_label and band.text.star[at]:
            place = int(np.searchsorted(stars[t], at - low))
            if place < len(stars[t]) and stars[t][place] == at - low and jumps[t][place] >= 0:
                at = low + int(stars[t][jumps[t][place]])
        if is_label:
            label = band.text.labels[at]
            way.starts[at] = start + t
            if way.ends[at] < 0:
                way.ends[at] = start + t + 1
            way.costs[at] -= rows[t, label]
            how = labels[t, at - low]
            if how == _STEP:
                is_label = False
            elif how == _SKIP:
                at -= 1
        else:
            if not band.text.star[at] and at < len(band.text):
                way.costs[at] -= rows[t, BLANK_ID]  # a blank inside a unit: of the label behind it
            if blanks[t, at - low]:
                at, is_label = at - 1, True
    return at, is_label


class Spot(NamedTuple):
    """Where a text costs least: its first frame, the one behind its last, and nats a label."""

    start: int
    end: int
    cost: float


def spot(values: Values, units: Sequence[Sequence[int]]) -> list[Spot]:
    """The cheapest place in (T, V) of each of N texts alone; each of them has labels. Infinite cost: it does
    not fit.
    """
    text = Text(units)
    firsts, lasts = text.firsts[:-1], text.firsts[1:] - 1
    blank, label = np.full(len(text), _NEVER), np.full(len(text), _NEVER)  # the blank before each label
    from_blank, from_label = np.zeros(len(text), np.int64), np.zeros(len(text), np.int64)
    no_skip = ~text.differs
    no_skip[firsts] = True
    best, ends = np.full(len(units), _NEVER), np.zeros(len(units), np.int64)
    begins = np.zeros(len(units), np.int64)
    for start in range(0, len(values), SEGMENT):
        for t, row in enumerate(_rows(values, start), start):
            blank[firsts], from_blank[firsts] = 0.0, t
            before, from_before = np.roll(label, 1), np.roll(from_label, 1)
            before[firsts] = _NEVER
            skip = np.where(no_skip, _NEVER, before)
            by_skip = skip > blank
            enter = np.where(by_skip, skip, blank)
            moves = enter > label
            rests = before > blank
            from_new = np.where(by_skip, from_before, from_blank)
            from_blank = np.where(rests, from_before, from_blank)
            blank = np.where(rests, before, blank) + row[BLANK_ID]
            from_label = np.where(moves, from_new, from_label)
            label = np.where(moves, enter, label) + row[text.labels]
            ended = label[lasts]
            better = ended > best
            best[better], ends[better] = ended[better], t + 1
            begins[better] = from_label[lasts][better]
    return [
        Spot(int(a), int(b), -float(score) / len(unit) if score > _NEVER / 2 else float("inf"))
        for a, b, score, unit in zip(begins, ends, best, units, strict=True)
    ]
