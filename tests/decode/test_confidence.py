import numpy as np
import pytest

from tests.errors import raises
from xlt.core.errors import DataError
from xlt.decode.confidence import Calibration, fit, measures, right_words, votes, word_posteriors, words
from xlt.metrics.calibration import ece


def test_a_words_posterior_is_the_share_of_the_candidates_that_have_it_there():
    # odds 6 : 3 : 1; "casă" is in the first and the last, at another place in the last, which the
    # alignment finds; "mare" in all
    found = votes(["o casă mare", "o masă mare", "casă mare"], np.log([6, 3, 1]) - 7)
    assert word_posteriors(found, 1.0) == pytest.approx([0.9, 0.7, 1.0])
    # scale 2 squares the odds: 36 : 9 : 1
    assert word_posteriors(found, 2.0) == pytest.approx([45 / 46, 37 / 46, 1.0])
    assert Calibration()(found) == pytest.approx([0.9, 0.7, 0.9999])


def test_a_word_that_stands_elsewhere_does_not_count():
    found = votes(["a b c d", "d x y z"], [0.0, 0.0])
    assert word_posteriors(found, 1.0) == pytest.approx([0.5] * 4)


def test_votes_on_words_that_no_candidate_begins_with():
    found = votes(["casă mare", "o mare"], np.log([3, 1]), ["o", "casă", "mare"])
    assert word_posteriors(found, 1.0) == pytest.approx([0.25, 0.75, 1.0])


def test_one_candidate_and_no_words():
    assert Calibration()(votes(["ana"], [-3.0])) == pytest.approx([0.9999])
    assert Calibration()(votes([""], [-3.0])).shape == (0,)
    assert fit([votes([""], [0.0])], []) == Calibration()


def test_scripts_without_spaces_count_characters():
    assert words("你好 ab") == ["你", "好", "ab"]
    assert word_posteriors(votes(["你好", "你们"], [0.0, 0.0]), 1.0) == pytest.approx([1.0, 0.5])


def test_right_words_are_those_of_the_word_error_rate():
    assert right_words("o casă mare", "o masă mare are") == [True, False, True, False]
    assert right_words("", "a") == [False] and right_words("a", "") == []


def drawn(share, count=400, seed=0):
    """Words of which ``share`` are right where the list is torn, and 98% where it is nearly sure; the scores
    say e^4 : 1 and e^12 : 1."""
    rng = np.random.default_rng(seed)
    found = [votes(["a", "b"], [12.0 if number % 2 else 4.0, 0.0]) for number in range(count)]
    return found, [bool(rng.random() < (0.98 if number % 2 else share)) for number in range(count)]


def sure(found, by):
    return np.concatenate([by(one) for one in found])


def test_a_fit_makes_the_confidence_the_share_of_right_words():
    found, right = drawn(0.6)
    by = fit(found, right)
    assert by.words == 400
    # two kinds of words, two free numbers: a maximum of the likelihood meets both shares
    assert by(found[0])[0] == pytest.approx(np.mean(right[::2]), abs=0.01)
    assert by(found[1])[0] == pytest.approx(np.mean(right[1::2]), abs=0.01)
    fresh, right = drawn(0.6, count=4000, seed=1)
    before, after = (measures(sure(fresh, one), right) for one in (Calibration(), by))
    assert after["ece"] < 0.05 < before["ece"] and after["nce"] > 0 > before["nce"]
    assert after["words"] == 4000


def test_lists_that_say_nothing_get_the_share_of_right_words():
    rng = np.random.default_rng(0)
    found = [votes(["a", "b"], [float(rng.uniform(1, 5)), 0.0]) for _ in range(300)]
    # more votes for wrong words
    right = [n % 3 != 0 and bool(word_posteriors(one, 1.0)[0] < 0.97) for n, one in enumerate(found)]
    by = fit(found, right)
    assert by.slope == 0
    assert by(found[0])[0] == pytest.approx(np.mean(right), abs=0.01)


def test_few_words_make_nobody_certain():
    found = votes(["a b c", "a b d"], [5.0, 0.0])
    # Platt's target for three right words of three is (3 + 1) / (3 + 2)
    assert fit([found], [True] * 3)(found) == pytest.approx([0.8] * 3, abs=0.01)


def test_a_calibration_is_stored_and_read():
    by = Calibration(0.25, 1.5, -0.3, 120)
    assert Calibration.from_json(by.to_json(), "fusion.json") == by
    with raises(DataError, where="fusion.json"):
        Calibration.from_json({"scale": "x"}, "fusion.json")


def test_measures_without_words():
    assert measures([], []) == {"words": 0, "right": None, "ece": None, "nce": None}
    assert ece([1.0], [True]) == 0
