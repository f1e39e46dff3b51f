"""Text files of users: UTF-8, a line an entry, also compressed with gzip, read as a stream."""

from __future__ import annotations

import codecs
import gzip
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from xlt.core.errors import ConfigError, DataError
from xlt.core.paths import refuse_pipe

_GZIP = b"\x1f\x8b"
_LEAST_GZIP = 18  # bytes: header and trailer
_RATIO = 1032  # deflate packs no better
_MARKS = (  # those of UTF-32 first: UTF-16's begin alike
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Most(NamedTuple):
    """The bytes of text beyond which a file is refused, and what to do then."""

    size: int
    remedy: str


def encoding_of(head: bytes) -> str:
    """The encoding that the byte order mark at the beginning of a file says: UTF-16, UTF-32, else UTF-8."""
    return next((name for mark, name in _MARKS if head.startswith(mark)), "utf-8")


def as_utf8(raw: bytes, path: Path) -> bytes:
    """The bytes of a text file of a user as UTF-8 without a byte order mark; whether they are UTF-8 where no
    mark says otherwise is left to the reader. DataError if what the mark says is not so.
    """
    encoding = encoding_of(raw[:4])
    if encoding == "utf-8":
        return raw
    try:
        return raw.decode(encoding).removeprefix("\ufeff").encode("utf-8")
    except UnicodeError:
        raise DataError(
            f"{path}: begins with the mark of {encoding.upper()} and is not; save it as UTF-8"
        ) from None


def numbered_lines(path: Path, setting: str, most: Most | None = None) -> Iterator[tuple[int, str]]:
    """Line numbers, from 1, and lines without white space at their ends, empty ones too.

    ``setting``: what named the file. ConfigError if the file is not there or larger than ``most``; DataError,
    with the line, if it is not UTF-8 text or a damaged .gz.
    """
    number, size = 0, 0
    refuse_pipe(path)
    try:
        with path.open("rb") as raw:
            head = raw.read(4)
            raw.seek(0)
            if most and text_size(path) > most.size:
                raise _too_large(path, setting, most)
            with _utf8_lines(raw, head) as lines:
                while line := lines.readline(most.size + 1 if most else -1):
                    number += 1
                    size += len(line)
                    if most and size > most.size:
                        raise _too_large(path, setting, most)
                    yield number, _decoded(line, path, number)
    except UnicodeError as err:
        raise DataError(f"{path}:{number + 1}: not UTF-16 ({err}); save the file as UTF-8") from None
    except FileNotFoundError:
        raise ConfigError(f"{setting}: {path}: no such file; check the name") from None
    except IsADirectoryError:
        raise ConfigError(f"{setting}: {path}: a folder; name the files in it") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as err:
        raise DataError(
            f"{path}:{number + 1}: the .gz is damaged or cut short ({err}); fetch or compress it again"
        ) from None


def _utf8_lines(raw: BinaryIO, head: bytes) -> BinaryIO:
    """An open file as UTF-8: unpacked, or decoded as the mark in its first bytes, ``head``, says."""
    if head.startswith(_GZIP):
        return cast(BinaryIO, gzip.open(raw))
    encoding = encoding_of(head)
    return raw if encoding.startswith("utf-8") else codecs.EncodedFile(raw, "utf-8", encoding)


def text_size(path: Path) -> int:
    """The bytes of text in a file, at least: of a .gz what its last bytes say (RFC 1952, modulo 4 GiB)."""
    size = path.stat().st_size
    with path.open("rb") as raw:
        if raw.read(2) != _GZIP or size < _LEAST_GZIP:
            return size
        raw.seek(-4, os.SEEK_END)
        stated = int.from_bytes(raw.read(4), "little")
    return max(size, stated) if stated <= _RATIO * size else size  # more can only be a damaged file


def _too_large(path: Path, setting: str, most: Most) -> ConfigError:
    return ConfigError(f"{setting}: {path}: more than {most.size / 1e6:.0f} MB of text; {most.remedy}")


def _decoded(line: bytes, path: Path, number: int) -> str:
    if number == 1:
        line = line.removeprefix(codecs.BOM_UTF8)
    if b"\0" in line:
        raise DataError(f"{path}:{number}: a NUL byte; expected text, save the file as UTF-8")
    try:
        return line.decode("utf-8").strip()
    except UnicodeDecodeError as err:
        raise DataError(
            f"{path}:{number}: not UTF-8 (byte {err.start + 1}); save the file as UTF-8"
        ) from None
