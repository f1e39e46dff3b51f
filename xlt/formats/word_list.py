"""Word lists of users: a word a line, optionally with its frequency behind a tab or a space."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from xlt.core.errors import DataError
from xlt.formats.text_file import numbered_lines


class Row(NamedTuple):
    """A word, as it is there, and its frequency in any unit."""

    number: int
    word: str
    frequency: float | None


def read_word_list(path: Path, setting: str) -> list[Row]:
    """The words in a file, which the setting named. ConfigError if it is not there; DataError, with the line,
    if it is not a word list, or if some words have a frequency and others none.
    """
    rows = list(_rows(path, setting))
    if not rows:
        raise DataError(f"{path}: no words in it; write a word a line, or set {setting}=none")
    counted = next((row for row in rows if row.frequency is not None), None)
    lacking = next((row for row in rows if row.frequency is None), None)
    if counted and lacking:
        raise DataError(
            f"{path}:{lacking.number}: {lacking.word!r} has no frequency, but the word on line"
            f" {counted.number} has one; give it to all or to none"
        )
    return rows


def _rows(path: Path, setting: str) -> Iterator[Row]:
    for number, line in numbered_lines(path, setting):
        columns = [part.strip() for part in line.split("\t")] if "\t" in line else line.split()
        if not columns:
            continue
        first, last = _number(columns[0]), _number(columns[-1])
        if len(columns) == 1:
            yield Row(number, columns[0], None)
        elif last is not None and (len(columns) == 2 or "\t" not in line):
            yield Row(number, " ".join(columns[:-1]), last)
        elif len(columns) == 2 and first is not None:
            raise DataError(
                f"{path}:{number}: the frequency is before the word; expected the word first; swap the"
                " columns"
            )
        elif len(columns) == 2 and "\t" in line:
            raise DataError(
                f"{path}:{number}: the frequency {columns[1]!r} is not a number above 0; correct it, or"
                " remove the column"
            )
        else:
            raise DataError(
                f"{path}:{number}: {line[:60]!r}: expected one word, optionally with its frequency; give"
                " sentences in lm.text"
            )


def _number(text: str) -> float | None:
    """A number above 0, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 < value < float("inf") else None
