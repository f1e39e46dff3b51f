"""SHA-256 of what stages have made: kept in ``stage.json``, and compared before it is used.

To read gigabytes takes longer than a run with nothing to do may take. So what a file's digest was when it was
last read is remembered beside its folder (``.NAME.digests`` for the folder NAME) as long as size, times and
inode of the file stay. Storage may change bytes and leave all of these: what is about to be used is read
anew (``fresh``).
"""

from __future__ import annotations

import functools
import json
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from xlt.core import jsons
from xlt.core.files import atomic_text, sha256
from xlt.core.locks import READ_ONLY

OWN = ("stage.json", "request.json")  # no part of what a stage makes


@functools.lru_cache(maxsize=1000)
def _digest(path: str, *same: int) -> str:
    """Read once in a process: several sets are decoded with one model."""
    return sha256(Path(path))


class Known:
    """Digests of files that were read before, in the file ``record``: by name, with what says that a file is
    still the same.
    """

    def __init__(self, record: Path):
        self.record = record
        self.rows = _read(record)
        self.new = False

    def sha256(self, path: str | Path, name: str, fresh: bool = False) -> str | None:
        """The digest of ``path``, which ``name`` stands for; None if it is no file. ``fresh``: by reading."""
        old = self.rows.get(name)
        try:
            info = os.stat(path)
            same = [info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino]
            if old and old[0] == same and not fresh:
                return old[1]
            if not stat.S_ISREG(info.st_mode):  # a device or a pipe may have no end
                return None
            digest = _digest(os.fspath(path), *same)
        except (FileNotFoundError, NotADirectoryError):
            return None
        if old is None or [same, digest] != old:
            self.rows[name], self.new = [same, digest], True
        return digest

    def keep(self) -> None:
        """Write what was found, unless nothing is new; a folder that may not be written is left alone."""
        if not self.new:
            return
        try:
            atomic_text(self.record, json.dumps(self.rows, ensure_ascii=False) + "\n")
        except OSError as err:
            if err.errno not in READ_ONLY:
                raise


def _read(record: Path) -> dict[str, list]:
    """What a record says, nothing if it is none: its files are read again."""
    try:
        found = jsons.parse(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    rows = found.items() if isinstance(found, dict) else ()
    return {
        name: row
        for name, row in rows
        if isinstance(row, list) and len(row) == 2 and isinstance(row[0], list) and isinstance(row[1], str)
    }


def record_of(folder: Path) -> Path:
    """Where the digests of the files in ``folder`` are remembered: beside it, as what is in it gets copied
    and listed.
    """
    folder = Path(os.path.abspath(folder))
    return folder.with_name(f".{folder.name}.digests")


def files_in(folder: Path) -> Iterator[Path]:
    """The files that a stage has made in ``folder``, also in folders of it, sorted. Links stand for files of
    somebody else, and what is hidden is no output.
    """
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in OWN or path.is_symlink():
            continue
        if path.is_dir():
            yield from files_in(path)
        else:
            yield path


def measure(folder: Path) -> dict[str, list]:
    """What :class:`Known` keeps of all the files that a stage has made in ``folder``."""
    known = Known(folder / ".none")
    for path in files_in(folder):
        known.sha256(path, path.relative_to(folder).as_posix(), fresh=True)
    return known.rows


def remember(folder: Path, measured: Mapping[str, list]) -> None:
    """Keep what :func:`measure` found while the folder had another name."""
    known = Known(record_of(folder))
    known.new, known.rows = known.rows != measured, dict(measured)
    known.keep()


def recorded(folder: Path) -> dict[str, str]:
    """``{file: SHA-256}`` as ``stage.json`` of a finished output has them, and ``bundle.json`` of a bundle;
    {} if neither says, as those of older versions.
    """
    found: dict[str, str] = {}
    for name, key in (("bundle.json", "files"), ("stage.json", "digests")):
        try:
            document = jsons.parse((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        rows = document.get(key) if isinstance(document, dict) else None
        if isinstance(rows, dict):
            found |= {file: sha for file, sha in rows.items() if isinstance(sha, str) and _is_inside(file)}
    return found


def _is_inside(name: str) -> bool:
    """Whether a file of that name lies in the folder: a stranger's bundle could name any."""
    return not name.startswith("/") and ".." not in name.split("/")


def altered(folder: Path, expected: Mapping[str, str], fresh: bool = False) -> list[str]:
    """The files in ``folder`` whose SHA-256 is not the ``expected`` one; those that are missing, too."""
    if not expected:
        return []
    known, there = Known(record_of(folder)), os.path.join(folder, "")
    found = [name for name, digest in expected.items() if known.sha256(there + name, name, fresh) != digest]
    known.keep()
    return found


def maker(path: Path) -> tuple[Path, str] | None:
    """The finished output that the file ``path`` is a part of, and its name there; None if no stage has noted
    its digest.
    """
    path = Path(os.path.abspath(path))
    for folder in list(path.parents)[:3]:
        if (folder / OWN[0]).exists() or (folder / "bundle.json").exists():
            name = path.relative_to(folder).as_posix()
            return (folder, name) if name in recorded(folder) else None
    return None
