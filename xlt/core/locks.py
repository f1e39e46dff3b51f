"""Locks between processes, also where a folder has none, or may only be read.

``flock`` reaches the processes of one machine, and those of others only on some network file systems. So who
holds a lock also writes its machine's name into the file and renews the file's time while it works.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from xlt.core.files import host_name, partial_of
from xlt.core.log import say

BEAT_S = 20.0  # between signs of life of a holder
DEAD_S = 90.0  # a holder on another machine without one for so long is gone
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}  # of some NFS, FUSE and FAT folders
READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}


def hold(handle: IO[Any], wait: bool = False, shared: bool = False) -> bool:
    """Lock an open file until it is closed; False if another process holds it and ``wait`` is false.

    Where the file system has no locks, that is said, and True comes back: two runs at once would then disturb
    each other, one alone works.
    """
    how = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
    try:
        fcntl.flock(handle, how)
    except BlockingIOError:
        return False
    except OSError as err:
        if err.errno not in _NO_LOCKS:
            raise
        folder = Path(str(handle.name)).parent
        say(f"  note: {folder} is on a file system without locks; start no second run with it at once")
    return True


def holder_elsewhere(handle: IO[Any]) -> str:
    """The other machine on which a living process holds the lock of an open file, "" if there is none."""
    path = Path(str(handle.name))
    try:
        host = path.read_text(encoding="utf-8").partition("\n")[0].rpartition("@")[2]
        if not host or host == host_name():
            return ""
        now = partial_of(path)  # its time is told by the clock that told that of the lock
        now.touch()
        try:
            age_s = now.stat().st_mtime - path.stat().st_mtime
        finally:
            now.unlink(missing_ok=True)
    except (OSError, UnicodeDecodeError):
        return ""
    return host if age_s < DEAD_S else ""


@contextlib.contextmanager
def signs_of_life(handle: IO[str], who: str) -> Iterator[None]:
    """Say in a locked file that ``who`` on this machine holds it, and go on saying so."""
    handle.seek(0)
    handle.truncate(0)
    handle.write(f"{who}@{host_name()}\n")
    handle.flush()
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(BEAT_S):
            with contextlib.suppress(OSError):
                os.utime(handle.name)

    threading.Thread(target=beat, daemon=True).start()
    try:
        yield
    finally:
        ended.set()
        with contextlib.suppress(OSError):
            handle.truncate(0)


@contextlib.contextmanager
def only_one(folder: Path, what: str) -> Iterator[None]:
    """Hold the lock of ``folder``, to fetch ``what`` into it; another process that holds it is waited for.

    In a folder that may only be read, such as a cache that others share, there is nothing to lock: what is
    complete there can be used.
    """
    with contextlib.ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle = stack.enter_context((folder / ".lock").open("w"))
        except OSError as err:
            if err.errno not in READ_ONLY or not folder.is_dir():
                raise
        else:
            if not hold(handle):
                say(f"  another process is fetching {what}; waiting for it")
                hold(handle, wait=True)
        yield
