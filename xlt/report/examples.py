"""Utterances to look at: those with the most errors and those in the middle."""

from __future__ import annotations

import csv
from pathlib import Path


def examples(table: Path, count: int) -> dict[str, list[dict]]:
    """``count`` worst and ``count`` median utterances by CER, from the scoring's table of utterances.

    ``{"worst": [{"id", "cer", "ref", "hyp"}, …], "median": […]}``, the worst first; equals by id.
    """
    with table.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE))
    rows.sort(key=lambda row: (-_cer(row), row["id"]))
    middle = max(0, (len(rows) - count) // 2)
    return {"worst": [_entry(row) for row in rows[:count]],
            "median": [_entry(row) for row in rows[middle:middle + count]]}


def _cer(row: dict[str, str]) -> float:
    return 100 * sum(int(row[f"char_{kind}"]) for kind in ("sub", "del", "ins")) / int(row["char_n_ref"])


def _entry(row: dict[str, str]) -> dict:
    return {"id": row["id"], "cer": round(_cer(row), 1), "ref": row["ref"], "hyp": row["hyp"]}
