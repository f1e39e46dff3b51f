"""The layer mix: one weighted sum of all hidden states, its weights learned on a short probe and then frozen.

B clips of a batch, T frames, D feature dimensions, L layers.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import torch


@dataclass(frozen=True)
class Mix:
    """Frozen weights of a sum over ``layers``; each layer is standardised as ``norm`` says before it is weighted.

    ``none``: not at all; ``frame``: layer norm of each frame without parameters, as s3prl's Featurizer with
    ``normalize``; ``corpus``: ``mean`` 0 and ``std`` 1 of each dimension over the probe's speech, both (L, D).
    """

    layers: list[int]
    weights: np.ndarray  # (L,), sum 1
    norm: str
    mean: np.ndarray | None = None
    std: np.ndarray | None = None

    @classmethod
    def load(cls, folder: Path) -> Mix:
        """The mix that :func:`learn` left in ``folder`` (``mix.json``, ``mix.npz``); DataError if it is damaged."""
        import numpy as np

        try:
            facts = json.loads((folder / "mix.json").read_text(encoding="utf-8"))
            with np.load(folder / "mix.npz") as arrays:
                found = {name: arrays[name] for name in arrays.files}
            return cls(facts["layers"], found["weights"], facts["norm"], found.get("mean"), found.get("std"))
        except FileNotFoundError as err:
            raise DataError(f"{err.filename}: no such file; stage 3 (features) with features.layers=mix makes it") from None
        except (OSError, ValueError, KeyError, TypeError) as err:
            raise DataError(f"{folder}: the layer mix is damaged ({err}); make it again with --stage 3 --force") from None

    @property
    def digest(self) -> str:
        """First 20 hex digits of a SHA-256 over everything that determines the mixed features."""
        sha = hashlib.sha256(json.dumps([self.layers, self.norm]).encode())
        for array in (self.weights, self.mean, self.std):
            sha.update(b"-" if array is None else array.astype("<f4").tobytes())
        return sha.hexdigest()[:20]

    def apply(self, outputs: list[torch.Tensor]) -> torch.Tensor:
        """Outputs of ``layers``, each (B, T, D), → their weighted sum (B, T, D)."""
        import torch

        total = torch.zeros_like(outputs[0])
        for n, hidden in enumerate(outputs):
            if self.norm == "frame":
                hidden = torch.nn.functional.layer_norm(hidden, hidden.shape[-1:])
            elif self.norm == "corpus":
                mean, std = (torch.from_numpy(a[n]).to(hidden) for a in (self.mean, self.std))
                hidden = (hidden - mean) / std
            total += float(self.weights[n]) * hidden
        return total
