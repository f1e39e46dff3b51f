"""Voice activity against the TorchScript network of the same package, which is another file."""

import importlib.util
import warnings
from pathlib import Path

import numpy as np
import pytest

from tests.errors import raises
from xlt.audio import voice
from xlt.audio.voice import FRAME, Voice
from xlt.core.errors import UpstreamError

RATE = 16000


def vowels(rng: np.random.Generator, dur_s: float) -> np.ndarray:
    """A voice-like sound: a buzz of 120 Hz through two resonances that move, in syllables; (N,)."""
    import scipy.signal

    count = int(dur_s * RATE)
    pulses = np.zeros(count)
    pulses[:: RATE // 120] = 1.0
    found = np.zeros(count)
    for start in range(0, count, 3200):
        part = pulses[start : start + 3200]
        for centre in (rng.uniform(300, 800), rng.uniform(900, 2300)):
            b, a = scipy.signal.iirpeak(centre, centre / 90, fs=RATE)
            part = part + 3 * scipy.signal.lfilter(b, a, part)
        found[start : start + 3200] = part * np.hanning(len(part))
    return (0.3 * found / np.abs(found).max()).astype(np.float32)


@pytest.fixture(scope="module")
def sound():
    rng = np.random.default_rng(0)
    parts = [np.zeros(RATE), vowels(rng, 3.0), rng.normal(size=RATE) * 0.01, vowels(rng, 2.0), np.zeros(777)]
    return np.concatenate(parts).astype(np.float32)


@pytest.mark.slow
def test_it_is_silero(sound):
    import torch

    place = importlib.util.find_spec("silero_vad").submodule_search_locations[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        theirs = torch.jit.load(Path(place) / "data" / "silero_vad.jit")
    whole = torch.nn.functional.pad(torch.from_numpy(sound), (0, -len(sound) % FRAME))
    with torch.inference_mode():
        expected = [theirs(whole[i : i + FRAME], RATE).item() for i in range(0, len(whole), FRAME)]
    assert max(expected) > 0.5 > min(expected)
    assert Voice()(sound) == pytest.approx(expected, abs=1e-4)


def test_parts_are_heard_as_the_whole(sound):
    whole, parts, again = Voice(), Voice(), Voice()
    expected = whole(sound)
    edges = [0, FRAME, 40 * FRAME, 40 * FRAME, 100 * FRAME, len(sound)]
    found = [parts(sound[a:b]) for a, b in zip(edges[:-1], edges[1:], strict=True)]
    assert np.concatenate(found) == pytest.approx(expected, abs=1e-5)
    again(sound[: 50 * FRAME])
    again.reset()
    assert again(sound) == pytest.approx(expected, abs=1e-5)


def test_noise_and_hum_are_no_voice():
    rng, time = np.random.default_rng(0), np.arange(10 * RATE) / RATE
    white = rng.normal(size=len(time))
    for noise in (0.0 * time, 0.001 * white, 0.1 * white, 0.1 * np.sin(2 * np.pi * 50 * time)):
        assert Voice()(noise.astype(np.float32)).max() < 0.5


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(voice.importlib.util, "find_spec", lambda name: None)
    with raises(UpstreamError, "--vad off", where="silero-vad"):
        Voice()


def test_recordings_that_are_heard_at_once_keep_apart(sound):
    """They share the network, which is loaded once, and nothing else."""
    alone = Voice()(sound)
    one, other = Voice(), Voice()
    half = len(sound) // (2 * FRAME) * FRAME
    first, noise = one(sound[:half]), other(sound[::-1].copy()[:half])
    assert np.allclose(np.concatenate([first, one(sound[half:])]), alone, atol=1e-6)
    assert one._session is other._session and not np.allclose(first, noise)
