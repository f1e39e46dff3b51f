"""What to do about errors of the operating system that a user can mend."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

_SPACE, _RIGHTS = "free some space or choose another place", "make it writable or choose another place"
_KIND = "a file is in the place of a folder, or a folder in that of a file: move it away"
_DISK = "the disk or the network behind it fails: check it, or choose another place"
_REMEDIES = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EFBIG: _SPACE,
    errno.EROFS: _RIGHTS,
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EISDIR: _KIND,
    errno.ENOTDIR: _KIND,
    errno.EEXIST: _KIND,
    errno.ENOTEMPTY: _KIND,
    errno.ENAMETOOLONG: "shorten the name",
    errno.EIO: _DISK,
    errno.ESTALE: _DISK,
    errno.EMFILE: "too many files are open: raise the limit (ulimit -n), or lower nj",
    errno.ENOMEM: "free some memory, or lower nj",
}


def remedy(err: OSError) -> str | None:
    """What to do about ``err``; None for what can only be a defect of xlt."""
    return _REMEDIES.get(err.errno or 0)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Errors inside that name no file, as those of writing do, name ``path``."""
    try:
        yield
    except OSError as err:
        if err.filename is None and err.errno is not None:
            err.filename = os.fspath(path)
        raise
