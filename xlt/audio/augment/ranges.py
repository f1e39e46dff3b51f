"""Arguments of alterations: a number or a range, and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``; ``unit``: what they are, for errors.

    >>> Range(0.0, 20.0, "dB").parse("5..15"), Range(0.0, 20.0, "dB").parse("5")
    (Range(low=5.0, high=15.0, unit='dB'), Range(low=5.0, high=5.0, unit='dB'))
    """

    low: float
    high: float
    unit: str

    def __str__(self) -> str:
        return f"{self.unit} from {self.low:g} to {self.high:g}"

    def holds(self, value: float) -> bool:
        """Whether ``value`` is in it."""
        return self.low <= value <= self.high

    def parse(self, text: str) -> Range:
        """The part of it that ``text``, such as ``5..20`` or ``10``, names; ValueError for anything else."""
        low, dots, high = text.partition("..")
        try:
            found = Range(float(low), float(high if dots else low), self.unit)
        except ValueError:
            raise ValueError(f"found {text!r}, expected {self}, one or two with .. between") from None
        if not (self.holds(found.low) and self.holds(found.high) and found.low <= found.high):
            raise ValueError(f"found {text}, expected {self}, the lower first")
        return found

    def draw(self, rng: np.random.Generator) -> float:
        """One of them, all alike likely."""
        return float(rng.uniform(self.low, self.high))


def names(text: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """``gsm/mp3`` → its names, all that are ``known`` for ``""``; ValueError for one that is not."""
    found = tuple(text.split("/")) if text else known
    for name in found:
        if name not in known:
            raise ValueError(f"found {name!r}, expected {', '.join(known)}, with / between")
    return found


def nothing(text: str) -> None:
    """ValueError unless there is no argument."""
    if text:
        raise ValueError(f"found {text!r}, expected no argument")
