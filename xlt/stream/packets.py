"""Packets of sound that say their place → one stream: what comes twice, late or not at all.

N samples; places count the samples of the sender from the beginning of the stream, at its own rate.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from xlt.core.errors import DataError

WAIT_S = 2.0  # of later sound that is kept while an earlier packet is waited for
LONGEST_GAP_S = 60.0  # that is filled with silence, where a stranger says how long it is
_SILENCE_S = 10.0  # of it at once
MOST = 2000  # packets that wait: a millisecond of sound in each


class Packets:
    """Puts the packets of a stream of ``rate`` samples a second in order, and waits for those that are late
    while up to ``wait_s`` seconds of later sound come. ``expected``: the place of the next sample; ``again``:
    samples that came a second time, which are dropped; ``late``: packets that came out of order; ``lost``:
    ranges of places that did not arrive, silence in the stream; the caller empties it. A gap may be ``gap_s``
    long.

    What is kept is one packet, and ``wait_s`` of sound in up to :data:`MOST` others; twice as much where they
    overlap.
    """

    def __init__(self, rate: int, wait_s: float = WAIT_S, gap_s: float = LONGEST_GAP_S):
        self.rate, self.wait_s, self.gap_s = rate, wait_s, gap_s
        self.expected = self.again = self.late = 0
        self.lost: list[tuple[int, int]] = []
        self._waiting: dict[int, np.ndarray] = {}

    def take(self, place: int | None, samples: np.ndarray) -> Iterator[np.ndarray]:
        """What follows in the stream when the packet ``samples`` (N,) from ``place`` on has come; None: it is
        the next. DataError for a place that is none, or so far ahead that no silence stands for the gap.
        """
        place = self.expected if place is None else place
        if place < 0:
            raise DataError(f"place={place}: before the beginning of the stream; count samples from 0")
        if place > self.expected + self.gap_s * self.rate:
            gap_s = (place - self.expected) / self.rate
            raise DataError(
                f"place={place}: {gap_s:.0f} s ahead of what was heard, at most {self.gap_s:g} can be"
                " missing; open another session"
            )
        if place <= self.expected:
            yield from self._next(place, samples)
            yield from self._in_order()
            return
        if len(samples) > len(self._waiting.get(place, samples[:0])):
            self._waiting[place] = samples
        while self._waiting and self._is_full:
            yield from self._skip()

    def rest(self) -> Iterator[np.ndarray]:
        """What is still kept, where the stream ends."""
        while self._waiting:
            yield from self._skip()

    @property
    def _is_full(self) -> bool:
        """Whether more waits, from the first packet to the end of the last or in all of them, than may."""
        ends = max(place + len(one) for place, one in self._waiting.items())
        most, count = self.wait_s * self.rate, sum(map(len, self._waiting.values()))
        return ends - min(self._waiting) > most or count > 2 * most or len(self._waiting) > MOST

    def _next(self, place: int, samples: np.ndarray) -> Iterator[np.ndarray]:
        known = min(self.expected - place, len(samples))
        self.again += known
        if known < len(samples):
            self.expected = place + len(samples)
            yield samples[known:]

    def _in_order(self) -> Iterator[np.ndarray]:
        """Packets that waited for what has come."""
        while self._waiting and (place := min(self._waiting)) <= self.expected:
            self.late += 1
            yield from self._next(place, self._waiting.pop(place))

    def _skip(self) -> Iterator[np.ndarray]:
        """Silence up to the first packet that waits, then what follows."""
        place = min(self._waiting)
        self.lost.append((self.expected, place))
        step = round(_SILENCE_S * self.rate)
        while (count := min(step, place - self.expected)) > 0:
            self.expected += count
            yield np.zeros(count, np.float32)
        yield from self._in_order()
