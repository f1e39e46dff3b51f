"""Values of a workbook's cells as their owner sees them: dates, times and numbers by the cell's format."""

from __future__ import annotations

import datetime as dt
import re

# of a format of dates (ECMA-376, 18.8.31), without what is only decoration: colours, spaces, literal text
_TOKEN = re.compile(r'\[[hms]+\]|h+|m+|s+|\.0+|d+|y+|am/pm|a/p|"[^"]*"|\\.|_.|\*.|\[[^\]]*\]|.', re.I)
_ZEROS = re.compile(r"0{2,}")  # 007
_PERCENT = re.compile(r"[#0,.]*0?(\.0+)?%")


def shown(value: object, number_format: str = "General") -> str:
    """The text of a value; of numbers all digits, since a time is more exact than what is shown of it.

    >>> shown(7, "0000"), shown(12.0), shown(0.5, "0%"), shown(dt.time(0, 1, 2, 500000), "mm:ss")
    ('0007', '12', '50%', '01:02.5')
    """
    own_format = (number_format or "General").split(";")[0]
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, dt.datetime | dt.date | dt.time | dt.timedelta):
        return _moment(value, own_format)
    if isinstance(value, float) and not value.is_integer():
        if _PERCENT.fullmatch(own_format):
            return f"{100 * value:.15g}%"
        return f"{value:.15g}"
    if isinstance(value, int | float):
        if _ZEROS.fullmatch(own_format):
            return f"{int(value):0{len(own_format)}d}"
        return f"{100 * value:.0f}%" if _PERCENT.fullmatch(own_format) else f"{int(value)}"
    return str(value)


def _moment(value: dt.datetime | dt.date | dt.time | dt.timedelta, number_format: str) -> str:
    """A date or a time of day, or a duration, by the parts that its format names."""
    seconds = _seconds(value)
    day = value if isinstance(value, dt.date) else None
    tokens = [token for token in _TOKEN.findall(number_format) if token[0] not in "_*"]
    parts = [token.lower() for token in tokens]
    if not any(re.match(r"\[?[hms]|[dy]", part) for part in parts):
        return value.isoformat(" ") if isinstance(value, dt.datetime) else str(value)
    noon = any(part in ("am/pm", "a/p") for part in parts)
    out = ""
    for place, part in enumerate(parts):
        if re.fullmatch(r"m+", part) and not _is_minutes(parts, place):
            out += f"{day.month:0{min(len(part), 2)}d}" if day else ""
        elif re.fullmatch(r"[dy]+", part):
            out += _of_day(part, day) if day else ""
        elif hit := re.fullmatch(r"\[?([hms])+\]?", part):
            out += _of_time(hit[1], part, seconds, noon)
            if hit[1] == "s" and day is None and not any(other[0] == "." for other in parts):
                out += f".{int(seconds % 1 * 1000 + 1e-6):03d}".rstrip("0").rstrip(
                    "."
                )  # Excel keeps what it hides
        elif re.fullmatch(r"\.0+", part):
            out += f"{seconds % 1:.{len(part) - 1}f}"[1:]
        elif part in ("am/pm", "a/p"):
            out += "AM" if seconds % 86400 < 43200 else "PM"
        elif part[0] not in "[":
            out += tokens[place].strip('"').removeprefix("\\")
    return out.strip()


def _seconds(value: dt.datetime | dt.date | dt.time | dt.timedelta) -> float:
    """Since midnight, of a duration all of it."""
    if isinstance(value, dt.timedelta):
        return round(value.total_seconds(), 6)
    if isinstance(value, dt.datetime | dt.time):
        return 3600 * value.hour + 60 * value.minute + value.second + value.microsecond / 1e6
    return 0.0


def _is_minutes(parts: list[str], place: int) -> bool:
    """Whether m stands beside hours or seconds; else it is the month."""
    units = [part for part in parts if re.match(r"\[?[hmsdy]+\]?$", part)]
    order = [number for number, part in enumerate(parts) if re.match(r"\[?[hmsdy]+\]?$", part)].index(place)
    before = units[order - 1] if order else ""
    after = units[order + 1] if order + 1 < len(units) else ""
    return "h" in before or "s" in after


def _of_day(part: str, day: dt.date) -> str:
    if part[0] == "y":
        return f"{day.year % 100:02d}" if len(part) < 3 else f"{day.year}"
    return f"{day.day:02d}" if len(part) == 2 else f"{day.day}"


def _of_time(unit: str, part: str, seconds: float, noon: bool) -> str:
    whole = int(seconds + 1e-6)
    value = whole // {"h": 3600, "m": 60, "s": 1}[unit]
    if part[0] != "[" and unit != "h":
        value %= 60
    if unit == "h" and part[0] != "[":
        value = (value % 24 % 12 or 12) if noon else value % 24
    return f"{value:0{len(part.strip('[]'))}d}"
