"""Tables as rows with the line that each starts in, whatever form their file has; the forms are in
:mod:`xlt.data.corpora.forms`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from xlt.core.errors import DataError
from xlt.core.paths import refuse_pipe
from xlt.core.registry import TABLES
from xlt.formats.text_file import encoding_of
from xlt.text import encodings

_BINARY = {
    b"PK\x03\x04": "a workbook or an archive (.xlsx, .ods, .zip)",
    b"\xd0\xcf\x11\xe0": "an old workbook (.xls)",
    b"PAR1": "a Parquet file",
    b"SQLite": "a database",
    b"%PDF": "a PDF",
}
_WRONG = 0.2  # of the characters beyond ASCII in a text that is UTF-8 but for some lines
DELIMITED = ".csv"  # the form of files whose ending is not known


@dataclass(frozen=True)
class How:
    """How a table is read: ``lang`` (``ces_Latn``) helps to tell an encoding, None = UTF-8 only; ``encoding``
    is that of data.encoding; ``delimiter`` and ``quoted`` are guessed if None; ``cache``: a folder for sound
    that is in the table itself.
    """

    lang: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    quoted: bool | None = None
    cache: Path | None = None


@dataclass
class Grid:
    """The values of a table as its file has them: ``lines``, each with its number from 1; ``columns`` where
    the form names them, None where a line may be the header; ``sheet``: its name in a file of several;
    ``notes``: what a person is told of it.
    """

    path: Path
    lines: list[tuple[int, list[str]]]
    form: str
    columns: list[str] | None = None
    sheet: str = ""
    notes: list[str] = field(default_factory=list)


@dataclass
class Table:
    """``rows``: (line, from 1, and values by column name) of each row; ``columns`` in order; ``odd``: lines
    that have more values than there are columns; ``form``: what it was, e.g. ``comma, utf-8``; ``header``:
    whether it has one, else columns are called 1, 2 …
    """

    path: Path
    columns: list[str]
    rows: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    odd: list[int] = field(default_factory=list)
    form: str = ""
    sheet: str = ""
    header: bool = True
    notes: list[str] = field(default_factory=list)
    label: str = ""

    def __post_init__(self) -> None:
        self.label = self.label or (f"{self.path.name}/{self.sheet}" if self.sheet else self.path.name)

    @property
    def place(self) -> str:
        """The file, with the sheet: what an error begins with."""
        return f"{self.path}/{self.sheet}" if self.sheet else str(self.path)

    def where(self, line: int) -> str:
        """A row as its owner finds it: ``corpus.tsv:12``, ``corpus.xlsx/Sheet1:12``."""
        return f"{self.label}:{line}"

    def sample(self, column: str, most: int) -> list[str]:
        """The first values of a column that are not empty."""
        found = (value.strip() for _, values in self.rows[:most] if (value := values[column]).strip())
        return list(found)


def decoded(path: Path, encoding: str | None = None, lang: str | None = None) -> tuple[str, str]:
    """The text of a file and its encoding: that of a byte order mark, UTF-8, or ``encoding``; with ``lang``
    also the one that fits the language best. DataError with the line otherwise.
    """
    text, name, _ = decoded_as(path, How(lang, encoding))
    return text, name


def decoded_as(path: Path, how: How) -> tuple[str, str, str]:
    """As :func:`decoded`, with what is to be told of a guess, or ""."""
    refuse_pipe(path)
    raw = path.read_bytes()
    kind = next((what for magic, what in _BINARY.items() if raw.startswith(magic)), None)
    if kind:
        raise DataError(
            f"{path}: is {kind}, expected a table as text; give it the ending of what it is, or save it as"
            " CSV (in Excel: 'CSV UTF-8')"
        )
    encoding = how.encoding or encoding_of(raw[:4])
    odd = b"\0" in raw and encoding == "utf-8"
    try:
        if not odd:
            text = raw.decode(encoding).removeprefix("\ufeff")
            return text, encoding.removesuffix("-sig"), ""
        line = raw[: raw.index(b"\0")].count(b"\n") + 1
        fault = "has zero bytes: UTF-16 without a byte order mark, or not a text at all"
    except UnicodeDecodeError as err:
        line = raw[: err.start].count(b"\n") + 1
        fault = f"not {encoding.upper()} (byte {err.start + 1} of the file)"
    unset = encoding == "utf-8" and not how.encoding
    if unset and not odd and _is_mostly_utf8(raw.decode("utf-8", "replace")):
        raise DataError(
            f"{path}:{line}: {fault}, and UTF-8 elsewhere; write the characters of that line again"
        )
    if how.lang and unset and (best := encodings.guess(raw, how.lang)):
        told = f"{path.name} is not UTF-8; taken as {best}; data.encoding=NAME sets another"
        return raw.decode(best.encoding).removeprefix("\ufeff"), best.encoding, told
    remedy = "set data.encoding, such as cp1250, or " if how.lang else ""
    raise DataError(f"{path}:{line}: {fault}; {remedy}save it as UTF-8 (in Excel: 'CSV UTF-8')")


def _is_mostly_utf8(text: str) -> bool:
    """Whether few characters beyond ASCII are of another encoding, in a text where those were replaced."""
    wrong = text.count("\ufffd")
    return wrong <= _WRONG * sum(not c.isascii() for c in text)


def grids(path: Path, how: How) -> list[Grid]:
    """The tables of a file, several in a workbook; DataError if it is none."""
    suffix = path.suffix.lower()
    read = TABLES.get(suffix if suffix in TABLES else DELIMITED)
    return read(path, how)


def read_table(
    path: Path, header: bool = True, delimiter: str | None = None, quoted: bool | None = None
) -> Table:
    """The only table of a file, its header in the first line; without ``header`` columns are called 1, 2 …
    ``delimiter`` and ``quoted`` are guessed if None.

    Empty lines are skipped. DataError if the file is no table: empty, one column, two columns of one name,
    quotes that do not close.
    """
    return with_header(grids(path, How(delimiter=delimiter, quoted=quoted))[0], 0 if header else None)


def with_header(grid: Grid, header: int | None, start: int = 0) -> Table:
    """The table of a grid whose line at the index ``header`` has the columns' names; None: they are called 1,
    2 … and the rows begin at ``start``. DataError if two have one name.
    """
    form = {"form": grid.form, "sheet": grid.sheet, "notes": list(grid.notes)}
    if grid.columns is not None:
        names, lines = grid.columns, grid.lines
    elif header is None:
        lines = grid.lines[start:]
        names = [str(number + 1) for number in range(_usual_width([values for _, values in lines]))]
    else:
        number, first = grid.lines[header]
        lines = grid.lines[header + 1 :]
        names = _named([name.strip() for name in first], [values for _, values in lines])
        twice = [name for name, count in Counter(names).items() if count > 1 and name]
        if twice:
            raise DataError(
                f"{Table(grid.path, [], sheet=grid.sheet).place}:{number}: two columns are called"
                f" {twice[0]!r}; rename one"
            )
    table = Table(grid.path, [name for name in names if name], header=header is not None, **form)  # type: ignore[arg-type]
    for number, values in lines:
        if any(value.strip() for value in values[len(names) :]):
            table.odd.append(number)
        else:  # the last values of a row may be empty, and then some programs do not write their commas
            values = values + [""] * (len(names) - len(values))
            table.rows.append(
                (number, {name: value for name, value in zip(names, values, strict=False) if name})
            )
    return table


def _named(names: list[str], rows: Sequence[list[str]]) -> list[str]:
    """Names of columns; of one without a name ``column 3``, or "" where it has no values either."""
    while names and not names[-1]:  # Excel ends lines with empty columns
        names.pop()
    filled = {place for values in rows for place, value in enumerate(values[: len(names)]) if value.strip()}
    return [name or (f"column {place + 1}" if place in filled else "") for place, name in enumerate(names)]


def _usual_width(rows: Sequence[list[str]]) -> int:
    """How many values most rows have, without empty ones at their ends."""
    widths = Counter(
        max((place + 1 for place, value in enumerate(values) if value.strip()), default=0) for values in rows
    )
    return max(widths, key=lambda width: (widths[width], width), default=0)
