"""Speed perturbation, against tones whose result is worked out by hand."""

import numpy as np
import pytest

from xlt.audio.augment.speed import perturb


def tone(hertz: float, samples: int) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(samples) / 16000)).astype(np.float32)


@pytest.mark.parametrize("speed, hertz", [(1.1, 484.0), (0.9, 396.0), (2.0, 880.0)])
def test_tempo_and_pitch_go_with_the_speed(speed, hertz):
    heard = perturb(tone(440, 32000), speed)
    assert len(heard) == round(32000 / speed) and heard.dtype == np.float32
    middle = slice(2000, len(heard) - 2000)  # the ends ring
    assert np.abs(heard - tone(hertz, len(heard)))[middle].max() < 0.01


@pytest.mark.parametrize(
    "samples, speed, expected",
    [(16000, 1.1, 14545), (16000, 0.9, 17778), (101, 0.9, 112), (7, 1.1, 6), (1, 2.0, 1)],
)
def test_lengths(samples, speed, expected):
    """round(N / speed): 14545.45, 17777.8, 112.2, 6.4, at least one."""
    assert len(perturb(np.ones(samples, np.float32), speed)) == expected


def test_the_same_every_time_and_speed_one_is_the_wave_itself():
    wave = np.random.default_rng(0).normal(0, 0.1, 5000).astype(np.float32)
    assert np.array_equal(perturb(wave, 0.9), perturb(wave.copy(), 0.9))
    assert perturb(wave, 1.0) is wave
