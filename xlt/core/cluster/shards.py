"""The folder of a cluster's tasks: what they are to do, and what they answer.

::

    work.json         which work it is, and the versions of all code that takes part
    setup.pickle      what all messages share
    task.sh           runs one shard: bash task.sh NUMBER
    messages/N.pickle the messages of shard N; messages/N.json: a digest of each
    answers/N.pickle  the answers, in the same order: the mark that shard N is done
    answers/N.error   the exception that it met instead
    answers/N.refused why a machine would not do it
    begun/N.json      where and when it was begun last
    logs/             what tasks have printed

Everything is written under another name and renamed, so a file is whole, and a task that runs twice puts the
same file in the same place. No lock is needed. Only the owner can read or write the folder (mode 0700), and
what is not the owner's is never opened: the pickles are of this user's own processes.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import io
import json
import os
import pickle
import shutil
import socket
import stat
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xlt.core import jsons
from xlt.core.config import ROOT
from xlt.core.errors import StageError
from xlt.core.files import atomic_bytes, atomic_text

_PARTS = ("messages", "answers", "begun", "logs")
STOPPED = "stopped"  # nobody waits for the answers any more


@functools.cache
def versions() -> dict[str, str]:
    """What must be the same on all machines: a digest of this package's source, Python, and the libraries
    that compute.
    """
    sha = hashlib.sha256()
    for path in sorted((ROOT / "xlt").rglob("*.py")):
        sha.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    found = {"xlt": sha.hexdigest()[:12], "python": ".".join(map(str, sys.version_info[:2]))}
    for name in ("numpy", "torch", "espnet", "transformers"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


class Shards:
    """The files of one run of messages in ``folder``."""

    def __init__(self, folder: Path):
        self.folder = folder

    def make(self, kind: str, setup: Any, script: str) -> None:
        """Make the folder, or take over that of an earlier run with the same settings and inputs."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.check_owner()
        for part in _PARTS:
            (self.folder / part).mkdir(exist_ok=True)
        (self.folder / STOPPED).unlink(missing_ok=True)
        for old in (*self.folder.glob("answers/*.error"), *self.folder.glob("answers/*.refused")):
            old.unlink()
        atomic_bytes(self.folder / "setup.pickle", pickle.dumps(setup))
        atomic_text(self.folder / "task.sh", script)
        write_json(self.folder / "work.json", {"work": kind, "versions": versions()})

    def check_owner(self) -> None:
        """StageError unless the folder is this user's, and nobody else can write into it."""
        info = self.folder.lstat()
        if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.geteuid() or info.st_mode & 0o077:
            raise StageError(
                f"{self.folder}: others can write there (owner {info.st_uid}, mode {info.st_mode & 0o777:o}),"
                " so its messages are not opened; remove it and run the same command again"
            )

    @property
    def work(self) -> dict[str, Any]:
        """``{"work": "module:class", "versions": {…}}``."""
        return jsons.parse((self.folder / "work.json").read_text(encoding="utf-8"))

    @property
    def setup(self) -> Any:
        return self.read("setup.pickle")

    def add(self, number: int, messages: Sequence[Any]) -> None:
        """Write the messages of a shard."""
        atomic_bytes(self.folder / f"messages/{number}.pickle", pickle.dumps(list(messages)))
        write_json(self.folder / f"messages/{number}.json", [digest(message) for message in messages])

    def known(self) -> dict[int, list[str]]:
        """The digests of the messages of each shard."""
        return {
            int(path.stem): jsons.parse(path.read_text(encoding="utf-8"))
            for path in sorted((self.folder / "messages").glob("[0-9]*.json"), key=lambda p: int(p.stem))
        }

    def read(self, name: str) -> Any:
        """What this user's own process has pickled into a file; StageError if it is not this user's."""
        with open(
            self.folder / name, "rb", opener=lambda p, flags: os.open(p, flags | os.O_NOFOLLOW)
        ) as file:
            info = os.fstat(file.fileno())
            if info.st_uid != os.geteuid() or info.st_mode & 0o022:
                raise StageError(f"{self.folder / name}: not written by this user; remove {self.folder}")
            return pickle.load(file)

    def answer(self, number: int, answers: list[Any]) -> None:
        atomic_bytes(self.folder / f"answers/{number}.pickle", pickle.dumps(answers))

    def fail(self, number: int, error: Exception) -> None:
        atomic_bytes(self.folder / f"answers/{number}.error", pickle.dumps(error))

    def refuse(self, number: int, why: str) -> None:
        atomic_text(self.folder / f"answers/{number}.refused", why)

    def begin(self, number: int) -> None:
        facts = {"host": socket.gethostname(), "pid": os.getpid(), "at": time.time()}
        write_json(self.folder / f"begun/{number}.json", facts)

    def host(self, number: int) -> str | None:
        """The machine that began a shard last."""
        try:
            return jsons.parse((self.folder / f"begun/{number}.json").read_text(encoding="utf-8"))["host"]
        except (OSError, ValueError, KeyError):
            return None

    def ended(self) -> dict[str, set[int]]:
        """``{"pickle": numbers of shards that are done, "error": …, "refused": …}``, by one look."""
        found: dict[str, set[int]] = {"pickle": set(), "error": set(), "refused": set()}
        for entry in os.scandir(self.folder / "answers"):
            stem, _, kind = entry.name.partition(".")
            if kind in found and stem.isdigit():
                found[kind].add(int(stem))
        return found

    def last_lines(self, number: int, count: int = 15) -> list[str]:
        """The end of what the newest attempt at a shard has printed."""
        logs = sorted(self.folder.glob(f"logs/{number}.*"), key=lambda p: p.stat().st_mtime)
        if not logs:
            return []
        return logs[-1].read_text(encoding="utf-8", errors="replace").strip().splitlines()[-count:]

    def remove(self) -> None:
        """Remove the folder, and that around it if nothing else is in it; tasks that still run end."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            self.folder.parent.rmdir()

    def stop(self) -> None:
        """Tell tasks that still run that nobody waits for them."""
        with contextlib.suppress(OSError):
            (self.folder / STOPPED).touch()


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that a reader sees the old file or the whole new one."""
    atomic_text(path, json.dumps(value))


def digest(message: Any) -> str:
    """The same for equal messages, in any process."""
    data = io.BytesIO()
    pickler = pickle.Pickler(data)
    pickler.fast = True  # else it would tell equal strings from the same string
    pickler.dump(message)
    return hashlib.sha256(data.getvalue()).hexdigest()[:24]


def differing(wanted: dict[str, str]) -> list[str]:
    """What differs between this machine's :func:`versions` and those ``wanted``, in words."""
    own = versions()
    return [
        f"{name} {own.get(name, 'none')} instead of {wanted.get(name, 'none')}"
        for name in sorted(own.keys() | wanted.keys())
        if own.get(name) != wanted.get(name)
    ]
