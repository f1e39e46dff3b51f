"""``xlt score --compare A B``: which of two systems is better on the same utterances, by how much, and with
what p.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from xlt.core.errors import ConfigError
from xlt.core.log import say

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xlt.score.compare import Difference


def main(args: argparse.Namespace) -> None:
    """What ``--compare`` asks for; paths are seen from the recipe."""
    if not args.compare:
        raise ConfigError("--set: only --compare A B has a set; stage 8 scores decode.sets")
    if args.settings:
        raise ConfigError(
            f"--compare: takes no settings, found {args.settings[0]!r}; it reads settings from the files"
        )
    from xlt.score.compare import BOOT, compare, read

    a, b = (read(args.recipe / place, place) for place in args.compare)
    differences = compare(a, b, args.set)
    say(f"A {a.name}, B {b.name}")
    for difference in differences:
        say(sentence(difference))
    say(
        f"paired bootstrap over utterances | boot:{BOOT.resamples} | seed:{BOOT.seed} | p: two-sided, twice"
        " the share of resamples in which the difference is zero or has the other sign"
    )


def sentence(of: Difference) -> str:
    """``test: CER A 21.0, B 19.5, n:65: B is better by 1.5 points [0.3, 2.8], 7.1% [1.4, 13.2] of A's; p
    0.013``.
    """
    from xlt.metrics.metric import metrics

    found = of.paired
    label = metrics()[of.metric].label
    head = f"  {of.set}: {label} A {of.rates[0]:.1f}, B {of.rates[1]:.1f}, n:{of.n}: "
    if of.same:
        return head + "no difference: each utterance has the same number of errors"
    sign = -1 if found.difference < 0 else 1  # B has fewer errors
    points = _span(sign * found.difference, (sign * end for end in found.difference_ci95), " points")
    if found.relative is not None and found.relative_ci95 is not None:
        relative = _span(sign * found.relative, (sign * end for end in found.relative_ci95), "%")
        points += f", {relative} of A's"
    who = "B" if sign < 0 else "A"
    if not found.difference:
        what = "no clear difference: neither is ahead,"
    elif of.b_is_better is None:
        what = f"no clear difference: {who} is ahead by"
    else:
        what = f"{who} is better by"
    return f"{head}{what} {points}; p {found.p:.4f}"


def _span(value: float, ends: Iterable[float], unit: str) -> str:
    low, high = sorted(ends)
    return f"{value:.1f}{unit} [{low:.1f}, {high:.1f}]"
