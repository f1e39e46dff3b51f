"""One upstream for several models: each gets what an upstream of its own would give it, bit by bit."""

import numpy as np
import pytest

from tests.tiny import make_tiny_wav2vec2, make_tiny_whisper
from xlt.core.stage import write_json
from xlt.features.backbone import Backbone, Encoder
from xlt.features.extract import Setup
from xlt.features.mix import Mix
from xlt.upstreams import upstream_class

pytestmark = pytest.mark.slow

MAKERS = {"whisper_base": make_tiny_whisper, "hf": make_tiny_wav2vec2}


def write_mix(folder, seed):
    """A mix of three layers of 32 dimensions."""
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(3)).astype(np.float32)
    mean, std = rng.normal(size=(2, 3, 32)).astype(np.float32)
    mix = Mix([0, 1, 2], weights, "corpus", mean, np.abs(std) + 1)
    folder.mkdir()
    np.savez(folder / "mix.npz", weights=mix.weights, mean=mix.mean, std=mix.std)
    write_json(folder / "mix.json", {"layers": mix.layers, "norm": mix.norm, "digest": mix.digest})
    return str(folder)


@pytest.mark.parametrize("name", MAKERS)
def test_models_that_share_an_upstream_get_what_they_would_get_alone(name, tmp_path, monkeypatch):
    source = upstream_class(name).find(name, str(MAKERS[name](tmp_path / "weights")), tmp_path)
    setups = [
        Setup(source, "mix", "float32", 80.0, write_mix(tmp_path / "a", 1), "cm1"),
        Setup(source, "mix", "float32", 80.0, write_mix(tmp_path / "b", 2), "f32"),
        Setup(source, "last", "float32", 80.0, storage="cm2"),
        Setup(source, [0, 1], "float32", 20.0),
    ]
    rng = np.random.default_rng(0)
    waves = [rng.normal(0, 0.1, size).astype(np.float32) for size in (16000, 16001, 16000)]
    alone = [[encode([wave])[0] for wave in waves] for encode in map(Encoder, setups)]

    calls = []
    kind = upstream_class(name)
    encode_all = kind.encode
    monkeypatch.setattr(kind, "encode", lambda *args: calls.append(args) or encode_all(*args))
    backbone = Backbone(setups[0], ["last", [0, 1, 2]])
    shared = [Encoder(setup, backbone) for setup in setups]
    for n, wave in enumerate(waves):
        for own, encode in zip(alone, shared, strict=True):
            np.testing.assert_array_equal(encode([wave])[0], own[n])
        assert len(calls) == n + 1  # for all models together
    assert {feats[0].shape[1] for feats in alone} == {32, 64}


def test_layers_that_nobody_announced_are_encoded_all_the_same(tmp_path):
    source = upstream_class("whisper_base").find("whisper_base", str(make_tiny_whisper(tmp_path)), tmp_path)
    wave = np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32)
    backbone = Backbone(Setup(source, "last", "float32", 80.0), [0])
    for layers in (0, "last", 1):
        setup = Setup(source, layers, "float32", 80.0)
        np.testing.assert_array_equal(Encoder(setup, backbone)([wave])[0], Encoder(setup)([wave])[0])
