"""What a check reported, for tests."""

from __future__ import annotations

import json
from pathlib import Path


def faults(recipe, *rules: str) -> list[tuple[str, str, str, str]]:
    """(level, rule, where below data/, what) of the report; with ``rules``, of these alone."""
    report = json.loads((Path(recipe.dir) / "data/check/report.json").read_text(encoding="utf-8"))
    return [
        (f["level"], f["rule"], f["where"].removeprefix("data/"), f["what"])
        for f in report["faults"]
        if not rules or f["rule"] in rules
    ]
