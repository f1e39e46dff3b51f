"""HTK's .lab: ``START END LABEL`` a line, times in units of 100 ns (HTK Book, 6.2), and in seconds as
WaveSurfer writes them. Labels are words, or sounds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from xlt.core.errors import DataError
from xlt.formats.labels import Label, LabelForm

_LINE = re.compile(r"\s*(\d{1,15}(?:\.\d+)?)\s+(\d{1,15}(?:\.\d+)?)\s+(\S.*?)\s*")
_SCORE = re.compile(r"\s+-?\d+(?:\.\d+)?(?:\s.*)?$")  # and what stands behind it, labels of other levels
_PER_S = 10_000_000


def fits(text: str) -> bool:
    lines = [line for line in text.split("\n") if line.strip()]
    return bool(lines) and 2 * sum(_LINE.fullmatch(line) is not None for line in lines) > len(lines)


def parse(text: str, path: Path) -> Iterator[Label]:
    """The labels of the first alternative."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() == "///":  # further alternatives follow
            return
        if not line.strip():
            continue
        hit = _LINE.fullmatch(line)
        if not hit:
            raise DataError(
                f"{path}:{number}: found {line[:80]!r}, expected START END LABEL, times in units of 100 ns;"
                " correct the line"
            )
        start, end, label = hit.groups()
        if "." in start + end:
            yield Label(label, number, float(start), float(end))
        else:
            yield Label(_SCORE.sub("", label), number, int(start) / _PER_S, int(end) / _PER_S)


HTK = LabelForm("HTK labels", (".lab",), fits, parse, timed=False, words=True)
