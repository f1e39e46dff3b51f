"""The exported encoder of a bundle of several languages: each clip is encoded once for all of its heads, and
for language identification.

N samples, L layers, T frames, D dimensions.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xlt.audio.files import SAMPLE_RATE
from xlt.core.errors import DataError
from xlt.formats.model_folder import INFO
from xlt.models.onnx.model import AGAIN, FBANK, Read, encoder_of, side_by_side
from xlt.upstreams.fbank import SHIFT_MS
from xlt.upstreams.mels import HOP

NAME = "onnx"  # of such an upstream in bundle.json


def identity(upstream: Mapping[str, Any]) -> dict[str, Any]:
    """What bundle.json says of the exported ``upstream``."""
    return {"upstream": NAME, "exported": dict(upstream)}


class Shared:
    """The encoder in ``folder``, whose heads are in a bundle beside it. ``upstream``: its :func:`identity`;
    ``where``: the file that says so. Threads may share it: it encodes for one at a time.

    DataError if it cannot be loaded.
    """

    def __init__(self, folder: Path, upstream: Mapping[str, Any], where: Path):
        exported = upstream.get("exported")
        self._exported = exported if isinstance(exported, dict) else {}
        self._where, name = where, str(self._exported.get("upstream"))
        self._encode = encoder_of(folder, name, where)
        self.frame_rate = 1000 / SHIFT_MS if name == FBANK else SAMPLE_RATE / HOP  # features a second
        self._one = threading.Lock()
        self._wave = self._hidden = np.zeros(0, np.float32)  # the last clip, and (L, T, D) of it

    def hidden(self, wave: np.ndarray) -> np.ndarray:
        """(N,) → (L, T, D); nobody may write into it."""
        with self._one:
            if not self._hidden.size or not np.array_equal(wave, self._wave):
                self._hidden, self._wave = self._encode(wave), wave.copy()
            return self._hidden

    @property
    def num_layers(self) -> int:
        """L."""
        return len(self.hidden(np.zeros(1600, np.float32)))

    def layers(self, waves: list[np.ndarray], layers: Sequence[int]) -> list[np.ndarray]:
        """Waves (N,) → ``layers`` side by side, (T, n D); DataError for those that are not there."""
        return [side_by_side(self.hidden(wave), list(layers), self._where) for wave in waves]

    def encoder(
        self, features: Mapping[str, Any], folder: Path
    ) -> Callable[[list[np.ndarray]], list[np.ndarray]]:
        """Waves (N,) → what the head in ``folder`` reads of each; ``features``: as in its xlt.json. DataError
        if it was exported with another encoder.
        """
        if features.get("upstream") != self._exported:
            raise DataError(f"{folder / INFO}: was exported with another encoder than the bundle's; {AGAIN}")
        read = Read(folder, features["layers"], features.get("storage", "f32"))
        return lambda waves: [read(self.hidden(wave)) for wave in waves]
