"""Kaldi's tables: a line an utterance, its id and a value, sorted in C order."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.core.errors import DataError
from xlt.core.paths import refuse_pipe
from xlt.formats.text_file import as_utf8

if TYPE_CHECKING:  # tables need no numpy, and a stage that is up to date reads nothing else
    import numpy as np

    Matrix = np.ndarray  # (T, D) float32


def read_table(path: Path, commands: bool = False) -> dict[str, str]:
    """A Kaldi table (``text``, ``utt2spk``, ``wav.scp`` …): ``{key: rest of the line}`` in the file's order.

    A byte order mark and Windows' line ends are no part of it; one of UTF-16 is believed. Raises DataError
    with file and line if the file is missing, not UTF-8, has an empty line or a key twice.
    A command (``… |``, ``| …``) in an scp file, which Kaldi would run, is refused too; with ``commands``, as
    stage 1 has it for data.allow_pipes, it stays as it is.
    """
    try:
        refuse_pipe(path)
        raw = as_utf8(path.read_bytes(), path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    table = _rows(path, raw)
    if path.name.endswith("scp") and not commands and b"|" in raw:
        for number, (key, value) in enumerate(table.items(), 1):
            if is_command(value):
                raise _refused(f"{path}:{number}", key, value)
    return table


def _rows(path: Path, raw: bytes) -> dict[str, str]:
    if (
        b"\t" not in raw
        and b"\r" not in raw
        and b"  " not in raw
        and b" \n" not in raw
        and raw.endswith(b"\n")
    ):
        with contextlib.suppress(UnicodeDecodeError, ValueError):  # the faults are told from each other below
            lines = raw.decode("utf-8").split("\n")
            lines.pop()
            table = dict(line.split(" ", 1) for line in lines)
            if len(table) == len(lines) and "" not in table:
                return table
    return _read_lines(path, raw)


def read_scp(path: Path, recipe: Path) -> dict[str, str]:
    """A table of files, ``wav.scp`` or ``feats.scp``, in which relative paths count from the folder
    ``recipe``: ``{key: absolute path}``. DataError as :func:`read_table`, which refuses commands.
    """
    return {key: os.path.join(recipe, value) for key, value in read_table(path).items()}


def is_command(value: str) -> bool:
    """Whether Kaldi would run what a line of an scp file names instead of opening it."""
    return value.strip().startswith("|") or value.strip().endswith("|")


def resolve_place(scp: Path, key: str, value: str, recipe: Path) -> str:
    """What the line of ``key`` in ``scp`` names, ``data/all/wav/a.wav`` or ``dump/a.ark:17``, as an absolute
    path; DataError for a command.
    """
    if is_command(value):
        raise _refused(str(scp), key, value)
    return os.path.join(recipe, value)


def _refused(where: str, key: str, command: str) -> DataError:
    return DataError(
        f"{where}: {key!r} is a command, {command[:120]!r}: only stage 1 runs commands, and only with"
        " data.allow_pipes=true; write its output to a file and name that, or import this directory with"
        " data.reader=kaldi"
    )


def _read_lines(path: Path, raw: bytes) -> dict[str, str]:
    """The same for tables with tabs, other line ends, keys without a value, or faults."""
    table: dict[str, str] = {}
    lines = raw.split(b"\n")
    if not lines[-1]:
        lines.pop()
    for number, line in enumerate(lines, 1):
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as err:
            raise DataError(
                f"{path}:{number}: not UTF-8 (byte {err.start + 1}); save the file as UTF-8"
            ) from None
        key, _, value = text.partition(" ")
        if "\t" in key:
            key, _, value = text.partition("\t")
        if not key.strip():
            raise DataError(
                f"{path}:{number}: no key at the start of the line; remove empty lines and leading spaces"
            )
        if key in table:
            first = 1 + list(table).index(key)  # each line before this one has a key of its own
            raise DataError(
                f"{path}:{number}: duplicate id {key!r} (first on line {first}); ids must be unique"
            )
        table[key] = value.strip(" \t\r")
    return table


def write_table(path: Path, table: dict[str, str]) -> None:
    """Write a Kaldi table sorted in C order (bytes of the UTF-8 key)."""
    path.write_text(as_table(table), encoding="utf-8", newline="\n")


def as_table(table: dict[str, str]) -> str:
    """What :func:`write_table` writes."""
    lines = (f"{key} {table[key]}".rstrip(" ") + "\n" for key in sorted(table, key=lambda k: k.encode()))
    return "".join(lines)


def spk2utt(utt2spk: dict[str, str]) -> dict[str, str]:
    """``{speaker: "utt1 utt2 …"}`` in C order."""
    lists: dict[str, list[str]] = {}
    for utt in sorted(utt2spk, key=str.encode):
        lists.setdefault(utt2spk[utt], []).append(utt)
    return {spk: " ".join(utts) for spk, utts in lists.items()}


def same_keys(first: Path, second: Path, keys: Iterable[str], others: Iterable[str]) -> None:
    """Raise DataError unless two tables have the same ids."""
    missing, extra = sorted(set(keys) - set(others)), sorted(set(others) - set(keys))
    if missing:
        raise DataError(f"{second}: {len(missing)} ids of {first} are missing, first {missing[0]!r}")
    if extra:
        raise DataError(f"{second}: {len(extra)} ids are not in {first}, first {extra[0]!r}")
