"""Praat's TextGrid as text: long, short and chronological
(https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html).

As Praat reads them, only numbers that stand alone, texts in quotes (a quote inside is written twice) and
flags in angle brackets count; all else is decoration, so that the long and the short form are one. Letters
that older versions wrote as ``\\a"`` and ``\\s<`` become ä and š.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from math import isfinite
from pathlib import Path

from xlt.core.errors import DataError
from xlt.formats.labels import Label, LabelForm

_TOKEN = re.compile(
    r"""(?<!\S)!(?P<comment>[^\n]*)
    | "(?P<text>(?:[^"]|"")*)"
    | (?P<open>")
    | (?<!\S)(?P<number>[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)(?!\S)
    | (?<!\S)<(?P<flag>exists|absent)>""",
    re.VERBOSE,
)
_MARKS = dict(  # Praat's backslash sequences: a letter and a sign for its mark
    zip("`'^~\"<:;o!,", "\u0300\u0301\u0302\u0303\u0308\u030c\u030b\u0328\u030a\u0307\u0327", strict=True)
)
_LETTERS = {
    **{"ss": "ß", "ae": "æ", "Ae": "Æ", "o/": "ø", "O/": "Ø", "l/": "ł", "L/": "Ł", "d-": "đ", "D-": "Đ"},
    **{"ng": "ŋ", "sw": "ə", "ef": "ɛ", "ct": "ɔ", "th": "þ", "Th": "Þ", "bs": "\\"},
}
_SEQUENCE = re.compile(r"\\(\w)(\S)")
_AGAIN = "open it in Praat and save it again as a text file"
_CHRONOLOGICAL = "Praat chronological TextGrid text file"


class _Values:
    """The numbers, texts and flags of a file, one after the other."""

    def __init__(self, text: str, path: Path):
        self.path = path
        self._hits = [hit for hit in _TOKEN.finditer(text) if hit.lastgroup != "comment"]
        self._at = 0
        self._ends = [hit.start() for hit in re.finditer("\n", text)]
        self.line = 1
        self.where = "before its first tier"

    def at_end(self) -> bool:
        return self._at == len(self._hits)

    def take(self, kind: str) -> str:
        """The next value, which is a ``kind``: text, number or flag; DataError."""
        if self.at_end():
            raise DataError(
                f"{self.path}:{len(self._ends) + 1}: ends {self.where}: it is cut short or not complete;"
                f" {_AGAIN}"
            )
        hit = self._hits[self._at]
        self._at += 1
        self.line = bisect_right(self._ends, hit.start()) + 1
        if hit.lastgroup == "open":
            raise DataError(
                f"{self.path}:{self.line}: a quote that is not closed; write a quote inside a text twice"
            )
        if hit.lastgroup != kind:
            raise DataError(
                f"{self.path}:{self.line}: found {hit[0][:60]!r} {self.where}, expected a {kind}; write a"
                f" quote inside a text twice, or {_AGAIN}"
            )
        value = hit[kind].replace('""', '"')
        return _SEQUENCE.sub(_letter, value) if "\\" in value else value

    def number(self) -> float:
        number = float(self.take("number"))
        if not isfinite(number):
            raise DataError(f"{self.path}:{self.line}: a number without end; {_AGAIN}")
        return number

    def count(self) -> int:
        number = self.number()
        if number < 0 or number != int(number):
            raise DataError(f"{self.path}:{self.line}: found {number:g}, expected a count; {_AGAIN}")
        return int(number)


def _letter(hit: re.Match[str]) -> str:
    """The letter that a backslash sequence stands for; one that we do not know stays."""
    base, sign = hit.groups()
    made = unicodedata.normalize("NFC", base + _MARKS[sign]) if sign in _MARKS else ""
    return _LETTERS.get(base + sign, made if len(made) == 1 else hit[0])


def fits(text: str) -> bool:
    head = text.lstrip()[:200]
    return head.startswith(("File type", '"ooTextFile', f'"{_CHRONOLOGICAL}')) and "TextGrid" in head


def parse(text: str, path: Path) -> Iterator[Label]:
    """The intervals and points of all tiers; those without text, too."""
    values = _Values(text, path)
    kind = values.take("text")
    if kind == _CHRONOLOGICAL:
        yield from _chronological(values)
        return
    content = values.take("text") if kind.startswith("ooTextFile") else ""
    if content != "TextGrid":
        raise DataError(
            f"{path}:{values.line}: holds {content or kind!r}, expected a TextGrid; save the TextGrid itself"
            " as a text file in Praat"
        )
    values.number(), values.number()
    if values.take("flag") == "absent":
        return
    for number in range(1, values.count() + 1):
        values.where = f"in its tier {number}"
        points = _is_of_points(values)
        tier = values.take("text")
        values.number(), values.number()
        size = values.count()
        for place in range(1, size + 1):
            values.where = f"in tier {tier!r}, {place} of {size}"
            start_s = values.number()
            end_s = start_s if points else values.number()
            label = values.take("text")
            yield Label(label, values.line, start_s, end_s, tier)


def _is_of_points(values: _Values) -> bool:
    kind = values.take("text")
    if kind not in ("IntervalTier", "TextTier"):
        raise DataError(
            f"{values.path}:{values.line}: found {kind[:60]!r}, expected IntervalTier or TextTier; see"
            f" whether a quote before it is not closed, or {_AGAIN}"
        )
    return kind == "TextTier"


def _chronological(values: _Values) -> Iterator[Label]:
    values.number(), values.number()
    tiers = []
    for _ in range(values.count()):
        points = _is_of_points(values)
        tiers.append((values.take("text"), points))
        values.number(), values.number()
    values.where = "behind its tiers"
    while not values.at_end():
        number = values.count()
        if not 1 <= number <= len(tiers):
            raise DataError(f"{values.path}:{values.line}: there is no tier {number}; {_AGAIN}")
        tier, points = tiers[number - 1]
        start_s = values.number()
        end_s = start_s if points else values.number()
        label = values.take("text")
        yield Label(label, values.line, start_s, end_s, tier)


TEXTGRID = LabelForm("Praat TextGrid", (".textgrid", ".txt"), fits, parse)
