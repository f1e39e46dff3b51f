"""G.722 against FFmpeg's own encoder; without PyAV, what to do."""

import sys

import numpy as np
import pytest

from tests.errors import raises
from xlt.audio.files import audio_header, read_wav
from xlt.core.errors import DataError

av = pytest.importorskip("av", reason="the extra g722")


@pytest.fixture
def tone(tmp_path):
    """Half a second of 440 Hz in G.722, as FFmpeg writes it, and the samples that went in."""
    samples = 0.3 * np.sin(2 * np.pi * 440 * np.arange(8000) / 16000)
    path = tmp_path / "tone.g722"
    with av.open(str(path), "w", format="g722") as out:
        stream = out.add_stream("g722", rate=16000, layout="mono")
        for start in range(0, 8000, 320):
            part = (samples[start : start + 320] * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(part[None, :], format="s16", layout="mono")
            frame.sample_rate = 16000
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path, samples


def test_it_is_what_went_in(tone):
    path, samples = tone
    assert path.stat().st_size == 4000  # 64 kbit/s
    found = read_wav(path)
    assert found.dtype == np.float32 and len(found) == 8000
    late = np.argmax(np.correlate(found, samples, "full")[7999:8100])  # the delay of its filters: 22 samples
    assert late == 22
    error = found[late + 100 :] - samples[100 : 8000 - late]
    assert np.sqrt(np.mean(error**2)) < 0.03 * np.sqrt(np.mean(samples**2))
    assert len(read_wav(path, 8000)) == 4000


def test_header(tone):
    assert audio_header(tone[0]) == (16000, 1, "g722", 0.5)


def test_without_pyav(tone, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with raises(DataError, "pip install av", where="tone.g722"):
        read_wav(tone[0])


def test_an_empty_file(tmp_path):
    (tmp_path / "empty.g722").touch()
    with raises(DataError, where="empty.g722"):
        read_wav(tmp_path / "empty.g722")
    with raises(DataError, where="nowhere.g722"):
        read_wav(tmp_path / "nowhere.g722")
