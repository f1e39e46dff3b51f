"""The order in which pieces are picked, on pieces that differ in one thing."""

import pytest

from tests.errors import raises
from xlt.core.config import load
from xlt.core.errors import ConfigError
from xlt.suggest.ranking import Candidate, choose, of_texts, sounds_of, trigrams, units


def say(text, sure=0.9, seconds=2.0, recording="a"):
    return Candidate(seconds, recording, tuple((word, sure) for word in text.split()))


def order(*candidates, trained=("a b",), budget_s=1000.0):
    return choose(candidates, of_texts(trained, list), list, budget_s)


def test_a_doubtful_piece_comes_first():
    assert order(say("ab", 0.9), say("ab", 0.3), say("ab", 0.6)) == [1, 2, 0]


def test_what_training_lacks_comes_first():
    assert order(say("ab"), say("xy"), trained=["ab ab ab"]) == [1, 0]


def test_what_was_just_picked_is_worth_less():
    """Of two pieces that say the same and one that says another thing, the same comes last, though it is as
    good as the first by itself."""
    found = order(say("xyz"), say("xyz"), say("vwu"), trained=["ab"])
    assert found == [0, 2, 1]


def test_a_recording_of_which_nothing_is_picked_comes_before_more_of_the_same():
    pieces = [say("ab", 0.5, recording="a"), say("ab", 0.5, recording="a"), say("ab", 0.5, recording="b")]
    assert order(*pieces) == [0, 2, 1]


def test_the_gain_is_by_second():
    """The long piece has more to learn in all, but takes ten times as long."""
    assert order(say("abc abc", 0.5, seconds=20.0), say("abc", 0.5)) == [1, 0]


def test_the_budget_is_filled_by_what_fits():
    """Behind the first there is no room for the second best, but for the third."""
    pieces = [say("ab", 0.1, 1.2), say("ab", 0.1, 4.9), say("a", 0.1, 4.7)]
    assert order(*pieces, budget_s=6.0) == [0, 2]
    assert order(*pieces, budget_s=20.0) == [0, 1, 2]
    assert order(*pieces, budget_s=0.5) == []
    assert choose([], {}, list, 10.0) == []


def test_certain_words_of_no_new_letters_can_be_ranked():
    assert sorted(order(say("ab", 1.0), say("a", 1.0), trained=["ab"])) == [0, 1]


def test_a_doubtful_word_counts_by_its_confidence():
    found = units(Candidate(3.0, "r", (("aba", 0.5), ("a", 0.25))), trigrams)
    assert found["words"] == {"aba": 0.5, "a": 0.25}
    assert found["letters"] == {"a": 1.25, "b": 0.5}
    assert found["sounds"] == {"‹ab": 0.5, "aba": 0.5, "ba›": 0.5, "‹a›": 0.25}
    assert found["recordings"] == {"r": 3.0}


def test_training_texts_count_in_full():
    found = of_texts(["ab a", "a"], trigrams)
    assert found["words"] == {"ab": 1, "a": 2} and found["letters"] == {"a": 3, "b": 1}
    assert found["sounds"] == {"‹ab": 1, "ab›": 1, "‹a›": 2}


@pytest.fixture
def cfg(tmp_path):
    def of(lang, *settings):
        (tmp_path / "recipe.yaml").write_text(f"lang: {lang}\n")
        return load(tmp_path, list(settings))

    return of


def test_sounds_are_phones_if_they_are_asked_for(cfg, tmp_path):
    (tmp_path / "g2p.tsv").write_text("c\tk\na\ta\ns\ts\n")
    found, by = sounds_of(["casa"], cfg("ron_Latn", "phones.table=g2p.tsv"), phones=True)
    assert found == {"casa": ["k", "a", "s", "a", "k a", "a s", "s a"]} and "g2p.tsv" in by
    assert sounds_of(["ab"], cfg("ron_Latn"))[0] == {"ab": ["‹ab", "ab›"]}
    with raises(ConfigError, where="phones.g2p=tsv"):
        sounds_of(["ab"], cfg("quy_Latn", "phones.g2p=tsv"), phones=True)
