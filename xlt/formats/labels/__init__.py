"""Label files, which lie beside recordings and say what is said in them, and when;
:data:`xlt.core.registry.LABELS` maps names to these.

A new form is one file here and one line of that registry; docs/extend.md has a longer one, which a test runs.
A worked example, a second and a text a line, in ``xlt/formats/labels/ticks.py``::

    def fits(text):
        return text.startswith("#ticks")

    def parse(text, path):
        for number, line in enumerate(text.splitlines()[1:], 2):
            time, _, said = line.partition(" ")
            yield Label(said, number, seconds(time), seconds(time) + 1)

    TICKS = LabelForm("ticks", (".ticks",), fits, parse)

and in the registry ``"ticks": "xlt.formats.labels.ticks:TICKS"``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

_CLOCK = re.compile(r"(?:(?:(\d{1,6}):)?(\d{1,3}):)?(\d{1,9}(?:[.,]\d*)?|[.,]\d+)")


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
