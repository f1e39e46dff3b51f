"""Label files, which lie beside recordings and say what is said in them, and when;
:data:`xlt.core.registry.LABELS` maps names to these.

A new form is one file here and one line of that registry. A worked example, YouTube's .sbv, in
``xlt/formats/labels/sbv.py``::

    def fits(text):
        return re.match(r"\\d+:\\d\\d:\\d\\d\\.\\d{3},\\d+:\\d\\d:\\d\\d\\.\\d{3}\\n", text) is not None

    def parse(text, path):
        line = 1
        for block in text.split("\\n\\n"):
            times, _, said = block.strip().partition("\\n")
            if times:
                start_s, end_s = map(seconds, times.split(","))
                yield Label(said, line, start_s, end_s)
            line += block.count("\\n") + 2

    SBV = LabelForm("YouTube's subtitles", (".sbv",), fits, parse)

and in the registry ``"sbv": "xlt.formats.labels.sbv:SBV"``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

_CLOCK = re.compile(r"(?:(?:(\d+):)?(\d{1,3}):)?(\d+(?:[.,]\d*)?|[.,]\d+)")


@dataclass(frozen=True)
class Label:
    """What is said from ``start_s`` to ``end_s``, seconds; both None where it is the whole recording's.

    ``line``: where it begins in its file, from 1; ``tier``: the layer or track that it is on; ``speaker``: ""
    if the file does not name one. Where both times are the same, it marks a point.
    """

    text: str
    line: int
    start_s: float | None = None
    end_s: float | None = None
    tier: str = ""
    speaker: str = ""


@dataclass(frozen=True)
class LabelForm:
    """A form of label files.

    ``title``: for people; ``suffixes``: of its files, in lower case; ``fits``: whether a file's text is in
    this form; ``parse``: text and path → its labels, in the order of the file; DataError with the line.
    ``timed``: whether the first suffix is its own, so that such a file has labels for sure; ``words``:
    whether each label is a word or a sound.
    """

    title: str
    suffixes: tuple[str, ...]
    fits: Callable[[str], bool]
    parse: Callable[[str, Path], Iterable[Label]]
    timed: bool = True
    words: bool = False


def seconds(value: str) -> float:
    """``62.5``, ``62,5`` and ``00:01:02.5`` in seconds; ValueError.

    >>> seconds("62,5"), seconds("1:02.5"), seconds("00:01:02.500")
    (62.5, 62.5, 62.5)
    """
    hit = _CLOCK.fullmatch(value.strip())
    if not hit:
        raise ValueError(value)
    hours, minutes, rest = hit.groups(default="0")
    return 3600 * int(hours) + 60 * int(minutes) + float(rest.replace(",", "."))
