"""What an attention decoder wrote, in order."""

from xlt.decode.attention import distinct, ran_into_loop
from xlt.models.family import Written

NOTHING, WORD, LOOP = Written("", -7.9), Written("un disc", -8.2), Written("a a a", -1.0, looped=True)


def test_no_text_is_the_last_resort_before_a_loop():
    assert list(distinct([LOOP, NOTHING, WORD], silent=False)) == ["un disc", "", "a a a"]
    assert list(distinct([NOTHING], silent=False)) == list(distinct([], silent=False)) == [""]


def test_where_ctc_hears_nothing_no_text_is_believed():
    assert list(distinct([NOTHING, WORD], silent=True)) == ["", "un disc"]


def test_texts_that_differ_in_spaces_are_one():
    found = distinct([Written(" un  disc ", -1.0), Written("un disc", -2.0)], silent=False)
    assert {text: one.score for text, one in found.items()} == {"un disc": -1.0}


def test_whether_the_likeliest_text_repeated_itself():
    assert ran_into_loop([WORD, LOOP])  # of which one is left in the list, with its score
    assert ran_into_loop([WORD._replace(avoided=True), NOTHING])
    assert not ran_into_loop([WORD, NOTHING, LOOP._replace(score=-9.0)])
    assert not ran_into_loop([])
