"""``python -m xlt.core.cluster.task FOLDER NUMBER``: one shard of a cluster's work, on any machine.

What is done already is not done again. The process ends by itself when the folder says that nobody waits for
it, or when what started it has died.
"""

from __future__ import annotations

import errno
import importlib
import os
import shutil
import socket
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xlt.core.cluster.shards import STOPPED, Shards, differing
from xlt.core.errors import ConfigError, XltError
from xlt.core.files import host_name
from xlt.core.machine import room
from xlt.core.worker import PrefetchingWorker, portable

LEAST_BYTES, LEAST_FILES = 200 << 20, 100  # that a node must have free for unfinished files
_WATCH_S = 5.0


def scratch_root() -> Path:
    """The local folder for unfinished files: $XLT_SCRATCH, $SLURM_TMPDIR, $TMPDIR or /tmp."""
    for name in ("XLT_SCRATCH", "SLURM_TMPDIR", "TMPDIR"):
        if os.environ.get(name):
            return Path(os.path.expandvars(os.environ[name]))
    return Path("/tmp")


def full(folder: Path, what: str) -> ConfigError:
    """The error for scratch space that is used up."""
    return ConfigError(
        f"cluster.scratch={folder}: {what} on {socket.gethostname()}; name a folder with more room, or lower"
        " cluster.shard_h"
    )


def run(folder: Path, number: int) -> int:
    """Do shard ``number``; the exit status."""
    shards = Shards(folder)
    shards.check_owner()
    if (folder / f"answers/{number}.pickle").exists():
        return 0
    shards.begin(number)
    if wrong := differing(shards.work["versions"]):
        shards.refuse(number, f"{socket.gethostname()} has other versions ({'; '.join(wrong)})")
        return 1
    root = scratch_root()
    scratch = None
    try:
        scratch = _scratch(root)
        shards.answer(number, list(_answers(shards, number, scratch)))
    except Exception as err:
        if isinstance(err, OSError) and err.errno in (errno.ENOSPC, errno.EDQUOT) and _within(err, root):
            err = full(root, "the disk is full")
        shards.fail(number, portable(err))
        traceback.print_exc()
        return 1
    finally:
        if scratch:
            shutil.rmtree(scratch, ignore_errors=True)
    return 0


def _within(err: OSError, root: Path) -> bool:
    return err.filename is None or Path(os.fspath(err.filename)).is_relative_to(root)


def _scratch(root: Path) -> Path:
    """A new folder in ``root``; ConfigError if there is no room."""
    try:
        free_bytes, free_files = room(root)
        if free_bytes < LEAST_BYTES or (free_files is not None and free_files < LEAST_FILES):
            raise full(root, f"only {free_bytes / 1e6:.0f} MB are free")
        return Path(tempfile.mkdtemp(prefix="xlt-", dir=root))
    except OSError as err:
        raise full(root, os.strerror(err.errno or 0)) from None


def _answers(shards: Shards, number: int, scratch: Path) -> Iterator[Any]:
    module, _, name = shards.work["work"].partition(":")
    work = getattr(importlib.import_module(module), name)(shards.setup, 1)
    work.open_shard(f"{number}-{host_name()}-{os.getpid()}-{int(time.time())}", scratch)
    for answer in PrefetchingWorker(work).run(shards.read(f"messages/{number}.pickle")):
        if isinstance(answer, Exception):
            raise answer
        yield answer
    work.close_shard()


def _watch(folder: Path, parent: int) -> None:
    while True:
        time.sleep(_WATCH_S)
        if (folder / STOPPED).exists() or not folder.exists() or os.getppid() != parent:
            os._exit(3)


def main(words: list[str]) -> int:
    folder, number = Path(words[0]), int(words[1])
    threading.Thread(target=_watch, args=(folder, os.getppid()), daemon=True).start()
    try:
        return run(folder, number)
    except XltError as err:
        print(f"xlt: {err}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # a thread may still read ahead
