"""How long a training takes, said before it starts, and how many epochs fit into ``train.max_hours``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from xlt.core.errors import StageError
from xlt.core.log import epochs as counted
from xlt.core.log import say, spent
from xlt.core.settings import hours_for

REMEDY = "train the small model with preset=fast"


@dataclass(frozen=True)
class Plan:
    """What there is time for: ``epochs`` of the ``wanted`` ones; ``epoch_s``: seconds of one, measured."""

    epochs: int
    wanted: int
    epoch_s: float

    @property
    def facts(self) -> dict[str, Any]:
        """For the stamp."""
        return {"wanted": self.wanted, "epoch_s": round(self.epoch_s, 1)}


class Budget:
    """``given``: train.max_hours; None = CPU_HOURS without a GPU, no limit with one."""

    def __init__(self, given: float | None, on_cpu: bool):
        self.hours, self.default = hours_for(given, on_cpu), given is None

    def plan(
        self, wanted: int, seconds: Callable[[int], float], remedy: str = REMEDY, begun_s: float = 0.0
    ) -> Plan:
        """``wanted`` epochs, or as many as there is time for; says which. StageError, which ends with
        ``remedy``, if not even one fits.

        ``seconds``: number of epochs → what they take together; it rises; ``begun_s``: what is gone already.
        """
        epochs, limit = wanted, 3600 * self.hours - begun_s if self.hours is not None else None
        while limit is not None and epochs and seconds(epochs) > limit:
            epochs -= 1
        if epochs < 1:
            raise StageError(
                f"train.max_hours={self.hours:g}: one epoch takes about {spent(seconds(1))} on this machine,"
                " so no time is left to learn anything; raise train.max_hours, lower data.train_minutes, or"
                f" {remedy}"
            )
        each = seconds(epochs) / epochs
        said = f"  {counted(epochs)} of about {spent(each)}, {spent(seconds(epochs))} in all"
        if epochs < wanted:
            most = f"train.max_hours={self.hours:g}"
            said += f"; {wanted} would take {spent(seconds(wanted))}, more than {most}"
            said += f"; with a GPU all {wanted} are trained" if self.default else ""
        say(said)
        return Plan(epochs, wanted, each)
