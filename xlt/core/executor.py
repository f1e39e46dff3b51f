"""Work in several processes: messages of one kind → answers, ``run(kind, setup, messages, workers)``.

A kind of work is a class (:class:`Work`) that :data:`xlt.core.registry.WORK` names, so that a process on any
machine finds it. Where the processes run is the executor's matter: :class:`Local` here, Slurm and Dask in
:mod:`xlt.core.cluster`; another one is one file with the same two methods and a line in
:data:`xlt.core.registry.EXECUTORS`.
"""

from __future__ import annotations

import collections
import os
import pickle
import selectors
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from xlt.core.config import Config
from xlt.core.errors import StageError
from xlt.core.paths import python_path
from xlt.core.registry import EXECUTORS, WORK
from xlt.core.settings import ClusterConfig

HEAD = struct.Struct("<Q")  # in front of each message and answer: its length in bytes
_LINES = 15  # of what a process printed before it died


class Work:
    """One kind of work; each process makes one such object. All that crosses between processes is pickled.

    ``setup``: what all messages share; ``number``: of the worker, from 1.

    >>> class Squares(Work):
    ...     label = "squares"
    ...
    ...     def run(self, message, prepared):
    ...         return message**2
    >>> Squares(None, 1).run(3, None)
    9
    """

    label = "work"  # what errors call it, e.g. the stage
    relief = "--nj"  # what to lower if memory runs out

    def __init__(self, setup: Any, number: int):
        self.setup, self.number = setup, number

    def prepare(self, message: Any) -> Any:
        """What can be done beforehand, in a thread, while another message is run: reading files."""
        return None

    def run(self, message: Any, prepared: Any) -> Any:
        """The answer; ``prepared`` is what :meth:`prepare` gave."""
        raise NotImplementedError

    def open_shard(self, name: str, scratch: Path) -> None:
        """The messages that follow, up to :meth:`close_shard`, are a task of a cluster, which may run twice
        at once: what is appended to is written into the local folder ``scratch``, under a ``name`` that no
        other attempt has.
        """

    def close_shard(self) -> None:
        """Put what was written into ``scratch`` in its place, each file whole."""

    @staticmethod
    def describe(message: Any) -> str:
        """What a message is about, for the error if its process dies."""
        return str(message)

    @staticmethod
    def utterances(message: Any) -> int:
        """How many a message holds, by which a cluster's tasks are cut."""
        return 1


@dataclass(frozen=True)
class Workers:
    """At most ``jobs`` processes; with ``gpus`` (as CUDA_VISIBLE_DEVICES names them) one a GPU instead.

    One job without a GPU is done in the calling process if ``in_process``. An executor other than ``local``
    has its tasks as ``cluster`` says instead, and keeps their files below ``folder``, which all machines
    share.
    """

    jobs: int
    gpus: Sequence[str] = ()
    in_process: bool = True
    executor: str = "local"
    cluster: ClusterConfig | None = None
    folder: Path | None = None

    @property
    def count(self) -> int:
        if self.executor != "local" and self.cluster is not None:
            return self.cluster.tasks
        return len(self.gpus) or max(1, self.jobs)


def workers_of(
    cfg: Config, jobs: int = 1, gpus: Sequence[str] = (), in_process: bool = True, small: bool = False
) -> Workers:
    """Where a recipe's work runs: by its setting ``executor``, but on this machine if it is ``small``."""
    where = "local" if small else cfg.executor
    return Workers(jobs, gpus, in_process, where, cfg.cluster, cfg.recipe / "log" / "tasks")


class Executor(Protocol):
    """Made with ``(kind, setup, workers)``; may keep its processes from one :meth:`run` to the next."""

    def run(self, messages: Sequence[Any], ordered: bool = True, keep: Path | None = None) -> Iterator[Any]:
        """An answer a message: in the order of the messages, or, unless ``ordered``, of completion.

        ``keep``: a folder of the caller that is emptied when settings or inputs change: answers may wait in
        it for a run that goes on from this one. Raises the first error that a worker met, with its type;
        StageError if a worker dies.
        """
        ...

    def close(self) -> None:
        """End the processes, whatever they are doing."""
        ...


def open_executor(kind: str, setup: Any, workers: Workers) -> Executor:
    """The executor that ``workers`` names, for work of ``kind``."""
    return EXECUTORS.get(workers.executor)(kind, setup, workers)


def run(
    kind: str,
    setup: Any,
    messages: Sequence[Any],
    workers: Workers,
    ordered: bool = True,
    keep: Path | None = None,
) -> Iterator[Any]:
    """An answer a message of ``kind``, as :meth:`Executor.run`; no process is left when it ends."""
    executor = open_executor(kind, setup, workers)
    try:
        yield from executor.run(messages, ordered, keep)
    finally:
        executor.close()


class Local:
    """Processes of this machine, started when there is work for them and kept until :meth:`close`."""

    def __init__(self, kind: str, setup: Any, workers: Workers):
        self.work, self.path = WORK.get(kind), WORK.entries[kind]
        self.setup, self.workers = setup, workers
        self.processes: list[_Process] = []
        self.local: Work | None = None

    def close(self) -> None:
        for process in self.processes:
            process.close()
        self.processes = []

    def run(self, messages: Sequence[Any], ordered: bool = True, keep: Path | None = None) -> Iterator[Any]:
        workers = self.workers
        if workers.in_process and workers.count == 1 and not workers.gpus:
            self.local = self.local or self.work(self.setup, 1)
            for message in messages:
                yield self.local.run(message, self.local.prepare(message))
            return
        while len(self.processes) < min(workers.count, len(messages)):
            number = len(self.processes) + 1
            gpu = workers.gpus[number - 1] if workers.gpus else ""
            self.processes.append(_Process(self.work, self.path, self.setup, number, gpu))
        answers = self._share(messages)
        left = len(messages)
        try:
            for answer in _in_order(answers) if ordered else (answer for _, answer in answers):
                left -= 1
                yield answer
        finally:
            if left:
                self.close()  # a worker may be about to answer what nobody waits for

    def _share(self, messages: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """``(number of the message, answer)``. Each worker has the next message at hand while it works on
        one; the last ones go to whoever is free.
        """
        waiting = collections.deque(enumerate(messages))
        processes = self.processes[: len(messages)]
        with selectors.DefaultSelector() as ready:
            for process in processes:
                process.send(*waiting.popleft())
                ready.register(process.answers, selectors.EVENT_READ, process)
            while any(process.given for process in processes):
                for process in processes:
                    if len(process.given) == 1 and len(waiting) > len(processes):
                        process.send(*waiting.popleft())
                for key, _ in ready.select():
                    for number, answer in key.data.read():
                        if not key.data.given and waiting:
                            key.data.send(*waiting.popleft())
                        yield number, answer


def _in_order(answers: Iterable[tuple[int, Any]]) -> Iterator[Any]:
    early: dict[int, Any] = {}
    wanted = 0
    for number, answer in answers:
        early[number] = answer
        while wanted in early:
            yield early.pop(wanted)
            wanted += 1


class _Process:
    """A worker, ``python -P -m xlt.core.worker``, and the messages that it has not answered yet."""

    def __init__(self, work: type[Work], path: str, setup: Any, number: int, gpu: str):
        self.work, self.number = work, number
        self.begun = b""  # of an answer that is not whole yet
        self.given: collections.deque[tuple[int, Any]] = collections.deque()
        self.noise: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed in close())
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "xlt.core.worker"],  # -P: not modules of the folder it stands in
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.noise,
            env={
                **os.environ,
                "OMP_NUM_THREADS": "1",
                "PYTHONPATH": python_path(),
                "CUDA_VISIBLE_DEVICES": gpu,
            },
        )
        assert self.process.stdin and self.process.stdout  # both are pipes
        self.questions, self.answers = self.process.stdin, self.process.stdout
        self._write({"work": path, "setup": setup, "number": number})

    def send(self, number: int, message: Any) -> None:
        self.given.append((number, message))
        self._write(message)

    def _write(self, message: Any) -> None:
        try:
            self.questions.write(framed(message))
            self.questions.flush()
        except BrokenPipeError:
            self._died()

    def read(self) -> list[tuple[int, Any]]:
        """Whole answers that have come; two may come at once, so nothing of a pipe may hide in a buffer of
        Python's.
        """
        data = os.read(self.answers.fileno(), 1 << 20)
        if not data:
            self._died()
        self.begun += data
        found = []
        while len(self.begun) >= HEAD.size:
            (size,) = HEAD.unpack_from(self.begun)
            if len(self.begun) < HEAD.size + size:
                break
            answer = pickle.loads(self.begun[HEAD.size : HEAD.size + size])
            self.begun = self.begun[HEAD.size + size :]
            if isinstance(answer, Exception):
                raise answer
            found.append((self.given.popleft()[0], answer))
        return found

    def _died(self) -> None:
        status = self.process.wait()
        self.noise.seek(0)
        last = self.noise.read().decode("utf-8", "replace").strip().splitlines()[-_LINES:]
        self.close()
        doing = f" while working on {self.work.describe(self.given[0][1])}" if self.given else ""
        if status == -signal.SIGKILL:
            raise StageError(
                f"{self.work.label}: worker {self.number} was killed{doing}, most likely because memory ran"
                f" out; lower {self.work.relief} and run the same command: it continues from here"
            )
        raise StageError(
            f"{self.work.label}: worker {self.number} ended with status {status}{doing}; its last lines:\n"
            + "\n".join(f"  {line}" for line in last)
        )

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.questions, self.answers, self.noise):
            try:
                pipe.close()
            except BrokenPipeError:
                pass


def framed(value: Any) -> bytes:
    """``value`` as it is written into a pipe."""
    data = pickle.dumps(value)
    return HEAD.pack(len(data)) + data
