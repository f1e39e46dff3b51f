"""Where a corpus is: a folder, a file, or an archive (.tar, .tar.gz, .zip …), which is unpacked once into the
cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from xlt.core.config import Config
from xlt.core.digests import Known
from xlt.core.errors import DataError
from xlt.core.locks import READ_ONLY, only_one
from xlt.core.log import say
from xlt.core.remedies import remedy
from xlt.data.corpora.unpack import DAMAGE, SUFFIXES, members, unpack
from xlt.fetch.files import cache_root

_ENDS = 1 << 20  # bytes at either end of an archive by which older versions told it from others
_BIG = 1 << 30  # bytes that take seconds to be read
_LISTED = 4000  # names that are looked at to recognise a form
_READ = 400 << 20  # bytes of a tarball, unpacked, that are read for that; the list of a .zip is at hand


def is_archive(path: Path) -> bool:
    """Whether ``path`` is a file with the name of an archive."""
    return path.name.lower().endswith(SUFFIXES) and path.is_file()


def corpus_place(cfg: Config, expected: str) -> Path:
    """What ``data.dir`` names, a folder or a file; an archive is unpacked. DataError if it is not set or not
    there.
    """
    if cfg.data.dir is None:
        raise DataError(f"data.dir: not set; the reader {cfg.data.reader} needs {expected}")
    place = Path(cfg.data.dir)
    if not place.exists():
        raise DataError(f"data.dir: {place}: no such folder or file; expected {expected}")
    return unpacked(place, cfg) if is_archive(place) else place


def unpacked(archive: Path, cfg: Config) -> Path:
    """The folder with the files of ``archive``, in the cache; its only top folder, if it has one.
    DataError.
    """
    cache = cache_root(cfg.data.cache) / "unpacked"
    with only_one(cache, archive.name):
        known = Known(cache / ".archives.digests")
        older = cache / f"{_stem(archive)}-{_old_key(archive)}"
        folder = _take_over(older, cache / f"{_stem(archive)}-{_key(archive, known)}", archive)
        if not folder.is_dir():
            say(f"  unpacks {archive} into {folder}")
            _make(archive, folder)
        known.keep()
    inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder


def _make(archive: Path, folder: Path) -> None:
    """Unpack into ``folder``, which appears whole or not at all; DataError."""
    partial = folder.with_name(f".{folder.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        if not unpack(archive, partial):
            raise DataError(f"{archive}: holds no files; expected a corpus")
        partial.rename(folder)
    except OSError as err:
        raise DataError(
            f"{archive}: cannot be unpacked into {folder.parent}: {err.strerror or err};"
            f" {remedy(err) or 'choose another place'} (data.cache, XLT_CACHE)"
        ) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def nearest(place: Path, wanted: Callable[[Path], bool]) -> list[Path]:
    """The folders that ``wanted`` accepts: ``place`` itself, else those in it, else those a folder deeper."""
    level = [place.resolve()]
    for _ in range(3):
        if found := [folder for folder in level if wanted(folder)]:
            return found
        level = (
            [path for folder in level for path in sorted(folder.iterdir()) if path.is_dir()]
            if place.is_dir()
            else []
        )
    return []


def listing(place: Path) -> list[str]:
    """Paths, with ``/``, of the first few thousand files in a folder or an archive; of a file its name. Never
    raises.
    """
    try:
        if place.is_dir():
            return list(itertools.islice(_files(place), _LISTED))
        if not is_archive(place):
            return [place.name] if place.is_file() else []
        found = []
        with (
            place.open("rb") as handle,
            contextlib.suppress(OSError, DataError, *DAMAGE),
            contextlib.closing(members(place, handle, most=_READ)) as inside,
        ):
            for name, _ in itertools.islice(inside, _LISTED):
                found.append(name)
        return found
    except OSError:
        return []


def _files(root: Path) -> Iterator[str]:
    """Files below ``root``, those of upper folders first."""
    folders = [""]
    for folder in folders:
        with contextlib.suppress(OSError), os.scandir(root / folder) as entries:
            for entry in itertools.islice(entries, _LISTED):
                if entry.is_dir() and len(folders) < _LISTED and not entry.name.startswith("."):
                    folders.append(f"{folder}{entry.name}/")
                elif entry.is_file():
                    yield f"{folder}{entry.name}"


def _stem(archive: Path) -> str:
    suffix = max((s for s in SUFFIXES if archive.name.lower().endswith(s)), key=len)
    return archive.name[: -len(suffix)][:80]


def _key(archive: Path, known: Known) -> str:
    """Hash of an archive's content, which is read once for as long as nobody writes to it."""
    if archive.stat().st_size > _BIG:
        say(f"  looks whether {archive} has been unpacked before; the first time it is read whole for that")
    digest = known.sha256(archive, os.fspath(archive.absolute()))
    if digest is None:
        raise DataError(f"{archive}: no such file; name an archive in data.dir")
    return digest[:12]


def _take_over(older: Path, folder: Path, archive: Path) -> Path:
    """``folder``, or what an older version has unpacked under the name ``older``, which becomes ``folder`` if
    nobody has written to ``archive`` since.
    """
    if older == folder or folder.exists() or not older.is_dir():
        return folder
    info = archive.stat()
    if max(info.st_mtime_ns, info.st_ctime_ns) >= older.stat().st_mtime_ns:
        return folder
    try:
        return older.rename(folder)
    except OSError as err:
        if err.errno not in READ_ONLY:
            raise
        return older


def _old_key(archive: Path) -> str:
    """Hash of an archive's size and of both its ends, which does not tell one that was altered in between."""
    size = archive.stat().st_size
    sha = hashlib.sha256(str(size).encode())
    with archive.open("rb") as handle:
        sha.update(handle.read(_ENDS))
        handle.seek(max(0, size - _ENDS))
        sha.update(handle.read(_ENDS))
    return sha.hexdigest()[:12]
