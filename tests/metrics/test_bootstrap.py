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


def pair(*tests, resamples=2000, seed=0):
    return bootstrap.paired([np.array(t, float) for t in tests], resamples, np.random.default_rng(seed))


def test_paired_difference_and_relative_change():
    # 6 + 2 errors of 20 tokens = 40%, then 3 + 1 = 20%: −20 points, half
    found = pair([[6, 3, 10], [2, 1, 10]])
    assert (found.difference, found.relative) == (-20, -50)
    assert found.relative_ci95 == (-50, -50)  # every utterance is halved, so every resample is
    assert found.above == 0


def test_paired_resamples_draw_the_same_utterances_for_both():
    # errors vary widely between utterances, but B always has one more of 10: the difference is certain, each
    # rate is not
    found = pair([[k % 10, k % 10 + 1, 10] for k in range(50)])
    assert found.difference == pytest.approx(10) and found.difference_ci95 == pytest.approx((10, 10))
    assert found.above == 1


def test_paired_share_above():
    # one utterance better, one worse by the same: resamples −, 0, + with chances 1/4, 1/2, 1/4
    found = pair([[1, 0, 1], [0, 1, 1]], resamples=20000)
    assert found.difference == 0 and found.above == pytest.approx(0.25, abs=0.01)


def test_paired_mean_counts_each_test_set_alike():
    # −50% on a large set, +100% on a small one: mean +25%; in points −20 and +10: mean −5
    found = pair([[40, 20, 100]] * 9, [[1, 2, 10]])
    assert (found.relative, found.difference) == (25, pytest.approx(-5))


def test_paired_against_no_errors():
    found = pair([[0, 1, 5]])
    assert (found.difference, found.relative, found.relative_ci95) == (20, None, None)
    # half of the resamples of two utterances have both; a quarter has only the one without errors, and no
    # relative change
    assert pair([[0, 0, 5], [4, 2, 5]]).relative_ci95 == (-50, -50)


def test_p_is_two_sided_and_never_zero():
    # certain: no resample is on the other side, so p = 2 · (0 + 1) / (999 + 1)
    assert pair([[1, 2, 10]] * 20, resamples=999).p == pytest.approx(0.002)
    assert pair([[2, 1, 10]] * 20, resamples=999).p == pytest.approx(0.002)  # the same the other way round
    # never any difference: every resample is a tie on both sides
    assert pair([[1, 1, 10]] * 20).p == 1.0
    # of three utterances two gain one error and one loses one, each drawn 3 times with chance 1/3: the sum is
    # −3, −1, 1, 3
    # with chances 1/27, 6/27, 12/27, 8/27; it is below zero in 7/27 of all, twice that is 0.519
    assert pair([[0, 1, 10], [0, 1, 10], [1, 0, 10]], resamples=20000).p == pytest.approx(14 / 27, abs=0.02)


def test_all_pairs_are_the_pairs():
    rng = np.random.default_rng(5)
    errors, n_ref = rng.integers(0, 4, (30, 3)), rng.integers(4, 12, 30)
    errors[:, 2] = 0
    found = bootstrap.paired_with_all(errors, n_ref, 500, np.random.default_rng(0))
    assert set(found) == {(0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)}
    for (a, b), own in found.items():
        table = np.column_stack([errors[:, a], errors[:, b], n_ref])
        assert own == bootstrap.paired([table], 500, np.random.default_rng(0))
