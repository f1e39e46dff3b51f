"""Utterances to look at: those with the most errors and those in the middle."""

from __future__ import annotations

import csv
from pathlib import Path

from xlt.formats.results import Example
from xlt.metrics.metric import tokens


def examples(table: Path, count: int) -> dict[str, list[Example]]:
    """``count`` worst and ``count`` median utterances by CER, or PER, from the scoring's table of utterances.

    ``{"worst": […], "median": […]}``, each the worst first; equals by id.
    """
    rows = read_scored(table)
    unit = unit_of(rows)
    rates = {row["id"]: rate_of(row, unit) for row in rows}
    rows.sort(key=lambda row: (-rates[row["id"]], row["id"]))
    found: list[Example] = [
        {"id": row["id"], "rate": round(rates[row["id"]], 1), "ref": row["ref"], "hyp": row["hyp"]}
        for row in rows
    ]
    middle = max(0, (len(found) - count) // 2)
    return {"worst": found[:count], "median": found[middle : middle + count]}


def read_scored(path: Path) -> list[dict[str, str]]:
    """A table of utterances as stage 8 writes it, a dict a row."""
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE))


def errors_of(row: dict[str, str], unit: str) -> int:
    """The errors in characters, words or phones of a row of it."""
    return sum(int(row[f"{unit}_{kind}"]) for kind in ("sub", "del", "ins"))


def unit_of(rows: list[dict[str, str]]) -> str:
    """What the utterances of a table are compared by: the token of the first counted metric that it has."""
    units = [token.name for token in tokens().values()]
    return next((unit for unit in units if rows and f"{unit}_n_ref" in rows[0]), units[0])


def rate_of(row: dict[str, str], unit: str) -> float:
    """Those errors in percent of the reference."""
    return 100 * errors_of(row, unit) / int(row[f"{unit}_n_ref"])
