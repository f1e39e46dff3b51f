"""Repetitions that a decoder ran into: found in its tokens, and cut."""

from __future__ import annotations

from collections.abc import Sequence

LONGEST = 32  # tokens of what is repeated
TIMES, TOKENS = 5, 10  # repeated so often in succession, and so long altogether, is a loop
FEW_TIMES, MANY_TOKENS = 3, 36  # so is a long phrase said three times


def loop_at_end(ids: Sequence[int]) -> int:
    """How many tokens are repeated at the end of ``ids`` so that it is a loop; 0 if it is none."""
    for period in range(1, min(LONGEST, len(ids) // FEW_TIMES) + 1):
        same = period  # tokens at the end that repeat with this period
        while same < len(ids) and ids[-same - 1] == ids[-same - 1 + period]:
            same += 1
        if _is_loop(period, same):
            return period
    return 0


def _is_loop(period: int, tokens: int) -> bool:
    times = tokens // period
    return (times >= TIMES and tokens >= TOKENS) or (times >= FEW_TIMES and tokens >= MANY_TOKENS)


def cut(ids: Sequence[int]) -> list[int]:
    """``ids`` with every loop said once; what comes behind a loop stays."""
    kept: list[int] = []
    at = 0
    while at < len(ids):
        for period in range(1, LONGEST + 1):
            same = period
            while at + same < len(ids) and ids[at + same] == ids[at + same - period]:
                same += 1
            if _is_loop(period, same):
                kept += ids[at : at + period]
                at += same
                break
        else:
            kept.append(ids[at])
            at += 1
    return kept
