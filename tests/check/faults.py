"""What a check reported, for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def rows(recipe) -> list[dict[str, Any]]:
    """The faults in report.json; ``where`` is file:line below data/."""
    report = json.loads((Path(recipe.dir) / "data/check/report.json").read_text(encoding="utf-8"))
    for fault in report["faults"]:
        line = f":{fault['line']}" if fault["line"] else ""
        fault["where"] = fault["file"].rpartition("data/")[2] + line
    return report["faults"]


def faults(recipe, *rules: str) -> list[tuple[str, str, str, str]]:
    """(severity, rule, where below data/, what was found); with ``rules``, of these alone."""
    return [
        (f["severity"], f["rule"], f["where"], f["found"])
        for f in rows(recipe)
        if not rules or f["rule"] in rules
    ]
