"""Files that appear whole or not at all, what a killed writer leaves of them, and digests."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
import re
import shutil
import socket
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from xlt.core.remedies import naming

_PARTIAL = re.compile(r"\..+\.(\d{1,7})\.partial")  # .NAME.PID.partial
_OLD_S = 1.0  # a process id of another machine says nothing here; no small file takes so long to be written
_OLD_FOLDER_S = 3600.0


def sha256(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def host_name() -> str:
    """The name of this machine, as a file name may have it."""
    return re.sub(r"[^\w-]", "_", socket.gethostname())[:40] or "host"


def partial_of(path: Path) -> Path:
    """Where this process writes ``path`` before it is whole; no process of any machine has that name."""
    return path.with_name(f".{path.name}.{host_name()}.{os.getpid()}.partial")


def atomic_text(path: Path, text: str) -> None:
    """Write a text file so that a reader sees the old file or the whole new one; two writers, also on two
    machines, do not disturb each other.
    """
    atomic_bytes(path, text.encode("utf-8"))


def atomic_bytes(path: Path, data: bytes) -> None:
    """As :func:`atomic_text`."""
    partial = partial_of(path)
    try:
        with naming(path), partial.open("wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    sweep(path.parent.glob(f".{glob.escape(path.name)}.*.partial"))


@contextlib.contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """A folder to fill that becomes ``out``, which must not be there yet, once it is full; nothing is left of
    it after an error, nor, an hour later, of what a killed writer of ``out`` has left.
    """
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    for left in out.parent.glob(f".{glob.escape(out.name)}.*.partial"):
        named = _PARTIAL.fullmatch(left.name)
        if named and not _lives(int(named[1])) and time.time() - left.stat().st_mtime > _OLD_FOLDER_S:
            shutil.rmtree(left, ignore_errors=True)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def sweep(paths: Iterable[Path]) -> None:
    """Remove what :func:`atomic_text` has left behind among ``paths`` in processes that were killed."""
    for path in paths:
        named = _PARTIAL.fullmatch(path.name)
        if not named or _lives(int(named[1])) or path.is_dir():
            continue
        with contextlib.suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _OLD_S:
                path.unlink()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
