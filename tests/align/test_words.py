"""Which texts are said elsewhere than in their place, and what confidences mean."""

import dataclasses

import pytest

from xlt.align.pieces import _Spoken, _text
from xlt.align.texts import Token, Unit
from xlt.align.words import Said, Scale, _noted


def said(number, start):
    return Said(None, number, ((start, start + 1.0),), 1.0, (50 * start, 50 * start + 50))


@pytest.mark.parametrize(
    ("number", "start", "moved"),
    [
        (2, 2, False),  # between its neighbours, though it was found later
        (2, 0, True),  # before the one that it follows
        (2, 9, True),
        (0, 0, False),
        (6, 9, False),
    ],
)
def test_the_neighbours_say_whether_a_text_has_moved(number, start, moved):
    in_order = [said(1, 1), said(3, 3), said(5, 5)]
    assert _noted(said(number, start), in_order) == dataclasses.replace(said(number, start), moved=moved)


def test_those_in_order_have_not_moved():
    in_order = [said(1, 1), said(3, 3), said(5, 5)]
    assert [_noted(one, in_order).moved for one in in_order] == [False] * 3


@pytest.mark.parametrize(("glued", "text"), [(True, "สวัสดี"), (False, "สวัส ดี")])
def test_parts_of_a_sentence_are_written_as_they_were(glued, text):
    units = [
        Unit(part, 1, 0, True, (1,), (Token(0, len(part), 0, 1),), glued and number > 0)
        for number, part in enumerate(["สวัส", "ดี"])
    ]
    words = [_Spoken(dataclasses.replace(said(n, n), unit=unit), 0) for n, unit in enumerate(units)]
    assert _text(words) == text


def test_confidence_is_between_a_wrong_text_and_the_models_own():
    by = Scale(wrong=8.0, reward=6.0)
    assert [by.confidence(cost) for cost in (0.0, 2.0, 8.0, 9.0)] == [1.0, 0.75, 0.0, 0.0]
