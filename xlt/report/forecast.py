"""What more transcribed speech would bring: a curve CER = a + b · minutes^-c through a recipe's own results.

Error rates fall with data as a power law down to a floor (Hestness et al. 2017, arXiv 1712.00409). The
interval comes from drawing the scores anew, each with its own deviation, and fitting each draw; so few, close
or doubtful points give a wide one. All are scored on the same dev, so a deviation is half of the variance of
their differences, utterance by utterance: what is hard for all of them does not count.

P points, K draws, N utterances.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

import numpy as np

from xlt.metrics.metric import TEXT, main_metric
from xlt.report.results import Result, chosen, family

FEWEST = 3  # points
SET, METRIC = "dev", main_metric(TEXT)
_EXPONENTS = np.arange(1, 41) / 20  # of the minutes, negated
_DRAWS = 2000
_LEAST_SD = 0.05  # points of CER
_CI95 = 3.92  # standard deviations in a 95% interval
_APART = ("seed", "data.train_minutes")  # what trainings on one curve may differ in


class Point(NamedTuple):
    """The CER on dev, in percent, of trainings on so many minutes, the median over seeds; ``sd``: its
    standard deviation; ``tags``: the trainings."""

    minutes: float
    cer: float
    sd: float
    tags: tuple[str, ...]


class Forecast(NamedTuple):
    """The CER, in percent, that a training on so many minutes is expected to have, with its 95% interval;
    ``falls``: whether the curve does.
    """

    minutes: float
    cer: float
    low: float
    high: float
    falls: bool

    @property
    def half(self) -> float:
        """The larger half of the interval."""
        return max(self.high - self.cer, self.cer - self.low)


def points(results: Sequence[Result], tag: str) -> list[Point]:
    """The learning curve that the experiment ``tag`` is on, by minutes: results with the same settings but
    for ``data.train_minutes`` and the seed. Empty where the experiment has no result.
    """
    ours = [result for result in results if not result.peer]
    own = next((result for result in ours if result.tag == tag), None)
    if own is None:
        return []
    of: dict[float, list[Result]] = {}
    for result in ours:
        if result.speech_min and result.has(SET, METRIC) and _kind(result) == _kind(own):
            of.setdefault(round(result.speech_min, 1), []).append(result)
    middle = {minutes: _middle(runs) for minutes, runs in sorted(of.items())}
    deviations = _paired(list(middle.values())) or [_alone(run) for run in middle.values()]
    return [
        Point(
            minutes,
            median(run.score(SET, METRIC)["value"] for run in of[minutes]),
            max(_LEAST_SD, sd),
            tuple(run.tag for run in of[minutes]),
        )
        for minutes, sd in zip(middle, deviations, strict=True)
    ]


def _middle(runs: Sequence[Result]) -> Result:
    """The run whose score is nearest to the median."""
    value = median(run.score(SET, METRIC)["value"] for run in runs)
    return min(runs, key=lambda run: abs(run.score(SET, METRIC)["value"] - value))


def _alone(run: Result) -> float:
    """The deviation that the interval of a score says."""
    low, high = run.score(SET, METRIC)["ci95"]
    return (high - low) / _CI95


def _paired(runs: Sequence[Result]) -> list[float] | None:
    """The deviation of each score by its differences from the others; None where they were not counted on the
    same utterances, or for one.
    """
    counts = [run.document.get("counts", {}).get(SET) for run in runs]
    if len(runs) < 2 or None in counts or len({own["ids"] for own in counts if own}) > 1:
        return None
    rows = [own["metrics"][METRIC] for own in counts if own]
    errors, total = np.array([row["errors"] for row in rows], float), sum(rows[0]["n_ref"])  # (P, N)
    number = errors.shape[1]
    if number < 2:
        return None
    found = []
    for place, own in enumerate(errors):
        others = np.delete(errors, place, axis=0)
        variance = number * (own - others).var(axis=1, ddof=1).mean() / total**2
        found.append(100 * float(np.sqrt(variance / 2)))
    return found


def _kind(result: Result) -> str:
    settings = {key: value for key, value in chosen(result).items() if key not in _APART}
    return json.dumps([family(result), settings], sort_keys=True)


def forecast(curve: Sequence[Point], minutes: float, seed: int = 0) -> Forecast:
    """What the curve says of a training on ``minutes``; ValueError for fewer than FEWEST points.

    The interval is that of one further training, which has the deviation of the others.
    """
    if len(curve) < FEWEST:
        raise ValueError(f"{len(curve)} points")
    x, y, sd = (np.array([getattr(point, name) for point in curve]) for name in ("minutes", "cer", "sd"))
    rng = np.random.default_rng(seed)
    draws = y + sd * rng.standard_normal((_DRAWS, len(y)))
    then = fitted(x, draws, sd, minutes) + float(np.median(sd)) * rng.standard_normal(_DRAWS)
    (value,) = fitted(x, y[None], sd, minutes)
    (first,) = fitted(x, y[None], sd, x[0])
    low, high = np.percentile(then, [2.5, 97.5])
    return Forecast(
        minutes, float(value), max(0.0, min(low, value)), float(max(high, value)), bool(value < first)
    )


def fitted(x: np.ndarray, draws: np.ndarray, sd: np.ndarray, minutes: float) -> np.ndarray:
    """What the curve that fits best has at ``minutes``, of each draw, (K,). ``x``, ``sd``: (P,); ``draws``:
    (K, P). Weighted least squares with a, b ≥ 0; the exponent is looked for.
    """
    weights = 1 / sd**2  # (P,)
    best, found = np.full(len(draws), np.inf), np.zeros(len(draws))
    for exponent in _EXPONENTS:
        t = (x / x[0]) ** -exponent  # (P,)
        floor, slope = _line(t, draws, weights)
        error = ((floor[:, None] + slope[:, None] * t - draws) ** 2 * weights).sum(axis=1)
        better = error < best
        best = np.where(better, error, best)
        found = np.where(better, floor + slope * (minutes / x[0]) ** -exponent, found)
    return found


def _line(t: np.ndarray, draws: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Floor and slope, at least 0 each, of the lines over ``t`` (P,) that fit ``draws`` (K, P) best."""
    total = weights.sum()
    mean_t, mean = (weights * t).sum() / total, (weights * draws).sum(axis=1) / total  # (), (K,)
    spread = (weights * (t - mean_t) ** 2).sum()
    slope = (weights * (t - mean_t) * (draws - mean[:, None])).sum(axis=1) / spread
    floor = mean - slope * mean_t
    through_0 = (weights * t * draws).sum(axis=1) / (weights * t * t).sum()
    slope, floor = np.where(floor < 0, through_0, slope), np.maximum(floor, 0)
    return np.where(slope < 0, mean, floor), np.maximum(slope, 0)
