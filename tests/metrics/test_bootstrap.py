import numpy as np
import pytest

from xlt.metrics import bootstrap
from xlt.metrics.bootstrap import interval


def rate(sums):
    return 100 * sums[:, 0] / sums[:, 1]


def of(rows, resamples=2000, seed=0):
    return interval(np.array(rows), rate, resamples, np.random.default_rng(seed))


def test_one_utterance_leaves_no_doubt():
    assert of([[1, 4]]) == (25.0, 25.0)


def test_equal_utterances_leave_no_doubt():
    assert of([[1, 5]] * 30) == (20.0, 20.0)


def test_two_utterances_reach_both_ends():
    # the resamples are 0, 50 and 100 with chances 1/4, 1/2, 1/4: both ends lie beyond the 2.5% tails
    assert of([[0, 1], [1, 1]]) == (0.0, 100.0)


def test_the_ratio_of_sums_is_resampled_not_the_mean_of_ratios():
    # drawn twice 10/10 → 100; once each (10 + 0) / (10 + 30) → 25; the mean of ratios would never give 25
    scores = []

    def keep(sums):
        scores.extend(rate(sums).tolist())
        return rate(sums)

    interval(np.array([[10, 10], [0, 30]]), keep, 200, np.random.default_rng(0))
    assert set(scores) == {0.0, 25.0, 100.0}


def test_binomial_interval():
    # 100 utterances of one word, 30 wrong: binomial(100, 0.3) has its 2.5% and 97.5% quantiles at 21 and 39
    assert of([[1, 1]] * 30 + [[0, 1]] * 70, resamples=20000) == pytest.approx((21, 39), abs=1)


def test_seed_decides(monkeypatch):
    rows = [[k % 7, 10] for k in range(50)]
    assert of(rows, 100, seed=1) == of(rows, 100, seed=1)
    assert of(rows, 100, seed=1) != of(rows, 100, seed=2)


def test_memory_chunks_do_not_change_the_result(monkeypatch):
    rows = [[k % 7, 10] for k in range(50)]
    whole = of(rows, 100)
    monkeypatch.setattr(bootstrap, "_CHUNK", 130)  # two resamples at a time
    assert of(rows, 100) == whole
