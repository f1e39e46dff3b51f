"""Delimited text: CSV, TSV, semicolons or bars between the values."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from pathlib import Path

from xlt.core.errors import DataError
from xlt.data.corpora.forms import fairseq, objects
from xlt.data.corpora.rows import Grid, How, decoded_as
from xlt.formats.cells import from_text

_DELIMITERS = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "bar"}
csv.field_size_limit(1 << 30)  # a value that goes on to the end of the file is told from one column, below
_LOOKED_AT = 200  # lines from which the delimiter is guessed
_LEAST = 0.5  # of the lines that must have as many values as the usual one


def read(path: Path, how: How) -> list[Grid]:
    """The table of a text file; empty lines are skipped. Text that is JSON, or a manifest of fairseq, is read
    as that.
    """
    text, encoding, told = decoded_as(path, how)
    notes = [told] if told else []
    if not text.strip():
        raise DataError(f"{path}: is empty, expected a table")
    if text.lstrip()[:1] in ("{", "["):
        return objects.parse(path, text, encoding, notes)
    if fairseq.recognise(text):
        return [fairseq.parse(path, text, how, notes)]
    delimiter = how.delimiter
    if hit := re.match(r"sep=(.)\r?\n", text):  # what Excel reads first
        delimiter, text = hit[1], "\n" + text[hit.end() :]
    delimiter = delimiter or _delimiter(path, text)
    lines, quoting = _split(path, text, delimiter, how.quoted)
    form = f"{_DELIMITERS.get(delimiter, delimiter)}, {encoding}{', quoted' if quoting else ''}"
    return [Grid(path, [(n, list(map(from_text, values))) for n, values in lines], form, notes=notes)]


def _delimiter(path: Path, text: str) -> str:
    """What separates the values: what most lines have as often as each other, titles above them apart."""
    best, found = (0.0, 0), None
    head = "".join(text.splitlines(keepends=True)[:_LOOKED_AT])
    for delimiter in "\t|":  # sentences have commas, and quotes that nobody closes, but hardly these
        counts = [line.count(delimiter) for line in head.split("\n") if line.strip()]
        if len(counts) > 1 and len(set(counts)) == 1 and counts[0]:
            return delimiter
    for delimiter in _DELIMITERS:
        try:
            widths = [len(row) for row in csv.reader(io.StringIO(head), delimiter=delimiter) if row]
        except csv.Error:
            continue
        usual = Counter(width for width in widths if width > 1)
        if usual:
            width = max(usual, key=lambda w: (usual[w], w))
            score = (usual[width] / len(widths), width)
            if score > best and score[0] >= _LEAST:
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
    fails, or a value would run over several lines without making the rows alike, quotes are letters there. In
    CSV that is an error.
    """
    strict = delimiter in ",;"
    plain = ((number, line.rstrip("\r").split(delimiter)) for number, line in enumerate(text.split("\n"), 1))
    if quoted is not False:
        lines: list[tuple[int, list[str]]] = []
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        before = 0
        try:
            for values in reader:
                if any(value.strip() for value in values):
                    lines.append((before + 1, values))
                before = reader.line_num
            if strict or not any("\n" in value for _, values in lines for value in values):
                return lines, '"' in text
            others = [(number, values) for number, values in plain if any(value.strip() for value in values)]
            both = (len({len(values) for _, values in rows}) for rows in (lines, others))
            return (lines, True) if next(both) < next(both) else (others, False)
        except csv.Error as err:
            if strict or quoted:
                raise DataError(
                    f"{path}:{before + 1}: not valid CSV from here on: {err}; a quote inside a value is"
                    " written twice, and a value with a quote is put in quotes"
                ) from None
    return [(number, values) for number, values in plain if any(value.strip() for value in values)], False
