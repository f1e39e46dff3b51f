"""Drafts to correct, as a spreadsheet or as ELAN's documents; the readers table and elan read what a person
has confirmed in them.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from xlt.core.errors import ConfigError
from xlt.core.stage import atomic_text
from xlt.formats import elan
from xlt.formats.cells import as_text
from xlt.suggest.pieces import Draft

COLUMNS = ("path", "start", "end", "text", "confirmed", "confidence", "rank")
TIER = "text"


@dataclass(frozen=True)
class Template:
    """``drafts``: the best first; ``annotator``: who made them; ``own_split``: whether the corpus that they
    are to join has train, dev and test of its own, so that they must be in one, too: in train."""

    drafts: Sequence[Draft]
    annotator: str
    own_split: bool = False


def _rows(out: Path, template: Template) -> list[list[str]]:
    """The header, and the rows in order of rank. Recordings below the table's folder have relative paths, so
    that both can be moved.
    """
    folder = out.resolve().parent
    told = any(one.speaker for one in template.drafts)
    columns = [*COLUMNS, *(["speaker"] if told else []), *(["split"] if template.own_split else [])]
    rows = [columns]
    for rank, one in enumerate(template.drafts, 1):
        path = one.sound.path.resolve()
        shown = path.relative_to(folder) if path.is_relative_to(folder) else path
        times = (f"{one.start_s:.3f}", f"{one.end_s:.3f}")
        row = [os.fspath(shown), *times, one.text, "", f"{one.confidence:.2f}", str(rank)]
        more = [*([one.speaker] if told else []), *(["train"] if template.own_split else [])]
        rows.append([*row, *more])
    return rows


def write_tsv(out: Path, template: Template) -> None:
    """A table with tabs, a row a piece."""
    text = io.StringIO()
    table = csv.writer(text, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
    for row in _rows(out, template):
        table.writerow([as_text(value) for value in row])
    out.parent.mkdir(parents=True, exist_ok=True)
    atomic_text(out, text.getvalue())


def write_xlsx(out: Path, template: Template) -> None:
    """The same as a workbook; its cells are text, so that nothing is a formula, and ``confirmed`` offers
    yes.
    """
    from openpyxl import Workbook
    from openpyxl.styles import Alignment
    from openpyxl.worksheet.datavalidation import DataValidation

    book = Workbook()
    sheet = book.worksheets[0]
    sheet.title = "drafts"
    rows = _rows(out, template)
    for number, row in enumerate(rows, 1):
        for place, value in enumerate(row, 1):
            cell = sheet.cell(number, place, value)
            cell.data_type, cell.number_format = "s", "@"
            cell.alignment = Alignment(vertical="top", wrap_text=rows[0][place - 1] == TIER)
    sheet.freeze_panes = "A2"
    for place, width in enumerate((30, 9, 9, 80, 11, 11, 6)):
        sheet.column_dimensions["ABCDEFG"[place]].width = width
    offered = DataValidation(type="list", formula1='"yes"', allow_blank=True, showErrorMessage=False)
    offered.add(f"E2:E{len(rows)}")
    sheet.add_data_validation(offered)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.name}")
    book.save(partial)
    partial.replace(out)


def write_eaf(out: Path, template: Template) -> None:
    """A document for each recording in the folder ``out``: for each speaker a tier of drafts, and one below
    it to confirm them.
    """
    own: dict[Path, list[Draft]] = {}
    for one in template.drafts:
        own.setdefault(one.sound.path.resolve(), []).append(one)
    out.mkdir(parents=True)
    taken: set[str] = set()
    for path, pieces in own.items():
        name, number = path.stem, 1
        while name in taken:
            number += 1
            name = f"{path.stem}-{number}"
        taken.add(name)
        root = elan.new(path, out.resolve())
        said: dict[str, list[elan.Annotation]] = {}
        for one in pieces:
            said.setdefault(one.speaker, []).append(elan.Annotation(one.start_s, one.end_s, one.text))
        tiers = [
            elan.Tier(f"{TIER}@{speaker}" if speaker else TIER, speaker, sorted(texts))
            for speaker, texts in sorted(said.items())
        ]
        elan.add_tiers(root, tiers, path.name, template.annotator)
        for tier in tiers:
            elan.add_confirmed(root, tier.name)
        atomic_text(out / f"{name}.eaf", elan.written(root))


Writer = Callable[[Path, Template], None]
TEMPLATES: dict[str, tuple[Writer, str]] = {  # form → what writes it, and the usual name of its output
    "tsv": (write_tsv, "suggested.tsv"),
    "xlsx": (write_xlsx, "suggested.xlsx"),
    "eaf": (write_eaf, "suggested"),
}


def refuse_existing(out: Path) -> None:
    """ConfigError if there is something that a person may have corrected already."""
    if out.exists():
        raise ConfigError(f"--out {out}: exists, perhaps with corrections; name another")
