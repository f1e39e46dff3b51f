"""Pieces to train on: units that are said one after the other, cut at sentence ends and pauses; and what is
left out, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xlt.align.listen import STEP_S, Track
from xlt.align.texts import Transcript
from xlt.align.words import Found, Said
from xlt.nets.paths import BLANK_ID, best_path
from xlt.text.normalise import put_together

if TYPE_CHECKING:
    from xlt.speakers.turns import Turns

REASONS = {  # reason → what it means, what to do
    "not said": (
        "no place in the recording fits the text",
        "see whether it is read at all, and as it is written",
    ),
    "unsure": (
        "the text fits its place little better than a wrong one: below --min_confidence",
        "listen to it; a model of the language, trained on what fits, tells more (docs/align.md)",
    ),
    "digits": ("words with digits, which can be said in several ways", "write numbers as they are said"),
    "too long": (
        "words of more than --longest seconds without a pause",
        "give a higher --longest, up to 30",
    ),
    "no text": ("speech that no text belongs to", "write down what is said, if it is needed"),
}
LONG_PAUSE_S = 1.0  # always parts
USUAL = 2 / 3  # of the longest length, up to which sentences are put together
EDGE_S = 0.35  # of silence beside a word in which the cut is looked for
LEAD_S = 0.05  # that sounds begin before and end after what the model marks, at least
HEARD = 4  # letters that the model hears in a gap, from which on somebody speaks there
LEAST_S = 0.5  # of speech without text that is told


@dataclass(frozen=True)
class Word:
    """``text``: as it is written; seconds."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Piece:
    """A part of the recording with its text. ``confidence``: from 0, as a wrong text fits, to 1; ``lines``:
    of the transcript, in order; ``voice``: who speaks, from 1; 0 where voices are not told apart."""

    start_s: float
    end_s: float
    text: str
    words: tuple[Word, ...]
    confidence: float
    lines: tuple[int, ...]
    voice: int = 0


@dataclass(frozen=True)
class LeftOut:
    """``reason``: of REASONS; ``line``: of the transcript, None of speech; times in seconds, None of text
    that has no place."""

    reason: str
    line: int | None
    start_s: float | None
    end_s: float | None
    text: str = ""


class Moved(NamedTuple):
    """The first and the last line of a text, and when it is said, in seconds."""

    first: int
    last: int
    start_s: float
    end_s: float


@dataclass
class Aligned:
    """``pieces``: in order of time; ``moved``: texts that are said elsewhere than in the order of the
    transcript; ``confidence``: of all of the text that has letters."""

    pieces: list[Piece] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    moved: list[Moved] = field(default_factory=list)
    confidence: float = 0.0


def cut(
    track: Track,
    transcript: Transcript,
    found: Found,
    longest_s: float,
    min_confidence: float,
    voices: Turns | None = None,
) -> Aligned:
    """The pieces of what was found, none longer than ``longest_s``, and each of one of ``voices``."""
    units = transcript.units
    made = Aligned()
    labels = sum(len(unit.labels) for unit in units)
    sure = sum(one.confidence * len(one.unit.labels) for one in found.said)
    made.confidence = sure / max(1, labels)
    made.left_out += [LeftOut("digits", line, None, None, text) for line, text in transcript.digits]
    for number in found.lost:
        made.left_out.append(LeftOut("not said", units[number].line, None, None, units[number].text))
    for one in found.said:
        if one.confidence < min_confidence:
            made.left_out.append(LeftOut("unsure", one.unit.line, one.start_s, one.end_s, one.unit.text))
    made.moved = _moved(found.said, min_confidence)
    edges = _Edges(track, found.said)
    for run in _runs(track, found.said, min_confidence, longest_s, voices):
        for part in _short(run, longest_s):
            made.pieces += _piece(part, edges, longest_s, made.left_out)
    if voices is not None:
        made.pieces = [replace(one, voice=voices.of(one.start_s, one.end_s)) for one in made.pieces]
    made.left_out += _without_text(track, found.said)
    made.left_out.sort(key=lambda one: (one.line or 0, one.start_s or 0.0))
    return made


def _moved(said: Sequence[Said], least: float) -> list[Moved]:
    """Units that are said elsewhere, together with those that follow them in text and time."""
    found: list[Moved] = []
    last: int | None = None
    for one in said:
        if not one.moved or one.confidence < least:
            last = None
        elif last is not None and one.number == last + 1:
            found[-1] = found[-1]._replace(last=one.unit.line, end_s=one.end_s)
            last = one.number
        else:
            found.append(Moved(one.unit.line, one.unit.line, one.start_s, one.end_s))
            last = one.number
    return sorted(found)


def _runs(
    track: Track, said: Sequence[Said], least: float, longest_s: float, voices: Turns | None
) -> Iterator[list[Said]]:
    """Units of one voice that follow each other in text and time, together at most as long as pieces usually
    are.
    """
    own: list[Said] = []
    for one in said:
        if one.confidence < least:
            if own:
                yield own
            own = []
            continue
        if own and not (
            one.number == own[-1].number + 1
            and one.start_s - own[-1].end_s < LONG_PAUSE_S
            and one.end_s - own[0].start_s <= longest_s * USUAL
            and (voices is None or _voice(voices, one) == _voice(voices, own[-1]))
            and _heard(track, own[-1].frames[1], one.frames[0]) < HEARD
        ):
            yield own
            own = []
        own.append(one)
    if own:
        yield own


def _voice(voices: Turns, one: Said) -> int:
    return voices.of(one.start_s, one.end_s)


def _heard(track: Track, first: int, last: int) -> int:
    """How many letters the model hears between two frames."""
    if last <= first:
        return 0
    return len(best_path(np.asarray(track.values[first:last]).argmax(axis=1), BLANK_ID))


class _Spoken(NamedTuple):
    """A word of a unit: the number of its token."""

    said: Said
    place: int

    @property
    def start_s(self) -> float:
        return self.said.words[self.place][0]

    @property
    def end_s(self) -> float:
        return self.said.words[self.place][1]

    @property
    def word(self) -> Word:
        token = self.said.unit.tokens[self.place]
        return Word(self.said.unit.text[token.start : token.end], self.start_s, self.end_s)


def _short(run: Sequence[Said], longest_s: float) -> Iterator[list[_Spoken]]:
    """The words of units, parted at the longest pauses until none of the parts is too long; of pauses alike,
    at the one nearest to the middle.
    """
    waiting = [[_Spoken(one, place) for one in run for place in range(len(one.words))]]
    while waiting:
        own = waiting.pop(0)
        whole_s = own[-1].end_s - own[0].start_s
        if whole_s <= longest_s - 2 * EDGE_S or len(own) == 1:
            yield own
            continue
        middle_s = own[0].start_s + whole_s / 2
        gains = [
            b.start_s - a.end_s - 0.1 * abs((a.end_s + b.start_s) / 2 - middle_s) / whole_s
            for a, b in zip(own[:-1], own[1:], strict=True)
        ]
        at = int(np.argmax(gains)) + 1
        waiting[:0] = [own[:at], own[at:]]


class _Edges:
    """Where to cut beside words: at the quietest place between them and their neighbours."""

    def __init__(self, track: Track, said: Sequence[Said]):
        self.loudness = np.convolve(track.loudness, np.ones(5) / 5, mode="same")
        self.starts = np.array(sorted(time for one in said for time, _ in one.words))
        self.ends = np.array(sorted(time for one in said for _, time in one.words))
        self.last_s = track.duration_s

    def before(self, start_s: float) -> float:
        at = int(np.searchsorted(self.ends, start_s, side="right"))
        earlier_s = float(self.ends[at - 1]) if at else 0.0
        return self._quietest(max(earlier_s, start_s - EDGE_S), max(earlier_s, start_s - LEAD_S))

    def behind(self, end_s: float) -> float:
        at = int(np.searchsorted(self.starts, end_s, side="left"))
        later_s = float(self.starts[at]) if at < len(self.starts) else self.last_s
        return self._quietest(min(later_s, end_s + LEAD_S), min(later_s, end_s + EDGE_S))

    def _quietest(self, first_s: float, last_s: float) -> float:
        """Between two times; of places that are nearly as quiet, the one nearest to the middle."""
        first, end = round(first_s / STEP_S), round(last_s / STEP_S)
        part = self.loudness[first : end + 1]
        if len(part) < 2:
            return min(first_s, self.last_s)
        quiet = np.flatnonzero(part <= 2 * part.min() + 1e-8)
        return min(STEP_S * (first + int(quiet[np.abs(quiet - len(part) / 2).argmin()])), self.last_s)


def _piece(own: Sequence[_Spoken], edges: _Edges, longest_s: float, left_out: list[LeftOut]) -> list[Piece]:
    start_s, end_s = edges.before(own[0].start_s), edges.behind(own[-1].end_s)
    text, lines = _text(own), tuple(dict.fromkeys(one.said.unit.line for one in own))
    if end_s - start_s > longest_s:
        left_out.append(LeftOut("too long", lines[0], start_s, end_s, text))
        return []
    sure = float(np.mean([one.said.confidence for one in own]))
    words = tuple(one.word for one in own)
    return [Piece(round(start_s, 3), round(end_s, 3), text, words, round(sure, 3), lines)]


def _text(own: Sequence[_Spoken]) -> str:
    """Words as they are written."""
    parts: list[str] = []
    for _, group in groupby(own, key=lambda one: one.said.number):
        some = list(group)
        tokens, unit = some[0].said.unit.tokens, some[0].said.unit
        part = unit.text[tokens[some[0].place].start : tokens[some[-1].place].end]
        if parts and unit.glued:
            parts[-1] += part
        else:
            parts.append(part)
    return put_together(parts)


def _without_text(track: Track, said: Sequence[Said]) -> Iterator[LeftOut]:
    """Speech between the units, and before and behind them."""
    edges = [0, *(frame for one in said for frame in one.frames), len(track.values)]
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        if (last - first) / track.rate < LEAST_S or _heard(track, first, last) < HEARD:
            continue
        start_s, end_s = track.seconds(first), track.end_s(last)
        yield LeftOut("no text", None, round(start_s, 2), round(end_s, 2))
