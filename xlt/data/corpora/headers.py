"""Where a table begins: titles above it, its header, or rows at once."""

from __future__ import annotations

from collections.abc import Callable

from xlt.data.corpora import columns as meaning
from xlt.data.corpora.rows import Grid, Table, with_header

_TITLES = 30  # lines in which the header is looked for
_GROUPS = 3  # lines of a header in which columns are grouped
_SAMPLE = 200  # rows by which it is seen whether a column names files
_LEAST = 0.5  # of the values of a column that names files
_WIDE = 0.8  # of the values of a usual line, which a header has


def as_table(grid: Grid, given: dict, names_sound: Callable[[str], int]) -> Table:
    """The table of a grid, with a note on what was skipped or taken for no header; ``given``: data.columns;
    ``names_sound``: how surely a value names a sound file, 0 = not.

    The header is the line with the columns that ``given`` names, or whose words mean a path and a text; else
    the one above the first row that names a sound file. A table whose first row does has none.
    """
    if grid.columns is not None:
        return with_header(grid, 0)
    if any(isinstance(name, int) for name in given.values()):
        return with_header(grid, None, _first_row(grid, given, names_sound))
    header, start = _beginning(grid, given, names_sound)
    table = with_header(grid, header, start)
    first = start if header is None else header
    if skipped := [number for number, _ in grid.lines[:first]]:
        above = f"line {skipped[0]}" if len(skipped) == 1 else f"lines {skipped[0]} to {skipped[-1]}"
        table.notes.append(f"{table.label}: {above} not used: titles above the table")
    if header is None and grid.lines:
        number = grid.lines[first][0]
        table.notes.append(
            f"{table.label}: has no header, since line {number} names a sound file; columns are numbered"
        )
    return table


def _first_row(grid: Grid, given: dict, names_sound: Callable[[str], int]) -> int:
    """The index of the first line whose path, in the column that ``given`` numbers, is a sound file; or 0."""
    column = given.get("path")
    if not isinstance(column, int):
        return 0
    paths = (values[column - 1] if len(values) >= column else "" for _, values in grid.lines[:_TITLES])
    return next((n for n, path in enumerate(paths) if meaning.is_sound(path, names_sound)), 0)


def _beginning(grid: Grid, given: dict, names_sound: Callable[[str], int]) -> tuple[int | None, int]:
    """The index of the header, or None and the index of the first row."""
    lines = [values for _, values in grid.lines[:_SAMPLE]]
    wanted = {meaning.plain(str(name)) for name in given.values() if name is not None}
    for index, values in enumerate(lines[:_TITLES]):
        words = [meaning.plain(value) for value in values]
        if wanted and wanted <= set(words):
            return index, index
        if not wanted and {"path", "text"} <= {meaning.role_of(value) for value in values}:
            header = _below_groups(lines, index, names_sound)
            return header, header
    filled = [[place for place, value in enumerate(values) if value.strip()] for values in lines]
    column = _sound_column(lines, names_sound)
    if column is None:
        return next((index for index, places in enumerate(filled) if len(places) > 1), 0), 0
    first = next(
        index
        for index, values in enumerate(lines)
        if column < len(values) and meaning.is_sound(values[column], names_sound)
    )
    widths = [len(places) for places in filled[first:]]
    usual = max(set(widths), key=lambda width: (widths.count(width), width))
    above = [index for index in range(first) if len(filled[index]) >= max(2, _WIDE * usual)]
    above = above or [index for index in range(first) if len(filled[index]) > 1][-1:]
    return (above[0], above[0]) if above else (None, first)


def _below_groups(lines: list[list[str]], header: int, names_sound: Callable[[str], int]) -> int:
    """The index of the header below one that names groups of columns, which are more; else ``header``."""
    for index, values in enumerate(lines[header + 1 : header + _GROUPS], header + 1):
        if any(meaning.is_sound(value, names_sound) for value in values):
            break
        if sum(map(bool, values)) > sum(map(bool, lines[header])):
            return index
    return header


def _sound_column(lines: list[list[str]], names_sound: Callable[[str], int]) -> int | None:
    """The column whose values name sound files, most surely; None if none does."""
    best, found = 0.0, None
    for column in range(max(map(len, lines), default=0)):
        own = [values[column] for values in lines if column < len(values) and values[column].strip()]
        hits = sum(meaning.is_sound(value, names_sound) for value in own)
        score = sum(names_sound(value) for value in own) / len(own) if own else 0.0
        if own and hits >= max(1, _LEAST * (len(own) - 1)) and score > best:
            best, found = score, column
    return found
