"""Forecasts by a learning curve, against curves that are known."""

import numpy as np
import pytest

from tests.report.documents import document
from xlt.formats.results import from_json
from xlt.report.forecast import FEWEST, Point, fitted, forecast, points
from xlt.report.results import Result


def on(curve, *minutes, sd=0.05):
    return [Point(m, curve(m), sd, ("t",)) for m in minutes]


def test_a_curve_is_found_and_followed():
    """5 + 60 / √minutes has 35, 25, 20 and 15 at 4, 9, 16 and 36 minutes, and 11 at 100."""
    curve = on(lambda m: 5 + 60 * m**-0.5, 4, 9, 16, 36)
    found = forecast(curve, 100)
    assert found.cer == pytest.approx(11, abs=1e-6)
    assert found.low < 11 < found.high and found.half < 1


def test_doubtful_points_give_a_wide_interval():
    def curve(m):
        return 5 + 60 * m**-0.5

    halves = [forecast(on(curve, 4, 9, 16, 36, sd=sd), 100).half for sd in (0.1, 1.0, 3.0)]
    assert halves == sorted(halves) and halves[2] > 5 * halves[0]
    # further away it is wider, and so it is with the largest amount of speech left out
    assert forecast(on(curve, 4, 9, 16, sd=1.0), 100).half > forecast(on(curve, 4, 9, 16, sd=1.0), 30).half


def test_the_interval_holds_what_comes_about_as_often_as_it_says():
    """100 curves of four noisy points; what comes is noisy, too. 95% of 100 are 95; 88 are 3.2 deviations
    below."""
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(100):
        curve = [Point(m, 4 + 50 * m**-0.6 + rng.normal(), 1.0, ("t",)) for m in (5, 8, 12, 20)]
        found = forecast(curve, 40)
        hits += found.low <= 4 + 50 * 40**-0.6 + rng.normal() <= found.high
    assert hits >= 88


def test_an_error_rate_that_does_not_fall_is_not_forecast_to_fall():
    x, sd = np.array([5.0, 10.0, 20.0]), np.ones(3)
    assert fitted(x, np.array([[20.0, 21.0, 22.0]]), sd, 40.0) == pytest.approx([21.0])


def test_a_floor_is_never_below_0():
    """A straight fall to 0 would go on below it."""
    x, sd = np.array([5.0, 10.0, 20.0]), np.ones(3)
    (found,) = fitted(x, np.array([[20.0, 8.0, 2.0]]), sd, 80.0)
    assert 0 <= found < 2


def test_two_points_are_too_few():
    with pytest.raises(ValueError, match="2"):
        forecast(on(lambda m: 100 / m, *range(1, FEWEST)), 10)


def result(tag, minutes, dev, budget, errors=None, **config):
    made = document(tag, dev=dev, **{"data.train_minutes": budget}, **config)
    if errors:
        made["counts"] = {"dev": {"ids": "x", "errors": errors, "n_ref": [10] * len(errors)}}
    made["training"]["speech_min"] = minutes
    return Result(tag, from_json(made, tag)[0])


def test_points_are_trainings_that_differ_in_minutes_and_seed_alone():
    results = [
        result("a5", 4.94, 30.0, 5.0),
        result("a10_s0", 9.9, 20.0, 10.0),
        result("a10_s1", 9.9, 24.0, 10.0, seed=1),
        result("all", 20.3, 15.0, None),
        result("fbank", 15.0, 40.0, 15.0, **{"features.upstream": "fbank"}),
        result("lr", 15.0, 40.0, 15.0, **{"train.lr": 0.5}),
        Result("peer", from_json(document("peer", peer="Whisper"), "peer")[0]),
    ]
    found = points(results, "a10_s1")
    # the made-up intervals are one point to either side: a deviation of 2 / 3.92
    assert found == [
        (4.9, 30.0, pytest.approx(2 / 3.92), ("a5",)),
        (9.9, 22.0, pytest.approx(2 / 3.92), ("a10_s0", "a10_s1")),
        (20.3, 15.0, pytest.approx(2 / 3.92), ("all",)),
    ]
    assert points(results, "lr") == [(15.0, 40.0, pytest.approx(2 / 3.92), ("lr",))]
    assert points(results, "nobody") == points(results, "peer") == []


def test_what_is_hard_for_all_is_no_doubt():
    """The differences of four utterances are 1, 1, 3 and 3, with a variance of 4/3; of the rate it is 4 · 4/3
    of 40², and the deviation of each of the two 100 · √(1/600)."""
    results = [
        result("five", 5.0, 50.0, 5.0, [5, 5, 9, 3]),
        result("ten", 10.0, 30.0, 10.0, [4, 4, 6, 0]),
    ]
    found = points(results, "ten")
    assert [point.sd for point in found] == [pytest.approx(100 * (1 / 600) ** 0.5)] * 2
    others = [result("five", 5.0, 50.0, 5.0), results[1]]  # one was not counted
    assert [point.sd for point in points(others, "ten")] == [pytest.approx(2 / 3.92)] * 2
