"""What a way of pre-training is: the loop in :mod:`xlt.models.ssl.pretraining` knows no more of it.

A new one is a file here and a line of PRETRAINING in :mod:`xlt.core.registry`.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from torch import Tensor, nn

from xlt.core.errors import ConfigError

if TYPE_CHECKING:
    from xlt.upstreams.base import Source


@dataclass
class Step:
    """What one batch gave. ``loss``: mean over the frames; ``masked``: how many are masked; ``right``: of how
    many of these the target was found; ``codes``: how often each code was a target, (groups, codes), None
    where targets are no codes; ``guessed``: ``right`` without what was learned, where that can be known.
    """

    loss: Tensor
    masked: int
    right: float
    codes: np.ndarray | None = None
    guessed: float = 0.0


@dataclass
class Totals:
    """Sums over the steps of an epoch, as in :class:`Step`."""

    loss: float = 0.0
    masked: int = 0
    right: float = 0.0
    guessed: float = 0.0
    codes: np.ndarray | None = None

    def add(self, step: Step) -> None:
        self.loss += float(step.loss.detach()) * step.masked
        self.masked += step.masked
        self.right += step.right
        self.guessed += step.guessed
        if step.codes is not None:
            self.codes = step.codes if self.codes is None else self.codes + step.codes

    def row(self) -> dict[str, float]:
        """Their means. Of codes ``perplexity``: that of each group's codes, summed over the groups, as many
        codes as are in even use; ``used``: share of the codes that were a target at all.
        """
        found = {
            "loss": round(self.loss / max(1, self.masked), 4),
            "accuracy": round(100 * self.right / max(1, self.masked), 2),
        }
        if self.codes is None:
            return found
        used = round(float((self.codes > 0).mean()), 4)
        return {**found, "perplexity": round(perplexity(self.codes), 1), "used": used}


def perplexity(codes: np.ndarray) -> float:
    """Of counts (groups, codes): the exponential of the entropy of each group, summed.

    >>> perplexity(np.array([[1, 1, 1, 1], [8, 0, 0, 0]]))
    5.0
    """
    share = codes / np.maximum(1, codes.sum(axis=1, keepdims=True))
    logs = np.log(share, out=np.zeros_like(share), where=share > 0)
    return float(np.exp(-(share * logs).sum(axis=1)).sum())


class Method(Protocol):
    """A way of pre-training, with its network on a device."""

    upstream: str  # features.upstream by which the result is used
    measure: str  # what the share of right answers is called
    baseline: str  # what it is compared with
    collapses: bool  # whether its codes are learned, and so may become a few
    reads_texts: bool  # whether it learns from what is said in the clips, too
    module: nn.Module  # everything that a checkpoint keeps

    def __init__(self, sizes: dict[str, Any], seed: int, device: str, source: Source | None):
        """A random network, or one that begins with the weights of ``source``; ConfigError for sizes that
        cannot be, UpstreamError for weights that do not serve.
        """

    def read(self, texts: Iterable[str]) -> None:
        """Look at all texts of the training, before anything else, of a method that ``reads_texts``."""

    def prepare(self, waves: Iterable[Tensor]) -> None:
        """Look at some of the training speech, waves (N,), once before the first step."""

    def step(
        self, waves: list[Tensor], rng: np.random.Generator, done: float, texts: Sequence[str] = ()
    ) -> Step:
        """One batch of waves (N,) in the mode, training or not, that ``module`` is in; ``done``: share of the
        training that is over; ``texts``: what is said in each wave, for a method that ``reads_texts``.
        """

    def chance(self, totals: Totals) -> float:
        """Share of right answers of one who has learned nothing."""

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
