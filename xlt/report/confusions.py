"""Which character was taken for which: counts of an experiment's alignments, and of the texts it learned
from.

``{"unit": "char" | "phone", "n": {c: times in the references}, "pairs": {c: {d: times}}, "left_off":
errors}``. ``c`` was said and ``d`` recognised; "" for ``c`` is an insertion, "" for ``d`` a deletion. Pairs
of equals are not in it.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from xlt.formats.results import Confusions
from xlt.metrics.align import align
from xlt.metrics.marked import tokens
from xlt.report.examples import read_scored, unit_of

_PAIRS = 300  # kept; thousands of Chinese characters have more, each of them once


def confusions(table: Path) -> Confusions:
    """The counts from the scoring's table of utterances; of pairs the most frequent ones, ``left_off`` counts
    the others.
    """
    rows = read_scored(table)
    unit = unit_of(rows)
    cut = tokens(unit)
    said: Counter[str] = Counter()
    wrong: Counter[tuple[str, str]] = Counter()
    for row in rows:
        ref, hyp = cut(row["ref"]), cut(row["hyp"])
        said.update(ref)
        for i, j in align(ref, hyp) if ref != hyp else ():
            wrong["" if i is None else ref[i], "" if j is None else hyp[j]] += 1
    kept = sorted((pair for pair in wrong if pair[0] != pair[1]), key=lambda pair: (-wrong[pair], pair))
    pairs: dict[str, dict[str, int]] = {}
    for pair in sorted(kept[:_PAIRS]):
        pairs.setdefault(pair[0], {})[pair[1]] = wrong[pair]
    return {
        "unit": unit,
        "n": dict(sorted(said.items())),
        "pairs": pairs,
        "left_off": sum(wrong[pair] for pair in kept[_PAIRS:]),
    }


def alphabet(text: dict[str, str], unit: str) -> dict[str, int]:
    """``{c: times}`` of the texts of a Kaldi table."""
    cut = tokens(unit)
    return dict(sorted(Counter(c for line in text.values() for c in cut(line)).items()))
