"""What xlt knows of a metric: :data:`xlt.core.registry.METRICS` maps names to these.

A new metric is one file and one line of that registry. Scores, tables, LaTeX, CSV and comparisons ask the
object. A worked example, the share of utterances without a hypothesis, in ``xlt/metrics/silent.py``:

    def silent(pairs, resamples, rng):
        empty = np.array([[not hyp] for _, hyp in pairs], dtype=np.int64)  # (N, 1)
        ends = interval(empty, lambda sums: 100 * sums[:, 0] / len(pairs), resamples, rng)
        rates = tuple(100.0 * empty[:, 0])
        return Score("Silent", 100 * float(empty.mean()), ends, len(pairs), len(pairs), {}, rates=rates)

    SILENT = Metric("Silent", "Utterances without a hypothesis", silent, needs=frozenset({TEXT, PHONES}))

and in the registry ``"silent": "xlt.metrics.silent:SILENT"``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from xlt.core.registry import METRICS

if TYPE_CHECKING:
    import numpy as np

    from xlt.metrics.result import Score

    Pairs = list[tuple[str, str]]  # (reference, hypothesis) of each utterance

TEXT, PHONES = "text", "phones"  # kinds of transcripts: spelled, or phones with spaces between them


@dataclass(frozen=True)
class Token:
    """What an error rate counts. ``name``: in names of columns and files; ``plural``: in sentences; ``cut``:
    text → tokens."""

    name: str
    plural: str
    cut: Callable[[str], list[str]]


@dataclass(frozen=True)
class Metric:
    """``label``: in signatures and heads of columns; ``title``: in full; ``score``: (pairs, resamples, rng) →
    Score; ``needs``: the kinds of transcripts that it scores.

    ``unit``: behind the label, "" for a number on a scale of its own; ``better``: lower or higher. ``token``:
    what an error rate is over; ``counted``: whether its Score has the counts of each utterance, which paired
    tests, slices and tables by language rest on. Of each kind of transcripts, the first counted metric of the
    registry is what systems are compared by. ``headline``: has a table over all languages; ``note``: a
    sentence for pages that show it.
    """

    label: str
    title: str
    score: Callable[[Pairs, int, np.random.Generator], Score]
    needs: frozenset[str] = frozenset({TEXT})
    unit: str = "%"
    better: Literal["lower", "higher"] = "lower"
    token: Token | None = None
    counted: bool = False
    headline: bool = False
    note: str = ""

    def head(self, between: str = " ") -> str:
        """The head of a column, with the unit: ``CER %``, ``CER, %``."""
        return f"{self.label}{between}{self.unit}" if self.unit else self.label

    def in_words(self, value: float, ci95: Sequence[float]) -> str:
        """``10.0% of characters wrong (95% interval 6.9 to 13.1)``, or ``chrF2 53.1 (95% …)``."""
        what = f"{value:.1f}% of {self.token.plural} wrong" if self.token else f"{self.label} {value:.1f}"
        return f"{what} (95% interval {ci95[0]:.1f} to {ci95[1]:.1f})"


def metrics(kind: str | None = None) -> dict[str, Metric]:
    """``{name: metric}`` of those that score this kind of transcripts, or of all, in the order of tables."""
    every: dict[str, Metric] = {name: METRICS.get(name) for name in METRICS.entries}
    return {name: metric for name, metric in every.items() if kind is None or kind in metric.needs}


def counted(kind: str | None = None) -> dict[str, Metric]:
    """Those of them that have the counts of each utterance."""
    return {name: metric for name, metric in metrics(kind).items() if metric.counted}


def tokens(kind: str | None = None) -> dict[str, Token]:
    """What those count."""
    return {name: metric.token for name, metric in counted(kind).items() if metric.token}


def main_metric(kind: str) -> str:
    """What systems are compared by, whose transcripts are of this kind: ``cer`` or ``per``."""
    return next(iter(counted(kind)))
