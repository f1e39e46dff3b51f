"""JSON: an object a line, such as NeMo's manifests; an array of objects; or an object with such an array, or
of sound files and what is said of each.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from xlt.core import jsons
from xlt.core.errors import DataError
from xlt.data.corpora.rows import Grid, How, decoded_as
from xlt.data.corpora.sounds import SUFFIXES

_OBJECT = 'an object a line, such as {"path": "a.wav", "text": "…"}'


def read(path: Path, how: How) -> list[Grid]:
    """The table of a JSON file: columns are the keys of all objects. Numbers become words, null an empty
    value. Objects in an array are numbered from 1, others have their line's number.
    """
    text, encoding, told = decoded_as(path, how)
    if not text.strip():
        raise DataError(f"{path}: is empty, expected a table")
    return parse(path, text, encoding, [told] if told else [])


def parse(path: Path, text: str, encoding: str, notes: list[str]) -> list[Grid]:
    """See :func:`read`, of a text that is at hand."""
    found: list[tuple[int, object]] = []
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    number = lines[0][0]
    try:
        if lines[0][1].strip()[:1] == "[" or (whole := _whole(lines)) is not None:
            found = _entries(jsons.parse(text) if lines[0][1].strip()[:1] == "[" else whole)
        else:
            for number, line in lines:
                found.append((number, jsons.parse(line)))
    except ValueError as err:
        raise DataError(f"{path}:{number}: not valid JSON ({err}); expected {_OBJECT}") from None
    for number, row in found:
        if not isinstance(row, dict):
            raise DataError(f"{path}:{number}: found {str(row)[:60]!r}, expected {_OBJECT}")
    rows = [(number, row) for number, row in found if isinstance(row, dict)]
    columns = list(dict.fromkeys(str(key) for _, row in rows for key in row))
    values = [(number, [_word(row.get(name)) for name in columns]) for number, row in rows]
    return [Grid(path, values, f"json, {encoding}", columns, notes=notes)]


def _whole(lines: list[tuple[int, str]]) -> object | None:
    """The only value of a text, where it goes on over lines or holds the entries; None if each line has one
    of its own.
    """
    try:
        first = jsons.parse(lines[0][1])
    except ValueError:
        if len(lines) == 1 or lines[0][1].strip() != "{":
            return None
        return jsons.parse("\n".join(line for _, line in lines))
    return first if len(lines) == 1 and isinstance(_entries(first), list) and _is_index(first) else None


def _is_index(value: object) -> bool:
    """Whether an object holds entries instead of being one."""
    return isinstance(value, dict) and (
        _is_of_files(value) or any(isinstance(own, list | dict) for own in value.values())
    )


def _is_of_files(value: dict) -> bool:
    """Whether the keys are sound files and the values what is said: ``{"a.wav": "text"}``."""
    return all(
        isinstance(own, str) and os.path.splitext(key)[1].lower() in SUFFIXES for key, own in value.items()
    )


def _entries(value: object) -> list[tuple[int, object]]:
    """The entries of a value: of an array; of the first array of objects in it; of ``{"a.wav": "text"}``."""
    if isinstance(value, dict):
        inner = next((own for own in value.values() if isinstance(own, list) and _objects(own)), None)
        if inner is not None:
            value = inner
        elif value and all(isinstance(own, dict) for own in value.values()):
            value = [{"file": key, **own} for key, own in value.items()]
        elif value and _is_of_files(value):
            value = [{"file": key, "text": own} for key, own in value.items()]
        else:
            value = [value]
    return list(enumerate(value, 1)) if isinstance(value, list) else [(1, value)]


def _objects(values: list) -> bool:
    return bool(values) and all(isinstance(own, dict) for own in values)


def _word(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
