"""How sure a decoder is of each word: the share of its n-best list that has the word at that place.

Scores become posteriors by a softmax with a scale; a word's confidence is the sum over the candidates that
agree with the best one in it, after an alignment by edit distance (Wessel et al. 2001 do so on N-best lists).
The scale and a logistic map (Platt 1999) are fitted on dev, since beams see too few rivals and are too sure.

W words of the best candidate, N candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from xlt.core.errors import DataError
from xlt.metrics.align import align
from xlt.metrics.calibration import ece, nce
from xlt.text.scripts import word_spans

_EDGE = 1e-4  # posteriors of 0 and 1, which short lists give, have no finite odds
_SCALES = np.geomspace(1 / 64, 8, 37)  # a quarter of an octave apart
_RIDGE = 1e-3  # keeps the slope finite where the posteriors part right and wrong words


class Votes(NamedTuple):
    """``agree``: whether a candidate has a word of the best one at its place, (W, N); ``scores``: natural
    logs, (N,); the best candidate first in both."""

    agree: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class Calibration:
    """From the scores of an n-best list to the probability that a word is right.

    ``scale`` of the scores before the softmax; ``slope`` and ``offset`` of the logistic map of its log odds;
    ``words`` of dev that it was fitted on, 0 if it was not.
    """

    scale: float = 1.0
    slope: float = 1.0
    offset: float = 0.0
    words: int = 0

    def __call__(self, votes: Votes) -> np.ndarray:
        """The confidence of each word, (W,)."""
        return _sigmoid(self.slope * _odds(word_posteriors(votes, self.scale)) + self.offset)

    def to_json(self) -> dict[str, float]:
        """What :meth:`from_json` reads."""
        found = {"scale": self.scale, "slope": self.slope, "offset": self.offset}
        return {**{name: round(value, 6) for name, value in found.items()}, "words": self.words}

    @classmethod
    def from_json(cls, found: Any, where: str) -> Calibration:
        """DataError, which begins with ``where``, if it is none."""
        try:
            return cls(
                float(found["scale"]), float(found["slope"]), float(found["offset"]), int(found["words"])
            )
        except (KeyError, TypeError, ValueError):
            raise DataError(
                f"{where}: damaged, it does not say how confidences are calibrated; make it again with"
                " --stage 7 --force"
            ) from None


def words(text: str) -> list[str]:
    """The words of a text; in scripts without spaces, its characters."""
    return [text[start:end] for start, end in word_spans(text)]


def votes(texts: Sequence[str], scores: Sequence[float], best: Sequence[str] | None = None) -> Votes:
    """``texts`` and ``scores`` of the candidates; ``best``: the words that are voted on, None: those of the
    first candidate.
    """
    best = words(texts[0]) if best is None else best
    agree = np.zeros((len(best), len(texts)), bool)
    for number, text in enumerate(texts):
        other = words(text)
        for i, j in align(best, other):
            if i is not None and j is not None:
                agree[i, number] = best[i] == other[j]
    return Votes(agree, np.asarray(scores, float))


def posteriors(scores: np.ndarray, scale: float) -> np.ndarray:
    """Softmax of the scaled scores, (N,)."""
    scaled = np.exp(scale * (scores - scores.max()))
    return scaled / scaled.sum()


def word_posteriors(found: Votes, scale: float) -> np.ndarray:
    """The share of the n-best list that has each word of the best candidate, (W,)."""
    return found.agree @ posteriors(found.scores, scale)


def right_words(reference: str, text: str) -> list[bool]:
    """Whether each word of ``text`` is in the reference at its place."""
    ref, hyp = words(reference), words(text)
    right = [False] * len(hyp)
    for i, j in align(ref, hyp):
        if i is not None and j is not None:
            right[j] = ref[i] == hyp[j]
    return right


def fit(found: Sequence[Votes], right: Sequence[bool]) -> Calibration:
    """The calibration under which right and wrong words are most likely; ``right``: of all words in order.

    Without words there is nothing to fit, and the posteriors are taken as they are.
    """
    target = np.array(right, bool)
    if not len(target):
        return Calibration()
    best, lowest = Calibration(), float("inf")
    for scale in _SCALES:
        odds = _odds(np.concatenate([word_posteriors(one, scale) for one in found]))
        slope, offset, loss = _logistic(odds, target)
        if loss < lowest:
            best, lowest = Calibration(float(scale), slope, offset, len(target)), loss
    return best


def measures(confidences: Sequence[float], right: Sequence[bool]) -> dict[str, float | None]:
    """``words``, ``right`` (share), ``ece`` and ``nce`` of the confidences of words."""
    target, entropy = np.array(right, bool), nce(confidences, right)
    return {
        "words": len(target),
        "right": round(float(target.mean()), 4) if len(target) else None,
        "ece": round(ece(confidences, target), 4) if len(target) else None,
        "nce": None if entropy is None else round(entropy, 4),
    }


def _odds(p: np.ndarray) -> np.ndarray:
    p = np.clip(p, _EDGE, 1 - _EDGE)
    return np.log(p / (1 - p))


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _logistic(x: np.ndarray, right: np.ndarray) -> tuple[float, float, float]:
    """Slope, at least 0, offset and loss of Platt's logistic regression, by Newton's method.

    The targets are his, which are not quite 0 and 1, so that few words make nobody certain.
    """
    good = int(right.sum())
    bad = len(right) - good
    y = np.where(right, (good + 1) / (good + 2), 1 / (bad + 2))
    matrix = np.stack([x, np.ones_like(x)], axis=1)  # (words, 2)
    ridge = np.array([_RIDGE, 0.0])

    def loss(at: np.ndarray) -> float:
        z = matrix @ at
        return float(np.sum(np.logaddexp(0, z) - y * z) + 0.5 * np.sum(ridge * at**2))

    at = np.array([0.0, float(np.log(y.mean() / (1 - y.mean())))])
    rate = at.copy()  # what a slope of 0 gives
    now = loss(at)
    for _ in range(100):
        p = _sigmoid(matrix @ at)
        gradient = matrix.T @ (p - y) + ridge * at
        hessian = (matrix.T * (p * (1 - p))) @ matrix + np.diag(ridge + 1e-9)
        step, size = np.linalg.solve(hessian, gradient), 1.0
        while (then := loss(at - size * step)) > now and size > 1e-6:
            size /= 2
        if now - then < 1e-9 * (1 + now):
            break
        at, now = at - size * step, then
    if at[0] < 0:  # more votes for wrong words: such a list says nothing
        at, now = rate, loss(rate)
    return float(at[0]), float(at[1]), now
