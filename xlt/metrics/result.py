"""What a metric returns: the value with its interval, the counts behind it, and its signature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xlt.formats.results import Entry, Interval
from xlt.metrics.align import Counts
from xlt.metrics.bootstrap import interval

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Score:
    """A score in percent, or on chrF's scale of 0 to 100.

    ``n``: utterances; ``n_ref``: reference tokens, or utterances for a score that counts those; ``counts``:
    the total of sub, dels and ins, None where the metric has none; ``utterances``: counts of each utterance
    in the order given; ``options``: what the metric's own signature says, e.g. ``{"tok": "char"}``;
    ``rates``: the score of each utterance alone.
    """

    name: str
    value: float
    ci95: tuple[float, float]
    n: int
    n_ref: int
    options: dict[str, str]
    counts: Counts | None = None
    utterances: tuple[Counts, ...] = ()
    rates: tuple[float, ...] = ()

    def as_dict(self) -> Entry:
        """What ``score.json`` says of it; null where there is no such count."""
        sub, dels, ins = self.counts[1:] if self.counts else (None, None, None)
        return {
            "value": round(self.value, 3),
            "ci95": [round(x, 3) for x in self.ci95],
            "n_ref": self.n_ref,
            "sub": sub,
            "del": dels,
            "ins": ins,
        }

    def mean(self, resamples: int, rng: np.random.Generator) -> Interval:
        """``{"value", "ci95"}``: the mean of the utterances' own scores, to which a short one adds as much as
        a long one.
        """
        import numpy as np

        rates = np.array(self.rates)[:, None]  # (N, 1)
        ends = interval(rates, lambda sums: sums[:, 0] / len(rates), resamples, rng)
        return {"value": round(float(rates.mean()), 3), "ci95": [round(x, 3) for x in ends]}

    def signature(self, normaliser: str, resamples: int, seed: int, version: str) -> str:
        """``CER 9.7 ±1.4 | norm:ron-v1 | n:90 | tok:char | … | xlt:0.1.0 | seed:0``."""
        half = (self.ci95[1] - self.ci95[0]) / 2
        options = {
            "norm": normaliser,
            "n": self.n,
            **self.options,
            "boot": resamples,
            "xlt": version,
            "seed": seed,
        }
        return f"{self.name} {self.value:.1f} ±{half:.1f} | " + " | ".join(
            f"{k}:{v}" for k, v in options.items()
        )
