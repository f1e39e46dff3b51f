"""Worker processes behind a bounded queue. One that ends or hangs is replaced; what it was working on goes to
another, so that nothing that was taken is lost.
"""

from __future__ import annotations

import collections
import contextlib
import multiprocessing
import os
import sys
import threading
import time
from concurrent.futures import InvalidStateError
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from xlt.core.errors import DataError, StageError
from xlt.core.machine import waited_s
from xlt.serve import preload, worker
from xlt.serve.jobs import STOP, Answer, Busy, Job, Lost, Refused, receive, send

OPENER = "xlt.bundle:open_bundle"
_START_S = 300.0  # to load a bundle from a slow disk
_TRIES = 3  # a job that ends so many workers is at fault itself
_LOOK_S = 0.1  # how soon a job that nobody waits for is stopped, and an idle worker that died is seen
_STOP_S = 5.0  # for a worker to stop one
_PAUSES_S = (0.0, 1.0, 2.0, 5.0, 15.0, 30.0)  # before a worker that cannot start is started again


class _Ended(Exception):
    """A worker process is gone."""


class Pool:
    """``workers`` processes for the bundle in ``folder``, and room for ``queue`` jobs that wait.

    ``stall_s``: a worker that says nothing for so long is killed and its job refused, time in which it waits
    for a processor not counted; ``opener``: ``module:function`` that opens the bundle; ``preload``: whether
    workers share what is loaded.
    """

    def __init__(
        self,
        folder: Path,
        workers: int,
        queue: int,
        stall_s: float = 60.0,
        opener: str | None = None,
        preload: bool = True,
    ):
        self.folder, self.workers, self.room, self.stall_s = folder, workers, queue, stall_s
        self.opener, self.preload = opener or OPENER, preload
        self.languages: tuple[str, ...] = ()
        self.tells_languages = False  # whether a job's language may be auto
        self.restarts = self.failures = self.busy = 0  # workers replaced, starts in vain, jobs at work
        self.job_s = 1.0  # the mean time of late jobs
        self._waiting: collections.deque[Job] = collections.deque()
        self._changed = threading.Condition(threading.RLock())
        self._closing = self._ended = False  # take no more; do no more
        self._tenders: list[_Tender] = []

    def start(self) -> None:
        """Start the workers and wait until the first one is ready; DataError or StageError if it cannot."""
        context = multiprocessing.get_context("forkserver")
        if self.preload:  # heeded where this process starts its first worker
            os.environ[preload.VARIABLE] = preload.request(self.opener, os.fspath(self.folder))
            context.set_forkserver_preload([preload.__name__])
        self._tenders = [_Tender(self, number) for number in range(self.workers)]
        said = self._tenders[0].start_worker()
        self.languages, self.tells_languages = tuple(said["languages"]), said["tells"]
        for tender in self._tenders:
            tender.start()

    @property
    def ready(self) -> int:
        """Workers that live and have loaded the bundle."""
        return sum(tender.alive for tender in self._tenders)

    @property
    def waiting(self) -> int:
        """Jobs in the queue."""
        return len(self._waiting)

    @property
    def wait_s(self) -> float:
        """When there may be room for another job."""
        return self.job_s * max(1, self.waiting) / max(1, self.workers)

    @property
    def is_full(self) -> bool:
        """Whether another job would be refused."""
        with self._changed:
            if self.waiting >= self.room:  # those that nobody waits for make room
                self._waiting = collections.deque(job for job in self._waiting if not job.given_up)
            return self.waiting >= self.room or self._closing

    @property
    def pids(self) -> list[int]:
        """Of the workers."""
        return [pid for tender in self._tenders if (pid := tender.pid) is not None]

    def submit(self, job: Job) -> None:
        """Take a job, whose future will have an answer; Busy if the queue is full, or the pool closes."""
        with self._changed:
            if self.is_full:
                raise Busy(self.wait_s)
            self._waiting.append(job)
            self._changed.notify_all()

    def submit_if_idle(self, job: Job) -> bool:
        """Take a job only if a worker has nothing to do."""
        with self._changed:
            if self._closing or self._waiting or self.busy >= self.ready:
                return False
            self._waiting.append(job)
            self._changed.notify()
            return True

    def close(self, grace_s: float = 0.0) -> None:
        """Take no more; end the workers when all that was taken is done, or after ``grace_s``."""
        with self._changed:
            self._closing = True
            end = time.monotonic() + grace_s
            while (self._waiting or self.busy) and time.monotonic() < end:
                self._changed.wait(min(_LOOK_S, end - time.monotonic()))
            self._ended = True
            left, self._waiting = list(self._waiting), collections.deque()
            self._changed.notify_all()
        for job in left:
            _settle(job, Lost("the server stops; send it again"))
        for tender in self._tenders:
            tender.kill()
        for tender in self._tenders:
            if tender.is_alive():
                tender.join()

    def next(self, number: int = 0) -> Job | None:
        """The job for the worker ``number`` that has waited longest; None if there is none for a moment. The
        caller says :meth:`finished` of it."""
        with self._changed:
            if (job := self._for(number)) is None and not self._ended:
                self._changed.wait(_LOOK_S)
                job = self._for(number)
            if job is not None:
                self._waiting.remove(job)
                self.busy += 1
            return job

    def _for(self, number: int) -> Job | None:
        for job in self._waiting:
            if job.prefers in (None, number) or not self._tenders[job.prefers].alive:
                return job
        return None

    def finished(self, job: Job, again: bool, seconds: float | None) -> None:
        """Its worker has no more to do with ``job``; ``again``: another one must do it."""
        with self._changed:
            self.busy -= 1
            if again and not self._ended:
                self._waiting.appendleft(job)
            elif again:
                _settle(job, Lost("the server stops; send it again"))
            if seconds is not None:
                self.job_s += 0.2 * (seconds - self.job_s)
            self._changed.notify_all()

    @property
    def closing(self) -> bool:
        """Whether no more is taken."""
        return self._closing

    @property
    def ended(self) -> bool:
        """Whether workers are to end."""
        return self._ended


class _Tender(threading.Thread):
    """Looks after one worker process."""

    def __init__(self, pool: Pool, number: int):
        super().__init__(daemon=True, name=f"worker {number + 1}")
        self.pool, self.number, self.failed = pool, number, 0
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
        self._guard = threading.Lock()  # around the end of a process, which another thread may want, too

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.is_alive()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def start_worker(self) -> dict[str, Any]:
        """A new process, once it is ready; → what it says of the bundle. DataError if the bundle is refused,
        StageError if the process ends."""
        context = multiprocessing.get_context("forkserver")
        own, other = context.Pipe()
        process = context.Process(
            target=worker.main, args=(other, self.pool.opener, os.fspath(self.pool.folder)), daemon=True
        )
        process.start()
        other.close()
        self._process, self._connection = process, own
        try:
            if not own.poll(_START_S):
                raise EOFError
            message, _ = receive(own)
        except (EOFError, OSError):
            self.kill()
            raise StageError(
                f"{self.pool.folder}: the worker ended while it loaded the bundle, with status"
                f" {process.exitcode}; if memory is short, give fewer --workers"
            ) from None
        if message["say"] == "refused":
            self.kill()
            raise DataError(message["message"])
        return message

    def run(self) -> None:
        while not self.pool.ended:
            if not self.alive and not self._replaced():
                continue
            if (job := self.pool.next(self.number)) is None:
                continue
            start, again = time.monotonic(), False
            try:
                self._work(job)
            except _Ended:
                self.kill()
                job.tries += 1
                again = job.tries < _TRIES and not job.given_up
                if not again:
                    _settle(job, Lost(f"{_TRIES} workers ended at work on it; send it in another form"))
            finally:
                self.pool.finished(job, again, None if again else time.monotonic() - start)
        self.kill()

    def _replaced(self) -> bool:
        """Whether there is a new worker; if not, the next try comes after a pause."""
        if self._process is not None:
            self.pool.restarts += 1
        self.kill()
        pause_s = _PAUSES_S[min(self.failed, len(_PAUSES_S) - 1)]
        end = time.monotonic() + pause_s
        while time.monotonic() < end and not self.pool.ended:
            time.sleep(_LOOK_S)
        if self.pool.ended:
            return False
        try:
            self.start_worker()
        except (DataError, StageError, OSError) as err:
            self.failed += 1
            self.pool.failures += 1
            print(f"xlt serve: a worker could not start: {err}", file=sys.stderr, flush=True)
            return False
        self.failed = 0
        return True

    def _work(self, job: Job) -> None:
        """The answer to ``job``; _Ended if the process ends before."""
        connection, pieces = self._connection, []
        if job.given_up or connection is None:
            return
        last, stopped = self._clock(), False
        try:
            send(connection, job.message, job.samples)
            while True:
                if not connection.poll(_LOOK_S):
                    quiet_s = self._clock() - last
                    if job.given_up and not stopped:
                        send(connection, STOP)
                        last, stopped = self._clock(), True
                    elif quiet_s > min(self.pool.stall_s, _STOP_S if stopped else self.pool.stall_s):
                        self.kill()
                        _settle(job, Lost(f"its worker hung for {quiet_s:.0f} s; send it in another form"))
                        return
                    continue
                message, _ = receive(connection)
                last = last if stopped else self._clock()
                if message["say"] == "piece":
                    pieces.append(message["piece"])
                    job.heard(len(pieces) - 1, message["piece"])
                elif message["say"] != "beat":
                    _settle(job, _outcome(message, pieces, self.number))
                    return
        except (EOFError, OSError, ValueError, LookupError, TypeError, AttributeError):
            raise _Ended from None

    def _clock(self) -> float:
        """Seconds in which the worker could work: on a busy machine others have the processors."""
        return time.monotonic() - (waited_s(self.pid) if self.pid is not None else 0.0)

    def kill(self) -> None:
        """End the process, whatever it is doing."""
        with self._guard:
            if self._process is not None:
                self._process.kill()
                self._process.join()
            if self._connection is not None and threading.current_thread() is self:
                self._connection.close()
                self._connection = None


def _outcome(message: dict[str, Any], pieces: list, worker: int) -> Answer | Exception:
    if message["say"] == "refused":
        return Refused(message["param"], message["message"])
    if message["say"] == "stopped":
        return Lost("nobody waited for it any more; send it again")
    return Answer(
        pieces,
        message["duration_s"],
        message["work_s"],
        message.get("note", ""),
        message.get("facts", {}),
        worker,
    )


def _settle(job: Job, outcome: Answer | Exception) -> None:
    with contextlib.suppress(InvalidStateError):  # cancelled
        if isinstance(outcome, Exception):
            job.future.set_exception(outcome)
        else:
            job.future.set_result(outcome)
