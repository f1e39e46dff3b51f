"""One system against another on the same utterances, over several test sets, and how changes are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xlt.metrics.bootstrap import Bootstrap, Paired, paired
from xlt.report.results import Result

if TYPE_CHECKING:
    import numpy as np

BOOT = Bootstrap(2000, 0)


def pair(before: list[Result], after: list[Result], name: str, metric: str) -> np.ndarray | str:
    """Of set ``name`` (N, 3): errors of both and reference tokens of each utterance, means over the seeds of
    each; or why there is none.
    """
    import numpy as np

    sides = [[counts for run in runs if (counts := _counts(run, name, metric))] for runs in (before, after)]
    if not all(sides):
        return "–"
    if len({ids for side in sides for ids, _, _ in side}) > 1:
        return "not the same utterances"
    errors = [np.mean([own for _, own, _ in side], axis=0) for side in sides]  # (N,) each
    if not errors[0].any():
        return "no errors before"
    return np.stack([*errors, sides[0][0][2]], axis=1)


def _counts(run: Result, name: str, metric: str) -> tuple[str, list[int], list[int]] | None:
    """Digest of the utterances, their errors and their reference tokens."""
    counts = run.document.get("counts", {}).get(name)
    if not counts or metric not in counts["metrics"]:
        return None
    own = counts["metrics"][metric]
    return counts["ids"], own["errors"], own["n_ref"]


def compared(tests: list[np.ndarray]) -> Paired:
    """The mean change over test sets, each as :func:`pair` gives it."""
    return paired(tests, BOOT.resamples, BOOT.rng())


def minus(text: str) -> str:
    return text.replace("-", "−")


def percent(value: float) -> str:
    return minus(f"{value:+.0f}%")


def relative(value: float | None, ci95: Sequence[float] | None) -> str:
    """``−21% [−28, −14]``."""
    if value is None or ci95 is None:  # there was no error before
        return "–"
    return minus(f"{value:+.0f}% [{ci95[0]:+.0f}, {ci95[1]:+.0f}]")


def points(value: float, ci95: Sequence[float]) -> str:
    """``−9.1 [−12.0, −6.2]``."""
    return minus(f"{value:+.1f} [{ci95[0]:+.1f}, {ci95[1]:+.1f}]")
