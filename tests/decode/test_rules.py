"""Which text of a list is taken, worked out by hand."""

import numpy as np
import pytest

from xlt.decode.rules import least_risk, rover, take


def taken(rule, shares, scale=1.0):
    return take(rule, list(shares), np.log(list(shares.values())), scale)


SPREAD = {"a b c": 0.4, "a b d": 0.35, "a x d": 0.25}


def test_the_best_and_the_one_with_the_fewest_errors_to_expect():
    assert taken("best", SPREAD) == "a b c"
    # wrong words, and letters, to expect: 0.35 + 2 · 0.25 = 0.85, 0.4 + 0.25 = 0.65, 2 · 0.4 + 0.35 = 1.15
    assert taken("mbr", SPREAD) == "a b d"
    assert (
        taken("mbr", SPREAD, scale=8.0) == "a b c"
    )  # 0.4 has 2.9 times the share of 0.35 then: 1/(1 + 0.36)
    assert taken("rover", {"one": 1.0}) == taken("mbr", {"one": 1.0}) == "one"


def test_letters_count_beside_words():
    """All words differ from one another; most letters do not."""
    texts = ["abcdefgh", "abcdefgx", "uvwxyz"]
    assert least_risk(texts, np.array([0.3, 0.31, 0.39])) == "abcdefgx"


def test_a_network_of_words():
    # a 0.7 to y 0.3, b 0.7 to x 0.3, d 0.6 to c 0.4: a text that is none of the list
    assert taken("rover", {"a b c": 0.4, "a x d": 0.3, "y b d": 0.3}) == "a b d"


@pytest.mark.parametrize(("share", "text"), [(0.6, "a c b"), (0.4, "a b")])
def test_a_word_that_only_some_have(share, text):
    assert taken("rover", {"a b": 1 - share, "a c b": share}) == text


def test_a_network_without_words():
    assert taken("rover", {"": 0.7, "a": 0.3}) == ""
    assert taken("rover", {"": 0.3, "a": 0.7}) == "a"


def test_scripts_without_spaces_vote_by_character():
    assert taken("rover", {"你好吗": 0.4, "你号吗": 0.3, "您好马 b": 0.3}) == "你好吗"
    # 您 0.66, 好 0.67, 吗 0.67
    assert rover(["你好吗", "您好吧", "您号吗"], np.array([0.34, 0.33, 0.33])) == "您好吗"
