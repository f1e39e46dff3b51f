"""``xlt score --compare A B``: which of two systems is better on the same utterances, by how much, and with
what p.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from xlt.core.errors import ConfigError
from xlt.core.log import say

if TYPE_CHECKING:
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
        say(sentences(difference))
    say(
        f"paired bootstrap over utterances | boot:{BOOT.resamples} | seed:{BOOT.seed} | p: two-sided, twice"
        " the share of resamples in which the difference is zero or has the other sign"
    )


def sentences(of: Difference) -> str:
    """``test, characters: B makes 60% fewer errors (95% interval 52 to 67%, p 0.0002)``, and on a second line
    the rates and their difference in points.
    """
    from xlt.metrics.metric import metrics
    from xlt.report.words import fewer

    metric, found = metrics()[of.metric], of.paired
    what = metric.token.plural if metric.token else metric.label
    low, high = found.difference_ci95
    points = f"difference {found.difference:+.1f} points [{low:+.1f}, {high:+.1f}]"
    return (
        f"  {of.set}, {what}: {fewer(of, 'B')}\n"
        f"    {metric.label} A {of.rates[0]:.1f}, B {of.rates[1]:.1f}, n:{of.n}; {points}"
    )
