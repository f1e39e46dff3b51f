"""What a check reported, for tests."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any


def rows(recipe) -> list[dict[str, Any]]:
    """The faults in report.json; ``where`` is file:line below data/."""
    report = json.loads((Path(recipe.dir) / "data/check/report.json").read_text(encoding="utf-8"))
    for fault in report["faults"]:
        line = f":{fault['line']}" if fault["line"] else ""
        fault["where"] = fault["file"].rpartition("data/")[2] + line
    return report["faults"]


_FACT = re.compile(r"'[^']*'|U\+[0-9A-F]+|[\w./-]*[/_][\w./-]*|(?<![\w.])\d+(?:\.\d+)?|\w+\.\w+")


def facts(text: str) -> list[str]:
    """The names, files, settings, code points and numbers in a message, which no other wording changes.

    >>> facts("data/all/wav/a.flac: 1.00 s long, but utt2dur says 1.50 s for 'ana-1'")
    ['data/all/wav/a.flac', '1.00', '1.50', "'ana-1'"]
    """
    return _FACT.findall(text)


class What(str):
    """What a fault says: equal to any wording with the same facts, if it has any (test_injection.py holds the
    wordings).
    """

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, str):
            return False
        ours, theirs = facts(self), facts(other)
        return ours == theirs if ours or theirs else str(self) == str(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


def faults(recipe, *rules: str) -> list[tuple[str, str, str, str]]:
    """(severity, rule, where below data/, what was found); with ``rules``, of these alone."""
    return [
        (f["severity"], f["rule"], f["where"], What(f["found"]))
        for f in rows(recipe)
        if not rules or f["rule"] in rules
    ]
