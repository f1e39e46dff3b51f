"""Kaldi files in and out. The only module that knows which library reads archives of others (omniio, MIT).

Letters: T frames, D dimensions.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import mmap
import os
import shutil
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from xlt.core.errors import DataError
from xlt.core.files import partial_of
from xlt.core.locks import hold
from xlt.core.paths import refuse_pipe
from xlt.formats.matrix import parse, read_stored, stored
from xlt.formats.tables import read_table, resolve_place

if TYPE_CHECKING:  # tables need no numpy, and a stage that is up to date reads nothing else
    import numpy as np

    Matrix = np.ndarray  # (T, D) float32

ARK_LIMIT = (
    1 << 30
)  # bytes; a longer archive is not continued, so that what nobody uses can be removed in pieces
AGAIN = "run stage 3 (features) again: it makes what is missing"


# what omniio makes of other archives that are damaged
_UNREADABLE = (
    OSError,
    ValueError,
    AssertionError,
    RuntimeError,
    LookupError,
    TypeError,
    OverflowError,
    struct.error,
)


class Entry(NamedTuple):
    """Where a matrix stands in its archive: its first byte, frames, CRC-32 of its bytes, and their number."""

    offset: int
    frames: int
    crc: int
    size: int


class ArkWriter:
    """Appends matrices to an archive, and a line to the index beside it (``.idx``) once a matrix has left
    this process.

    So a killed writer loses at most one matrix: what lies behind the last line is cut off when the archive is
    opened again. Writers that are given the same name at once, and writers that find ``ARK_LIMIT`` bytes
    there, take ``NAME.2.ark``, ``NAME.3.ark`` …; ``ark`` says which it is. Values are matrices (T, D);
    ``storage``: f32, cm2 or cm1.
    """

    def __init__(self, ark: Path, storage: str = "f32"):
        self.storage, self.entries = storage, dict[str, Entry]()
        for number in itertools.count(1):
            self.ark = ark if number == 1 else ark.with_suffix(f".{number}{ark.suffix}")
            self._ark = self.ark.open("ab", buffering=0)
            if hold(self._ark) and self._ark.tell() < ARK_LIMIT:
                break
            self._ark.close()
        index = self.ark.with_suffix(".idx")
        mend_tail(self.ark)
        self._index = index.open("ab", buffering=0)

    def __enter__(self) -> ArkWriter:
        return self

    def __exit__(self, *error) -> None:
        self._ark.close()
        self._index.close()

    def write(self, key: str, matrix: Matrix) -> Entry:
        """Append one matrix; DataError for a key with spaces, or a matrix that ``storage`` cannot hold."""
        if not key or any(c.isspace() for c in key):
            raise DataError(
                f"{self.ark}: {key!r} cannot be an utterance id: ids have no spaces and are not empty"
            )
        data, name = stored(matrix, self.storage), f"{key} ".encode()
        offset = self._ark.seek(0, os.SEEK_END) + len(name)
        _write_all(self._ark, name + data)
        entry = self.entries[key] = Entry(offset, len(matrix), zlib.crc32(data), len(data))
        _write_all(self._index, index_line(key, entry).encode())
        return entry


def move_archive(ark: Path, target: Path) -> None:
    """Put an archive and its index, written elsewhere, in their place, each of them whole; the index last,
    without which nobody reads the archive.
    """
    for source, place in ((ark, target), (ark.with_suffix(".idx"), target.with_suffix(".idx"))):
        partial = partial_of(place)
        try:
            with source.open("rb") as data, partial.open("wb") as out:
                shutil.copyfileobj(data, out, 1 << 20)
                out.flush()
                os.fsync(out.fileno())
            partial.replace(place)
        finally:
            partial.unlink(missing_ok=True)


def _write_all(handle: io.FileIO, data: bytes) -> None:
    """Write to an unbuffered file, which may take less at a time; OSError if the disk is full."""
    view = memoryview(data)
    while view:
        view = view[handle.write(view) :]


def index_line(key: str, entry: Entry) -> str:
    """A line of ``.idx``: key, offset, frames, CRC-32 in eight hex digits, bytes."""
    return f"{key} {entry.offset} {entry.frames} {entry.crc:08x} {entry.size}\n"


def read_index(ark: Path) -> list[tuple[str, Entry]]:
    """What the index beside ``ark`` lists, whether the archive still holds it or not; a torn last line is
    left out.
    """
    path, found = ark.with_suffix(".idx"), []
    lines = path.read_bytes().split(b"\n") if path.exists() else [b""]
    for number, line in enumerate(lines[:-1], 1):  # behind the last end of line is nothing, or a torn line
        try:
            key, offset, frames, crc, size = line.decode("utf-8").split(" ")
            entry = Entry(int(offset), int(frames), int(crc, 16), int(size))
            if min(entry) < 0:
                raise ValueError
            found.append((key, entry))
        except ValueError:
            raise DataError(f"{path}:{number}: damaged; repair it with: xlt cache verify --repair") from None
    return found


def mend_tail(ark: Path) -> None:
    """Cut off what a killed writer left behind the last whole matrix, in the archive and in its index."""
    index = ark.with_suffix(".idx")
    if not index.exists():
        if ark.stat().st_size:
            os.truncate(ark, 0)
        return
    size, length = ark.stat().st_size, index.stat().st_size
    with index.open("rb") as handle:  # most often the last line is whole, and only that is looked at
        handle.seek(max(0, length - 4096))
        tail = handle.read()
    if tail.endswith(b"\n") and tail.count(b"\n") > 1:
        with contextlib.suppress(ValueError):  # a damaged line is told below
            _, offset, _, _, stored_bytes = tail.split(b"\n")[-2].split(b" ")
            if int(offset) + int(stored_bytes) == size:
                return
    whole = [(key, e) for key, e in read_index(ark) if e.offset + e.size <= size]
    text = "".join(index_line(key, e) for key, e in whole).encode()
    if len(text) != length:
        os.truncate(index, 0) if not text else index.write_bytes(text)
    os.truncate(ark, max((e.offset + e.size for _, e in whole), default=0))


class Lookup:
    """A Kaldi table that stays on disk: keys are found by bisection, so neither time nor memory grows with
    its length.

    A table that is not sorted in C order, as others may write it, is read whole. DataError if it is missing.
    """

    def __init__(self, path: Path):
        self.path = path
        self._whole: dict[str, str] | None = None
        refuse_pipe(path)
        try:
            with path.open("rb") as handle:
                empty = not os.fstat(handle.fileno()).st_size
                self._lines = b"" if empty else mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
        except FileNotFoundError:
            raise DataError(f"{path}: no such file") from None
        if self._lines[:2] in (b"\xef\xbb", b"\xff\xfe", b"\xfe\xff"):  # a byte order mark
            self._whole = read_table(path)

    def keys(self) -> Iterator[str]:
        """The keys in the file's order."""
        if self._whole is not None:
            yield from self._whole
            return
        start = 0
        while start < len(self._lines):
            end = self._end(start, len(self._lines))
            try:
                yield self._lines[start:end].split(maxsplit=1)[0].decode("utf-8")
            except (UnicodeDecodeError, IndexError):
                read_table(self.path)  # says what is wrong with this line
                raise DataError(f"{self.path}: not UTF-8, or empty lines; save it as UTF-8") from None
            start = end + 1

    def get(self, key: str) -> str | None:
        """The rest of the line of ``key``, None if there is none."""
        wanted, low, high = key.encode(), 0, len(self._lines)
        while low < high and self._whole is None:
            middle = (low + high) // 2
            start = max(low, self._lines.rfind(b"\n", low, middle) + 1)
            end = self._end(middle, high)
            found, _, value = self._lines[start:end].partition(b" ")
            if found == wanted:
                with contextlib.suppress(UnicodeDecodeError):  # reading it whole tells the line
                    return value.decode("utf-8").strip(" \t\r")
                break
            low, high = (end + 1, high) if found < wanted else (low, start)
        if self._whole is None:
            self._whole = read_table(self.path)
        return self._whole.get(key)

    def _end(self, start: int, high: int) -> int:
        end = self._lines.find(b"\n", start, high)
        return high if end < 0 else end


class FeatureReader:
    """Random access to the matrices of a ``feats.scp`` without reading the archives, or the scp, whole.

    Matrices are checked against their CRC-32 if ``utt2crc`` lies beside the scp, as stage 3 puts it there.
    Relative paths in the scp count from the folder ``recipe``.
    """

    def __init__(self, scp: Path, recipe: Path = Path()):
        self.scp, self.recipe = scp, recipe
        self.places = Lookup(scp)
        crcs = scp.with_name("utt2crc")
        self.crcs = Lookup(crcs) if crcs.exists() else None

    def __iter__(self) -> Iterator[str]:
        return self.places.keys()

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getitem__(self, key: str) -> Matrix:
        """The matrix (T, D) of utterance ``key``; DataError if it cannot be read or is not what was
        written.
        """
        place = self.places.get(key)
        if place is None:
            raise KeyError(key)
        place = resolve_place(self.scp, key, place, self.recipe)
        crc = self.crcs.get(key) if self.crcs else None
        path, _, offset = place.rpartition(":")
        refuse_pipe(path if offset.isdigit() else place)
        try:
            data = None
            with open(path if offset.isdigit() else place, "rb") as handle:
                if offset.isdigit():
                    data = read_stored(handle, int(offset))
                if data is None and crc is None:  # another kind of matrix: somebody else's archive
                    import omniio.kaldi

                    handle.seek(int(offset) if offset.isdigit() else 0)
                    return omniio.kaldi.read_object(handle)  # given a name, it would run commands
        except FileNotFoundError:
            self._fail(f"{key}: the archive {path or place} is gone; {AGAIN}")
        except EOFError as err:
            self._fail(
                f"{key}: cannot read {place}: {err}; {AGAIN}, and if it calls the set up to date, mend it"
                " with: xlt cache verify --repair"
            )
        except _UNREADABLE as err:
            self._fail(f"{key}: cannot read {place} ({err}); mend it with: xlt cache verify --repair")
        if data is None or (crc is not None and f"{zlib.crc32(data):08x}" != crc):
            self._fail(
                f"{key}: checksum differs: the archive {path} is damaged at byte {offset} or behind it; mend"
                " it with: xlt cache verify --repair"
            )
        return parse(data)

    def _fail(self, what: str) -> NoReturn:
        raise DataError(f"{self.scp}: {what}")
