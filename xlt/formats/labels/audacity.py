"""Audacity's label tracks: ``START<tab>END<tab>TEXT`` in seconds, a line a label; behind a label of a
spectral selection, a line with a backslash and two frequencies
(https://manual.audacityteam.org/man/importing_and_exporting_labels.html).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from xlt.core.errors import DataError
from xlt.formats.labels import Label, LabelForm, seconds

_LABEL = re.compile(r"\s*(\d{1,9}(?:[.,]\d+)?)\t\s*(\d{1,9}(?:[.,]\d+)?)(?:\t(.*))?")
_FREQUENCIES = re.compile(r"\\\t\s*-?[\d.,]+\t\s*-?[\d.,]+\s*")


def fits(text: str) -> bool:
    lines = [line for line in text.split("\n") if line.strip() and not line.startswith("\\")]
    labels = [hit for line in lines if (hit := _LABEL.fullmatch(line))]
    headless = bool(lines) and lines[0].lstrip()[:1].isdigit()
    return headless and 2 * len(labels) > len(lines) and any(hit[3] is not None for hit in labels)


def parse(text: str, path: Path) -> Iterator[Label]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or _FREQUENCIES.fullmatch(line):
            continue
        hit = _LABEL.fullmatch(line)
        if not hit:
            raise DataError(
                f"{path}:{number}: found {line[:80]!r}, expected START, END and TEXT with tabs between them,"
                " as Audacity exports labels; correct the line"
            )
        yield Label(hit[3] or "", number, seconds(hit[1]), seconds(hit[2]))


AUDACITY = LabelForm("Audacity labels", (".txt",), fits, parse, timed=False)
