"""Moments against numpy's own of all frames at once."""

import numpy as np
import pytest

from xlt.nets.moments import Moments


def test_of_features():
    clips = [np.array([[1.0, 2.0], [3.0, 2.0]]), np.array([[5.0, 2.0]])]
    found = Moments()
    for clip in clips:
        found.add(Moments.of_features(clip))
    assert (found.count, found.total.tolist(), found.products.tolist()) == (3, [9.0, 6.0], [35.0, 12.0])
    assert found.mean.tolist() == [3.0, 2.0] and found.covariance == pytest.approx([8 / 3, 0.0])


def test_of_layers_with_each_other():
    hidden = np.random.default_rng(0).normal(size=(50, 3, 4))
    found = Moments()
    for part in (hidden[:20], hidden[20:]):
        found.add(Moments.of_layers(part))
    assert found.mean == pytest.approx(hidden.mean(axis=0))
    for d in range(4):
        assert found.covariance[:, :, d] == pytest.approx(np.cov(hidden[:, :, d].T, bias=True))
    assert found.std == pytest.approx(hidden.std(axis=0))
