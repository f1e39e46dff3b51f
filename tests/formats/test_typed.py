"""Types of what was read from JSON, in a module whose annotations are strings."""

from __future__ import annotations

from typing import Annotated, NotRequired, Required, TypedDict

import pytest

from xlt.formats.typed import check


class Word(TypedDict):
    text: str
    sure: NotRequired[float]


class Loose(TypedDict, total=False):
    text: Required[str]
    words: list[Word]


class Base(TypedDict):
    ends: Annotated[list[float], 2]


class Longer(Base):
    note: NotRequired[str | None]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"text": "a"}, Word),
        ({"text": "a", "sure": 1, "unknown": []}, Word),
        ({"text": "a"}, Loose),
        ({"ends": [0, 1.5]}, Longer),
        ({"ends": [0, 1], "note": None}, Longer),
    ],
)
def test_what_fits(value, kind):
    check(value, kind)


@pytest.mark.parametrize(
    ("value", "kind", "said"),
    [
        ({"sure": 1.0}, Word, "lacks 'text'"),
        ({"text": "a", "sure": "b"}, Word, "sure: found 'b', expected float"),
        ({"words": []}, Loose, "lacks 'text'"),
        ({"text": "a", "words": [{"text": "a"}, {}]}, Loose, r"words\[1\] lacks 'text'"),
        ({}, Longer, "lacks 'ends'"),
        ({"ends": [0]}, Longer, "found 1 values, expected 2"),
        ({"ends": [0, 1], "note": 2}, Longer, "note: found 2, expected str"),
    ],
)
def test_what_does_not(value, kind, said):
    with pytest.raises(ValueError, match=said):
        check(value, kind)
