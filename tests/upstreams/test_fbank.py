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
