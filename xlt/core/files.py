"""Files that appear whole or not at all, what a killed writer leaves of them, and digests."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
import re
import time
from collections.abc import Iterable
from pathlib import Path

from xlt.core.remedies import naming

_PARTIAL = re.compile(r"\..+\.(\d{1,7})\.partial")  # .NAME.PID.partial
_OLD_S = 1.0  # a process id of another machine says nothing here; no small file takes so long to be written


def sha256(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def atomic_text(path: Path, text: str) -> None:
    """Write a text file so that a reader sees the old file or the whole new one; two writers do not disturb
    each other.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with naming(path), partial.open("w", encoding="utf-8") as handle:
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    sweep(path.parent.glob(f".{glob.escape(path.name)}.*.partial"))


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
