import numpy as np
import pytest

from xlt.features.extract import encode_waves
from xlt.upstreams.fbank import Fbank


@pytest.fixture(scope="module")
def fbank():
    return Fbank(Fbank.find("fbank", None, None), "float32", "cpu")


@pytest.mark.parametrize("samples, frames", [(16000, 98), (400, 1), (559, 1), (560, 2), (100, 1)])
def test_frames_are_kaldis(fbank, samples, frames):
    """(N - 400) / 160 + 1 whole windows of 25 ms, one for anything shorter."""
    (feats,) = encode_waves(fbank, [np.zeros(samples, np.float32) + 0.01])
    assert feats.shape == (frames, 80)


def test_a_tone_is_in_the_filter_worked_out_by_hand(fbank):
    """Kaldi's mel(f) = 1127 ln(1 + f/700); 80 filters between 20 Hz (31.7) and 8 kHz (2840.0) are 34.67
    apart, so 1000 Hz (1000.0) is nearest to the centre of filter 27 (31.7 + 28 · 34.67 = 1002.5)."""
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000).astype(np.float32)
    (feats,) = encode_waves(fbank, [tone])
    assert set(feats.argmax(axis=1)) == {27}
    (quiet,) = encode_waves(fbank, [tone / 10])
    # a tenth of the level is a hundredth of the power
    assert (feats - quiet)[:, 27] == pytest.approx(np.log(100), abs=0.01)


@pytest.mark.parametrize("samples", [0, 100, 399, 400, 559, 560, 5000])
@pytest.mark.parametrize("block", [1, 37, 160, 400, 1111])
def test_a_stream_gives_the_frames_of_the_whole_clip(fbank, samples, block):
    wave = np.random.default_rng(0).normal(0, 0.1, samples).astype(np.float32)
    whole = fbank.encode([wave], [0])[0][0][0].numpy()
    stream = fbank.open_stream()
    parts = [stream.push(wave[start : start + block]) for start in range(0, samples, block)]
    parts.append(stream.push(wave[:0], last=True))
    assert parts[0].dtype == np.float32 and {part.shape[::2] for part in parts} == {(1, 80)}
    np.testing.assert_allclose(np.concatenate(parts, axis=1)[0], whole, atol=1e-4)
    if samples >= 400:  # all frames are there before the end is known
        assert parts[-1].shape[1] == 0


def test_a_stream_without_end_keeps_less_than_a_window(fbank):
    stream, hop = fbank.open_stream(), np.zeros(333, np.float32)
    for _ in range(40):
        stream.push(hop)
        assert len(stream._waiting) < 400
