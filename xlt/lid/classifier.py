"""Multinomial logistic regression whose probabilities are calibrated by a temperature, and which may decide
for none of its languages.

N examples, D pooled features, L languages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np

C = 0.01  # inverse strength of the L2 penalty, as scikit-learn's LogisticRegression has it
COLDEST, HOTTEST = 0.05, 50.0  # temperatures that are tried


class Decision(NamedTuple):
    """``lang``: the language, None for none of those that are known; ``best``: the likeliest, and
    ``probability``: its own, calibrated.
    """

    lang: str | None
    best: str
    probability: float


@dataclass(frozen=True)
class Classifier:
    """``mean`` and ``scale``: (D,), by which features are standardised; ``weights``: (D, L); ``bias``: (L,).

    Logits are divided by ``temperature``; probabilities below ``threshold`` are no decision.
    """

    languages: tuple[str, ...]
    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    temperature: float = 1.0
    threshold: float = 0.0

    def logits(self, features: np.ndarray) -> np.ndarray:
        """(N, D) → (N, L), before the temperature."""
        return (features - self.mean) / self.scale @ self.weights + self.bias

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """(N, D) → (N, L), calibrated."""
        import numpy as np

        logits = self.logits(features) / self.temperature
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))  # the runtime has no scipy
        return shares / shares.sum(axis=1, keepdims=True)

    def decide(self, features: np.ndarray) -> Decision:
        """Of one example, (D,)."""
        (row,) = self.probabilities(features[None])
        best, probability = self.languages[int(row.argmax())], float(row.max())
        return Decision(best if probability >= self.threshold else None, best, probability)


def fit(examples: Mapping[str, np.ndarray], c: float = C) -> Classifier:
    """A classifier of the languages of ``examples``, (N, D) each, which all weigh the same.

    The objective is scikit-learn's (LogisticRegression with class_weight="balanced"): half the squared
    weights, and ``c`` times the negative log likelihood; L-BFGS finds its only minimum.
    """
    import numpy as np
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    languages = tuple(sorted(examples))
    rows = np.concatenate([examples[lang] for lang in languages]).astype(np.float64)  # (N, D)
    labels = np.repeat(np.arange(len(languages)), [len(examples[lang]) for lang in languages])
    mean, scale = rows.mean(axis=0), rows.std(axis=0)
    scale[scale < 1e-8] = 1.0
    rows = (rows - mean) / scale
    dims, count = rows.shape[1], len(languages)
    hot = np.eye(count)[labels]  # (N, L)
    shares = c * (len(labels) / (count * np.bincount(labels, minlength=count)))[labels][:, None]  # (N, 1)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights, bias = flat[: dims * count].reshape(dims, count), flat[dims * count :]
        log_p = log_softmax(rows @ weights + bias, axis=1)
        slope = shares * (np.exp(log_p) - hot)
        value = float(0.5 * (weights**2).sum() - (shares * hot * log_p).sum())
        return value, np.concatenate([(weights + rows.T @ slope).ravel(), slope.sum(axis=0)])

    start = np.zeros((dims + 1) * count)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 300}).x
    return Classifier(
        languages, mean, scale, found[: dims * count].reshape(dims, count), found[dims * count :]
    )


def calibrated(classifier: Classifier, held_out: Mapping[str, np.ndarray]) -> Classifier:
    """With the temperature at which ``held_out``, of languages that it knows, is likeliest; each of them
    weighs the same (Guo et al., On Calibration of Modern Neural Networks, 2017).

    So that few examples, all told rightly, do not make it wholly sure, one of n + 2 is taken for another
    language (targets of Platt, Probabilistic Outputs for Support Vector Machines, 1999).
    """
    import numpy as np
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    places = [(classifier.languages.index(lang), classifier.logits(rows)) for lang, rows in held_out.items()]

    def loss(log_t: float) -> float:
        heat = np.exp(log_t)
        return -sum(_expected(log_softmax(logits / heat, axis=1), n) for n, logits in places)

    bounds = (np.log(COLDEST), np.log(HOTTEST))
    return replace(
        classifier, temperature=float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))
    )


def _expected(log_p: np.ndarray, right: int) -> float:
    """The mean of (n, L) over examples, under targets that are nearly all at column ``right``."""
    wrong = 1 / (len(log_p) + 2)
    others = (log_p.sum(axis=1) - log_p[:, right]) / (log_p.shape[1] - 1)
    return float(((1 - wrong) * log_p[:, right] + wrong * others).mean())


def best_threshold(known: Sequence[float], unknown: Sequence[float]) -> float:
    """The probability from which to decide for a language: the one at which the share of ``known`` at or
    above it and that of ``unknown`` below it are largest together, the smallest of several.

    >>> best_threshold(known=[0.9, 0.8, 0.4], unknown=[0.3, 0.6])
    0.8
    """
    import numpy as np

    good, bad = np.sort(np.asarray(known, float)), np.sort(np.asarray(unknown, float))
    tried = np.concatenate([[0.0], np.unique(good)])
    kept = 1 - np.searchsorted(good, tried, side="left") / len(good)
    refused = np.searchsorted(bad, tried, side="left") / len(bad)
    return float(tried[int(np.argmax(kept + refused))])
