"""Log-mels in numpy against those that the models learned from."""

import numpy as np
import pytest
import torch

from tests.lazy import Lazy
from tests.tones import sound
from xlt.models.onnx.mels import kaldi_mels, whisper_mels
from xlt.upstreams import fbank

pytestmark = pytest.mark.slow
whisper = Lazy("transformers.models.whisper.feature_extraction_whisper")

WAVE = np.pad(sound("aei oae", np.random.default_rng(1)), (0, 4321))


@pytest.mark.parametrize("mels", [80, 128])
def test_whispers(mels):
    """transformers' extractor in numpy, which computes in float64 as well; that in torch is 2e-5 off both."""
    wave = np.pad(WAVE, (0, 160 * 200 - len(WAVE) % 160))
    extractor = whisper.WhisperFeatureExtractor(feature_size=mels)
    (expected,) = extractor._np_extract_fbank_features(wave[None], "cpu")
    found = whisper_mels(wave, mels)
    assert found.shape == expected.shape and found.dtype == np.float32
    assert np.abs(found - expected).max() < 1e-5


@pytest.mark.parametrize("count", [len(WAVE), 400, 399, 1])
def test_kaldis(count):
    wave = WAVE[1000 : 1000 + count]
    expected = fbank.kaldi_mels(torch.from_numpy(wave)).numpy()  # float32, so that faint bands differ
    found = kaldi_mels(wave)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 2e-2 and np.abs(found - expected).mean() < 1e-3
