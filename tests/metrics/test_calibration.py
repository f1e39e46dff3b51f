import math

import pytest

from xlt.metrics.calibration import ece, nce


def test_ece_by_hand():
    # bin 0.9 to 1: 0.92, 0.94, 1.0, all right: |3 − 2.86|; bin 0.1 to 0.2: 0.18, 0.12, one right: |1 − 0.30|
    assert ece([0.92, 0.18, 0.94, 0.12, 1.0], [True, True, True, False, True]) == pytest.approx(0.84 / 5)
    # two words of one bin that are too sure and not sure enough cancel out
    assert ece([0.5, 0.5], [True, False]) == 0
    assert math.isnan(ece([], []))


def test_nce_by_hand():
    # H_max = −4·(¾ log2 ¾ + ¼ log2 ¼) = 3.2451 bits; left: −log2(0.9·0.9·0.6·0.8) = 1.3629 bits
    assert nce([0.9, 0.9, 0.6, 0.2], [True, True, True, False]) == pytest.approx(0.5800, abs=1e-4)
    assert nce([0.75] * 4, [True, True, True, False]) == pytest.approx(0)
    assert nce([0.99] * 4, [True, True, True, False]) == pytest.approx(1 - 6.6874 / 3.2451, abs=1e-3)
    assert nce([1.0, 1.0, 0.0], [True, True, False]) == pytest.approx(1)


@pytest.mark.parametrize("right", [[True, True], [False, False], []])
def test_nce_says_nothing_where_there_is_nothing_to_know(right):
    assert nce([0.5] * len(right), right) is None


def test_a_certain_error_has_a_finite_cost():
    assert nce([1.0, 1.0], [True, False]) == pytest.approx(1 - math.log2(1e7) / 2, abs=1e-3)
