"""What has changed between two scores of the same utterances: forgetting, the error rate of mixed recipes'
test sets under the model that training started from and under the new one; and what a language model brings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xlt.core.config import share_of
from xlt.core.errors import StageError
from xlt.core.log import say
from xlt.formats.results import Change, Interval
from xlt.metrics.bootstrap import Bootstrap, paired

if TYPE_CHECKING:
    from xlt.core.config import Config
    from xlt.metrics.result import Score


def change(before: Score, after: Score, boot: Bootstrap) -> Change:
    """How an error rate of a set has changed, from two scores of the same utterances.

    ``difference`` is after − before, with its interval over resamples of utterances that both share;
    ``relative`` is it in percent of ``before``, None where that is 0.
    """
    counts = [(b.errors, a.errors, b.n_ref) for b, a in zip(before.utterances, after.utterances, strict=True)]
    found = paired([np.array(counts, dtype=np.int64)], boot.resamples, boot.rng())
    return {
        "before": _interval(before),
        "after": _interval(after),
        "difference": {
            "value": round(found.difference, 3),
            "ci95": [round(x, 3) for x in found.difference_ci95],
        },
        "relative": round(100 * (after.value / before.value - 1), 2) if before.value else None,
    }


def _interval(score: Score) -> Interval:
    entry = score.as_dict()
    return {"value": entry["value"], "ci95": entry["ci95"]}


def gate(cfg: Config, forgetting: dict[str, Change]) -> None:
    """StageError if one of the sets has risen by more than ``train.forget_limit``."""
    for name, found in forgetting.items():
        words = (
            f"{name}: error rate {found['before']['value']:.1f}% before this training,"
            f" {found['after']['value']:.1f}% after it"
        )
        rise = found["after"]["value"] - found["before"]["value"]
        if (
            cfg.train.forget_limit is not None
            and rise > share_of(cfg.train.forget_limit) * found["before"]["value"]
        ):
            raise StageError(
                f"train.forget_limit={cfg.train.forget_limit}: {words}; the model and its scores are kept;"
                " raise the share in train.mix, lower train.lr, or raise the limit"
            )
        say(f"  {words}")
