"""Utterances to look at: those with the most errors and those in the middle."""

from __future__ import annotations

import csv
from pathlib import Path


def examples(table: Path, count: int) -> dict[str, list[dict]]:
    """``count`` worst and ``count`` median utterances by CER, or PER, from the scoring's table of utterances.

    ``{"worst": [{"id", "cer", "ref", "hyp"}, …], "median": […]}`` (``per`` for phones), the worst first;
    equals by id.
    """
    with table.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE))
    unit, rate = ("phone", "per") if rows and "phone_n_ref" in rows[0] else ("char", "cer")
    rows = [{"id": row["id"], rate: _rate(row, unit), "ref": row["ref"], "hyp": row["hyp"]} for row in rows]
    rows.sort(key=lambda row: (-row[rate], row["id"]))
    rows = [row | {rate: round(row[rate], 1)} for row in rows]
    middle = max(0, (len(rows) - count) // 2)
    return {"worst": rows[:count], "median": rows[middle : middle + count]}


def _rate(row: dict[str, str], unit: str) -> float:
    return 100 * sum(int(row[f"{unit}_{kind}"]) for kind in ("sub", "del", "ins")) / int(row[f"{unit}_n_ref"])
