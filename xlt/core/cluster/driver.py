"""What executors of clusters share: cut messages into shards, have tasks do them, give the answers out."""

from __future__ import annotations

import abc
import os
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from xlt.core.cluster.shards import Shards, digest
from xlt.core.errors import StageError
from xlt.core.executor import Workers
from xlt.core.log import say
from xlt.core.paths import python_path
from xlt.core.registry import WORK

TRIES = 2  # of a task that ends without a word, before that is an error
UTTERANCE_S = 5.0  # about so long is one, for the length of tasks
AT_ONCE = 500  # tasks that are submitted ahead; Slurm's arrays have at most 1000
POLL_S = 5.0  # between looks into the folder, at most
ASK_S = 15.0  # between questions to the scheduler, which others ask as well
GRACE_S = 75.0  # a file that another machine has written may be seen so much later on NFS
TIME, MEMORY, CANCELLED, LOST = "time", "memory", "cancelled", "lost"

_SCRIPT = """#!/usr/bin/env bash
# bash task.sh NUMBER: one shard; written by xlt
{setup}
export PYTHONPATH={path} OMP_NUM_THREADS={cpus}
{gpus}{scratch}exec {python} -P -m xlt.core.cluster.task {folder} "$1"
"""


@dataclass(frozen=True)
class End:
    """How a task ended: TIME (its limit), MEMORY, CANCELLED or LOST; ``said``: the scheduler's word."""

    why: str
    said: str
    node: str = ""


class Cluster(abc.ABC):
    """An executor (:class:`xlt.core.executor.Executor`); one base class for those of clusters."""

    name = ""

    def __init__(self, kind: str, setup: Any, workers: Workers):
        assert workers.cluster is not None and workers.folder is not None  # see workers_of
        self.work, self.path = WORK.get(kind), WORK.entries[kind]
        self.kind, self.setup, self.workers = kind, setup, workers
        self.cluster = workers.cluster
        self.shards: Shards | None = None
        self.kept = False  # whether the folder stays for a run that goes on from this one

    @abc.abstractmethod
    def submit(self, shards: Shards, numbers: list[int]) -> None:
        """Have tasks begin these shards when there is room."""

    @abc.abstractmethod
    def ended(self, shards: Shards, numbers: set[int]) -> dict[int, End]:
        """Those of ``numbers`` that no task works on or waits to work on, and how they ended."""

    @abc.abstractmethod
    def cancel(self, shards: Shards) -> None:
        """End the tasks of this folder, whatever they are doing."""

    def close(self) -> None:
        if self.shards is not None:
            self.shards.stop()
            self.cancel(self.shards)
            if not self.kept:
                self.shards.remove()
            self.shards = None

    def run(self, messages: Sequence[Any], ordered: bool = True, keep: Path | None = None) -> Iterator[Any]:
        if not messages:
            return
        shards = self._open(keep)
        places, begun = self._places(shards, messages)
        watch = _Watch(self, shards, begun, {number for number, _ in places})
        if ordered:
            number, answers = -1, []
            for place, at in places:
                if place != number:
                    watch.until(place)
                    number, answers = place, shards.read(f"answers/{place}.pickle")
                yield answers[at]
        else:
            wanted: dict[int, list[int]] = {}
            for place, at in places:
                wanted.setdefault(place, []).append(at)
            while wanted:
                for number in watch.next(set(wanted)):
                    answers = shards.read(f"answers/{number}.pickle")
                    yield from (answers[at] for at in wanted.pop(number))
        self.shards = None
        shards.remove()

    def _open(self, keep: Path | None) -> Shards:
        assert self.workers.folder is not None
        self.kept = keep is not None
        name = f"{self.kind}-{os.getpid()}-{time.time_ns()}"
        folder = keep / ".tasks" / self.kind if keep else self.workers.folder / name
        shards = self.shards = Shards(folder.absolute())
        shards.make(self.path, self.setup, self._script(shards.folder))
        return shards

    def _script(self, folder: Path) -> str:
        cluster = self.cluster
        # quoted: variables in it are replaced where it is read, xlt.core.cluster.task
        scratch = f"export XLT_SCRATCH={shlex.quote(cluster.scratch)}\n" if cluster.scratch else ""
        return _SCRIPT.format(
            setup="\n".join(map(str, cluster.setup)),
            path=shlex.quote(python_path()),
            cpus=cluster.cpus,
            gpus="" if cluster.gpus else "export CUDA_VISIBLE_DEVICES=\n",
            scratch=scratch,
            python=shlex.quote(sys.executable),
            folder=shlex.quote(str(folder)),
        )

    def _places(self, shards: Shards, messages: Sequence[Any]) -> tuple[list[tuple[int, int]], set[int]]:
        """``(shard, place in it)`` of each message, and the shards that an earlier run has begun. What is
        done or at work is taken as it is; the rest goes into new shards.
        """
        known = shards.known()
        done = shards.ended()["pickle"]
        open_ = known.keys() - done
        begun = open_ - self.ended(shards, open_).keys() if open_ else set()
        there = {
            key: (number, at)
            for number in sorted(done | begun, reverse=True)
            for at, key in enumerate(known.get(number, []))
        }
        keys = [digest(message) for message in messages]
        fresh = [(key, m) for key, m in zip(keys, messages, strict=True) if key not in there]
        first = max(known, default=-1) + 1
        for number, part in enumerate(self._cut(fresh), first):
            shards.add(number, [message for _, message in part])
            there |= {key: (number, at) for at, (key, _) in enumerate(part)}
        if len(fresh) < len(messages):
            say(
                f"  {self.name}: {len(messages) - len(fresh)} of {len(messages)} parts were begun by an"
                " earlier run"
            )
        return [there[key] for key in keys], begun

    def _cut(self, messages: list[tuple[str, Any]]) -> Iterator[list[tuple[str, Any]]]:
        """Parts of about ``cluster.shard_h`` hours of speech, shorter ones if tasks would be without work."""
        sizes = [self.work.utterances(message) for _, message in messages]
        limit = min(self.cluster.shard_h * 3600 / UTTERANCE_S, sum(sizes) / self.cluster.tasks)
        part: list[tuple[str, Any]] = []
        before = total = 0.0
        for message, size in zip(messages, sizes, strict=True):
            part.append(message)
            total += size
            if total - before >= limit - 1e-6:
                yield part
                part, before = [], total
        if part:
            yield part


class _Watch:
    """Submits the shards that are ``wanted``, a few hundred ahead, and waits for them."""

    def __init__(self, owner: Cluster, shards: Shards, begun: set[int], wanted: set[int]):
        self.owner, self.shards = owner, shards
        self.done = shards.ended()["pickle"]
        self.todo = sorted(wanted - self.done - begun)
        self.under_way = set(begun)
        self.tries: dict[int, int] = {}
        self.lost: dict[int, float] = {}  # shard that ended without an answer → when that was noticed
        self.asked = time.monotonic()

    def until(self, number: int) -> None:
        """Wait for one shard; raises what it met."""
        while number not in self.done:
            self.next({number})

    def next(self, wanted: set[int]) -> list[int]:
        """Shards of ``wanted`` that are done, at least one; raises what any shard met."""
        pause = 0.05
        while True:
            self._submit()
            ended = self.shards.ended()
            self.done |= ended["pickle"]
            self.under_way -= self.done
            self._raise(ended)
            if found := sorted(wanted & self.done):
                return found
            if time.monotonic() - self.asked >= min(ASK_S, 20 * pause):
                self._ask()
            time.sleep(pause)
            pause = min(POLL_S, 1.3 * pause)

    def _submit(self) -> None:
        room = AT_ONCE - len(self.under_way)
        if self.todo and (room >= min(AT_ONCE // 2, len(self.todo))):
            numbers, self.todo = self.todo[:room], self.todo[room:]
            self.owner.submit(self.shards, numbers)
            self.under_way |= set(numbers)

    def _ask(self) -> None:
        self.asked = time.monotonic()
        ended = self.owner.ended(self.shards, self.under_way)
        done = self.shards.ended()
        for number, end in ended.items():
            if any(number in numbers for numbers in done.values()):
                continue
            if end.why != LOST:
                self._told(number, end)
            since = self.lost.setdefault(number, self.asked)
            if self.asked - since < GRACE_S and (self.shards.host(number) is not None):
                continue  # its answer may be on its way
            del self.lost[number]
            self.tries[number] = self.tries.get(number, 1) + 1
            if self.tries[number] > TRIES:
                self._told(number, end)
            say(f"  {self.owner.name}: task {number} ended without an answer ({end.said}); it runs again")
            self.under_way.discard(number)
            self.todo.insert(0, number)

    def _raise(self, ended: dict[str, set[int]]) -> None:
        for number in sorted(ended["refused"] - ended["pickle"]):
            why = (self.shards.folder / f"answers/{number}.refused").read_text(encoding="utf-8")
            raise StageError(
                f"{self.owner.name}: {why}; let all machines use one checkout and one environment, or update"
                " them, then run the same command"
            )
        for number in sorted(ended["error"] - ended["pickle"]):
            raise self.shards.read(f"answers/{number}.error")

    def _about(self, number: int) -> str:
        messages = self.shards.read(f"messages/{number}.pickle")
        more = f" … ({len(messages)} parts)" if len(messages) > 1 else ""
        return f"{self.owner.work.describe(messages[0])}{more}"

    def _told(self, number: int, end: End) -> NoReturn:
        cluster, node = self.owner.cluster, end.node or self.shards.host(number) or "an unknown node"
        doing = f"task {number} on {node}, {self._about(number)},"
        if end.why == TIME:
            raise StageError(
                f"cluster.time_h={cluster.time_h:g}: {self.owner.work.label}: {doing} ran into its time"
                " limit; raise it or lower cluster.shard_h, then run the same command: it continues from here"
            )
        if end.why == MEMORY:
            raise StageError(
                f"cluster.memory_gb={cluster.memory_gb:g}: {self.owner.work.label}: {doing} ran out of"
                f" memory; raise it or lower {self.owner.work.relief}, then run the same command: it"
                " continues from here"
            )
        if end.why == CANCELLED:
            raise StageError(
                f"{self.owner.name}: {self.owner.work.label}: {doing} was cancelled; run the same command: it"
                " continues from here"
            )
        lines = self.shards.last_lines(number)
        if not lines and self.shards.host(number) is None:
            raise StageError(
                f"{self.shards.folder}: {self.owner.work.label}: {doing} ended ({end.said}) without a line in"
                " its log: that node does not see this folder, or not its Python; put the checkout, the"
                " environment and the recipe on a file system that all nodes share"
            )
        shown = "".join(f"\n  {line}" for line in lines)
        raise StageError(
            f"{self.owner.name}: {self.owner.work.label}: {doing} ended ({end.said}) {TRIES} times; the same"
            f" command tries again; its last lines:{shown}"
        )
