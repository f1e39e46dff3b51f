"""``xlt score --compare A B``: which of two systems is better on the same utterances, by how much, and with
what p.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.core.errors import ConfigError, DataError
from xlt.core.log import say

if TYPE_CHECKING:
    import numpy as np

    from xlt.metrics.bootstrap import Paired

_RESAMPLES, _SEED = 10_000, 0
_FIRST = ("cer", "per")  # what the counts of a set are by
_DECIDED = 0.05


@dataclass(frozen=True)
class System:
    """A score.json: ``name``: what the user called it."""

    name: str
    path: Path
    document: dict

    @property
    def sets(self) -> list[str]:
        return list(self.document["counts"])

    def metrics(self, name: str) -> dict[str, dict]:
        """``{metric: {"errors", "n_ref"}}`` of a set."""
        counts = self.document["counts"][name]
        first = next(metric for metric in _FIRST if metric in self.document[name])
        return {first: counts} | ({"wer": counts["wer"]} if "wer" in counts else {})

    def normaliser(self, name: str) -> str:
        """What the signature of a set's scores says of it."""
        line = next(iter(self.document["signature"][name].values()))
        return next(
            (word.removeprefix("norm:") for word in line.split(" | ") if word.startswith("norm:")), "unknown"
        )


def main(args: argparse.Namespace) -> None:
    """What ``--compare`` asks for; paths are seen from the recipe."""
    if not args.compare:
        raise ConfigError("--set: only --compare A B has a set; stage 8 scores decode.sets")
    if args.settings:
        raise ConfigError(
            f"--compare: takes no settings, found {args.settings[0]!r}; what was scored is in the files"
        )
    with contextlib.chdir(args.recipe):
        compare(*args.compare, args.set)


def compare(first: str, second: str, wanted: str | None) -> None:
    """Say how B differs from A on the set ``wanted``, or on each that both have; DataError or ConfigError if
    none can tell.
    """
    a, b = read(first), read(second)
    if a.path.resolve() == b.path.resolve():
        raise ConfigError(f"--compare: {first} and {second} are the same scores; name two experiments")
    both = [name for name in a.sets if name in b.sets]
    if wanted is not None and wanted not in both:
        lacking = " and ".join(system.name for system in (a, b) if wanted not in system.sets)
        raise DataError(
            f"--set {wanted}: no scores of it in {lacking}; both have {', '.join(both) or 'no set in common'}"
        )
    if not both:
        raise DataError(
            f"--compare: no set in common: {a.name} has {', '.join(a.sets) or 'none'}, {b.name} "
            f"{', '.join(b.sets) or 'none'}; run stages 7 and 8 with the same decode.sets"
        )
    chosen = both if wanted is None else [wanted]
    for name in chosen:
        _check(a, b, name)
    say(f"A {a.name}, B {b.name}")
    for name in chosen:
        _compare_set(a, b, name)
    say(
        f"paired bootstrap over utterances | boot:{_RESAMPLES} | seed:{_SEED} | p: two-sided, twice the share"
        " of resamples in which the difference is zero or has the other sign"
    )


def _check(a: System, b: System, name: str) -> None:
    """DataError unless both were scored on the same utterances in the same way."""
    counts, others = a.document["counts"][name], b.document["counts"][name]
    if counts["ids"] != others["ids"]:
        raise DataError(
            f"{name}: {a.name} and {b.name} were not scored on the same utterances ({len(counts['n_ref'])}"
            f" and {len(others['n_ref'])}); score both on the same data, or choose another set with --set"
        )
    if a.normaliser(name) != b.normaliser(name):
        raise DataError(
            f"{name}: the texts of {a.name} were normalised by {a.normaliser(name)}, those of {b.name} by "
            f"{b.normaliser(name)}: their rates do not compare; score both with the same data.normaliser"
        )
    ours, theirs = a.metrics(name), b.metrics(name)
    if next(iter(ours)) != next(iter(theirs)):
        raise DataError(
            f"{name}: {a.name} was scored by {next(iter(ours)).upper()}, {b.name} by"
            f" {next(iter(theirs)).upper()}; phones and characters do not compare"
        )
    if any(ours[metric]["n_ref"] != theirs[metric]["n_ref"] for metric in ours if metric in theirs):
        raise DataError(
            f"{name}: the references of {a.name} and {b.name} differ in length; run stage 8 (score) of both"
            " again"
        )


def _compare_set(a: System, b: System, name: str) -> None:
    import numpy as np

    from xlt.metrics.bootstrap import paired

    ours, theirs = a.metrics(name), b.metrics(name)
    for metric in (metric for metric in ours if metric in theirs):
        table = np.array(
            [ours[metric]["errors"], theirs[metric]["errors"], ours[metric]["n_ref"]], dtype=np.int64
        ).T  # (N, 3)
        found = paired([table], _RESAMPLES, np.random.default_rng(_SEED))
        say(f"  {name}: {metric.upper()} {_sentence(table, found)}")


def _sentence(table: np.ndarray, found: Paired) -> str:
    """``A 21.0, B 19.5, n:65: B is better by 1.5 points [0.3, 2.8], 7.1% [1.4, 13.2] of A's; p 0.013``."""
    rate = [100 * table[:, k].sum() / table[:, 2].sum() for k in (0, 1)]
    head = f"A {rate[0]:.1f}, B {rate[1]:.1f}, n:{len(table)}: "
    if (table[:, 0] == table[:, 1]).all():
        return head + "no difference: each utterance has the same number of errors"
    sign = -1 if found.difference < 0 else 1  # B has fewer errors
    points = _span(sign * found.difference, [sign * end for end in found.difference_ci95], " points")
    if found.relative is not None:
        points += (
            ", " + _span(sign * found.relative, [sign * end for end in found.relative_ci95], "%") + " of A's"
        )
    who = "B" if sign < 0 else "A"
    what = f"{who} is better by" if found.p < _DECIDED else f"no clear difference: {who} is ahead by"
    if not found.difference:
        what = "no clear difference: neither is ahead,"
    return f"{head}{what} {points}; p {found.p:.4f}"


def _span(value: float, ends: list[float], unit: str) -> str:
    low, high = sorted(ends)
    return f"{value:.1f}{unit} [{low:.1f}, {high:.1f}]"


def read(place: str) -> System:
    """The scores of exp/<tag>, of a score.json, or of results/<tag>.json; ConfigError or DataError if there
    are none.
    """
    path = Path(place)
    if path.is_dir():
        path = path / "score.json"
        if not path.exists():
            raise DataError(f"{place}: no score.json in it; run stage 8 (score) of that experiment first")
    if not path.is_file():
        raise ConfigError(
            f"--compare: {place}: no such experiment (seen from {os.getcwd()}); give exp/<tag>, a score.json"
            " or results/<tag>.json"
        )
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if "counts" not in document and "signature" in document:
            raise DataError(
                f"{path}: has no counts of each utterance, as an older xlt wrote it; run stage 8 (score)"
                " again"
            )
        system = System(place, path, document)
        for name in system.sets:
            system.metrics(name), system.normaliser(name), document["counts"][name]["ids"]
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration) as err:
        raise DataError(f"{path}: no scores of stage 8 ({err!r}); run stage 8 (score) again") from None
    return system
