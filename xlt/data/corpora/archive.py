"""Where a corpus is: a folder, a file, or an archive (.tar, .tar.gz, .zip …), which is unpacked once into the
cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO

from xlt.core.config import Config
from xlt.core.errors import DataError
from xlt.core.log import Progress, say
from xlt.fetch.files import cache_root, only_one

SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")
_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError)
_ENDS = 1 << 20  # bytes at either end of an archive that tell it from others; to hash 80 GB takes minutes
_LISTED = 4000  # names that are looked at to recognise a form
_READ = 100 << 20  # bytes of a tarball that are read for that; the list of a .zip is at hand
_UTF8 = 0x800  # flag of a zip entry whose name is UTF-8


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
    folder = cache / f"{_stem(archive)}-{_key(archive)}"
    with only_one(cache, archive.name):
        if not folder.is_dir():
            say(f"  unpacks {archive} into {folder}")
            partial = folder.with_name(f".{folder.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            try:
                if not _unpack(archive, partial):
                    raise DataError(f"{archive}: holds no files; expected a corpus")
                partial.rename(folder)
            except OSError as err:
                raise DataError(
                    f"{archive}: cannot be unpacked into {cache}: {err.strerror or err}; make room, or name"
                    " another folder in data.cache or XLT_CACHE"
                ) from None
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder


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
        with place.open("rb") as handle, contextlib.closing(_members(place, handle)) as members:
            near = itertools.takewhile(
                lambda _: handle.tell() < _READ or place.suffix.lower() == ".zip", members
            )
            return [name for name, _ in itertools.islice(near, _LISTED)]
    except (OSError, DataError, *_DAMAGE):
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


def _key(archive: Path) -> str:
    """Hash of an archive's size and of both its ends."""
    size = archive.stat().st_size
    sha = hashlib.sha256(str(size).encode())
    with archive.open("rb") as handle:
        sha.update(handle.read(_ENDS))
        handle.seek(max(0, size - _ENDS))
        sha.update(handle.read(_ENDS))
    return sha.hexdigest()[:12]


def _unpack(archive: Path, folder: Path) -> int:
    """Write the files of ``archive`` below ``folder``; how many. DataError if it is damaged or would write
    elsewhere.
    """
    count = 0
    try:
        with (
            archive.open("rb") as handle,
            Progress("unpacking", round(archive.stat().st_size / 1e6), "MB") as bar,
        ):
            for name, source in _members(archive, handle):
                path = folder / _safe(name, archive)
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as out:
                    shutil.copyfileobj(source, out, 1 << 20)
                count += 1
                bar.add(max(0, round(handle.tell() / 1e6) - bar.done))
    except _DAMAGE as err:
        raise DataError(
            f"{archive}: damaged or cut short ({err or type(err).__name__}); fetch it again"
        ) from None
    return count


def _safe(name: str, archive: Path) -> PurePosixPath:
    """``name`` as a path below the folder; DataError if it leads out of it."""
    path = PurePosixPath(name.replace("\\", "/"))
    if (
        path.is_absolute()
        or ".." in path.parts
        or (path.parts and path.parts[0].endswith(":"))
        or "\0" in name
    ):
        raise DataError(
            f"{archive}: has a file {name!r}, which would be written outside of its folder; do not use this"
            " archive"
        )
    return path


def _members(archive: Path, handle: BinaryIO) -> Generator[tuple[str, IO[bytes]]]:
    """Name and content of each file; links, devices and what macOS adds are not files of a corpus."""
    found = _zipped(archive, handle) if archive.name.lower().endswith(".zip") else _tarred(archive, handle)
    for name, source in found:
        parts = PurePosixPath(name).parts
        if "__MACOSX" not in parts and not parts[-1].startswith("._") and parts[-1] != ".DS_Store":
            yield name, source


def _tarred(archive: Path, handle: BinaryIO) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(fileobj=handle, mode="r|*") as tar:
        for member in tar:
            if member.islnk() or member.issym():
                raise DataError(
                    f"{archive}: has a link, {member.name!r}; pack it again with the files themselves"
                    " (tar -h)"
                )
            if source := tar.extractfile(member) if member.isfile() else None:
                yield member.name.removeprefix("./"), source  # tar -C FOLDER . begins names so


def _zipped(archive: Path, handle: BinaryIO) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(handle) as pack:
        for info in pack.infolist():
            if stat.S_ISLNK(info.external_attr >> 16):
                raise DataError(
                    f"{archive}: has a link, {info.filename!r}; pack it again with the files themselves"
                )
            if info.flag_bits & 1:
                raise DataError(
                    f"{archive}: is protected by a password; unpack it and name the folder in data.dir"
                )
            if not info.is_dir():
                with pack.open(info) as source:
                    yield _zip_name(info), source


def _zip_name(info: zipfile.ZipInfo) -> str:
    """macOS and old tools write UTF-8 names without saying so; zipfile then takes them for code page 437."""
    if info.flag_bits & _UTF8:
        return info.filename
    with contextlib.suppress(UnicodeError):
        return info.filename.encode("cp437").decode("utf-8")
    return info.filename
