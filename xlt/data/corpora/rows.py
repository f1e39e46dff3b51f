"""Tables of text: CSV, TSV, semicolons, JSON lines, in UTF-8 or UTF-16; as rows with the line that each
starts in.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from xlt.core import jsons
from xlt.core.errors import DataError
from xlt.core.paths import refuse_pipe
from xlt.formats.cells import from_text
from xlt.formats.text_file import encoding_of

_DELIMITERS = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "bar"}
_OBJECT = 'an object a line, such as {"path": "a.wav", "text": "…"}'
csv.field_size_limit(1 << 30)  # a value that goes on to the end of the file is told from one column, below
_LOOKED_AT = 200  # lines from which the delimiter is guessed
_BINARY = {
    b"PK\x03\x04": "a workbook or an archive (.xlsx, .ods, .zip)",
    b"\xd0\xcf\x11\xe0": "an old workbook (.xls)",
    b"PAR1": "a Parquet file",
    b"SQLite": "a database",
    b"%PDF": "a PDF",
}


@dataclass
class Table:
    """``rows``: (line, from 1, and values by column name) of each row; ``columns`` in order; ``odd``: lines
    that have more values than there are columns; ``form``: what it was, e.g. ``csv, comma, utf-8``."""

    path: Path
    columns: list[str]
    rows: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    odd: list[int] = field(default_factory=list)
    form: str = ""


def decoded(path: Path) -> tuple[str, str]:
    """The text of a file and its encoding: UTF-8, or UTF-16/32 with a byte order mark. DataError with the
    line otherwise.
    """
    refuse_pipe(path)
    raw = path.read_bytes()
    kind = next((what for magic, what in _BINARY.items() if raw.startswith(magic)), None)
    if kind:
        raise DataError(
            f"{path}: is {kind}, expected a table as text; save it as CSV (in Excel: 'CSV UTF-8')"
        )
    encoding = encoding_of(raw[:4])
    if encoding == "utf-8" and b"\0" in raw:
        line = raw[: raw.index(b"\0")].count(b"\n") + 1
        raise DataError(
            f"{path}:{line}: has zero bytes: UTF-16 without a byte order mark, or not a text at all; save it"
            " as UTF-8"
        )
    try:
        return raw.decode(encoding).removeprefix("\ufeff"), encoding.removesuffix("-sig")
    except UnicodeDecodeError as err:
        line = raw[: err.start].count(b"\n") + 1
        raise DataError(
            f"{path}:{line}: not {encoding.upper()} (byte {err.start + 1} of the file); save it as UTF-8 (in"
            " Excel: 'CSV UTF-8')"
        ) from None


def read_table(
    path: Path, header: bool = True, delimiter: str | None = None, quoted: bool | None = None
) -> Table:
    """The rows of a table; without ``header`` columns are called 1, 2 … ``delimiter`` and ``quoted`` are
    guessed if None.

    Empty lines are skipped. DataError if the file is no table: empty, one column, two columns of one name,
    quotes that do not close.
    """
    text, encoding = decoded(path)
    if not text.strip():
        raise DataError(f"{path}: is empty, expected a table")
    start = text.lstrip()[:1]
    if path.suffix.lower() in (".jsonl", ".ndjson", ".json") or start in ("{", "["):
        return _json_table(path, text, start, encoding)
    if hit := re.match(r"sep=(.)\r?\n", text):  # what Excel reads first
        delimiter, text = hit[1], "\n" + text[hit.end() :]
    delimiter = delimiter or _delimiter(path, text)
    lines, quoting = _split(path, text, delimiter, quoted)
    width = len(lines[0][1])
    names = [name.strip() for name in lines.pop(0)[1]] if header else [str(i + 1) for i in range(width)]
    while header and names and not names[-1]:  # Excel ends lines with empty columns
        names.pop()
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{path}:1: two columns are called {twice[0]!r}; rename one")
    table = Table(
        path,
        names,
        form=f"{_DELIMITERS.get(delimiter, delimiter)}, {encoding}{', quoted' if quoting else ''}",
    )
    for number, values in lines:
        if any(value.strip() for value in values[len(names) :]):
            table.odd.append(number)
        else:  # the last values of a row may be empty, and then some programs do not write their commas
            values += [""] * (len(names) - len(values))
            table.rows.append((number, dict(zip(names, map(from_text, values), strict=False))))
    return table


def _delimiter(path: Path, text: str) -> str:
    """What separates the values: what most lines have as often as the first line does."""
    best, found = (0.0, 0), None
    for delimiter in _DELIMITERS:
        try:
            head = list(
                csv.reader(
                    io.StringIO("".join(text.splitlines(keepends=True)[:_LOOKED_AT])), delimiter=delimiter
                )
            )
        except csv.Error:
            continue
        widths = [len(row) for row in head if row]
        if widths and widths[0] > 1:
            score = (sum(width == widths[0] for width in widths) / len(widths), widths[0])
            if score > best:
                best, found = score, delimiter
    if found is None:
        raise DataError(
            f"{path}:1: found one column, {text.splitlines()[0][:80]!r}, expected several with tabs, commas, "
            "semicolons or bars between them"
        )
    return found


def _split(
    path: Path, text: str, delimiter: str, quoted: bool | None
) -> tuple[list[tuple[int, list[str]]], bool]:
    """Line number and values of each row, and whether quotes were read as in CSV.

    Programs that write tabs or bars seldom quote, and a sentence may begin with a quote: where strict reading
    fails, or a value would run over several lines, quotes are letters there. In CSV that is an error.
    """
    strict = delimiter in ",;"
    if quoted is not False:
        lines: list[tuple[int, list[str]]] = []
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        before = 0
        try:
            for values in reader:
                if any(value.strip() for value in values):
                    lines.append((before + 1, values))
                if not strict and any("\n" in value for value in values):
                    raise csv.Error("a value runs over several lines")
                before = reader.line_num
            return lines, '"' in text
        except csv.Error as err:
            if strict or quoted:
                raise DataError(
                    f"{path}:{before + 1}: not valid CSV from here on: {err}; a quote inside a value is"
                    " written twice, and a value with a quote is put in quotes"
                ) from None
    rows = ((number, line.rstrip("\r").split(delimiter)) for number, line in enumerate(text.split("\n"), 1))
    return [(number, values) for number, values in rows if any(value.strip() for value in values)], False


def _json_table(path: Path, text: str, start: str, encoding: str) -> Table:
    """A JSON object a line, or one array of objects; columns are the keys of all. Numbers become words, null
    an empty value.
    """
    found: list[tuple[int, dict]] = []
    try:
        if start == "[":
            found = list(enumerate(jsons.parse(text), 1))
        else:
            for number, line in enumerate(text.split("\n"), 1):
                if line.strip():
                    found.append((number, jsons.parse(line)))
    except ValueError as err:
        line = f":{len(found) + 1}" if start != "[" else ""
        raise DataError(f"{path}{line}: not valid JSON ({err}); expected {_OBJECT}") from None
    for number, row in found:
        if not isinstance(row, dict):
            raise DataError(f"{path}:{number}: found {str(row)[:60]!r}, expected {_OBJECT}")
    columns = list(dict.fromkeys(str(key) for _, row in found for key in row))
    table = Table(path, columns, form=f"json, {encoding}")
    table.rows = [(number, {name: _word(row.get(name)) for name in columns}) for number, row in found]
    return table


def _word(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
