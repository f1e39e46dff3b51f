"""Alignment of two token sequences, and the counts of substitutions, deletions and insertions.

The costs and the choice between equal ones are those of NIST's sclite (SCTK 2.4.10, src/sclite/word.c
``wwd_WORD`` and net_dp.c ``calculate_internal_cells``): a substitution costs 4, an insertion or deletion 3.
So one deletion and one insertion (6) are taken rather than two substitutions (8), and the number of errors
can be above the plain edit distance; in return what is aligned is what was said. Counts agree exactly with
sclite's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    sub = dels = ins = 0
    for i, j in _back(ref, hyp):
        if j is None:
            dels += 1
        elif i is None:
            ins += 1
        else:
            sub += ref[i] != hyp[j]
    return Counts(len(ref), sub, dels, ins)


def align(ref: Sequence[str], hyp: Sequence[str]) -> list[tuple[int | None, int | None]]:
    """The same alignment as positions in (``ref``, ``hyp``), in order: None in ``hyp`` is a deletion, in
    ``ref`` an insertion.

    >>> align("the cat sat".split(), "a cat sat down".split())
    [(0, 0), (1, 1), (2, 2), (None, 3)]
    """
    return list(_back(ref, hyp))[::-1]


def _back(ref: Sequence[str], hyp: Sequence[str]) -> Iterator[tuple[int | None, int | None]]:
    """The alignment from its last cell to its first."""
    steps = _steps(ref, hyp)
    i, j = len(ref), len(hyp)
    while i or j:
        step = steps[i][j]
        i, j = i - (step != _INSERTION), j - (step != _DELETION)
        yield None if step == _INSERTION else i, None if step == _DELETION else j


def _steps(ref: Sequence[str], hyp: Sequence[str]) -> list[bytearray]:
    """For each cell of the alignment, (len(ref) + 1, len(hyp) + 1), the last step of the cheapest path
    to it.
    """
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
