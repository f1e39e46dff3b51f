"""Forms of tables that are not read, named for what they are, with what to do."""

from __future__ import annotations

from pathlib import Path

from xlt.core.errors import DataError
from xlt.data.corpora.rows import Grid, How

_WHAT = {
    ".xls": "a workbook of Excel 97-2003",
    ".xlsb": "a binary workbook of Excel",
    ".ods": "an OpenDocument spreadsheet",
    ".numbers": "a spreadsheet of Numbers",
}


def read(path: Path, how: How) -> list[Grid]:
    """DataError."""
    raise DataError(
        f"{path}: is {_WHAT.get(path.suffix.lower(), 'a spreadsheet')}, which is not read; open it and save"
        f" it as .xlsx or as CSV (UTF-8), or run: libreoffice --headless --convert-to xlsx '{path.name}'"
    )
