"""Whether a training has gone on after it stopped getting better on dev, or ended before it got anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

_LAST = 3  # epochs at the end, whose mean is compared with the best
_RISE = 1.1  # times the best: less is the noise of a small dev set
_MOST = 0.5  # CER on dev of a network that has learned something
_LONGER = 3  # times as many steps: with these, ten minutes of Czech ended at 22% where 76% was left before
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


def barely(history: Sequence[dict[str, Any]], min_updates: int) -> str | None:
    """``at best 76% of characters are wrong on dev: …`` of the history.json of CTC or a
    transducer; None where it is
    not so bad. ``min_updates``: what train.min_updates was.

    CTC writes blanks for long, then a few letters, and then finds the texts within some hundred steps; when,
    is luck (:mod:`xlt.models.espnet.starts`).
    """
    rates = (row.get("cer_transducer", row.get("cer_ctc")) for row in history)
    found = [rate for rate in rates if isinstance(rate, (int, float))]
    if not found or min(found) <= _MOST:
        return None
    return (
        f"at best {100 * min(found):.0f}% of characters are wrong on dev: the training may have ended before"
        " it began to find the texts; try another seed, or more steps,"
        f" train.min_updates={_LONGER * max(min_updates, 500)}, and if that changes nothing look at texts and"
        " sound (stage 2)"
    )
