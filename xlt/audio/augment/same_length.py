"""What most alterations have in common."""

from __future__ import annotations


class SameLength:
    """An alteration that keeps the number of samples, and draws from no noise."""

    sounds: tuple[str, ...] | None = ()

    def length(self, samples: int) -> int:
        return samples
