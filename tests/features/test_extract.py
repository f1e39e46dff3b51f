"""Batching, windows and layers, on an upstream whose output is worked out by hand."""

import dataclasses

import numpy as np
import pytest
import torch

from xlt.config import FeaturesConfig, load
from xlt.errors import ConfigError, UpstreamError
from xlt.features import extract
from xlt.features.upstreams.base import Source, Upstream, check_layers


def settings(recipe, **changes) -> FeaturesConfig:
    """The default settings with ``changes``."""
    (recipe / "recipe.yaml").touch()
    return dataclasses.replace(load(recipe).features, **changes)


class Steps(Upstream):
    """One frame per started 4 samples; layer n of a frame is (10 n + first sample, 10 n + clips in the batch)."""

    name, frame_rate, num_layers, dim, max_samples = "steps", 4000.0, 3, 2, 8

    def __init__(self):
        self.batches = []

    @staticmethod
    def find(name, path, cache):
        return Source(name, None, {})

    def batch_key(self, num_samples):
        return -(-num_samples // 4) * 4

    def encode(self, waves, layers):
        check_layers(self, layers)
        self.batches.append([len(w) for w in waves])
        frames = [np.pad(w, (0, -len(w) % 4)).reshape(-1, 4)[:, 0] for w in waves]
        out = torch.zeros(len(waves), max(map(len, frames)), 2)
        for row, f in zip(out, frames, strict=True):
            row[:len(f), 0] = torch.from_numpy(f)
        out[:, :, 1] = len(waves)
        return [out + 10 * n for n in layers], [len(f) for f in frames]


def wave(size: int, start: float = 0.0) -> np.ndarray:
    return np.arange(start, start + size, dtype=np.float32)


def test_order_windows_and_batches():
    upstream = Steps()
    feats = extract.encode_waves(upstream, [wave(3, 100), wave(19), wave(4, 200)], 0, batch_s=1.0)
    assert [f[:, 0].tolist() for f in feats] == [[100], [0, 4, 8, 12, 16], [200]]  # 19 samples: windows of 8, 8 and 3
    assert sorted(map(tuple, upstream.batches)) == [(3, 3, 4), (8, 8)]


def test_batches_are_not_larger_than_batch_s():
    upstream = Steps()
    extract.encode_waves(upstream, [wave(4)] * 5, 0, batch_s=8 / 16000)
    assert upstream.batches == [[4, 4], [4, 4], [4]]


@pytest.mark.parametrize("layers, expected", [("last", [20]), (0, [0]), ([2, 0], [20, 0]), (["last", 1], [20, 10])])
def test_layers_are_concatenated(layers, expected):
    feats, = extract.encode_waves(Steps(), [wave(4)], layers)
    assert feats[0, ::2].tolist() == expected and feats.dtype == np.float32


def test_missing_layer_is_named():
    with pytest.raises(ConfigError, match=r"features.layers: steps has the layers 0 to 2, found 3"):
        extract.encode_waves(Steps(), [wave(4)], [0, 3])


def test_not_a_number_is_named():
    bad = wave(4)
    bad[0] = np.nan
    with pytest.raises(UpstreamError, match="steps: the features of utt-b are not finite"):
        extract.encode_waves(Steps(), [wave(4), bad], ids=["utt-a", "utt-b"])


@pytest.mark.parametrize("layers", ["first", [], ["last", "x"], True, [1.5]])
def test_layers_of_a_wrong_form_are_refused(tmp_path, layers):
    with pytest.raises(ConfigError, match="features.layers"):
        extract.prepare(settings(tmp_path, upstream="fbank", layers=layers), tmp_path)


def test_auto_is_bfloat16_only_where_it_pays(tmp_path, monkeypatch):
    def dtype(upstream, setting="auto"):
        return extract.resolve_dtype(settings(tmp_path, upstream=upstream, dtype=setting))

    monkeypatch.setattr(extract, "has_gpu", lambda: False)
    monkeypatch.setattr(extract, "has_fast_bf16", lambda: True)
    assert (dtype("xls_r_300m"), dtype("whisper_base"), dtype("fbank")) == ("bfloat16", "float32", "float32")
    assert dtype("whisper_base", "bfloat16") == "bfloat16"
    monkeypatch.setattr(extract, "has_fast_bf16", lambda: False)
    assert dtype("xls_r_300m") == "float32"


def test_auto_takes_the_upstreams_own_layers(tmp_path):
    def chosen(upstream, layers):
        return extract.resolve_layers(settings(tmp_path, upstream=upstream, layers=layers))

    assert chosen("whisper_base", "auto") == [3, 4, 5, 6]
    assert chosen("fbank", "auto") == chosen("xls_r_300m", "auto") == "last"
    assert chosen("whisper_base", 5) == 5
