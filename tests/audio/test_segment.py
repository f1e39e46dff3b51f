import numpy as np

from xlt.audio.segment import cut_at_silences

RATE = 1000


def test_short_recordings_stay_whole():
    assert cut_at_silences(np.ones(20 * RATE), RATE) == [(0, 20 * RATE)]
    assert cut_at_silences(np.ones(0), RATE) == [(0, 0)]


def test_long_recordings_are_cut_in_the_pause():
    samples = np.ones(30 * RATE)
    samples[13 * RATE : 14 * RATE] = 0.001
    (start, first), (second, end) = cut_at_silences(samples, RATE)
    assert start == 0 and first == second and end == 30 * RATE
    assert 13 * RATE <= first <= 14 * RATE


def test_without_any_pause_no_piece_is_too_long_and_nothing_is_lost():
    samples = np.random.default_rng(0).normal(size=95 * RATE + 7)
    ranges = cut_at_silences(samples, RATE)
    assert ranges[0][0] == 0 and ranges[-1][1] == len(samples)
    assert all(a[1] == b[0] for a, b in zip(ranges, ranges[1:], strict=False))
    assert max(b - a for a, b in ranges) <= 20 * RATE
