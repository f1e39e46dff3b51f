"""Log-linear weights: by hand, and by another optimiser."""

import math

import numpy as np
import pytest

from xlt.decode.weighting import List, Lists, fit, folds, held_out


def test_one_list_of_two():
    """Features 1 and 0 around their mean: ±0.5, so the spread is 0.5. The slope of the loss is 0 where
    sigmoid(−w) = strength · 0.25 · w.
    """
    lists = Lists([List(np.array([[1.0], [0.0]]), np.array([0.0, 1.0]))])
    (w,) = fit(lists, np.zeros(1), 4.0)
    assert w == pytest.approx(1 / (1 + math.exp(w)), abs=1e-4)
    (w,) = fit(lists, np.array([3.0]), 1e9)
    assert w == pytest.approx(3.0, abs=1e-4)


def made(rng, count=30):
    lists = []
    for _ in range(count):
        features = rng.normal(size=(rng.integers(1, 9), 4))
        features[:, 3] = 5.0  # alike in all texts
        errors = np.round(-features @ [1.0, 0.5, 0.0, 0.0] + rng.normal(size=len(features)), 0)
        lists.append(List(features, errors))
    return lists


def test_as_another_optimiser_finds_them():
    optimize = pytest.importorskip("scipy.optimize")
    lists, prior, strength = made(np.random.default_rng(0)), np.array([0.2, 0.2, 0.2, 0.7]), 2.0
    every = np.concatenate([one.features - one.features.mean(axis=0) for one in lists])
    spread = np.abs(every).mean(axis=0)

    def loss(w):
        total = 0.5 * strength * (np.maximum(spread, 1e-3) ** 2 * (w - prior) ** 2).sum()
        for features, errors in lists:
            best = errors == errors.min()
            total -= (features @ w)[best].mean() - np.logaddexp.reduce(features @ w)
        return total

    found = fit(Lists(lists), prior, strength)
    assert found == pytest.approx(optimize.minimize(loss, prior, tol=1e-9).x, abs=1e-3)
    assert found[3] == pytest.approx(0.7)  # says nothing, and stays
    assert found[0] > found[1] > found[2]


def test_weights_for_an_utterance_do_not_know_its_errors():
    lists = made(np.random.default_rng(1))
    before = held_out(Lists(lists), np.zeros(4), 1.0)
    changed = [one._replace(errors=-one.errors) if row == 7 else one for row, one in enumerate(lists)]
    after = held_out(Lists(changed), np.zeros(4), 1.0)
    assert before.shape == (30, 4)
    assert (before[folds(30) == 7] == after[folds(30) == 7]).all()
    assert not np.allclose(before[folds(30) != 7], after[folds(30) != 7])


def test_folds():
    assert folds(5).tolist() == [0, 1, 2, 3, 4]
    assert np.bincount(folds(25)).tolist() == [3] * 5 + [2] * 5
    alone = Lists([List(np.array([[1.0], [0.0]]), np.array([0.0, 1.0]))])
    assert held_out(alone, np.array([0.5]), 1.0).tolist() == [[0.5]]  # nothing to learn from
