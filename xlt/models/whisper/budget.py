"""How many epochs a training has time for (``train.max_hours``)."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from xlt.core.errors import StageError
from xlt.core.log import epochs as counted
from xlt.core.log import say

HOURS = 2.0  # train.max_hours=null without a GPU


class Budget:
    """``hours``: the setting; None = HOURS without a GPU, no limit with one."""

    def __init__(self, hours: float | None, device: torch.device):
        self.hours = hours if hours is not None else HOURS if device.type == "cpu" else None
        self.given = hours is not None

    def epochs(
        self,
        costs: Sequence[tuple[float, int]],
        sizes: Sequence[int],
        wanted: int,
        judging_s: float,
        spent_s: float = 0.0,
    ) -> int:
        """``wanted`` epochs, or as many as there is time for; says which, StageError if not even one.

        ``costs``: seconds and padded samples of some batches; ``sizes``: padded samples of all of an epoch;
        ``judging_s``: seconds that dev takes behind each epoch; ``spent_s``: those that are gone already.
        """
        rate = sum(seconds for seconds, _ in costs) / sum(size for _, size in costs)
        epoch_s = rate * sum(sizes) + judging_s
        epochs = wanted
        if self.hours is not None and spent_s + wanted * epoch_s > 3600 * self.hours:
            epochs = int((3600 * self.hours - spent_s) / epoch_s)
        if epochs < 1:
            raise StageError(
                f"train.max_hours={self.hours:g}: one epoch takes about {_time(epoch_s)} on this machine, so"
                " no time is left to learn anything; raise train.max_hours, lower data.train_minutes, or"
                " train the small model with preset=fast"
            )
        said = f"  {counted(epochs)} of about {_time(epoch_s)}, {_time(epochs * epoch_s)} in all"
        if epochs < wanted:
            said += (
                f"; {wanted} would take {_time(wanted * epoch_s)}, more than train.max_hours={self.hours:g}"
            )
        say(said)
        return epochs


def _time(seconds: float) -> str:
    """``40 s``, ``12 min``, ``2.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
