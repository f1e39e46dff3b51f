"""Who speaks when in a recording. Memory does not depend on its length but for a kilobyte for each 0.8 s."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xlt.audio.cut import Cut, Lengths, pieces
from xlt.audio.files import SAMPLE_RATE, read_blocks
from xlt.audio.voice import Voice
from xlt.speakers import clusters
from xlt.speakers.encoder import WINDOW, levelled

if TYPE_CHECKING:
    from xlt.core.log import Progress

STEP = WINDOW // 2  # from one window of a phrase to the next
LEAST = round(1.0 * SAMPLE_RATE)  # samples: in less speech a voice is not heard well enough to be clustered
CHANGE = 0.1  # of cosine: what a change of voice within a phrase costs
_PHRASES = Lengths(0.0, 6.0)  # cut at each pause
_AT_ONCE = 64  # windows that wait for the network


@dataclass(frozen=True)
class Turns:
    """Stretches of speech in order of time: seconds, and the number of the voice, from 1 in the order in
    which they are first heard."""

    starts_s: np.ndarray
    ends_s: np.ndarray
    voices: np.ndarray

    @property
    def count(self) -> int:
        """How many voices there are."""
        return int(self.voices.max(initial=0))

    def of(self, start_s: float, end_s: float) -> int:
        """The voice that has most of the speech between two times, or is nearest; 1 if nobody speaks."""
        first = int(np.searchsorted(self.ends_s, start_s, side="right"))
        end = int(np.searchsorted(self.starts_s, end_s, side="left"))
        if first >= end:  # in a pause
            before, after = max(0, end - 1), min(first, len(self.voices) - 1)
            if not len(self.voices):
                return 1
            nearer = self.starts_s[after] - end_s < start_s - self.ends_s[before]
            return int(self.voices[after if nearer else before])
        shared = np.minimum(self.ends_s[first:end], end_s) - np.maximum(self.starts_s[first:end], start_s)
        return int(np.bincount(self.voices[first:end], shared).argmax())


def tell_apart(
    path: str,
    encoder: Callable[[np.ndarray], np.ndarray],
    count: int | None = None,
    bar: Progress | None = None,
) -> Turns:
    """The turns of a recording with ``count`` voices, None: as many as differ. DataError if it cannot be
    read.
    """

    def blocks() -> Iterator[np.ndarray]:
        for block in read_blocks(path, SAMPLE_RATE):
            yield block
            if bar is not None:
                bar.add(len(block) / SAMPLE_RATE)

    spans: list[tuple[int, int, int]] = []  # phrase, first sample, end
    waiting: list[np.ndarray] = []
    vectors: list[np.ndarray] = []
    for phrase, cut in enumerate(pieces(blocks(), _PHRASES, Voice())):
        for start, window in _windows(cut):
            spans.append((phrase, cut.start + start, cut.start + min(start + WINDOW, len(cut.samples))))
            waiting.append(window)
        if len(waiting) >= _AT_ONCE:
            vectors.append(encoder(np.stack(waiting)))
            waiting = []
    if waiting:
        vectors.append(encoder(np.stack(waiting)))
    if not vectors:
        return Turns(np.zeros(0), np.zeros(0), np.zeros(0, int))
    return _turns(np.array(spans), np.concatenate(vectors), count)


def _windows(cut: Cut) -> list[tuple[int, np.ndarray]]:
    """Windows of a phrase, each with its first sample; a short phrase is repeated until it fills one."""
    samples = levelled(cut.samples)
    last = max(0, len(samples) - WINDOW)
    starts = [*range(0, last, STEP), last] if last else [0]
    if len(starts) > 2 and starts[-1] - starts[-2] < STEP // 4:
        del starts[-2]
    return [(start, np.resize(samples[start : start + WINDOW], WINDOW)) for start in starts]


def _turns(spans: np.ndarray, vectors: np.ndarray, count: int | None) -> Turns:
    """``spans``: (W, 3), phrase, first sample and end of each window; ``vectors``: (W, D)."""
    phrases, first, end = spans.T
    known = vectors[end - first >= LEAST]
    voices = clusters.centres(known if len(known) else vectors, count)
    scores = vectors @ voices.T  # (W, K)
    edges = np.flatnonzero(np.diff(phrases, prepend=-1, append=phrases[-1] + 1))
    found = np.concatenate(
        [clusters.path(scores[a:b], CHANGE) for a, b in zip(edges[:-1], edges[1:], strict=True)]
    )
    middle = (first + end) / 2
    border = (middle[:-1] + middle[1:]) / 2  # between windows of a phrase
    same = phrases[1:] == phrases[:-1]
    starts = np.concatenate([first[:1], np.where(same, border, first[1:])])
    ends = np.concatenate([np.where(same, border, end[:-1]), end[-1:]])
    order = {voice: number for number, voice in enumerate(dict.fromkeys(found.tolist()), 1)}
    numbers = np.array([order[voice] for voice in found.tolist()])
    return Turns(starts / SAMPLE_RATE, ends / SAMPLE_RATE, numbers)
