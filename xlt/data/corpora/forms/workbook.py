"""Workbooks (.xlsx): each sheet is a table; only values are read, no formula is computed or link followed."""

from __future__ import annotations

import re
import warnings
import zipfile
from pathlib import Path
from typing import NamedTuple

from xlt.core.errors import DataError
from xlt.core.paths import refuse_pipe
from xlt.data.corpora.forms.shown import shown
from xlt.data.corpora.rows import Grid, How
from xlt.data.corpora.unpack import DAMAGE, MOST_RATIO

_WIDEST = 500  # columns; those behind are not read
_LEAST, _MOST = 64 << 20, 512 << 20  # bytes of XML that any workbook, and that none may hold
_MOST_MERGED = 1 << 20  # cells below the first of those merged with them
_MERGED = re.compile(rb'<mergeCell ref="([A-Z]+[0-9]+:[A-Z]+[0-9]+)"')
_OLE = b"\xd0\xcf\x11\xe0"
_FAULTS = (*DAMAGE, KeyError, TypeError, AttributeError, IndexError, SyntaxError, OSError)


def read(path: Path, how: How) -> list[Grid]:
    """The sheets that have values; lines have their row's number. DataError if it is no workbook, or too
    large.
    """
    refuse_pipe(path)
    try:
        inside = _look_inside(path)
        found = _sheets(path, inside.merged)
        if inside.formulas:
            _note_uncomputed(path, found)
    except _FAULTS as err:
        raise DataError(
            f"{path}: no workbook, or damaged ({type(err).__name__}: {str(err)[:100]}); open it and save it"
            " again as .xlsx, or as CSV (UTF-8)"
        ) from None
    grids = [grid for grid in found if grid.lines]
    if not grids:
        raise DataError(f"{path}: all sheets are empty, expected a table")
    for grid in grids:
        grid.sheet = grid.sheet if len(grids) > 1 else ""
    return grids


class _Inside(NamedTuple):
    """Whether a sheet has formulas; the merged cells of each sheet's part of the archive, as ``A4:A9``."""

    formulas: bool
    merged: dict[str, list[str]]


def _look_inside(path: Path) -> _Inside:
    """What the parts of a workbook hold; DataError for what is not one of the usual size."""
    with path.open("rb") as handle:
        if handle.read(4) == _OLE:
            raise DataError(
                f"{path}: is protected by a password, or a workbook of Excel 97-2003 (.xls); open it and save"
                " it as .xlsx without a password"
            )
    size, formulas = path.stat().st_size, False
    merged: dict[str, list[str]] = {}
    with zipfile.ZipFile(path) as pack:
        total = sum(max(0, info.file_size) for info in pack.infolist())
        if total > min(_MOST, max(_LEAST, MOST_RATIO * size)):
            raise DataError(
                f"{path}: {size / 1e6:.1f} MB that become {total / 1e6:.0f} MB, more than a table has: made"
                " to fill the memory? If you trust it, save it as CSV (UTF-8)"
            )
        if "xl/workbook.xml" not in pack.namelist() and not any("workbook" in n for n in pack.namelist()):
            raise DataError(f"{path}: is an archive without a workbook in it; name the corpus in data.dir")
        for info in pack.infolist():
            if not info.filename.endswith((".xml", ".rels")):
                continue
            with pack.open(info) as part:
                if b"<!DOCTYPE" in (start := part.read(4096)):
                    raise DataError(f"{path}: {info.filename} defines entities, as no table does; not read")
                if info.filename.startswith("xl/worksheets/"):
                    whole = start + part.read()
                    formulas = formulas or b"<f" in whole
                    merged[info.filename] = [hit.decode() for hit in _MERGED.findall(whole)]
    return _Inside(formulas, merged)


def _opened(path: Path, values: bool):
    from openpyxl import load_workbook

    return load_workbook(path, read_only=True, data_only=values, keep_links=False)


def _sheets(path: Path, merged: dict[str, list[str]]) -> list[Grid]:
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what openpyxl does not keep: styles, validation
        book = _opened(path, values=True)
        try:
            for sheet in book.worksheets:
                sheet.reset_dimensions()  # some programs write wrong ones
                grid = Grid(path, [], "xlsx", sheet=sheet.title)
                faults: list[str] = []
                for number, cells in enumerate(sheet.iter_rows(max_col=_WIDEST), 1):
                    values = []
                    for cell in cells:
                        wrong = cell.data_type == "e" if cell.value is not None else False
                        if wrong:
                            faults.append(f"{cell.coordinate} {cell.value}")
                        values.append("" if wrong else shown(cell.value, cell.number_format))
                    while values and not values[-1]:
                        values.pop()
                    if any(value.strip() for value in values):
                        grid.lines.append((number, values))
                if faults:
                    grid.notes.append(
                        f"{len(faults)} cells of {_name(grid)} show an error, such as {faults[0]}; taken as"
                        " empty"
                    )
                _fill_merged(grid, merged.get(getattr(sheet, "_worksheet_path", ""), []))
                found.append(grid)
        finally:
            book.close()
    return found


def _fill_merged(grid: Grid, merged: list[str]) -> None:
    """Give a value that stands in cells merged downwards, such as a speaker's name, to each row of them."""
    from openpyxl.utils import range_boundaries

    rows, left_over = dict(grid.lines), _MOST_MERGED
    for cells in merged:
        left, top, right, bottom = (int(place or 0) for place in range_boundaries(cells))
        value = rows[top][left - 1] if top in rows and left <= len(rows[top]) else ""
        below = range(top + 1, min(bottom, max(rows, default=0)) + 1) if left == right and value else range(0)
        left_over -= len(below)
        if left_over < 0:
            return
        for values in (rows[number] for number in below if number in rows):
            values += [""] * (left - len(values))
            values[left - 1] = values[left - 1] or value


def _note_uncomputed(path: Path, found: list[Grid]) -> None:
    """Tell of formulas whose values the file does not hold, since no program has computed them."""
    values = {(grid.sheet, number): own for grid in found for number, own in grid.lines}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        book = _opened(path, values=False)
        try:
            for grid, sheet in zip(found, book.worksheets, strict=True):
                sheet.reset_dimensions()
                lacking = []
                for number, cells in enumerate(sheet.iter_rows(max_col=_WIDEST), 1):
                    own = values.get((grid.sheet, number), [])
                    lacking += [
                        cell.coordinate
                        for place, cell in enumerate(cells)
                        if cell.data_type == "f" and not (own[place] if place < len(own) else "")
                    ]
                if lacking:
                    grid.notes.append(
                        f"{len(lacking)} cells of {_name(grid)} have formulas without a value (first"
                        f" {lacking[0]}), taken as empty: open it in a spreadsheet and save it"
                    )
        finally:
            book.close()


def _name(grid: Grid) -> str:
    return f"{grid.path.name}/{grid.sheet}"
