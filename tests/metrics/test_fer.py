"""Costs are made up or worked out from panphon's weights."""

import numpy as np
import pytest

from xlt.metrics.fer import feature_errors, fer
from xlt.metrics.per import per
from xlt.phones.features import substitution_costs

COSTS = {a: {b: 0.0 if a == b else 0.25 if {a, b} == {"t", "d"} else 1.0 for b in "tdak"} for a in "tdak"}


@pytest.mark.parametrize(
    "ref, hyp, cost",
    [
        ("t a k", "t a k", 0),
        ("t a k", "d a k", 0.25),
        ("t a k", "a k", 1),
        ("t a k", "d a k k", 1.25),
        ("t", "", 1),
        ("t a", "a d", 2),  # t lost, d written
        ("t t", "d", 1.25),
    ],
)
def test_cheapest_sums(ref, hyp, cost):
    assert feature_errors(ref.split(), hyp.split(), COSTS) == cost


def test_rate_sums_before_it_divides():
    score = fer([("t a k", "d a k"), ("a", "k")], lambda phones: COSTS, 100, np.random.default_rng(0))
    assert (score.value, score.n_ref, score.n) == (31.25, 4, 2)  # 0.25 + 1 of 4
    assert score.rates == pytest.approx((25 / 3, 100))
    assert score.as_dict()["sub"] is None


@pytest.mark.slow
def test_costs_are_panphons():
    import panphon

    costs = substitution_costs(["t", "d", "a", "??"])
    # t and d differ in voice alone, from − to +: its weight of the sum of all weights (panphon's
    # feature_weights.csv)
    table = panphon.FeatureTable()
    weights = dict(
        zip(table.names, table.weights, strict=False)
    )  # the tones at the end of the names have none
    assert costs["t"]["d"] == costs["d"]["t"] == pytest.approx(weights["voi"] / sum(weights.values()))
    assert costs["t"]["t"] == 0 and 0 < costs["t"]["d"] < costs["t"]["a"] < 1
    assert (costs["t"]["??"], costs["??"]["t"], costs["??"]["??"]) == (1, 1, 0)  # panphon does not read it


def test_never_above_per():
    pairs = [("t a k a", "d a k"), ("k a t", "t a d a"), ("a", "t")]
    rates = [
        metric(*more, 10, np.random.default_rng(0)).value
        for metric, more in ((fer, (pairs, substitution_costs)), (per, (pairs,)))
    ]
    assert 0 < rates[0] <= rates[1]


@pytest.mark.parametrize("pairs", [[], [("", "a")]])
def test_a_rate_over_nothing_is_refused(pairs):
    with pytest.raises(ValueError, match="empty reference"):
        fer(pairs, substitution_costs, 10, np.random.default_rng(0))
