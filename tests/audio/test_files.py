"""Sound files that are longer, or other, than anyone can use: known before they fill the memory."""

import os
import tracemalloc

import numpy as np
import pytest
import soundfile
import soxr

from tests.errors import raises
from xlt.audio.files import TooLong, read_blocks, read_wav
from xlt.core.errors import DataError
from xlt.data.clips import Clip, Job, decode
from xlt.data.corpora import Utterance

RATE = 16000
HALF_AN_HOUR = 30 * 60 * RATE


@pytest.fixture(scope="module")
def silence(tmp_path_factory):
    """Half an hour in some 100 kB."""
    path = tmp_path_factory.mktemp("long") / "long.flac"
    with soundfile.SoundFile(path, "w", RATE, 1) as out:
        for _ in range(30):
            out.write(np.zeros(HALF_AN_HOUR // 30, np.int16))
    return path


@pytest.fixture
def peak_mb():
    """Function that says how much memory Python and numpy took at most since the test began."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()


def utterance(path, *times: float) -> Utterance:
    return Utterance("a-1", "a", "ron_Latn", "unu", path, "a-1", *times)


def test_a_clip_that_is_too_long_is_not_decoded_whole(silence, tmp_path, peak_mb):
    clip = decode(Job(utterance(silence), tmp_path / "a-1.wav", 30.0))
    assert clip == Clip(too_long=True) and not (tmp_path / "a-1.wav").exists()
    assert peak_mb() < 30  # all of it is 115 MB as float32


def test_a_segment_takes_no_more_memory_in_a_long_recording(silence, tmp_path, peak_mb):
    clip = decode(Job(utterance(silence, 1700.0, 1702.5), tmp_path / "a-1.wav", 30.0))
    assert (clip.dur_s, clip.error) == (2.5, "") and peak_mb() < 40


def test_a_segment_that_is_too_long_needs_no_sound(tmp_path):
    assert decode(Job(utterance(tmp_path / "none.wav", 0.0, 31.0), tmp_path / "a-1.wav", 30.0)).too_long


@pytest.mark.parametrize("seconds", [30.0, 30.01])
def test_the_limit_itself_is_not_too_long(tmp_path, seconds):
    soundfile.write(tmp_path / "a.wav", np.zeros(round(seconds * 8000)), 8000)
    if seconds == 30.0:
        assert len(read_wav(tmp_path / "a.wav", RATE, longest_s=30.0)) == 30 * RATE
    else:
        with raises(TooLong, "30", where="a.wav"):
            read_wav(tmp_path / "a.wav", RATE, longest_s=30.0)


@pytest.mark.parametrize("rate", [8000, 11025, 44100])
def test_blocks_are_what_soxr_makes_of_all_at_once(tmp_path, monkeypatch, rate):
    monkeypatch.setattr("xlt.audio.files._BLOCK", 5000)
    samples = np.random.default_rng(1).normal(0, 0.1, (rate * 2 + 7, 2)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", samples, rate, subtype="FLOAT")
    expected = soxr.resample(samples.mean(axis=1), rate, RATE, quality="HQ")
    blocks = list(read_blocks(tmp_path / "a.wav", RATE))
    assert len(blocks) > 5
    np.testing.assert_array_equal(np.concatenate(blocks), expected)


def test_many_channels_do_not_make_blocks_larger(tmp_path, peak_mb):
    path = tmp_path / "a.wav"
    with soundfile.SoundFile(path, "w", RATE, 200, "PCM_U8") as out:
        for _ in range(10):
            out.write(np.zeros((RATE // 2, 200), np.int16))
    tracemalloc.reset_peak()
    assert len(read_wav(path, RATE, 0)) == 5 * RATE
    assert peak_mb() < 30  # all channels are 64 MB as float32


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_never_ends_is_not_opened(tmp_path, kind):
    path = tmp_path / "a.wav"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    with raises(DataError, "pipe", where="a.wav"):
        read_wav(path)
    assert "pipe" in decode(Job(utterance(path), tmp_path / "a-1.wav", 30.0)).error


def test_a_rate_that_no_recording_has(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(100), 2_000_000_000)
    with raises(DataError, "2000000000", where="a.wav"):
        read_wav(tmp_path / "a.wav")


@pytest.mark.parametrize("name", ["a\0.wav", "a\ud800.wav"])
def test_a_name_that_no_file_has(tmp_path, name):
    with raises(DataError, "no such file"):
        read_wav(tmp_path / name)
    assert "no such file" in decode(Job(utterance(tmp_path / name), tmp_path / "a-1.wav", 30.0)).error
