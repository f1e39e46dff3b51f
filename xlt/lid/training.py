"""Clips of several languages → a classifier, calibrated on clips that it was not fitted on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xlt.core.errors import ConfigError
from xlt.lid.classifier import Classifier, best_threshold, calibrated, fit

if TYPE_CHECKING:
    import numpy as np

FEWEST = 5  # clips of a language
EVERY = 5  # clip is held out, where nothing else is
RIGHT = 0.95  # share of right decisions that are kept where no language can be left out


@dataclass(frozen=True)
class Trained:
    """``balanced``: the mean over the languages of the share of held-out examples that are told rightly,
    whether they are above the threshold or not; ``kept`` and ``refused``: shares of known speech at or above
    the threshold, and of that of left-out languages below it, None if no language could be left out.
    """

    classifier: Classifier
    balanced: float
    kept: float
    refused: float | None


def held_apart(
    clips: Mapping[str, list[np.ndarray]],
) -> tuple[dict[str, list[np.ndarray]], dict[str, list[np.ndarray]]]:
    """Examples of clips, (n, D) each, for the fit, and every fifth clip for the calibration."""
    fitted = {lang: [rows for n, rows in enumerate(own) if n % EVERY] for lang, own in clips.items()}
    return fitted, {lang: own[::EVERY] for lang, own in clips.items()}


def train(clips: Mapping[str, list[np.ndarray]], held_out: Mapping[str, list[np.ndarray]]) -> Trained:
    """Fit on ``clips`` of at least two languages, examples (n, D) of each clip; ``held_out`` gives the
    temperature and the threshold.

    The threshold is to refuse languages that the classifier has not seen. They are simulated: each language
    is left out of a fit, and its held-out clips, and those of languages without any in ``clips``, are to be
    refused. With two languages and none beside them, 95% of the right decisions are kept.
    ConfigError for fewer than two languages, too few clips, or no held-out clips of a known language.
    """
    import numpy as np

    if len(clips) < 2:
        raise ConfigError(
            f"--data: found speech of {len(clips)} language, expected two or more; name further folders,"
            " also of languages without a head: --data LANG=DIR"
        )
    for lang, own in clips.items():
        if len(own) < FEWEST:
            raise ConfigError(f"--data {lang}: {len(own)} clips to train on, expected {FEWEST}; add some")
    fitted = {lang: np.concatenate(own) for lang, own in clips.items()}
    held = {lang: np.concatenate(own) for lang, own in held_out.items() if own}
    known = {lang: rows for lang, rows in held.items() if lang in fitted}
    if not known:
        raise ConfigError(
            f"--held_out {', '.join(held)}: has no language of --data ({', '.join(sorted(fitted))}); add one"
        )
    classifier = calibrated(fit(fitted), known)
    right, sure = [], []
    for lang, rows in known.items():
        found = classifier.probabilities(rows)
        hits = found.argmax(axis=1) == classifier.languages.index(lang)
        right.append(float(hits.mean()))
        sure.append(found.max(axis=1)[hits])
    accepted, strange = np.concatenate(sure), _strangers(classifier, fitted, held)
    if not len(accepted):
        raise ConfigError("--held_out: no clip is told rightly; train on more, or on speech like it")
    if len(strange):
        threshold = best_threshold(accepted.tolist(), strange.tolist())
    else:
        threshold = float(np.quantile(accepted, 1 - RIGHT))
    return Trained(
        replace(classifier, threshold=threshold),
        float(np.mean(right)),
        float((accepted >= threshold).mean()),
        float((strange < threshold).mean()) if len(strange) else None,
    )


def _strangers(
    classifier: Classifier, fitted: Mapping[str, np.ndarray], held: Mapping[str, np.ndarray]
) -> np.ndarray:
    """Probabilities that held-out speech gets from classifiers that do not know its language."""
    import numpy as np

    found = [np.zeros(0)]
    for lang, rows in held.items():
        if lang not in fitted:
            found.append(classifier.probabilities(rows).max(axis=1))
        elif len(fitted) > 2:
            others = fit({other: own for other, own in fitted.items() if other != lang})
            others = replace(others, temperature=classifier.temperature)
            found.append(others.probabilities(rows).max(axis=1))
    return np.concatenate(found)
