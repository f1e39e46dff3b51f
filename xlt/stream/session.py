"""Speech that arrives bit by bit → what is being said, and at each pause the final text.

N samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from xlt.audio.cut import Cut
from xlt.audio.files import SAMPLE_RATE
from xlt.core.errors import DataError
from xlt.stream.events import Event, Final, Lost, Partial
from xlt.stream.listening import Listener
from xlt.stream.packets import LONGEST_GAP_S, WAIT_S, Packets

if TYPE_CHECKING:
    from xlt.formats.transcripts import Piece
    from xlt.stream.listening import Ended
    from xlt.stream.model import Live, Model

RATES = (8000, 96000)  # samples a second that are heard
_LOUDEST = 100.0  # floats may be somewhat above 1; far above, powers are infinite and nothing more is heard
_NOTHING = ("", "")


class Session:
    """One stream. ``model``: recognises it, shared with other sessions; ``two_pass``: the final text of a
    piece is that of a second look at the whole of it, else what the chunks gave; ``wait_s``, ``gap_s``: as of
    :class:`~xlt.stream.packets.Packets`.

    What is kept is at most the longest piece and the model's state, however long the stream is; its time is
    that of its samples, so that a clock that is slow or fast moves nothing. Not for several threads at once.
    """

    def __init__(
        self, model: Model, two_pass: bool = True, wait_s: float = WAIT_S, gap_s: float = LONGEST_GAP_S
    ):
        self.model, self.two_pass, self.wait_s, self.gap_s = model, two_pass, wait_s, gap_s
        self._listener = Listener(model.lengths, model.voice())
        self._packets: Packets | None = None
        self._resampler: Any = None
        self._ended = False
        self._live: Live | None = None
        self._start = self._fed = 0  # of the open piece: its first sample, and up to which _live has heard
        self._left_alone = False  # the open piece, until it has ended
        self._shown = _NOTHING

    @property
    def place(self) -> int:
        """The place of the next sample of the stream, at the sender's rate: what came before was heard."""
        return self._packets.expected if self._packets else 0

    @property
    def heard_s(self) -> float:
        """Seconds of the stream so far."""
        return self._packets.expected / self._packets.rate if self._packets else 0.0

    def hear(
        self, samples: np.ndarray, rate: int = SAMPLE_RATE, place: int | None = None, partials: bool = True
    ) -> list[Event]:
        """The next ``samples`` (N,) of the stream, float32 in [-1, 1], at ``rate`` Hz: what is new.

        ``place``: of the first of them, for packets that may come twice or out of order
        (:class:`~xlt.stream.packets.Packets`); ``partials``: False leaves the open piece alone until it has
        ended, to catch up. DataError for a rate that is not heard or has changed, samples that are none, and
        after the end.
        """
        packets = self._checked(samples, rate)
        events: list[Event] = []
        for part in packets.take(place, samples):
            events += self._hear(part, last=False)
        if not partials:
            self._drop()
            self._left_alone = True
        elif not self._left_alone or self._listener.open() is None:
            events += self._follow()
        return [*self._lost(), *events]

    def end(self) -> list[Event]:
        """The stream is over: what is left of it."""
        if self._ended:
            return []
        events: list[Event] = []
        for part in self._packets.rest() if self._packets else ():
            events += self._hear(part, last=False)
        events += self._hear(np.zeros(0, np.float32), last=True)
        self._ended = True
        if (ended := self._listener.end()) is not None:
            events.append(self._final(ended))
        self._drop()
        return [*self._lost(), *events, *self._show(None)]

    def close(self) -> None:
        """Nobody listens to what this stream says any more."""
        self._ended = True
        self._drop()

    def _drop(self) -> None:
        if self._live is not None:
            self._live.close()
        self._live = None

    def _checked(self, samples: np.ndarray, rate: int) -> Packets:
        if self._ended:
            raise DataError("session: has ended; open another one")
        if self._packets is None:
            if not RATES[0] <= rate <= RATES[1]:
                raise DataError(
                    f"rate={rate}: expected {RATES[0]} to {RATES[1]} samples a second; resample the sound"
                )
            self._packets = Packets(rate, self.wait_s, self.gap_s)
        if rate != self._packets.rate:
            raise DataError(f"rate={rate}: was {self._packets.rate} before; open another session")
        if samples.ndim != 1 or samples.dtype != np.float32 or not np.isfinite(samples).all():
            raise DataError(
                f"samples: {samples.dtype} of shape {samples.shape}, expected finite float32 numbers of one"
                " channel; convert them"
            )
        if len(samples) and (loudest := float(np.abs(samples).max())) > _LOUDEST:
            raise DataError(f"samples: up to {loudest:g}, expected -1 to 1; divide 16-bit numbers by 32768")
        return self._packets

    def _hear(self, samples: np.ndarray, last: bool) -> Iterator[Event]:
        """Pieces that end in ``samples``, at the sender's rate."""
        rate = self._packets.rate if self._packets else SAMPLE_RATE
        if rate != SAMPLE_RATE:
            if self._resampler is None:
                import soxr

                self._resampler = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")
            samples = self._resampler.resample_chunk(samples, last=last)
        for ended in self._listener.hear(samples):
            yield self._final(ended)

    def _final(self, ended: Ended) -> Final:
        self._shown, self._left_alone = _NOTHING, False
        if self.two_pass:
            self._drop()
            return Final(self.model.final(Cut(ended.start, ended.samples)))
        found = Final(self._of_chunks(ended))
        self._drop()
        return found

    def _of_chunks(self, ended: Ended) -> Piece:
        """The text that the chunks give the piece; they are heard anew where some of them belong to the next
        piece."""
        if self._live is None or self._start != ended.start or ended.spoken_on:
            self._open(ended.start)
        live = self._live
        assert live is not None
        live.push(ended.samples[self._fed - ended.start :])
        return live.end(Cut(ended.start, ended.samples))

    def _open(self, start: int) -> None:
        self._drop()
        self._live, self._start, self._fed = self.model.open(start), start, start

    def _follow(self) -> list[Event]:
        """What is being said now."""
        cut = self._listener.open()
        if cut is None:
            self._drop()
            self._left_alone = False
            return self._show(None)
        if self._live is None or self._start != cut.start:
            self._open(cut.start)
        assert self._live is not None
        self._live.push(cut.samples[self._fed - cut.start :])
        self._fed = cut.start + len(cut.samples)
        return self._show(self._live)

    def _show(self, live: Live | None) -> list[Event]:
        """A partial result, if it is another one than the last."""
        said = (live.text, live.stable) if live else _NOTHING
        if said == self._shown:
            return []
        self._shown = said
        return [Partial(*said, self._start / SAMPLE_RATE, self._fed / SAMPLE_RATE)]

    def _lost(self) -> list[Event]:
        """Ranges of lost sound that nobody was told of."""
        packets = self._packets
        if packets is None:
            return []
        new, packets.lost = packets.lost, []
        return [Lost(start / packets.rate, end / packets.rate) for start, end in new]
