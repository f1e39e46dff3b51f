"""Clips that are one recording: real codecs, made-up sounds."""

import io

import numpy as np
import pytest
import soundfile
import soxr

from tests.data.corpus import melody
from xlt.audio.alike import SAME, Known, bands, correlation
from xlt.audio.files import SAMPLE_RATE


def coded(wave: np.ndarray, form: str, subtype: str, rate: int) -> np.ndarray:
    """The wave through a codec and back to 16 kHz."""
    file = io.BytesIO()
    soundfile.write(file, soxr.resample(wave, SAMPLE_RATE, rate), rate, format=form, subtype=subtype)
    file.seek(0)
    samples, _ = soundfile.read(file, dtype="float32")
    return soxr.resample(samples, rate, SAMPLE_RATE)


@pytest.fixture(scope="module")
def known():
    clips = [bands(melody(seed)) for seed in range(8)]
    return Known(len(clips), clips.__getitem__)


@pytest.mark.parametrize(
    ("form", "subtype", "rate"),
    [
        ("MP3", "MPEG_LAYER_III", 16000),
        ("OGG", "OPUS", 16000),
        ("OGG", "VORBIS", 16000),
        ("WAV", "ULAW", 8000),
    ],
)
def test_a_clip_that_went_through_a_codec_is_found(known, form, subtype, rate):
    assert known.find(bands(coded(melody(3), form, subtype, rate))) == 3


def test_a_quieter_copy_and_a_delayed_one_are_found(known):
    wave = melody(5)
    assert known.find(bands(wave * 0.1)) == 5
    assert known.find(bands(np.concatenate([np.zeros(1105, np.float32), wave]))) == 5  # as MP3 delays


def test_other_clips_are_not_found(known):
    assert [known.find(bands(melody(seed))) for seed in range(20, 40)] == [None] * 20
    assert known.find(bands(melody(3, 1.0))) is None
    assert Known(0, [].__getitem__).find(bands(melody(3))) is None


def test_the_correlation_is_that_of_the_samples_and_silence_has_none():
    """By hand: (1, -1, 1, -1) and (1, -1, -1, 1) have none; of itself it is 1, however it is scaled."""
    one = np.array([[1.0], [-1.0], [1.0], [-1.0]] * 8, np.float32)
    assert correlation(one, 3 * one) == pytest.approx(1.0)
    assert correlation(np.zeros_like(one), one) == 0.0
    assert 0.0 < SAME < 1.0


def test_a_clip_shorter_than_a_window_and_silence_have_bands():
    assert bands(np.zeros(100, np.float32)).shape == (1, 82)
    assert np.isfinite(bands(np.zeros(SAMPLE_RATE, np.float32))).all()
