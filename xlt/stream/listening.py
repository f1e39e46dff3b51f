"""Speech that arrives bit by bit → pieces, each as soon as its speaker pauses. Frames are 32 ms."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from xlt.audio.cut import CLICK_S, LONG_PAUSE_S, PADDING_S, PAUSE_S, Cut, Lengths, phrases
from xlt.audio.voice import FRAME, FRAME_S

CLOSE_S = 0.6  # silence that ends a piece; PAUSE_S does when it is as long as usual
_LOUD = 10 ** (-50 / 20)  # root mean square of a frame with sound, where voice activity is not heard
_PADDING = round(PADDING_S / FRAME_S)


def loudness(samples: np.ndarray) -> np.ndarray:
    """In place of :class:`xlt.audio.voice.Voice`: 1 for each loud frame (T,), else 0."""
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)  # (T, 512)
    return (np.sqrt((frames**2).mean(axis=1)) >= _LOUD).astype(np.float32)


class Ended(NamedTuple):
    """A piece that has ended, as :class:`xlt.audio.cut.Cut`; ``spoken_on``: it was cut where it had become
    too long, in the middle of speech."""

    start: int
    samples: np.ndarray
    spoken_on: bool = False


class Listener:
    """Cuts one stream. ``voice``: samples → probabilities of speech (T,), which remembers what was before.

    What is kept is at most the longest piece, whatever is said.
    """

    def __init__(self, lengths: Lengths, voice: Callable[[np.ndarray], np.ndarray]):
        self.lengths, self.voice = lengths, voice
        self._rest = np.zeros(0, np.float32)  # less than a frame
        self._kept, self._marks = np.zeros(0, np.float32), np.zeros(0, np.float32)
        self._first = 0  # the place of _kept[0] in the stream

    def hear(self, samples: np.ndarray) -> list[Ended]:
        """The pieces that end in ``samples``, the next of the stream, (N,) float32 at 16 kHz."""
        whole = np.concatenate([self._rest, samples])
        count = len(whole) // FRAME * FRAME
        self._rest = whole[count:]
        closed: list[Ended] = []
        step = round(LONG_PAUSE_S / FRAME_S) * FRAME  # so that a long message is cut as many short ones
        for start in range(0, count, step):
            part = whole[start : min(start + step, count)]
            self._kept = np.concatenate([self._kept, part])
            self._marks = np.concatenate([self._marks, self.voice(part)])
            while (cut := self._next()) is not None:
                closed += [cut] if len(cut.samples) else []
        return closed

    def open(self) -> Cut | None:
        """The piece that somebody is speaking; None in a silence."""
        spoken = phrases(self._marks)
        if not spoken:
            return None
        start = max(0, spoken[0][0] - _PADDING)
        return Cut(self._first + start * FRAME, self._kept[start * FRAME :])

    def end(self) -> Ended | None:
        """The last piece, where the stream ends; None if nothing more was said."""
        spoken = phrases(self._marks)
        if sum(b - a for a, b in spoken) * FRAME_S < CLICK_S:
            return None
        start, end = max(0, spoken[0][0] - _PADDING), spoken[-1][1] + _PADDING
        kept = np.concatenate([self._kept, self._rest])
        return Ended(self._first + start * FRAME, kept[start * FRAME : end * FRAME])

    def _next(self) -> Ended | None:
        """A piece that has ended, without samples if it was a click; what is before it is forgotten."""
        spoken = phrases(self._marks)
        if not spoken:
            self._forget(max(0, len(self._marks) - _PADDING))
            return None
        start = spoken[0][0]
        longest, usual = (round(s / FRAME_S) for s in (self.lengths.longest_s, self.lengths.usual_s))
        edges = [phrase[0] for phrase in spoken[1:]] + [len(self._marks)]
        for (_, end), following in zip(spoken, edges, strict=True):
            pause_s = PAUSE_S if end - start > usual else CLOSE_S
            if (following - end) * FRAME_S >= pause_s:
                return self._close(start, end, spoken)
        if len(self._marks) - start >= longest:
            around = np.convolve(self._marks, np.ones(3) / 3, mode="same")
            half = start + longest // 2
            end = half + int(np.argmin(around[half : start + longest]))
            return self._close(start, end, spoken, spoken_on=True)
        self._forget(max(0, start - _PADDING))
        return None

    def _close(self, start: int, end: int, spoken: list[tuple[int, int]], spoken_on: bool = False) -> Ended:
        """The piece from the frame ``start`` to ``end``, with some silence around it."""
        first, last = max(0, start - _PADDING), min(len(self._marks), end + (0 if spoken_on else _PADDING))
        said = sum(min(b, end) - a for a, b in spoken if a < end)
        samples = self._kept[first * FRAME : last * FRAME].copy()
        samples = samples if said * FRAME_S >= CLICK_S else samples[:0]
        ended = Ended(self._first + first * FRAME, samples, spoken_on)
        self._forget(last)
        return ended

    def _forget(self, frames: int) -> None:
        self._kept, self._marks = self._kept[frames * FRAME :], self._marks[frames:]
        self._first += frames * FRAME
