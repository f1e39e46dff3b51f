import pytest

from xlt.metrics.spearman import ranks, spearman


def test_same_and_opposite_order():
    assert spearman([1, 2, 3], [10, 200, 3000]) == pytest.approx(1)
    assert spearman([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)


def test_the_textbook_formula_without_ties():
    # 1 − 6·Σd²/(n(n²−1)): ranks 1 2 3 4 5 against 2 1 4 3 5, d² = 1+1+1+1+0 = 4 → 1 − 24/120 = 0.8
    assert spearman([1, 2, 3, 4, 5], [20, 10, 40, 30, 50]) == pytest.approx(0.8)


def test_equal_values_share_the_mean_rank():
    assert ranks([10, 30, 10, 5]) == [2.5, 4, 2.5, 1]
    # ranks 1.5 1.5 3 against 1 2 3: Pearson = (0.5·1 + 0.5·0 + 1·1) / sqrt(1.5 · 2) = 1.5 / sqrt 3
    assert spearman([7, 7, 9], [1, 2, 3]) == pytest.approx(1.5 / 3**0.5)


def test_nothing_to_order():
    assert spearman([1, 1, 1], [1, 2, 3]) is None
    assert spearman([], []) is None
    with pytest.raises(ValueError):
        spearman([1, 2], [1])
