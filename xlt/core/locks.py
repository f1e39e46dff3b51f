"""Locks between processes, also where a folder has none, or may only be read."""

from __future__ import annotations

import contextlib
import errno
import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from xlt.core.log import say

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
