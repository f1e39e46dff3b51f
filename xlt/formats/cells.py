"""Values in tables that spreadsheets open: what would be a formula there is text."""

from __future__ import annotations

import re

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


def as_text(value: str) -> str:
    """``value`` as spreadsheets show it without computing it: with an apostrophe in front where it begins as
    a formula (OWASP, CSV injection). Numbers stay.

    >>> as_text("=1+1"), as_text("-2.5"), as_text("a"), as_text("'=1")
    ("'=1+1", '-2.5', 'a', "''=1")
    """
    return f"'{value}" if _FORMULA.match(value) and not _NUMBER.fullmatch(value) else value


def from_text(value: str) -> str:
    """What :func:`as_text` was given.

    >>> from_text("'=1+1"), from_text("'tis")
    ('=1+1', "'tis")
    """
    return value[1:] if value.startswith("'") and _FORMULA.match(value) else value
