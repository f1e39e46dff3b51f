"""Worker processes that encode batches; one batch at a time in each, whoever is free takes the next."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import IO

from xlt.core import errors
from xlt.core.config import ROOT
from xlt.features.extract import Setup, Shard, one_thread, upstream_class
from xlt.upstreams.base import choose_gpus, has_gpu


class Pool:
    """Runs messages of :class:`Shard` in up to ``jobs`` processes; with one job and no GPU, in this process.

    With GPUs (``ngpu`` as ``features.ngpu``) there is one process a GPU instead, and ``jobs`` is their
    number; without, workers do not see any. Workers are started when there is work, kept from one set to the
    next (starting one costs seconds), and killed by :meth:`close`. Shards are numbered from 1. ConfigError if
    there are not so many GPUs.
    """

    def __init__(self, setup: Setup, jobs: int, ngpu: int | None = 0):
        self.setup = setup
        self.gpus = choose_gpus(ngpu) if upstream_class(setup.source.upstream).uses_gpu else []
        self.jobs = len(self.gpus) or jobs
        self.workers: list[_Worker] = []
        self.own: Shard | None = None

    def close(self) -> None:
        for worker in self.workers:
            worker.close()
        self.workers = []

    def run(self, messages: list[dict]) -> Iterator[dict]:
        """Answers in the order of completion; raises the first error that a worker reports."""
        if self.jobs == 1 and not self.gpus and not has_gpu():
            if self.own is None:
                one_thread()
                self.own = Shard(self.setup, 1)
            yield from map(self.own.run, messages)
            return
        while len(self.workers) < min(self.jobs, len(messages)):
            number = len(self.workers) + 1
            self.workers.append(_Worker(self.setup, number, self.gpus[number - 1] if self.gpus else ""))
        left = len(messages)
        try:
            for answer in self._share(messages):
                left -= 1
                yield answer
        finally:
            if left:
                self.close()  # a worker may be about to answer what nobody waits for

    def _share(self, messages: list[dict]) -> Iterator[dict]:
        """Each worker has the next message at hand while it encodes one; the last ones go to whoever is
        free.
        """
        waiting = list(reversed(messages))
        with selectors.DefaultSelector() as ready:
            workers = self.workers[: len(messages)]
            for worker in workers:
                worker.send(waiting.pop())
                ready.register(worker.process.stdout, selectors.EVENT_READ, worker)
            given = dict.fromkeys(workers, 1)
            while any(given.values()):
                for worker in workers:
                    if given[worker] == 1 and len(waiting) > len(workers):
                        worker.send(waiting.pop())
                        given[worker] += 1
                for key, _ in ready.select():
                    worker = key.data
                    for answer in worker.answers():
                        given[worker] -= 1
                        if not given[worker] and waiting:
                            worker.send(waiting.pop())
                            given[worker] += 1
                        yield answer


class _Worker:
    def __init__(self, setup: Setup, number: int, gpu: str):
        self.number, self.begun = number, b""  # begun: of an answer that is not whole yet
        self.noise: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed in close())
        path = os.pathsep.join(filter(None, [os.fspath(ROOT), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": gpu}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "xlt.features.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.noise,
            env=environment,
        )
        self.send({"setup": setup.to_json(), "number": number})

    def send(self, message: dict) -> None:
        try:
            self.process.stdin.write((json.dumps(message) + "\n").encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            self._died()

    def answers(self) -> Iterator[dict]:
        """Whole answers that have come; two may come at once, so nothing of a pipe may hide in a buffer of
        Python's.
        """
        data = os.read(self.process.stdout.fileno(), 1 << 16)
        if not data:
            self._died()
        *lines, self.begun = (self.begun + data).split(b"\n")
        for line in lines:
            answer = json.loads(line)
            if answer.get("error") == "OSError":
                raise OSError(answer["errno"], answer["message"], answer["file"])
            if "error" in answer:
                raise getattr(errors, answer["error"])(answer["message"])
            yield answer

    def _died(self) -> None:
        status = self.process.wait()
        self.noise.seek(0)
        last = self.noise.read().decode("utf-8", "replace").strip().splitlines()[-15:]
        self.close()
        if status == -signal.SIGKILL:
            raise errors.StageError(
                f"features: worker {self.number} was killed, most likely because memory ran out; "
                "lower --nj or features.batch_s and run the same command: it goes on from here"
            )
        raise errors.StageError(
            f"features: worker {self.number} ended with status {status}; its last lines:\n"
            + "\n".join(f"  {line}" for line in last)
        )

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.noise):
            try:
                pipe.close()
            except BrokenPipeError:
                pass
