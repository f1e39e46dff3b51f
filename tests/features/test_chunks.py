"""Features under chunks: copies in the store, dev under the usual one, bundles as trained."""

import json

import numpy as np
import pytest

from tests.errors import raises
from tests.tiny import make_tiny_whisper
from tests.upstreams.layouts import make
from xlt.audio.augment import Copy, copies, in_words
from xlt.audio.augment.chunk import Mask
from xlt.audio.files import read_wav
from xlt.core.errors import ConfigError, UpstreamError
from xlt.decode import kind
from xlt.features import load_trained, run
from xlt.features.backbone import Backbone, Encoder
from xlt.features.copies import Source, read_sources
from xlt.features.extract import encode_waves, prepare
from xlt.formats.archives import FeatureReader
from xlt.formats.tables import read_table, write_table
from xlt.nets.chunks import Chunks
from xlt.upstreams.base import Source as Weights
from xlt.upstreams.whisper import WhisperEncoder

MIXED = "features.chunk_s=[0.32, 0, 0.16]"
BOTH = ["features.left_s=0.5", "features.look_ahead_s=0.04"]


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    return make_tiny_whisper(tmp_path_factory.mktemp("weights") / "whisper")


@pytest.fixture
def context(recipe, whisper):
    """A context of the recipe with a random Whisper, float32 as stored, and more settings."""
    for name in ("train", "dev", "test"):
        utts = list(read_table(recipe.dir / "data" / name / "wav.scp"))
        write_table(recipe.dir / "data" / name / "text", dict.fromkeys(utts, "ma"))
        write_table(recipe.dir / "data" / name / "utt2spk", dict.fromkeys(utts, "s"))
    own = ["features.upstream=whisper_base", f"features.path={whisper}", "features.layers=last"]
    return lambda *settings: recipe.context(*own, "features.storage=f32", *settings)


def stored(recipe, name):
    folder = recipe.dump(name, "whisper_base")
    return FeatureReader(folder / "feats.scp"), read_table(folder / "utt2audio"), folder


def test_training_speech_has_copies_and_dev_the_usual_chunks(recipe, context, whisper, capsys):
    run(context())
    whole, plain_keys, folder = stored(recipe, "train")
    before = {name: whole[name] for name in whole}
    assert "chunk_s" not in json.loads((folder / "feats.json").read_text())
    assert all(len(key) == 20 for key in plain_keys.values())  # the hash alone
    capsys.readouterr()
    run(context(MIXED, *BOTH))
    feats, keys, folder = stored(recipe, "train")
    assert f"{len(before)} of {3 * len(before)} utterances are already stored" in capsys.readouterr().out
    assert set(feats) == {f"{tag}{utt}" for utt in before for tag in ("", "ch0-", "ch0.16-")}
    facts = json.loads((folder / "feats.json").read_text())
    assert (facts["chunk_s"], facts["left_s"], facts["look_ahead_s"]) == ([0.32, 0.0, 0.16], 0.5, 0.04)
    sources = read_sources(folder)
    assert sources["ch0.16-s-a"] == Source("s-a", Copy("chunk:0.16/0.5/0.04"))
    assert sources["ch0-s-a"] == Source("s-a", Copy("chunk:0"))
    assert keys["s-a"] == f"{plain_keys['s-a']}-ch0.32_0.5_0.04v1" and keys["ch0-s-a"] == plain_keys["s-a"]
    assert np.array_equal(feats["ch0-s-a"], before["s-a"])
    upstream = WhisperEncoder(Weights("whisper_base", str(whisper), {}), "float32", "cpu")
    wave = read_wav(recipe.dir / read_table(recipe.dir / "data/train/wav.scp")["s-a"])
    for name, size in (("s-a", 16), ("ch0.16-s-a", 8)):
        (expected,) = encode_waves(upstream.chunked(Chunks(size, 25, 2)), [wave])
        assert np.abs(feats[name] - expected).max() < 1e-5
    dev, dev_keys, dev_folder = stored(recipe, "dev")
    assert json.loads((dev_folder / "feats.json").read_text())["chunk_s"] == [0.32]
    assert set(dev) == set(read_table(recipe.dir / "data/dev/wav.scp"))
    assert all(key.endswith("-ch0.32_0.5_0.04v1") for key in dev_keys.values())


def test_what_a_model_was_trained_on_is_what_it_hears(recipe, context, tmp_path):
    ctx = context("features.chunk_s=0.32", *BOTH)
    run(ctx)
    feats, _, folder = stored(recipe, "dev")
    facts = json.loads((folder / "feats.json").read_text())
    features = {**facts, "settings": ctx.cfg.section("features")}
    waves = {u: read_wav(recipe.dir / w) for u, w in read_table(recipe.dir / "data/dev/wav.scp").items()}
    encode = load_trained(features, tmp_path)
    assert encode.setup.mask == Mask(0.32, 0.5, 0.04)
    backbone = Backbone(encode.setup, ["last"])
    whole = Encoder(prepare(context().cfg.features, tmp_path), backbone)
    for utt, wave in waves.items():
        own = encode([wave])[0]
        assert np.abs(own - feats[utt]).max() < 1e-5
        assert np.array_equal(load_trained(features, tmp_path, backbone)([wave])[0], own)
        assert np.abs(whole([wave])[0] - own).max() > 1e-3
    features["chunk_s"] = ["long"]
    with raises(ConfigError, where="features.chunk_s=['long']"):
        load_trained(features, tmp_path)


def test_all_copies_come_under_all_chunks(context):
    features = context("features.speed=[0.9, 1.0]", "features.augment=['noise:5..20#2']", MIXED).cfg.features
    made = copies(features, "ab")
    names = [copy.name("u") for copy in made]
    assert len(set(names)) == len(made) == 9
    assert names[:3] == ["sp0.9-u", "u", "noise_5..20#2-u"] and names[-1] == "noise_5..20+ch0.16#2-u"
    assert made[2].recipe == "noise:5..20+chunk:0.32/5/0#2@ab"
    assert made[2].content_key("f") == "f-noise_5..20+ch0.32_5_0v1#2@ab"
    assert [copy.mask for copy in made[::3]] == [Mask(0.32, 5.0, 0.0), None, Mask(0.16, 5.0, 0.0)]
    assert in_words({"chunk_s": [0.32, 0.0]}) == ", chunks 0.32 whole s" and in_words({"chunk_s": 0.0}) == ""


def test_features_fit_a_model_that_usually_hears_the_same():
    common = {"upstream": {"upstream": "whisper_base"}, "left_s": 5.0, "look_ahead_s": 0.0}
    trained = kind({**common, "chunk_s": [0.64, 0.0]})
    assert trained == kind({**common, "chunk_s": [0.64]})
    assert trained != kind({**common, "chunk_s": [0.32]})
    assert trained != kind({**common, "chunk_s": [0.64], "look_ahead_s": 0.32})
    assert kind({**common, "chunk_s": [0.0, 0.64]}) == kind({"upstream": common["upstream"]})


@pytest.mark.parametrize(
    ("setting", "where"),
    [
        ("features.chunk_s=0.33", "features.chunk_s=0.33"),
        ("features.chunk_s=[0.32, 0.32]", "features.chunk_s=[0.32, 0.32]"),
        ("features.chunk_s=[]", "features.chunk_s=[]"),
        ("features.chunk_s=[true]", "features.chunk_s=[True]"),
        ("features.augment=['chunk:0.32/5/0']", "features.augment=chunk:0.32/5/0"),
    ],
)
def test_sizes_that_are_none(context, setting, where):
    with raises(ConfigError, where=where) as caught:
        run(context(setting))
    assert caught.value.remedy


def test_upstreams_that_cannot_stream(recipe, context, tmp_path, monkeypatch):
    from xlt.core.registry import UPSTREAMS

    monkeypatch.setitem(UPSTREAMS.entries, "toy", "tests.upstreams.toy:Toy")
    with raises(UpstreamError, "toy", "set features.chunk_s=0", where="features.chunk_s"):
        run(recipe.context("features.upstream=toy", "features.layers=last", "features.chunk_s=0.32"))
    make(tmp_path / "base", "wav2vec2_base")
    settings = ["features.upstream=hf", f"features.path={tmp_path / 'base'}", "features.chunk_s=0.32"]
    with raises(UpstreamError, "feat_extract_norm=group", where="features.chunk_s"):
        run(context(*settings))
    with raises(ConfigError, "features.on_the_fly", where="features.chunk_s=0.32"):
        run(context("features.chunk_s=0.32", "features.on_the_fly=true"))
