"""What is in a .tar or .zip, without trust in it: whole, inside its folder, and no larger than archives of
sound are.
"""

from __future__ import annotations

import bz2
import contextlib
import errno
import gzip
import io
import lzma
import os
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Generator, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO

from xlt.core.errors import DataError
from xlt.core.log import Progress

SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")
DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    gzip.BadGzipFile,
    EOFError,
    NotImplementedError,
    UnicodeError,
    ValueError,
    struct.error,
)
MOST_RATIO = 100  # of what is unpacked to the archive; sound gives 1 to 3, tables and texts up to 20
ANY_SIZE = 256 << 20  # bytes that every archive may become
SPARE = 256 << 20  # bytes of a disk that stay free
_A_FILE = 4096  # bytes that a file or a folder takes at least
_LONGEST_HEADER = 1 << 20  # bytes of a name in a tarball, which is read into memory
_UTF8 = 0x800  # flag of a zip entry whose name is UTF-8
_PACKED = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\0", lzma.open))


class Budget:
    """The bytes that ``archive`` may still become in ``folder``."""

    def __init__(self, archive: Path, folder: Path):
        self.archive, self.folder = archive, folder
        self.size = archive.stat().st_size
        self.most = max(ANY_SIZE, MOST_RATIO * self.size)
        self.free = shutil.disk_usage(folder).free - SPARE
        self.used = 0

    def take(self, size: int) -> None:
        """DataError if another ``size`` bytes are too many."""
        self.used += size
        self.refuse(self.used)

    def refuse(self, total: int) -> None:
        """DataError if ``total`` bytes are too many."""
        if total > self.most:
            raise DataError(
                f"{self.archive}: {self.size / 1e6:.1f} MB that become over {self.most / 1e6:.0f} MB, more"
                f" than {MOST_RATIO} times as much: made to fill the disk? If you trust it, unpack it"
                " yourself and name the folder in data.dir"
            )
        if total > self.free:
            raise DataError(
                f"{self.archive}: needs over {total / 1e9:.2f} GB unpacked, and {self.folder} has"
                f" {max(0, self.free) / 1e9:.2f} GB to spare; free some space, or name another folder in"
                " data.cache or XLT_CACHE"
            )


def unpack(archive: Path, folder: Path) -> int:
    """Write the files of ``archive`` below ``folder``; how many. DataError if it is damaged, would write
    elsewhere, or is too large.
    """
    count, budget = 0, Budget(archive, folder)
    try:
        with (
            archive.open("rb") as handle,
            Progress("unpacking", round(archive.stat().st_size / 1e6), "MB") as bar,
        ):
            for name, source in members(archive, handle, budget):
                path = _safe(name, archive)
                budget.take(_A_FILE * len(path.parts))
                _write(source, folder / path, archive, budget)
                count += 1
                bar.add(max(0, round(handle.tell() / 1e6) - bar.done))
    except DAMAGE as err:
        raise DataError(
            f"{archive}: damaged or cut short ({err or type(err).__name__}); fetch it again"
        ) from None
    return count


def _write(source: IO[bytes], path: Path, archive: Path, budget: Budget) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        out = path.open("wb")
    except OSError as err:
        if err.errno not in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EINVAL):
            raise
        raise DataError(
            f"{archive}: has a file {path.name[:80]!r} that cannot be written ({err.strerror}): its name is"
            " too long, or also that of a folder; pack it again, or unpack it yourself and name the folder in"
            " data.dir"
        ) from None
    with out:
        while part := source.read(1 << 20):
            budget.take(len(part))
            out.write(part)


def _safe(name: str, archive: Path) -> PurePosixPath:
    """``name`` as a path below the folder; DataError if it leads out of it, or is none."""
    path = PurePosixPath(name.replace("\\", "/"))
    if (
        path.is_absolute()
        or not path.parts
        or ".." in path.parts
        or path.parts[0].endswith(":")
        or "\0" in name
    ):
        raise DataError(
            f"{archive}: has a file {name!r}, which would be written outside of its folder; do not use this"
            " archive"
        )
    try:
        os.fsencode(path)
    except UnicodeError:
        raise DataError(f"{archive}: has a file {name!r}, which is no name; pack it again") from None
    return path


def members(
    archive: Path, handle: BinaryIO, budget: Budget | None = None, most: float = float("inf")
) -> Generator[tuple[str, IO[bytes]]]:
    """Name and content of each file; links, devices and what macOS adds are not files of a corpus. ``most``:
    bytes of a tarball, unpacked, behind which it ends.
    """
    if archive.name.lower().endswith(".zip"):
        found = _zipped(archive, handle, budget)
    else:
        found = _tarred(archive, _Counted(_unpacked(handle), most if budget is None else budget.most))
    for name, source in found:
        parts = PurePosixPath(name).parts
        if not parts or not ("__MACOSX" in parts or parts[-1].startswith("._") or parts[-1] == ".DS_Store"):
            yield name, source


def _unpacked(handle: BinaryIO) -> IO[bytes]:
    """The bytes of the tarball itself. Where they are compressed, their checksum is tested at the end."""
    start = handle.read(6)
    handle.seek(0)
    opened = next((opens for magic, opens in _PACKED if start.startswith(magic)), None)
    return opened(handle) if opened else handle  # type: ignore[return-value]


class _Counted(io.RawIOBase):
    """A tarball of which no more than ``most`` bytes are read, as what is skipped costs time, too."""

    def __init__(self, inside: IO[bytes], most: float):
        self.inside, self.left = inside, most + ANY_SIZE // 4  # headers

    def read(self, size: int = -1) -> bytes:
        if self.left <= 0:
            raise tarfile.ReadError("longer than any of its kind")
        data = self.inside.read(min(size, 1 << 20) if size >= 0 else 1 << 20)
        self.left -= len(data)
        return data


class _Member(tarfile.TarInfo):
    """A header. tarfile takes one that is damaged for the end, and reads long names of any length."""

    @classmethod
    def frombuf(cls, buf, encoding, errors):
        try:
            found = super().frombuf(buf, encoding, errors)
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as err:  # type: ignore[attr-defined]
            raise tarfile.ReadError(str(err)) from None
        if found.size < 0 or (found.size > _LONGEST_HEADER and not (found.isreg() or found.isdir())):
            raise tarfile.ReadError("a header of impossible size")
        return found


def _tarred(archive: Path, tarball: _Counted) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(fileobj=tarball, mode="r|", tarinfo=_Member) as tar:
        for member in tar:
            if member.islnk() or member.issym():
                raise DataError(
                    f"{archive}: has a link, {member.name!r}; pack it again with the files themselves"
                    " (tar -h)"
                )
            if source := tar.extractfile(member) if member.isfile() else None:
                yield member.name.removeprefix("./"), source  # tar -C FOLDER . begins names so
    while tarball.read():
        pass


def _zipped(archive: Path, handle: BinaryIO, budget: Budget | None) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(handle) as pack:
        if budget:  # before anything is written
            budget.refuse(sum(max(0, info.file_size) + _A_FILE for info in pack.infolist()))
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
