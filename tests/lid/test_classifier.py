"""The classifier against scikit-learn, its temperature, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest

from tests.errors import raises
from xlt.core.errors import ConfigError
from xlt.lid.classifier import Classifier, best_threshold, calibrated, fit
from xlt.lid.pool import examples, pooled
from xlt.lid.training import train

CENTRES = {"cat": [3.0, 0.0, 0.0], "ell": [0.0, 3.0, 0.0], "ron": [0.0, 0.0, 3.0]}


def clouds(count, spread=1.0, seed=0, centres=CENTRES):
    """(count, 3) a language."""
    rng = np.random.default_rng(seed)
    return {lang: rng.normal(centre, spread, (count, 3)) for lang, centre in centres.items()}


def test_it_is_scikit_learns_logistic_regression():
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    sets = clouds(40) | {"ron": clouds(90, seed=1)["ron"]}
    found = fit(sets, c=0.5)
    rows, labels = np.concatenate(list(sets.values())), [lang for lang, own in sets.items() for _ in own]
    scaler = StandardScaler().fit(rows)
    other = LogisticRegression(C=0.5, class_weight="balanced", tol=1e-8, max_iter=1000)
    other.fit(scaler.transform(rows), labels)
    fresh = np.concatenate(list(clouds(20, spread=2.0, seed=2).values()))
    expected = other.predict_proba(scaler.transform(fresh))
    np.testing.assert_allclose(found.probabilities(fresh), expected, atol=2e-3)
    assert found.languages == tuple(other.classes_)


def told(logits):
    """A classifier of one feature that gives these logits at 1."""
    count = len(logits)
    return Classifier(
        tuple("abc"[:count]), np.zeros(1), np.ones(1), np.array([logits], float), np.zeros(count)
    )


def test_the_temperature_makes_probabilities_true():
    """Right three times of four where it is sure of 0.9. One of 4 + 2 counts as the other language: the
    target is 3/4 × 5/6 + 1/4 × 1/6 = 2/3, whose odds are 2.
    """
    sure = told([np.log(9), 0.0])
    held_out = {"a": np.array([[1.0]] * 3 + [[-1.0]]), "b": np.array([[-1.0]] * 3 + [[1.0]])}
    found = calibrated(sure, held_out)
    assert found.temperature == pytest.approx(np.log(9) / np.log(2), rel=1e-3)
    assert found.decide(np.ones(1)).probability == pytest.approx(2 / 3, rel=1e-3)


def test_below_the_threshold_there_is_no_decision():
    sure = told([np.log(3), 0.0])  # three quarters
    assert replace(sure, threshold=0.74).decide(np.ones(1))[:2] == ("a", "a")
    assert replace(sure, threshold=0.76).decide(np.ones(1))[:2] == (None, "a")


def test_the_threshold_parts_known_from_unknown():
    assert best_threshold([0.9, 0.8, 0.7], [0.5, 0.6]) == 0.7
    assert best_threshold([0.9, 0.3], [0.5, 0.6, 0.8]) == 0.9
    assert best_threshold([0.9, 0.3], [0.1]) == 0.3


def test_means_and_deviations_are_pooled():
    assert pooled(np.array([[1.0, 5.0], [3.0, 5.0]])).tolist() == [2.0, 5.0, 1.0, 0.0]


def test_parts_of_a_clip_have_the_lengths_of_short_speech():
    """Of a feature that counts frames, a part of n has the deviation of 0 … n - 1."""
    feats = np.arange(1000.0)[:, None]
    rows = np.concatenate([examples(feats, 50.0, np.random.default_rng(n)) for n in range(20)])
    frames = np.sqrt(12 * rows[:, 1] ** 2 + 1)
    whole, parts = frames[::3], np.delete(frames, np.s_[::3])
    assert whole == pytest.approx(1000) and parts.min() < 30 and 15 <= parts.min() and 100 < parts.max() < 151
    assert examples(feats[:2], 50.0, np.random.default_rng(0)).shape == (3, 2)


def as_clips(sets):
    return {lang: [row[None] for row in rows] for lang, rows in sets.items()}


def test_unseen_languages_are_refused():
    far = {lang: np.array(centre) * 2 for lang, centre in CENTRES.items()}
    found = train(as_clips(clouds(40, centres=far)), as_clips(clouds(40, seed=3, centres=far)))
    assert found.balanced > 0.99 and found.kept > 0.9 and found.refused > 0.6
    classifier = found.classifier
    assert classifier.decide(far["ell"]).lang == "ell" and classifier.decide(np.full(3, 2.0)).lang is None


def test_two_languages_keep_most_of_what_they_tell_rightly():
    two = {lang: CENTRES[lang] for lang in ("cat", "ell")}
    found = train(as_clips(clouds(40, centres=two)), as_clips(clouds(100, seed=3, centres=two)))
    assert found.refused is None and found.kept == pytest.approx(0.95, abs=0.01)


def test_what_is_too_little_is_refused():
    sets = as_clips(clouds(9))
    with raises(ConfigError, 1, where="--data"):
        train({"ron": sets["ron"]}, sets)
    with raises(ConfigError, 4, 5, where="--data ron"):
        train(sets | {"ron": sets["ron"][:4]}, sets)
    with raises(ConfigError, "cat, ell, ron", where="--held_out fra"):
        train(sets, {"fra": sets["ron"]})
