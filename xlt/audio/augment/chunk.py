"""The same sound as an encoder hears it chunk by chunk: copies that ``features.chunk_s`` asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np

    from xlt.audio.augment.sounds import Sounds

_VERSION = 1  # of what encoders give under chunks: raised when the same audio no longer gives the same


class Mask(NamedTuple):
    """Seconds of a chunk, of what is heard before it, and of what is heard behind it."""

    chunk_s: float
    left_s: float
    look_ahead_s: float

    @property
    def recipe(self) -> str:
        """
        >>> Mask(0.64, 5.0, 0.0).recipe, Mask(0.0, 5.0, 0.0).recipe
        ('chunk:0.64/5/0', 'chunk:0')
        """
        return f"chunk:{self.chunk_s:g}/{self.left_s:g}/{self.look_ahead_s:g}" if self.chunk_s else "chunk:0"


class Chunk:
    """An encoder's mask: ``chunk:0.64/5/0``; ``chunk:0`` is the whole clip, as without it."""

    sounds = ()

    def __init__(self, argument: str):
        parts = argument.split("/")
        if len(parts) != (1 if argument == "0" else 3):
            raise ValueError("expected seconds of a chunk, before it and behind it, such as chunk:0.64/5/0")
        numbers = [float(part) for part in parts]
        self.mask = None if argument == "0" else Mask(*numbers)
        self.tag = f"ch{numbers[0]:g}"
        self.stored_as = f"ch{argument.replace('/', '_')}v{_VERSION}" if self.mask else ""

    def length(self, samples: int) -> int:
        return samples

    def apply(self, wave: np.ndarray, rng: np.random.Generator, sounds: Sounds | None) -> np.ndarray:
        return wave
