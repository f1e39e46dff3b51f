"""Long recordings are cut where people pause, into pieces as long as a model's training clips.

N samples at 16 kHz, T frames of 32 ms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from xlt.audio.files import SAMPLE_RATE
from xlt.audio.segment import cut_at_silences
from xlt.audio.voice import FRAME, FRAME_S

CHUNK = 1000 * FRAME  # samples that are read before pieces are looked for, 32 s
ENTER, LEAVE = 0.5, 0.35  # probabilities at which speech begins and ends: Silero's defaults
PAUSE_S = 0.2  # shorter silences part nothing
LONG_PAUSE_S = 1.0  # longer ones always do
PADDING_S = 0.15  # of silence around a piece, at most half of what there is
CLICK_S = 0.1  # shorter speech is none

Range = tuple[int, int]
_PADDING = round(PADDING_S / FRAME_S)


@dataclass(frozen=True)
class Lengths:
    """Seconds: neighbouring phrases are put together up to ``usual_s``; a phrase without a pause is cut
    above ``longest_s``, which is at most 30."""

    usual_s: float = 5.0
    longest_s: float = 20.0


class Cut(NamedTuple):
    """A piece of a recording: the place of its first sample, and the samples, (N,)."""

    start: int
    samples: np.ndarray


def pieces(
    blocks: Iterable[np.ndarray],
    lengths: Lengths,
    voice: Callable[[np.ndarray], np.ndarray] | None,
) -> Iterator[Cut]:
    """The pieces of a recording that is given as blocks (N,); less than 100 s of it are kept.

    ``voice``: samples → probabilities of speech (T,), as of :class:`xlt.audio.voice.Voice`: what nobody says
    is left out. A recording no longer than ``longest_s`` without a long pause is one piece. Without ``voice``
    nothing is left out: see :mod:`xlt.audio.segment`.
    """
    kept, marks = np.zeros(0, np.float32), np.zeros(0, np.float32)
    first = 0  # the place of kept[0] in the recording
    before: int | None = None  # the frame of marks at which earlier speech ended
    for chunk, last in _chunks(blocks):
        kept = np.concatenate([kept, chunk])
        if voice is None:
            ranges = cut_at_silences(kept, SAMPLE_RATE, lengths.longest_s)
            ready, done = (ranges, len(kept)) if last else (ranges[:-1], ranges[-1][0])
        else:
            marks = np.concatenate([marks, voice(chunk)])
            if first == 0 and last and _is_clip(marks, lengths):
                yield Cut(0, kept)
                return
            found = speech(marks, lengths, before)
            complete = found if last else found[:-1]  # the last one may go on
            said = [one for one in complete if one.said >= CLICK_S / FRAME_S]
            ready = [(one.first * FRAME, one.last * FRAME) for one in said]
            open_at = len(marks) - _PADDING if len(found) == len(complete) else found[-1].first
            before = complete[-1].end if complete else before
            before = None if before is None else before - max(0, open_at)
            done = max(0, open_at) * FRAME
        yield from (Cut(first + a, kept[a:b].copy()) for a, b in ready)
        kept, marks, first = kept[done:], marks[done // FRAME :], first + done


def _chunks(blocks: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, bool]]:
    """The same samples, CHUNK at a time, and whether they are the last."""
    kept: list[np.ndarray] = []
    for block in blocks:
        kept.append(block)
        if sum(map(len, kept)) > CHUNK:
            whole = np.concatenate(kept)
            while len(whole) > CHUNK:
                yield whole[:CHUNK], False
                whole = whole[CHUNK:]
            kept = [whole]
    yield np.concatenate([np.zeros(0, np.float32), *kept]), True


class Speech(NamedTuple):
    """A piece: the frames of its speech, from ``start`` to ``end``, and with some of the silence around it;
    ``said``: the frames of speech in it."""

    first: int
    start: int
    end: int
    last: int
    said: int


def speech(marks: np.ndarray, lengths: Lengths, before: int | None = None) -> list[Speech]:
    """The pieces, clicks among them. Of a silence between two, each has at most half.

    ``marks``: probabilities of speech, (T,); ``before``: the frame at which earlier speech ended, negative if
    it is not in ``marks``; None: there was none.
    """
    groups = _grouped(_cut_long(phrases(marks), marks, lengths), lengths)
    found: list[Speech] = []
    for place, group in enumerate(groups):
        start, end = group[0][0], group[-1][1]
        space = start if before is None else (start - before) // 2
        after = (groups[place + 1][0][0] - end) // 2 if place + 1 < len(groups) else len(marks) - end
        first = max(0, start - min(_PADDING, space))
        said = sum(b - a for a, b in group)
        found.append(Speech(first, start, end, end + min(_PADDING, after), said))
        before = end
    return found


def phrases(marks: np.ndarray) -> list[Range]:
    """Speech without a pause: from a mark of at least ENTER to where they stay below LEAVE for PAUSE_S."""
    found: list[Range] = []
    start = quiet = None
    for frame, mark in enumerate(marks.tolist()):
        if mark >= ENTER:
            start, quiet = frame if start is None else start, None
        elif start is not None and mark < LEAVE and quiet is None:
            quiet = frame
        if start is not None and quiet is not None and (frame + 1 - quiet) * FRAME_S >= PAUSE_S:
            found.append((start, quiet))
            start = quiet = None
    if start is not None:
        found.append((start, len(marks) if quiet is None else quiet))
    return found


def _cut_long(spoken: list[Range], marks: np.ndarray, lengths: Lengths) -> list[Range]:
    """Phrases above the longest length are cut where speech is least probable, in the second half of it."""
    longest, found = round(lengths.longest_s / FRAME_S), []
    around = np.convolve(marks, np.ones(3) / 3, mode="same") if spoken else marks
    for start, end in spoken:
        while end - start > longest:
            half = start + longest // 2
            cut = half + int(np.argmin(around[half : start + longest]))
            found.append((start, cut))
            start = cut
        found.append((start, end))
    return found


def _grouped(spoken: list[Range], lengths: Lengths) -> list[list[Range]]:
    """Neighbouring phrases up to the usual length; where they are too long together, the longest pause parts
    them."""
    usual, long_pause = lengths.usual_s / FRAME_S, LONG_PAUSE_S / FRAME_S
    groups: list[list[Range]] = []
    own: list[Range] = []
    for phrase in spoken:
        own.append(phrase)
        while len(own) > 1 and (own[-1][1] - own[0][0] > usual or own[-1][0] - own[-2][1] >= long_pause):
            gaps = [b[0] - a[1] for a, b in zip(own[:-1], own[1:], strict=True)]
            count = len(gaps) - int(np.argmax(gaps[::-1]))  # the last of equals
            groups.append(own[:count])
            own = own[count:]
    return [*groups, own] if own else groups


def _is_clip(marks: np.ndarray, lengths: Lengths) -> bool:
    """Whether a recording is like those of the training, so that it is heard as it is."""
    spoken = phrases(marks)
    edges = [0, *(edge for phrase in spoken for edge in phrase), len(marks)]
    silences = [end - start for start, end in zip(edges[::2], edges[1::2], strict=True)]
    said = sum(end - start for start, end in spoken) * FRAME_S >= CLICK_S
    return said and len(marks) * FRAME_S <= lengths.longest_s and max(silences) * FRAME_S < LONG_PAUSE_S
