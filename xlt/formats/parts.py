"""A Kaldi directory of any size cut into parts, in one pass over its tables and in bounded memory."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from xlt.core.errors import ConfigError, DataError
from xlt.core.files import atomic_text, whole_folder
from xlt.core.paths import refuse_pipe

INDEX = "parts.tsv"
_DURATIONS = "utt2dur"
_LEFT_OUT = ("spk2utt",)  # made of utt2spk again
_BLOCK = 1 << 20  # bytes of a table that are read or written at once


class Part(NamedTuple):
    """``first`` and ``last``: ids of its utterances."""

    name: str
    first: str
    last: str
    utterances: int
    hours: float


def split_directory(data: Path, out: Path, hours: float) -> list[Part]:
    """Write ``out/00001``, ``out/00002`` …, Kaldi directories of about ``hours`` of speech each, and
    ``out/parts.tsv``, which lists them; parts that an earlier run has written stay.

    All tables of ``data`` by utterance must have the ids of its ``utt2dur`` in the same order; DataError, as
    for parts that are there and have other utterances. Paths in them stay as they are. Memory grows with a
    part, not with the number of rows.
    """
    if not hours > 0:
        raise ConfigError(f"hours={hours:g}: expected more than 0; parts of 1000 hours are usual")
    names = sorted(p.name for p in data.iterdir() if p.is_file() and _is_table(p) and p.name not in _LEFT_OUT)
    if _DURATIONS not in names:
        raise DataError(
            f"{data / _DURATIONS}: no such file, which says where to cut; make it (utils/data/get_utt2dur.sh)"
        )
    parts: list[Part] = []
    out.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        rows = _rows(data, names, stack)
        row = next(rows, None)
        while row is not None:
            folder = out / f"{len(parts) + 1:05d}"
            part, row = _write(folder, names, row, rows, hours)
            parts.append(part)
    text = "".join(f"{p.name}\t{p.first}\t{p.last}\t{p.utterances}\t{p.hours:.3f}\n" for p in parts)
    atomic_text(out / INDEX, text)
    return parts


def _is_table(path: Path) -> bool:
    return not path.name.startswith(".") and "." not in path.name.removesuffix(".scp")


Row = tuple[str, float, list[bytes]]  # id, seconds, and its line in each table


def _rows(data: Path, names: list[str], stack: contextlib.ExitStack) -> Iterator[Row]:
    for name in names:
        refuse_pipe(data / name)
    handles = [stack.enter_context((data / name).open("rb", _BLOCK)) for name in names]
    at = names.index(_DURATIONS)
    before, number = b"", 0
    while True:
        number += 1
        lines = [handle.readline() for handle in handles]
        if not any(lines):
            return
        key, _, value = lines[at].partition(b" ")
        for name, line in zip(names, lines, strict=True):
            if not line.startswith(key + b" ") or not key:
                found = line.split(b" ", 1)[0].strip().decode("utf-8", "replace") or "the end"
                wanted = key.decode("utf-8", "replace")
                raise DataError(
                    f"{data / name}:{number}: found {found!r}, expected {wanted!r} as in {_DURATIONS}; sort"
                    " all tables in C order, with the same ids (utils/fix_data_dir.sh)"
                )
        if key <= before:
            raise DataError(f"{data / _DURATIONS}:{number}: not sorted in C order; run utils/fix_data_dir.sh")
        before = key
        try:
            utt = key.decode("utf-8")
        except UnicodeDecodeError:
            raise DataError(f"{data / _DURATIONS}:{number}: not UTF-8; save all tables as UTF-8") from None
        try:
            seconds = float(value)
            if not 0 <= seconds < math.inf:
                raise ValueError
        except ValueError:
            raise DataError(
                f"{data / _DURATIONS}:{number}: found {value.strip()!r}, expected seconds; make it again"
            ) from None
        yield utt, seconds, lines


def _write(
    folder: Path, names: list[str], row: Row, rows: Iterator[Row], hours: float
) -> tuple[Part, Row | None]:
    """Write one part, which begins with ``row``; and the first row of the next."""
    first, count, seconds = row[0], 0, 0.0
    there = folder.is_dir()
    left: Row | None = row
    with contextlib.ExitStack() as stack:
        partial = None if there else stack.enter_context(whole_folder(folder))
        files = (
            [stack.enter_context((partial / name).open("wb", _BLOCK)) for name in names] if partial else []
        )
        known = stack.enter_context((folder / _DURATIONS).open("rb", _BLOCK)) if there else None
        while left is not None and seconds < hours * 3600:
            last, lasts_s, lines = left
            for file, line in zip(files, lines, strict=False):
                file.write(line)
            if known and known.readline() != lines[names.index(_DURATIONS)]:
                raise _other(folder)
            count, seconds = count + 1, seconds + lasts_s
            left = next(rows, None)
        if known and known.readline():
            raise _other(folder)
        for file in files:
            file.close()
        if partial and "utt2spk" in names:
            _speakers(partial)
    return Part(folder.name, first, last, count, seconds / 3600), left


def _other(folder: Path) -> DataError:
    return DataError(
        f"{folder / _DURATIONS}: is of another cut (other utterances, or other hours a part); remove"
        f" {folder.parent}, or name a new folder"
    )


def _speakers(folder: Path) -> None:
    """``spk2utt``, of ``utt2spk``."""
    from xlt.formats.tables import read_table, spk2utt, write_table

    write_table(folder / "spk2utt", spk2utt(read_table(folder / "utt2spk")))
