"""What this machine has, and how long its processor works for this program."""

from __future__ import annotations

import contextlib
import os
import re
import time
from pathlib import Path

from xlt.core.errors import StageError


def free_memory() -> float | None:
    """Bytes that processes can still have; None where the system does not say."""
    try:
        found = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(encoding="utf-8"))
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def total_memory() -> float | None:
    """Bytes that this machine has; None where the system does not say."""
    try:
        return float(os.sysconf("SC_PHYS_PAGES")) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None


def room(folder: Path) -> tuple[int, int | None]:
    """Bytes, and files, that this user can still write into ``folder``; None where the file system does not
    count files. A folder that is not there yet is looked for above.
    """
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize, found.f_favail if found.f_files else None


def need_room(folder: Path, size: float, files: int, what: str, remedy: str) -> None:
    """StageError unless ``folder`` has room for ``size`` bytes in so many files; ``what`` needs them."""
    free, free_files = room(folder)
    if free < size:
        raise StageError(
            f"{folder}: {free / 1e9:.1f} GB are free, {what} need about {size / 1e9:.1f} GB; {remedy}"
        )
    if free_files is not None and free_files < files:
        raise StageError(
            f"{folder}: the file system has room for {free_files} more files (inodes), {what} need {files};"
            f" {remedy}"
        )


def waited_s(pid: int) -> float:
    """Seconds that the main thread of a process could have run in, but other processes had the processors; 0
    where the system does not say.
    """
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def cpu_seconds() -> float:
    """CPU-seconds of this process so far, of all its threads, and of processes that it has waited for."""
    found = os.times()
    return found.user + found.system + found.children_user + found.children_system


class Stopwatch:
    """Seconds of work since it was made: of the day, but on a CPU without those that other programs took of
    the processor. Several threads take more of it than of the day; a GPU is waited for.
    """

    def __init__(self, on_cpu: bool = True):
        self.on_cpu = on_cpu
        self._began = time.monotonic(), time.process_time()

    def took(self) -> float:
        """Seconds so far."""
        day, own = time.monotonic() - self._began[0], time.process_time() - self._began[1]
        return min(day, own) if self.on_cpu else day


def trim_memory() -> None:
    """Give freed memory back to the system, where the C library can.

    glibc keeps what large arrays leave in its heap: 172 MB resident for a language model of 66 MB.
    """
    import ctypes

    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
