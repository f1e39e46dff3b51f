"""Debian packages: is one whole, and what is in it. A .deb is an ``ar`` archive that holds ``data.tar.*``."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, Literal, cast

from xlt.core.errors import DataError

_AGAIN = "delete it and fetch it again"
_Stream = Literal["r|", "r|gz", "r|bz2", "r|xz"]
# by the ending of data.tar
_STREAMS: dict[str, _Stream] = {"": "r|", "gz": "r|gz", "bz2": "r|bz2", "xz": "r|xz"}


def members(deb: Path) -> dict[str, tuple[int, int]]:
    """``{member: (offset, bytes)}`` of the ar archive; DataError if it is not one or is cut short."""
    found = {}
    try:
        size = deb.stat().st_size
        with deb.open("rb") as handle:
            if handle.read(8) != b"!<arch>\n":
                raise DataError(f"{deb}: not a Debian package (it does not start with '!<arch>'); {_AGAIN}")
            while head := handle.read(60):
                if len(head) < 60 or head[58:] != b"`\n" or not head[48:58].strip().isdigit():
                    raise DataError(f"{deb}: damaged at byte {handle.tell() - len(head)}; {_AGAIN}")
                start, length = handle.tell(), int(head[48:58])
                if start + length > size:
                    raise DataError(
                        f"{deb}: cut short: {size} bytes, expected at least {start + length}; {_AGAIN}"
                    )
                found[head[:16].decode("ascii", "replace").rstrip(" /")] = (start, length)
                handle.seek(start + length + length % 2)
    except FileNotFoundError:
        raise DataError(f"{deb}: no such file; check data.archive") from None
    except IsADirectoryError:
        raise DataError(f"{deb}: a folder, expected a .deb file; name folders in data.dir") from None
    if not any(name.startswith("data.tar") for name in found):
        raise DataError(f"{deb}: not a Debian package (no data.tar in it); {_AGAIN}")
    return found


def verify_deb(deb: Path, sha256: str | None = None) -> None:
    """Raise DataError unless the package is whole and, if given, has this SHA-256."""
    members(deb)
    if sha256 is None:
        return
    with deb.open("rb") as handle:
        found = hashlib.file_digest(handle, "sha256").hexdigest()
    if found != sha256:
        raise DataError(
            f"{deb.name}: wrong SHA-256: found {found}, expected {sha256}; the download was damaged or "
            "altered; run the same command again"
        )


class _Part:
    """A readable part of a file, for tarfile's stream mode."""

    def __init__(self, handle: BinaryIO, start: int, length: int):
        handle.seek(start)
        self.handle, self.remaining = handle, length

    def read(self, count: int) -> bytes:
        block = self.handle.read(min(count, self.remaining))
        self.remaining -= len(block)
        return block


@contextmanager
def _tar(deb: Path) -> Iterator[tarfile.TarFile]:
    name, (start, length) = next(item for item in members(deb).items() if item[0].startswith("data.tar"))
    if shutil.which("dpkg-deb"):  # knows every compression, and is faster
        process = subprocess.Popen(
            ["dpkg-deb", "--fsys-tarfile", os.fspath(deb)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert process.stdout is not None  # as Popen was called
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|") as tar:
                yield tar
        finally:
            process.stdout.close()
            process.terminate()
            process.wait()
        return
    kind = name.removeprefix("data.tar").removeprefix(".")
    if kind not in _STREAMS:
        raise DataError(
            f"{deb}: {name} needs dpkg-deb (Debian package dpkg) to be unpacked; install it, or unpack the "
            "package elsewhere and pass data.dir=FOLDER"
        )
    with deb.open("rb") as handle:
        part = cast(IO[bytes], _Part(handle, start, length))  # tarfile's stream mode reads, and that is all
        with tarfile.open(fileobj=part, mode=_STREAMS[kind]) as tar:
            yield tar


def unpack(deb: Path, folder: Path, wanted: Callable[[str], bool]) -> int:
    """Write the files of the package whose path ``wanted`` accepts below ``folder``; how many they were."""
    count = 0
    try:
        with _tar(deb) as tar:
            for member in tar:
                if member.isfile() and wanted(member.name):
                    tar.extract(member, folder, filter="data")
                    count += 1
    except (tarfile.TarError, EOFError) as err:
        raise DataError(f"{deb}: damaged: {err}; {_AGAIN}") from None
    return count
