"""Kneser-Ney n-grams: sums, weights, small texts."""

import numpy as np
import pytest

from tests.errors import raises
from xlt.core.errors import DataError
from xlt.lm.estimate import estimate

POEM = ["the rain is on the roof", "the roof is old", "rain is rain", "an old roof in the rain"]


def sums(model) -> np.ndarray:
    """Of each state the sum of the probabilities of all that may follow, which <s> never does."""
    symbols = range(1, len(model.symbols))
    waiting, seen = [model.start(), model.empty()], {}
    while waiting:
        state = waiting.pop()
        if state not in seen:
            steps = [model.step(state, symbol) for symbol in symbols]
            seen[state] = sum(np.exp(logp) for logp, _ in steps)
            waiting += [after for _, after in steps]
    return np.array(list(seen.values()))


@pytest.mark.parametrize("smoothing", ["kneser_ney", "power_law"])
@pytest.mark.parametrize("order", [1, 2, 3, 6])
@pytest.mark.parametrize(
    ("sentences", "weights"),
    [
        (POEM, None),
        ([text.split() for text in POEM], None),
        (POEM, [0.01, 1.5, 120, 3]),
        (["a"], None),
        ([""], None),
        (["aaaa"], None),
        (["ab", "ba"] * 5, None),
    ],
)
def test_probabilities_sum_to_one_in_every_state(sentences, weights, order, smoothing):
    assert sums(estimate(sentences, order, weights, smoothing)) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("smoothing", ["kneser_ney", "power_law"])
def test_a_whole_weight_is_a_repetition(smoothing):
    weighted = estimate(POEM, 4, [3, 1, 2, 0], smoothing)
    repeated = estimate([POEM[0]] * 3 + [POEM[1]] + [POEM[2]] * 2, 4, None, smoothing)
    assert weighted.symbols == repeated.symbols
    assert weighted.counts == repeated.counts
    texts = ["the old rain", "xyz", ""]
    assert [weighted.logp(text) for text in texts] == [repeated.logp(text) for text in texts]


def test_power_law_by_hand():
    """Order 2 of "ab" 16 times and "b" once. Counts of a: 16^0.4, of b: 16^0.4 + 1, of </s>: 17^0.4."""
    model = estimate(["ab", "b"], 2, [16, 1], "power_law")
    a, b, end = 16**0.4, 16**0.4 + 1, 17**0.4
    lost = [0.6 * count**0.75 for count in (a, b, end)]
    p_b = (b - lost[1] + sum(lost) / 4) / (a + b + end)  # four symbols: a, b, </s>, <unk>
    assert np.exp(model.step(model.empty(), model.id("b"))[0]) == pytest.approx(p_b)
    gone = [0.6 * 16**0.75, 0.6]  # of "<s> a" and "<s> b"
    p_start_b = (1 - gone[1] + sum(gone) * p_b) / 17
    assert np.exp(model.step(model.start(), model.id("b"))[0]) == pytest.approx(p_start_b)


def test_orders_without_counts_of_counts_are_named():
    assert estimate(["a"], 3).fallback_orders == (1, 2, 3)


@pytest.mark.parametrize(
    ("sentences", "weights", "facts"),
    [
        ([], None, ()),
        (["a"], [0.0], ()),
        (["a", "b"], [1.0], (1, 2)),
        (["a", "b"], [1.0, -2.0], (-2.0, 2)),
        (["a", "b"], [float("nan"), 1.0], ("nan", 1)),
        ([["a", "<unk>"]], None, ("<unk>",)),
    ],
)
def test_sentences_that_make_no_model(sentences, weights, facts):
    with raises(DataError, *facts):
        estimate(sentences, 2, weights)
