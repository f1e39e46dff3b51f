"""Whether a training has gone on after it stopped getting better on dev."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

_LAST = 3  # epochs at the end, whose mean is compared with the best
_RISE = 1.1  # times the best: less is the noise of a small dev set
_KEYS = {"loss": "dev loss", "score": "the error on dev"}  # of ESPnet's models and of Whisper's


def rising(history: Sequence[dict[str, Any]]) -> str | None:
    """``dev loss rises since epoch 8 (6.8, at the end 7.6): …`` of a training's history.json; None where it
    does not, or where too few epochs say so.
    """
    for key, name in _KEYS.items():
        values = [(row["epoch"], row[key]) for row in history if isinstance(row.get(key), (int, float))]
        if not values:
            continue
        epoch, best = min(values, key=lambda one: one[1])
        end = fmean(value for _, value in values[-_LAST:])
        if values[-1][0] - epoch < _LAST or end < _RISE * best:
            return None
        return (
            f"{name} rises since epoch {epoch} ({best:.3g}, at the end {end:.3g}): the model learns the"
            " training clips by heart. Its best epochs on dev were kept; more speech helps, not more epochs"
        )
    return None
