"""Alignment of two token sequences, and the counts of substitutions, deletions and insertions.

The costs and the choice between equal ones are those of NIST's sclite (SCTK 2.4.10, src/sclite/word.c ``wwd_WORD`` and
net_dp.c ``calculate_internal_cells``): a substitution costs 4, an insertion or deletion 3. So one deletion and one
insertion (6) are taken rather than two substitutions (8), and the number of errors can be above the plain edit
distance; in return what is aligned is what was said. Counts agree exactly with sclite's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

_SUB_COST, _GAP_COST = 4, 3
_DIAGONAL, _DELETION, _INSERTION = 0, 1, 2


class Counts(NamedTuple):
    """``n_ref`` reference tokens, and the errors made on them."""

    n_ref: int
    sub: int
    dels: int
    ins: int

    @property
    def errors(self) -> int:
        return self.sub + self.dels + self.ins


def count_edits(ref: Sequence[str], hyp: Sequence[str]) -> Counts:
    """The errors of ``hyp`` against ``ref``, as sclite counts them; either may be empty.

    >>> count_edits("the cat sat".split(), "a cat sat down".split())
    Counts(n_ref=3, sub=1, dels=0, ins=1)
    """
    if ref == hyp:
        return Counts(len(ref), 0, 0, 0)
    return _trace(ref, hyp, _steps(ref, hyp))


def _steps(ref: Sequence[str], hyp: Sequence[str]) -> list[bytearray]:
    """For each cell of the alignment, (len(ref) + 1, len(hyp) + 1), the last step of the cheapest path to it."""
    costs = [_GAP_COST * j for j in range(len(hyp) + 1)]
    steps = [bytearray([_INSERTION] * (len(hyp) + 1))]
    for i, token in enumerate(ref, 1):
        row = bytearray(len(hyp) + 1)
        row[0] = _DELETION
        diagonal, costs[0] = costs[0], _GAP_COST * i
        left = costs[0]
        for j, other in enumerate(hyp, 1):
            best = diagonal if token == other else diagonal + _SUB_COST
            above = costs[j]
            deleted, inserted = above + _GAP_COST, left + _GAP_COST
            # sclite's order among equals: diagonal, insertion, deletion
            if best > deleted or best > inserted:
                if deleted < inserted:
                    best, row[j] = deleted, _DELETION
                else:
                    best, row[j] = inserted, _INSERTION
            diagonal = above
            costs[j] = left = best
        steps.append(row)
    return steps


def _trace(ref: Sequence[str], hyp: Sequence[str], steps: list[bytearray]) -> Counts:
    """Walk back from the last cell and count."""
    i, j = len(ref), len(hyp)
    sub = dels = ins = 0
    while i or j:
        step = steps[i][j]
        if step == _DELETION:
            i, dels = i - 1, dels + 1
        elif step == _INSERTION:
            j, ins = j - 1, ins + 1
        else:
            i, j = i - 1, j - 1
            sub += ref[i] != hyp[j]
    return Counts(len(ref), sub, dels, ins)
