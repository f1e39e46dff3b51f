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
def test_probabilities_sum_to_one_in_every_state(sentences, weights, order):
    assert sums(estimate(sentences, order, weights)) == pytest.approx(1, abs=1e-6)


def test_a_whole_weight_is_a_repetition():
    weighted = estimate(POEM, 4, [3, 1, 2, 0])
    repeated = estimate([POEM[0]] * 3 + [POEM[1]] + [POEM[2]] * 2, 4)
    assert weighted.symbols == repeated.symbols
    assert weighted.counts == repeated.counts
    texts = ["the old rain", "xyz", ""]
    assert [weighted.logp(text) for text in texts] == [repeated.logp(text) for text in texts]


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
