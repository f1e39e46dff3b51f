"""Log-linear weights of the scores of a combination, fitted on dev by conditional likelihood.

U utterances, N candidates, F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

STRENGTHS = (1e4, 100.0, 10.0, 1.0)  # of the pull towards the prior; with the first one, it stays
FOLDS = 10
ALIKE = 1.01  # times the least loss: what is as good on so little speech; then the stronger pull is taken
_STEPS, _ENOUGH = 50, 1e-8  # of Newton's method


class List(NamedTuple):
    """The candidates of an utterance: ``features`` (N, F), and the ``errors`` of each (N,)."""

    features: np.ndarray
    errors: np.ndarray


class Lists:
    """Many of them: ``features`` (U, N, F), the mean over each list taken off, and ``target`` (U, N): even
    over the candidates with the fewest errors; ``there`` (U, N): False where a list has ended; ``spread``
    (F,): how far features are from the means of their lists, on average.
    """

    def __init__(self, lists: Sequence[List]):
        most, count = max(len(one.errors) for one in lists), lists[0].features.shape[1]
        self.features = np.zeros((len(lists), most, count))
        self.target = np.zeros((len(lists), most))
        self.there = np.zeros((len(lists), most), bool)
        for row, one in enumerate(lists):
            n = len(one.errors)
            best = one.errors <= one.errors.min() + 1e-9
            self.features[row, :n] = one.features - one.features.mean(axis=0)
            self.target[row, :n] = best / best.sum()
            self.there[row, :n] = True
        self.spread = np.abs(self.features).sum(axis=(0, 1)) / self.there.sum()  # (F,)

    def only(self, rows: np.ndarray) -> Lists:
        """Those of ``rows``, a mask (U,) or places; the spread stays that of all."""
        found = object.__new__(Lists)
        found.features, found.target, found.there = self.features[rows], self.target[rows], self.there[rows]
        found.spread = self.spread
        return found


def fit(lists: Lists, prior: np.ndarray, strength: float) -> np.ndarray:
    """The weights w (F,) with the least

        − Σᵤ Σₙ targetᵤₙ log softmaxₙ(w · featuresᵤₙ) + strength/2 · Σ_f (spread_f · (w_f − prior_f))²

    which is convex, by Newton's method. A feature that is the same in all of each list keeps its prior.
    """
    pull = strength * np.maximum(lists.spread, 1e-3) ** 2  # (F,)
    at, now = prior.copy(), _loss(lists, prior, prior, pull)
    for _ in range(_STEPS):
        p = _posteriors(lists, at)
        gradient = np.einsum("un,unf->f", p - lists.target, lists.features) + pull * (at - prior)
        mean = np.einsum("un,unf->uf", p, lists.features)
        hessian = np.einsum("un,unf,ung->fg", p, lists.features, lists.features, optimize=True)
        hessian += np.diag(pull) - mean.T @ mean
        step, size = np.linalg.solve(hessian, gradient), 1.0
        while (then := _loss(lists, at - size * step, prior, pull)) > now and size > 1e-6:
            size /= 2
        if now - then < _ENOUGH * (1 + abs(now)):
            break
        at, now = at - size * step, then
    return at


def _logits(lists: Lists, at: np.ndarray) -> np.ndarray:
    scores = np.where(lists.there, lists.features @ at, -np.inf)
    return scores - scores.max(axis=1, keepdims=True)


def _posteriors(lists: Lists, at: np.ndarray) -> np.ndarray:
    exp = np.exp(_logits(lists, at))
    return exp / exp.sum(axis=1, keepdims=True)


def _loss(lists: Lists, at: np.ndarray, prior: np.ndarray, pull: np.ndarray) -> float:
    logits = _logits(lists, at)
    likely = np.where(lists.there, logits, 0.0) - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return float(-(lists.target * likely).sum() + 0.5 * (pull * (at - prior) ** 2).sum())


def folds(count: int, at_most: int = FOLDS) -> np.ndarray:
    """Which fold each of ``count`` utterances is held out in. They come in order of length, so that each
    fold has short and long ones.
    """
    return np.arange(count) % max(1, min(at_most, count))


def held_out(lists: Lists, prior: np.ndarray, strength: float) -> np.ndarray:
    """Of each utterance the weights (U, F) that were fitted on the other folds."""
    number = folds(len(lists.features))
    found = np.tile(prior, (len(number), 1))
    for fold in range(1 + int(number.max())):
        others = number != fold
        if others.any():
            found[~others] = fit(lists.only(others), prior, strength)
    return found
