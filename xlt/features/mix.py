"""The layer mix as it is stored: the weights of an encoder's layers and how each layer is normalised."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.core import jsons
from xlt.core.errors import DataError, UpstreamError
from xlt.formats.arrays import read_arrays

if TYPE_CHECKING:
    import numpy as np
    import torch


LARGEST = 65504.0  # of float16


FILES = ("mix.json", "mix.npz")


@dataclass(frozen=True)
class Mix:
    """Frozen weights of a sum over ``layers``; each layer is standardised as ``norm`` says before it is
    weighted.

    ``none``: not at all; ``frame``: layer norm of each frame without parameters, as s3prl's Featurizer with
    ``normalize``; ``corpus``: ``mean`` 0 and ``std`` 1 of each dimension over the probe's speech, both (L,
    D).
    """

    layers: list[int]
    weights: np.ndarray  # (L,), sum 1
    norm: str
    mean: np.ndarray | None = None
    std: np.ndarray | None = None
    taken_from: str | None = None  # language of the recipe that it was learned in, None: in this one

    @classmethod
    def load(cls, folder: Path, upstream: dict | None = None) -> Mix:
        """The mix that :func:`make` left in ``folder`` (``mix.json``, ``mix.npz``); DataError if it is
        damaged.

        With ``upstream``, the identity of what it will be applied to, UpstreamError if it was learned with
        another.
        """

        try:
            facts = jsons.parse((folder / "mix.json").read_text(encoding="utf-8"))
            found = read_arrays(folder / "mix.npz")
            mix = cls(
                facts["layers"],
                found["weights"],
                facts["norm"],
                found.get("mean"),
                found.get("std"),
                facts.get("from"),
            )
            mix._check(facts.get("digest"))
        except FileNotFoundError as err:
            raise DataError(
                f"{err.filename}: no such file; stage 3 (features) with features.layers=mix makes it"
            ) from None
        except (
            OSError,
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
        ) as err:
            raise DataError(
                f"{folder}: the layer mix is damaged ({err}); make it again with --stage 3 --force"
            ) from None
        if upstream is not None and facts.get("upstream", upstream) != upstream:
            raise UpstreamError(
                f"{folder}: the layer mix was learned with {facts['upstream']}, but the upstream is"
                f" {upstream}; make it again with --stage 3 --force, or give the weights that it was learned"
                " with"
            )
        return mix

    def _check(self, said: str | None) -> None:
        """ValueError unless the arrays fit each other and have the digest that mix.json says."""
        shapes = {None if a is None else a.shape for a in (self.mean, self.std)}
        fits = len(shapes) == 1 and (
            shapes == {None}
            if self.norm != "corpus"
            else all(s is not None and len(s) == 2 and s[0] == len(self.layers) for s in shapes)
        )
        if (
            self.norm not in ("none", "frame", "corpus")
            or self.weights.shape != (len(self.layers),)
            or not fits
        ):
            raise ValueError("mix.json and mix.npz do not fit each other")
        if said is not None and said != self.digest:
            raise ValueError(f"mix.npz has the digest {self.digest}, mix.json says {said}")

    def facts(self) -> dict:
        """``{"digest", "weights", "from"}``, what feats.json says of it."""
        return {
            "digest": self.digest,
            "weights": [round(float(w), 6) for w in self.weights],
            "from": self.taken_from,
        }

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

        from xlt.nets.mix import weighted_sum

        states = (self._normed(n, hidden) for n, hidden in enumerate(outputs))
        return weighted_sum(torch.zeros_like(outputs[0]), map(float, self.weights), states)

    def _normed(self, n: int, hidden: torch.Tensor) -> torch.Tensor:
        """The ``n``-th of the layers as the norm has it."""
        import torch

        from xlt.nets.mix import frame_norm

        if self.norm == "frame":
            return frame_norm(hidden)
        if self.norm != "corpus" or self.mean is None or self.std is None:
            return hidden
        mean, std = (torch.from_numpy(a[n]).to(hidden) for a in (self.mean, self.std))
        return (hidden - mean) / std
