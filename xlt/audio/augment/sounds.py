"""Noise to put behind speech: what stage 1 gathers in data/noise, one file a kind and a part.

``data/noise/<part>/<name>.wav``, 16 kHz mono; part: train, dev or test, which share no recording.
``noise.json`` beside the parts has ``digest``, of all samples, and ``seconds``, of each name in each part.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.core import jsons
from xlt.core.errors import DataError

if TYPE_CHECKING:
    import numpy as np

FACTS = "noise.json"


@dataclass(frozen=True)
class Sounds:
    """One part of data/noise."""

    folder: Path
    digest: str
    names: tuple[str, ...]

    @classmethod
    def open(cls, noise: Path, part: str) -> Sounds:
        """The ``part`` of the folder ``noise``; DataError unless stage 1 has made it."""
        path = noise / FACTS
        try:
            facts = jsons.parse(path.read_text(encoding="utf-8"))
            return cls(noise / part, facts["digest"], tuple(sorted(facts["seconds"])))
        except (OSError, ValueError, KeyError, TypeError) as err:
            raise DataError(
                f"{path}: cannot be read ({err}); run stage 1 (data) again with --force"
            ) from None

    def draw(self, name: str, count: int, rng: np.random.Generator) -> np.ndarray:
        """A stretch of ``name``, float32 (count,), from a random place on; what is shorter is repeated."""
        import numpy as np
        import soundfile

        path = self.folder / f"{name}.wav"
        try:
            with soundfile.SoundFile(path) as file:
                start = int(rng.integers(max(1, file.frames - count + 1)))
                file.seek(start)
                piece = file.read(count, dtype="float32")
        except (soundfile.LibsndfileError, OSError) as err:
            raise DataError(f"{path}: {err}; run stage 1 (data) again with --force") from None
        if not len(piece):
            raise DataError(f"{path}: holds no sound; run stage 1 (data) again with --force")
        return np.resize(piece, count)
