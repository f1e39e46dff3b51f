"""The model of a WebSocket's session: the workers. What one of them remembers of a piece that is
being spoken may be lost with it: all sound of the piece is then sent to another one.
"""

from __future__ import annotations

import itertools
import time
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as NotYet
from typing import TYPE_CHECKING, Any

import numpy as np

from xlt.audio.cut import Cut, Lengths
from xlt.audio.files import SAMPLE_RATE
from xlt.serve.answers import whole_text
from xlt.serve.jobs import STOPS, Answer, Busy, Job, Lost, Refused
from xlt.stream.listening import loudness

if TYPE_CHECKING:
    from xlt.formats.transcripts import Piece
    from xlt.serve.server import Server
    from xlt.stream.model import Live, Voice

PARTIAL_S = 1.0  # of new speech between two looks at an open piece
SEND_S = 0.1  # of it, before chunks are asked for again
LATE_S = 2.0  # behind which any worker may take it
PATIENCE = 0.5  # of the time that new sound takes to be spoken, which its text may be waited for
_AGAIN_S = 0.2  # before a job is offered to a full queue again
_numbers = itertools.count()


class Remote:
    """``about``: what each job says of its language and hotwords; ``facts``: as a worker gives them. Its
    methods wait for workers, so they are called in threads; Refused or Lost as those of jobs.
    """

    def __init__(self, server: Server, about: dict[str, Any], facts: dict[str, Any]):
        self.server, self.about = server, about
        self.lengths = Lengths(facts["usual_s"], facts["longest_s"])
        self.streams: bool = facts["streams"]
        self._hears_voice: bool = facts["voice"]
        self.number, self._opened = next(_numbers), itertools.count()
        self._running: Job | None = None

    def voice(self) -> Voice:
        if not self._hears_voice:
            return loudness
        from xlt.audio.voice import Voice

        return Voice()

    def open(self, start: int) -> Live:
        return _Chunks(self, next(self._opened)) if self.streams else _Looks(self, start)

    def final(self, cut: Cut) -> Piece:
        """The text of a piece. A full queue is waited for: the client is not heard before."""
        job = self.job("piece", cut.samples, start=cut.start)
        self._running = job
        while True:
            try:
                self.server.pool.submit(job)
                break
            except Busy:
                if self.server.pool.closing or job.given_up:
                    raise Lost(STOPS) from None
                time.sleep(_AGAIN_S)
        try:
            return self.answer(job).pieces[0]
        except CancelledError:
            raise Lost("nobody waited for it any more; send it again") from None
        finally:
            self._running = None

    def close(self) -> None:
        """Nobody waits for a text any more."""
        if (job := self._running) is not None:
            job.give_up()

    def job(self, what: str, samples: np.ndarray, **more: Any) -> Job:
        return Job({**self.about, "do": what, **more}, samples)

    def answer(self, job: Job, timeout_s: float | None = None) -> Answer:
        """Of a job that the pool has taken; NotYet if it takes longer."""
        answer = job.future.result(timeout_s)
        self.server.metrics.work_s += answer.work_s
        return answer


class _Looks:
    """Looks at the whole open piece, once a second of it is new and a worker has nothing else to do. Nobody
    waits for one: its text is there when it is done."""

    stable = ""

    def __init__(self, model: Remote, start: int):
        self._model, self._start = model, start
        self._samples, self._looked = np.zeros(0, np.float32), 0
        self._job: Job | None = None
        self._text = ""

    @property
    def text(self) -> str:
        if self._job is not None and self._job.future.done():
            job, self._job = self._job, None
            try:
                self._text = whole_text(self._model.answer(job).pieces)
            except (Refused, Lost):
                pass  # its last look at the piece will say so
        return self._text

    def push(self, samples: np.ndarray) -> None:
        self._samples = np.concatenate([self._samples, samples])
        if self._job is not None and not self._job.future.done():
            return
        _ = self.text
        if len(self._samples) - self._looked >= PARTIAL_S * SAMPLE_RATE:
            job = self._model.job("piece", self._samples, start=self._start)
            if self._model.server.pool.submit_if_idle(job):
                self._job, self._looked = job, len(self._samples)

    def end(self, cut: Cut) -> Piece:
        return self._model.final(cut)

    def close(self) -> None:
        if self._job is not None:
            self._job.give_up()


class _Chunks:
    """The open piece, the session's ``number``-th, chunk by chunk. While a worker has some of it, more is
    gathered."""

    def __init__(self, model: Remote, number: int):
        self._model, self._number = model, number
        self._samples, self._sent = np.zeros(0, np.float32), 0
        self._job: Job | None = None
        self._worker: int | None = None
        self._failed, self._since = False, 0.0
        self.text = self.stable = ""

    def push(self, samples: np.ndarray) -> None:
        self._samples = np.concatenate([self._samples, samples])
        until = time.monotonic() + PATIENCE * len(samples) / SAMPLE_RATE
        for _ in range(3):  # an answer of before, that of these samples, and of all if a worker forgot them
            if not self._is_answered(until):
                return
            if self._failed or len(self._samples) - self._sent < SEND_S * SAMPLE_RATE or not self._send():
                return
        self._is_answered(until)

    def _send(self) -> bool:
        """Whether there was room for it in the queue."""
        which = {"session": self._model.number, "number": self._number, "place": self._sent}
        job = self._model.job("chunk", self._samples[self._sent :], **which)
        job.prefers = self._worker
        try:
            self._model.server.pool.submit(job)
        except Busy:
            return False
        self._job, self._sent, self._since = job, len(self._samples), time.monotonic()
        return True

    def _is_answered(self, until: float) -> bool:
        """Whether no worker is at it, if need be a moment later."""
        if self._job is None:
            return True
        try:
            answer = self._model.answer(self._job, max(0.0, until - time.monotonic()))
        except NotYet:
            if time.monotonic() - self._since > LATE_S:  # its worker is at something long
                self._job.prefers = None
            return False
        except (Refused, Lost):
            self._job, self._failed = None, True  # the last look at the piece will say why
            return True
        self._job, self._worker = None, answer.worker
        if answer.facts["known"]:
            self.text, self.stable = answer.facts["text"], answer.facts["stable"]
        else:
            self._sent = 0
        return True

    def end(self, cut: Cut) -> Piece:
        return self._model.final(cut)

    def close(self) -> None:
        if self._job is not None:
            self._job.give_up()
