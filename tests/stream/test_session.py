"""A session over a model that is made (:mod:`tests.stream.fakes`): what is said when."""

import numpy as np
import pytest

from tests.errors import raises
from tests.stream.fakes import RATE, Fake, sound
from xlt.core.errors import DataError
from xlt.stream import Final, Lost, Partial, Session

PADDING = 0.15


def said(session, samples, rate=RATE, step_s=0.1, end=True):
    """All events of a stream that is given bit by bit."""
    step = round(step_s * rate)
    events = []
    for start in range(0, len(samples), step):
        events += session.hear(samples[start : start + step], rate)
    return [*events, *(session.end() if end else [])]


def finals(events):
    return [one.piece["text"] for one in events if isinstance(one, Final)]


def partials(events):
    return [one for one in events if isinstance(one, Partial)]


def test_partial_results_grow_and_a_pause_ends_the_piece():
    """0.15 s before and behind 1.5 s of speech belong to the piece: 1.8 s, which are three whole letters. The
    fourth comes while the pause is waited for."""
    session = Session(Fake())
    events = said(session, sound((1, 0), (1.5, 0.3), (1, 0), (0.6, 0.5), (1, 0)), end=False)
    first = [type(one).__name__ for one in events].index("Final")
    before = partials(events[:first])
    assert [(one.text, one.stable) for one in before] == [
        ("c", ""),
        ("cc", "c"),
        ("ccc", "cc"),
        ("ccc-", "ccc"),
    ]
    assert all(one.start_s == pytest.approx(1 - PADDING, abs=0.04) for one in before)
    assert before[0].end_s == pytest.approx(before[0].start_s + 0.55, abs=0.06)
    assert finals(events) == ["CCC", "E"]
    final = events[first].piece
    assert (final["start_s"], final["end_s"]) == pytest.approx((0.85, 2.65), abs=0.04)
    assert session.end() == [] == session.end()


def test_one_pass_gives_what_the_chunks_gave():
    model = Fake()
    events = said(Session(model, two_pass=False), sound((1, 0), (1.5, 0.3), (1, 0)))
    assert finals(events) == ["one pass: ccc-"] and model.cuts == [] and len(model.opened) == 1


@pytest.mark.parametrize("step_s", [0.01, 0.1, 3.0, 100.0])
def test_each_sample_of_a_piece_is_heard_once_however_the_stream_is_parted(step_s):
    model, samples = Fake(), sound((0.5, 0), (3, 0.3), (1, 0), (2, 0.5), (2, 0))
    texts = finals(said(Session(model, two_pass=False), samples, step_s=step_s))
    assert len(texts) == 2
    for live, begins in zip(model.opened, (0.35, 4.35), strict=True):
        assert live.start / RATE == pytest.approx(begins, abs=0.04)
        assert np.array_equal(live.heard, samples[live.start : live.start + len(live.heard)])


@pytest.mark.parametrize("two_pass", [True, False])
def test_who_does_not_pause_is_cut_and_nothing_is_said_twice(two_pass):
    model = Fake(2.0, 4.0)
    texts = finals(said(Session(model, two_pass), sound((11, 0.3))))
    letters = sum(text.lower().removeprefix("one pass: ").count("c") for text in texts)
    assert len(texts) >= 3 and 22 - len(texts) <= letters <= 22


def test_a_click_is_taken_back():
    events = said(Session(Fake()), sound((1, 0), (0.06, 0.9), (2, 0)), end=False)
    assert finals(events) == []
    shown, taken_back = partials(events)
    assert (shown.text, taken_back.text) == ("-", "")
    assert shown.start_s == taken_back.start_s == pytest.approx(1 - PADDING, abs=0.04)
    assert taken_back.end_s >= shown.end_s


def test_without_partials_the_text_is_the_same():
    session, samples = Session(Fake()), sound((1, 0), (2, 0.3), (1, 0), (2, 0.5))
    events = []
    for start in range(0, len(samples), 1600):
        behind = start < 2 * RATE  # catches up in the middle of the first piece, and leaves it alone
        events += session.hear(samples[start : start + 1600], partials=not behind)
    events += session.end()
    assert finals(events) == ["CCCC", "EEEE"]
    assert {one.text[:1] for one in partials(events)} == {"e"}


@pytest.mark.parametrize("rate", [8000, 11025, 44100, 48000])
def test_other_rates(rate):
    events = said(Session(Fake()), sound((1, 0), (2, 0.5), (1, 0), rate=rate), rate)
    (text,) = finals(events)
    assert set(text) <= set("E-") and text.count("E") >= 4
    assert partials(events)[0].start_s == pytest.approx(1 - PADDING, abs=0.05)


def test_sessions_share_a_model_and_nothing_else():
    model = Fake()
    first, second = Session(model), Session(model)
    events = {first: [], second: []}
    for loud in (0.3, 0.3, 0.3):
        events[first] += first.hear(sound((0.5, loud)))
        events[second] += second.hear(sound((0.5, 0.5)), RATE)
    assert finals(first.end()) == ["CCC"] and finals(second.end()) == ["EEE"]
    assert {one.text[0] for one in partials(events[first])} == {"c"}
    assert all(one.closed for one in model.opened)


def test_who_goes_leaves_nothing_open():
    model = Fake()
    session = Session(model)
    session.hear(sound((1, 0.3)))
    session.close()
    assert [one.closed for one in model.opened] == [True] and session.end() == []


def test_an_hour_of_silence():
    """Nothing is written, asked of the model, or kept."""
    model = Fake()
    session, minute = Session(model), np.zeros(60 * RATE, np.float32)
    for _ in range(60):
        assert session.hear(minute) == []
    assert session.end() == [] and model.opened == [] and model.cuts == []
    assert len(session._listener._kept) < RATE and session.heard_s == 3600


def test_a_session_that_never_ends_keeps_one_piece():
    model = Fake(2.0, 4.0)
    session, half = Session(model), sound((0.5, 0.4))
    for _ in range(240):
        session.hear(half)
        model.opened[:-1] = []
        model.cuts.clear()
        assert len(session._listener._kept) + len(model.opened[-1].heard) < 10 * RATE


def test_a_clock_that_is_fast_moves_nothing():
    """Two minutes by the sender's clock are as many as its samples say: nothing piles up or is missing."""
    session = Session(Fake())
    for _ in range(120):  # 16,160 samples come in what the listener's clock calls a second
        session.hear(sound((1.01, 0.0)))
    (final,) = (one for one in said(session, sound((1, 0.5), (1, 0))) if isinstance(one, Final))
    assert final.piece["start_s"] == pytest.approx(120 * 1.01 - PADDING, abs=0.04)


def test_packets_late_twice_and_lost():
    """Thirds of a second in another order, one of them twice, and one not at all: its place is told."""
    samples, third = sound((1, 0), (2, 0.3), (1, 0), (2, 0)), RATE // 3
    packets = [(start, samples[start : start + third]) for start in range(0, len(samples), third)]
    session, events = Session(Fake()), []
    order = [0, 2, 1, 1, 3, 5, 4, *range(6, len(packets))]
    for number in order:
        place, packet = packets[number]
        events += session.hear(packet, place=place)
    assert finals([*events, *session.end()]) == finals(said(Session(Fake()), samples))
    session, events = Session(Fake()), []
    for number in [n for n in order if n != 4]:
        place, packet = packets[number]
        events += session.hear(packet, place=place)
    (lost,) = (one for one in events if isinstance(one, Lost))
    assert (lost.start_s, lost.end_s) == pytest.approx((4 / 3, 5 / 3), abs=1e-3)
    assert session.heard_s == pytest.approx(6)


@pytest.mark.parametrize(
    ("samples", "rate", "where"),
    [
        (np.zeros(8, np.float32), 4000, "rate=4000"),
        (np.zeros(8, np.int16), RATE, "samples"),
        (np.zeros((8, 2), np.float32), RATE, "samples"),
        (np.array([np.nan], np.float32), RATE, "samples"),
        (np.array([0, -3000], np.float32), RATE, "samples"),  # of 16 bits
    ],
)
def test_what_is_no_sound(samples, rate, where):
    with raises(DataError, where=where):
        Session(Fake()).hear(samples, rate)


def test_a_stream_of_our_own_goes_on_behind_any_gap():
    """As of a microphone while the computer was at something else for an hour."""
    session = Session(Fake(), wait_s=0.0, gap_s=np.inf)
    events = [*session.hear(sound((1, 0))), *session.hear(sound((2, 0.5), (1, 0)), place=3601 * RATE)]
    (lost,) = [one for one in events if isinstance(one, Lost)]
    assert (lost.start_s, lost.end_s) == (1, 3601) and finals(events) == ["EEEE"]
    assert session.heard_s == 3604


def test_what_comes_too_late():
    session = Session(Fake())
    session.hear(sound((1, 0)), 8000)
    with raises(DataError, "8000", where="rate=16000"):
        session.hear(sound((1, 0)), 16000)
    session.end()
    with raises(DataError, where="session"):
        session.hear(sound((1, 0)), 8000)
