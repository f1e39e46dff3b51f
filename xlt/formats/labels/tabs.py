"""Tab-delimited text with times, as ELAN exports it (File > Export As > Tab-delimited Text), with or without
a header, and as CLAN and others write it: an annotation a line, or a column for each tier.

Times are ``hh:mm:ss.ms``, ``ss.msec`` or milliseconds; where an export has several, the first is taken.
Without a header, what a column is, is seen from its values.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from xlt.core.errors import DataError
from xlt.formats.labels import Label, LabelForm, seconds

_CLOCK = re.compile(r"\d{1,6}:\d{2}:\d{2}[.,]\d+")
_DECIMAL = re.compile(r"\d{1,9}[.,]\d+")
_WHOLE = re.compile(r"\d{1,9}")
_FRAMES = re.compile(r"\d+:\d{2}:\d{2}:\d{2}")  # SMPTE codes, which need the frame rate
_ROLES = {  # words of a header → what the column is
    "start": "begin start onset tmin starttime begintime",
    "end": "end stop offset tmax endtime stoptime",
    "other": "duration dur",
    "tier": "tier tiername",
    "speaker": "participant speaker",
    "text": "annotation annotationvalue text transcription transcript utterance value label",
}
_ROLE_OF = {word: role for role, words in _ROLES.items() for word in words.split()}
_SHORT = 100  # milliseconds; where labels are shorter, whole numbers are seconds


@dataclass
class _Columns:
    """Which column is what; ``texts``: of annotations, by the tier that each is, "" if a column says so."""

    start: int
    end: int
    texts: dict[int, str]
    tier: int | None = None
    speaker: int | None = None
    header: bool = False
    unit_s: float = 1.0

    @property
    def width(self) -> int:
        """How many columns a row needs."""
        own = (self.start, self.end, self.tier or 0, self.speaker or 0, *self.texts)
        return max(own) + 1

    def times(self, row: Sequence[str]) -> tuple[float, float]:
        """Start and end in seconds; ValueError."""
        start, end = row[self.start], row[self.end]
        return seconds(start) * self.unit_s, seconds(end) * self.unit_s


def _rows(text: str) -> list[tuple[int, list[str]]]:
    """Number and values of the lines that have any; ELAN names media files in lines that begin with #."""
    lines = enumerate(text.split("\n"), 1)
    return [
        (number, line.split("\t"))
        for number, line in lines
        if line.strip() and not line.lstrip('"').startswith("#")
    ]


def _columns(rows: list[tuple[int, list[str]]]) -> _Columns | None:
    """What the columns are; None if this is no table with times."""
    if not rows or max(len(row) for _, row in rows[:20]) < 3:
        return None
    found = _by_header(rows[0][1]) or _by_values([row for _, row in rows])
    if found is None:
        return None
    found.unit_s = _unit_s([row for _, row in rows[found.header :]], found)
    return found


def _unit_s(body: list[list[str]], columns: _Columns) -> float:
    """Seconds of the number 1: whole numbers are milliseconds, unless most labels would be too short then."""
    wanted = max(columns.start, columns.end)
    times = [(row[columns.start].strip(), row[columns.end].strip()) for row in body if len(row) > wanted]
    whole = [(int(a), int(b)) for a, b in times if _WHOLE.fullmatch(a) and _WHOLE.fullmatch(b)]
    if not times or 2 * len(whole) <= len(times):
        return 1.0
    return 0.001 if statistics.median(end - start for start, end in whole) >= _SHORT else 1.0


def _by_header(names: Sequence[str]) -> _Columns | None:
    """From ``Tier``, ``Begin Time - hh:mm:ss.ms`` and the like."""
    roles: dict[int, str] = {}
    for place, name in enumerate(names):
        first = re.split(r" - ", name.strip().casefold())[0]
        roles[place] = _ROLE_OF.get(re.sub(r"[\W_]+", "", first).removesuffix("time"), "")
        if not roles[place]:
            roles[place] = _ROLE_OF.get(re.sub(r"[\W_]+", "", first), "")
    of = {role: [place for place in roles if roles[place] == role] for role in _ROLES}
    if not of["start"] or not of["end"]:
        return None
    texts = dict.fromkeys(of["text"][:1], "")
    if not texts:  # a column for each tier, called like it
        named = [place for place, name in enumerate(names) if not roles[place] and name.strip()]
        texts = {place: names[place].strip() for place in named if place > min(of["start"])}
    if not texts:
        return None
    first = {role: places[0] if places else None for role, places in of.items()}
    return _Columns(of["start"][0], of["end"][0], texts, first["tier"], first["speaker"], header=True)


def _by_values(rows: list[list[str]]) -> _Columns | None:
    """ELAN's order without a header: tier, participant, begins, ends, durations, annotation; of other
    programs begin, end and text in any order. Begin and end are columns of one form, the first larger in no
    row.
    """
    width = statistics.mode(len(row) for row in rows)
    whole = [row for row in rows if len(row) == width]
    if 2 * len(whole) <= len(rows):
        return None
    columns = [[row[place].strip() for row in whole] for place in range(width)]
    for form in (_CLOCK, _DECIMAL, _WHOLE):
        places = [place for place, own in enumerate(columns) if _mostly(form, own)]
        for start, end in zip(places, places[1:], strict=False):
            pairs = [
                (seconds(a), seconds(b))
                for a, b in zip(columns[start], columns[end], strict=True)
                if form.fullmatch(a) and form.fullmatch(b)
            ]
            if 2 * sum(a < b for a, b in pairs) > len(pairs):
                return _around(columns, start, end)
    return None


def _around(columns: list[list[str]], start: int, end: int) -> _Columns | None:
    """Text, tier and participant beside the times ``start`` and ``end``."""
    words = [
        place
        for place, own in enumerate(columns)
        if not any(_mostly(form, own) for form in (_CLOCK, _DECIMAL, _WHOLE, _FRAMES))
    ]
    behind = [place for place in words if place > end]
    before = [place for place in words if place < start]
    if not behind and not before:
        return None
    text = behind[-1] if behind else before[-1]
    rest = [place for place in before if place != text]
    tier = rest[0] if rest else None
    return _Columns(start, end, {text: ""}, tier, rest[1] if len(rest) > 1 else None)


def _mostly(form: re.Pattern[str], values: list[str]) -> bool:
    return 2 * sum(form.fullmatch(value) is not None for value in values) > len(values)


def fits(text: str) -> bool:
    return _columns(_rows(text)) is not None


def parse(text: str, path: Path) -> Iterator[Label]:
    """The annotations; a row of several tiers gives one of each that has text."""
    rows = _rows(text)
    columns = _columns(rows)
    if columns is None:
        raise DataError(
            f"{path}: no columns with begin, end and text; export it from ELAN as tab-delimited text with"
            " begin and end times"
        )
    for number, row in rows[columns.header :]:
        row = [_unquoted(value) for value in row] + [""] * (columns.width - len(row))
        try:
            start_s, end_s = columns.times(row)
        except ValueError:
            raise DataError(
                f"{path}:{number}: found the times {row[columns.start]!r} and {row[columns.end]!r}, expected"
                " hh:mm:ss.ms, seconds or milliseconds; correct the line"
            ) from None
        speaker = row[columns.speaker] if columns.speaker is not None else ""
        for place, name in columns.texts.items():
            tier = name or (row[columns.tier] if columns.tier is not None else "")
            if row[place].strip() or len(columns.texts) == 1:
                yield Label(row[place], number, start_s, end_s, tier.strip(), speaker.strip())


def _unquoted(value: str) -> str:
    """What a spreadsheet has put in quotes."""
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] == '"':
        return value[1:-1].replace('""', '"')
    return value


TABS = LabelForm(
    "tab-delimited export, such as ELAN's", (".txt", ".tsv", ".csv", ".tab"), fits, parse, timed=False
)
