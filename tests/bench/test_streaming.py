"""What the measure of streams makes of displays whose delays are known, and its two clocks."""

import time

import pytest

from tests.bench.streaming import Cpu, Wall, delays
from xlt.stream import Final, Partial


def partial(at, text):
    return at, Partial(text, "", 0.0, at)


def final(at, *words):
    """Words with the second in which each ends; each takes 0.4 s."""
    said = [
        {"text": text, "start_s": end_s - 0.4, "end_s": end_s, "confidence": None} for text, end_s in words
    ]
    piece = {
        "start_s": 0.0,
        "end_s": at,
        "text": " ".join(text for text, _ in words),
        "score": 0.0,
        "words": said,
    }
    return at, Final(piece)


def test_delays_count_until_a_word_stays():
    """ "casa" is on the screen at 2 s, gone at 3, and stays from 4 s on; "mare" comes with the final text."""
    found = delays(
        [
            partial(1.5, "un"),
            partial(2.0, "una casa"),
            partial(3.0, "una cana"),
            partial(4.0, "una casa"),
            final(5.0, ("una", 1.0), ("casa", 1.9), ("mare", 4.4)),
        ]
    )
    assert found["first"] == [pytest.approx(1.5 - 0.6)]
    assert found["word"] == pytest.approx([2.0 - 1.0, 4.0 - 1.9, 5.0 - 4.4])
    assert found["turn"] == [pytest.approx(0.6)]
    assert found["revised"] == [2] and found["words"] == [3]  # "un" only grew


def test_a_word_that_the_final_text_changes_counts_as_revised():
    found = delays([partial(1.0, "una masa"), final(2.0, ("una", 0.5), ("casa", 1.0))])
    assert found["word"] == pytest.approx([0.5, 1.0]) and found["revised"] == [1]


def test_pieces_are_apart_and_silent_ones_are_none():
    found = delays([partial(1.0, "a"), final(2.0, ("a", 0.5)), final(3.0), final(5.0, ("b", 4.0))])
    assert found["word"] == pytest.approx([0.5, 1.0]) and found["words"] == [1, 1]


def test_the_clock_of_one_core_jumps_over_what_is_not_work():
    clock, start = Cpu(), time.monotonic()
    clock.wait(1000.0)
    assert clock.now() == pytest.approx(1000.0, abs=1.0) and time.monotonic() - start < 500
    clock.wait(10.0)
    assert clock.now() >= 1000.0


def test_the_clock_on_the_wall_waits():
    clock = Wall()
    clock.wait(0.05)
    assert clock.now() >= 0.05
