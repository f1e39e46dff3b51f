"""What a way of pre-training is: the loop in :mod:`xlt.models.ssl.pretraining` knows no more of it.

A new one is a file here and a line of PRETRAINING in :mod:`xlt.core.registry`.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import Tensor, nn

from xlt.core.errors import ConfigError


@dataclass
class Step:
    """What one batch gave. ``loss``: mean over the masked frames; ``masked``: how many these are; ``right``:
    of how many the target was found; ``codes``: how often each code was a target, (groups, codes).
    """

    loss: Tensor
    masked: int
    right: int
    codes: np.ndarray


class Method(Protocol):
    """A way of pre-training, with its network on a device."""

    upstream: str  # features.upstream by which the result is used
    measure: str  # what the share of right answers is called
    collapses: bool  # whether its codes are learned, and so may become a few
    module: nn.Module  # everything that a checkpoint keeps

    def __init__(self, sizes: dict[str, Any], seed: int, device: str):
        """A random network; ConfigError for sizes that cannot be."""

    def prepare(self, waves: Iterable[Tensor]) -> None:
        """Look at some of the training speech, waves (N,), once before the first step."""

    def step(self, waves: list[Tensor], rng: np.random.Generator, done: float) -> Step:
        """One batch of waves (N,) in the mode, training or not, that ``module`` is in; ``done``: share of the
        training that is over.
        """

    def chance(self, codes: np.ndarray) -> float:
        """Share of right answers of one who hears nothing; ``codes`` as in :class:`Step`."""

    def save(self, out: Path) -> None:
        """Write the folder that ``features.path`` takes."""


def sized[Sizes](kind: type[Sizes], given: dict[str, Any]) -> Sizes:
    """``kind``, a dataclass of numbers, with the values of ``pretrain.model``; ConfigError for others."""
    known = {field.name: field.default for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for name, value in given.items():
        if name not in known:
            close = difflib.get_close_matches(str(name), known, n=1)
            hint = f"; did you mean {close[0]}?" if close else f"; there are {', '.join(known)}"
            raise ConfigError(f"pretrain.model: {name}: unknown key{hint}")
        whole = isinstance(known[name], int)
        fits = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
        if not fits or value < 0 or (value == 0 and known[name] != 0):
            what = "a whole number" if whole else "a number"
            raise ConfigError(f"pretrain.model: {name}: found {value!r}, expected {what} above 0")
    return kind(**given)
