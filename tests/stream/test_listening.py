"""Where a stream is cut, on marks that are made: 1 is speech; a frame is 32 ms, a second 31.25 frames."""

import numpy as np
import pytest

from xlt.audio.cut import Lengths
from xlt.stream.listening import Listener, loudness

FRAME, RATE = 512, 16000


def stream(*parts):
    """(seconds, whether somebody speaks) … → samples, each of which says its place."""
    return np.concatenate([np.full(round(s * RATE), float(on), np.float32) for s, on in parts])


def marks(samples):
    return (samples.reshape(-1, FRAME).mean(axis=1) > 0.5).astype(np.float32)


def cuts(samples, step=3200):
    listener, found = Listener(Lengths(5.0, 20.0), marks), []
    for start in range(0, len(samples), step):
        found += listener.hear(samples[start : start + step])
    last = listener.end()
    found += [last] if last else []
    for cut in found:  # what is given is what was heard there
        assert np.array_equal(cut.samples, samples[cut.start : cut.start + len(cut.samples)])
    return [(cut.start / RATE, (cut.start + len(cut.samples)) / RATE) for cut in found]


PAD = pytest.approx  # of 0.15 s of silence around, to a frame


@pytest.mark.parametrize("step", [160, 3200, 7777, 10**7])
def test_a_pause_ends_a_piece_however_the_stream_is_parted(step):
    found = cuts(stream((1, 0), (2, 1), (0.4, 0), (1, 1), (0.8, 0), (1, 1), (0.1, 0)), step)
    assert np.array(found) == PAD(np.array([(0.85, 4.55), (5.05, 6.3)]), abs=0.04)


def test_behind_the_usual_length_a_short_pause_is_enough():
    found = cuts(stream((4, 1), (0.4, 0), (2, 1), (0.4, 0), (2, 1), (1, 0)))
    assert np.array(found) == PAD(np.array([(0, 6.55), (6.65, 8.95)]), abs=0.04)


def test_who_does_not_pause_is_cut_before_the_longest_length():
    found = cuts(stream((50, 1)))
    lengths = [b - a for a, b in found]
    assert found[0][0] == 0 and found[-1][1] == 50 and max(lengths) <= 20.1
    assert all(a[1] == b[0] for a, b in zip(found[:-1], found[1:], strict=True))  # nothing is lost


def test_clicks_and_silence_are_no_pieces():
    assert cuts(stream((1, 0), (0.064, 1), (2, 0), (0.064, 1), (0.1, 0))) == []
    assert cuts(stream((30, 0))) == [] and cuts(stream((0.01, 0))) == []


def test_the_open_piece_is_what_is_being_said():
    listener = Listener(Lengths(), marks)
    assert listener.open() is None
    listener.hear(stream((1, 0), (1, 1)))
    cut = listener.open()
    assert cut.start / RATE == PAD(0.85, abs=0.04)
    assert (cut.start + len(cut.samples)) / RATE == PAD(2, abs=0.04)
    listener.hear(stream((1, 0)))
    assert listener.open() is None


def test_what_is_kept_does_not_grow():
    listener = Listener(Lengths(2.0, 4.0), marks)
    for _ in range(200):
        listener.hear(stream((0.5, 1)))
        assert len(listener._kept) <= 4.2 * RATE
        listener.hear(stream((0.9, 0)))
    assert len(listener._kept) <= 0.3 * RATE


def test_loudness_stands_in_for_voice_activity():
    loud, quiet = np.full(FRAME, 0.01, np.float32), np.full(FRAME, 0.001, np.float32)  # -40 and -60 dB
    assert loudness(np.concatenate([loud, quiet, loud])).tolist() == [1, 0, 1]
