"""s3prl on a tiny random wav2vec2 of XLS-R's type, against transformers; and what is said when there are no
weights.
"""

import json

import numpy as np
import pytest

from tests.errors import raises
from tests.lazy import torch
from tests.tiny import make_tiny_wav2vec2, skip_without
from xlt.core.errors import ConfigError, UpstreamError
from xlt.features.extract import encode_waves
from xlt.upstreams import s3prl_weights
from xlt.upstreams.fast import packed
from xlt.upstreams.s3prl import S3prlUpstream

pytestmark = pytest.mark.trains

ALL = [0, 1, 2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_tiny_wav2vec2(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def upstream(folder):
    return S3prlUpstream(s3prl_weights.find("xls_r_300m", str(folder)), "float32", "cpu")


@pytest.fixture(scope="module")
def waves():
    rng = np.random.default_rng(1)
    return [
        (rng.normal(0.02, level, size)).astype(np.float32)
        for level, size in ((0.1, 16000), (0.01, 14000), (0.3, 31990), (0.1, 4321))
    ]


def test_every_layer_is_that_of_transformers(folder, upstream, waves):
    from transformers import Wav2Vec2FeatureExtractor, Wav2Vec2Model

    model, extractor = (
        Wav2Vec2Model.from_pretrained(folder).eval(),
        Wav2Vec2FeatureExtractor.from_pretrained(folder),
    )
    for wave in waves:
        inputs = extractor(wave, sampling_rate=16000, return_tensors="pt")
        with torch.inference_mode():
            model.config.tie_last_hidden_states = True
            theirs = model(**inputs, output_hidden_states=True)
            model.config.tie_last_hidden_states = None
            untied = model(**inputs, output_hidden_states=True).hidden_states[-1]
        ours = np.split(encode_waves(upstream, [wave], ALL)[0], 3, axis=1)
        for mine, layer in zip(ours, theirs.hidden_states, strict=True):
            frames = layer.shape[1]
            assert len(mine) == -(-len(wave) // 320) and frames == (len(wave) - 400) // 320 + 1
            assert np.abs(mine[:frames] - layer[0].numpy()).max() < 1e-4
            assert np.array_equal(
                mine[frames:], np.repeat(mine[frames - 1 : frames], len(mine) - frames, axis=0)
            )
        assert np.abs(ours[2][:frames] - theirs.last_hidden_state[0].numpy()).max() < 1e-4
        assert (
            theirs.last_hidden_state - untied
        ).abs().max() > 0.1  # the trap is there, so this test can fail


def test_last_is_s3prls_own_wrapper(folder, upstream, waves):
    """The features are what ESPnet's s3prl frontend would compute on the fly."""
    from s3prl.upstream.hf_wav2vec2.expert import UpstreamExpert

    expert = UpstreamExpert(str(folder)).eval()
    expert.model.config.tie_last_hidden_states = True
    with torch.inference_mode():
        theirs = expert([torch.from_numpy(waves[0])])["hidden_states"][-1][0].numpy()
    (ours,) = encode_waves(upstream, waves[:1])
    assert np.abs(ours[: len(theirs)] - theirs).max() < 1e-4


def test_features_do_not_depend_on_the_batch(upstream, waves):
    assert upstream.packs and upstream.batch_key(14000) == 14000
    together = encode_waves(upstream, waves, ALL)
    for wave, feats in zip(waves, together, strict=True):
        assert np.abs(encode_waves(upstream, [wave], ALL)[0] - feats).max() < 1e-4


def make_group(folder, target):
    """A model of wav2vec2 base's type: group norm over the whole clip, norms behind attention and
    feed-forward.
    """
    import shutil

    from transformers import Wav2Vec2Config, Wav2Vec2Model

    shutil.copytree(folder, target)
    config = Wav2Vec2Config.from_pretrained(folder)
    config.feat_extract_norm, config.do_stable_layer_norm, config.conv_bias = "group", False, False
    torch.manual_seed(0)
    Wav2Vec2Model(config).save_pretrained(target)
    return s3prl_weights.find("hf_wav2vec2_custom", str(target))


def test_models_that_mix_a_batch_get_clips_of_one_length(folder, waves, tmp_path, monkeypatch):
    """Group norm in the feature encoder (wav2vec2 base) averages over the padding too, if s3prl computes."""
    source = make_group(folder, tmp_path / "group")
    ours = S3prlUpstream(source, "float32", "cpu")
    monkeypatch.setattr(packed.Parts, "find", lambda expert: None)
    theirs = S3prlUpstream(source, "float32", "cpu")
    assert ours.packs and not theirs.packs and theirs.batch_key(14000) == 14000
    together = encode_waves(theirs, waves[:2], ALL)
    alone = [encode_waves(theirs, [wave], ALL)[0] for wave in waves[:2]]
    assert all(np.abs(a - b).max() < 1e-4 for a, b in zip(alone, together, strict=True))
    assert all(
        np.abs(a - b).max() < 1e-4 for a, b in zip(alone, encode_waves(ours, waves[:2], ALL), strict=True)
    )


def test_s3prl_computes_what_is_not_packed(folder, upstream, waves, monkeypatch):
    """Clips of a bucket are padded to the longest, and the same features come out."""
    monkeypatch.setattr(packed.Parts, "find", lambda expert: None)
    theirs = S3prlUpstream(s3prl_weights.find("xls_r_300m", str(folder)), "float32", "cpu")
    assert theirs.batch_key(14000) == theirs.batch_key(16000) == 16000  # so that the first two share a batch
    assert (
        theirs.padded_samples([14000, 16000]) == 32000
        and upstream.padded_samples([14000, 16000, 100]) == 30800
    )
    for a, b in zip(encode_waves(theirs, waves, ALL), encode_waves(upstream, waves, ALL), strict=True):
        assert np.abs(a - b).max() < 1e-4
    with pytest.raises(ConfigError, match="features.dtype=int8: xls_r_300m is not a wav2vec 2.0"):
        S3prlUpstream(s3prl_weights.find("xls_r_300m", str(folder)), "int8", "cpu")


def test_a_packed_model_that_differs_is_not_used(folder, monkeypatch):
    real = packed.Conv.__call__
    monkeypatch.setattr(packed.Conv, "__call__", lambda self, x: real(self, x) * 1.01)
    upstream = S3prlUpstream(s3prl_weights.find("xls_r_300m", str(folder)), "float32", "cpu")
    assert upstream.packed is None and not upstream.packs


def test_features_are_not_random(folder, upstream, waves):
    """Dropout, layer drop and masking, all on in the configuration, are off in use."""
    config = json.loads((folder / "config.json").read_text())
    assert config["layerdrop"] > 0 and config["mask_time_prob"] > 0
    runs = [encode_waves(upstream, waves[2:3], ALL)[0] for _ in range(5)]
    assert all(np.array_equal(runs[0], other) for other in runs[1:])


def test_very_short_clips(upstream):
    assert encode_waves(upstream, [np.full(100, 0.1, np.float32)])[0].shape == (1, 32)


@pytest.mark.parametrize("dtype, most", [("bfloat16", 0.05), ("int8", 0.05)])
def test_narrow_arithmetic_is_near(folder, upstream, waves, dtype, most):
    skip_without(dtype)
    narrow = S3prlUpstream(s3prl_weights.find("xls_r_300m", str(folder)), dtype, "cpu")
    for a, b in zip(encode_waves(upstream, waves), encode_waves(narrow, waves), strict=True):
        assert 0 < np.linalg.norm(a - b) / np.linalg.norm(a) < most
    (alone,) = encode_waves(narrow, waves[:1])  # what a clip gets does not depend on its batch
    assert np.abs(alone - encode_waves(narrow, waves)[0]).max() < (1e-4 if dtype == "int8" else 0.05)


def test_no_weights_lists_the_places_and_three_ways_out(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UpstreamError) as caught:
        s3prl_weights.find("xls_r_300m", None)
    text = str(caught.value)
    file = next(
        line.split(", ")[1].split(":")[0] for line in text.splitlines() if "s3prl's downloads" in line
    )
    assert file.startswith(f"{tmp_path}/.cache/s3prl/download/") and file.endswith(".xlsr2_300m.pt")
    for word in (
        "features.path: not set",
        "models--facebook--wav2vec2-xls-r-300m: not there",
        "HF_HUB_OFFLINE is set",
        "1. features.path=DIR",
        f"copy it here as {file}",
        "3. features.upstream=whisper_base",
    ):
        assert word in text


def test_hub_cache_is_used(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    snapshot = tmp_path / "hub/models--facebook--wav2vec2-xls-r-300m/snapshots/abc"
    snapshot.parent.mkdir(parents=True)
    snapshot.symlink_to(folder)
    assert s3prl_weights.find("xls_r_300m", None).path == str(snapshot)


def test_s3prls_own_file_by_name_by_path_and_in_a_bundle(tmp_path, monkeypatch, waves):
    """xls_r_300m as s3prl converts it from fairseq, in small."""
    import dataclasses

    from s3prl.upstream.wav2vec2.wav2vec2_model import AudioPretrainingConfig, Wav2Vec2Config, Wav2Vec2Model

    monkeypatch.setenv("HOME", str(tmp_path))
    file = s3prl_weights.download_file(s3prl_weights.hub_urls("xls_r_300m")[0])
    file.parent.mkdir(parents=True)
    config = Wav2Vec2Config(
        extractor_mode="layer_norm",
        conv_bias=True,
        layer_norm_first=True,
        encoder_layers=2,
        encoder_embed_dim=32,
        encoder_ffn_embed_dim=64,
        encoder_attention_heads=4,
        final_dim=16,
        latent_vars=8,
        encoder_layerdrop=0.3,
        conv_feature_layers="[(32, 10, 5)] + [(32, 3, 2)] * 4 + [(32, 2, 2)] * 2",
        conv_pos=16,
        conv_pos_groups=4,
    )
    torch.manual_seed(0)
    torch.save(
        {
            "task_cfg": dataclasses.asdict(AudioPretrainingConfig(normalize=True)),
            "model_cfg": dataclasses.asdict(config),
            "model_weight": Wav2Vec2Model(config).state_dict(),
        },
        file,
    )
    source = s3prl_weights.find("xls_r_300m", None)
    assert (source.path, source.files) == (None, [str(file)])
    by_name = S3prlUpstream(source, "float32", "cpu")
    assert by_name.packs  # so s3prl's own model was there to compare with
    together = encode_waves(by_name, waves, ALL)
    assert [f.shape for f in together] == [(-(-len(w) // 320), 96) for w in waves]
    for wave, feats in zip(waves, together, strict=True):
        assert np.abs(encode_waves(by_name, [wave], ALL)[0] - feats).max() < 1e-4
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / file.name).write_bytes(file.read_bytes())
    for path in (file, bundle):
        copy = s3prl_weights.find("xls_r_300m", str(path))
        assert copy.identity == source.identity
        assert np.array_equal(encode_waves(S3prlUpstream(copy, "float32", "cpu"), waves, ALL)[3], together[3])
    file.write_bytes(b"weights")
    with raises(UpstreamError, where=file.name):
        S3prlUpstream(source, "float32", "cpu")


def test_upstream_without_weights():
    upstream = S3prlUpstream(s3prl_weights.find("mel", None), "float32", "cpu")
    wave = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)
    (feats,) = encode_waves(upstream, [wave])
    assert (len(feats), upstream.frame_rate) == (100, 100.0)


def test_names():
    with pytest.raises(ConfigError, match="'xls_r_30m' is not known.*did you mean xls_r_300m"):
        s3prl_weights.find("xls_r_30m", None)
    with raises(ConfigError, "features.path", where="features.upstream=hf_wav2vec2_custom"):
        s3prl_weights.find("hf_wav2vec2_custom", None)
    assert s3prl_weights.hub_urls("wav2vec2") == s3prl_weights.hub_urls("wav2vec2_base_960") != []


def damaged(folder, tmp_path, **changes):
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in folder.iterdir():
        if changes.get(file.name, "") is not None:
            (copy / file.name).write_bytes(changes.get(file.name) or file.read_bytes())
    return str(copy)


def test_incomplete_and_damaged_directories_are_named(folder, tmp_path):
    config = json.loads((folder / "config.json").read_text())
    weights = (folder / "model.safetensors").read_bytes()
    cases = {
        "preprocessor_config.json is not there": {"preprocessor_config.json": None},
        "model.safetensors is not there": {"model.safetensors": None},
        "a torn download": {"model.safetensors": weights[:-1]},
        "not a safetensors file": {"model.safetensors": b"<html>"},
        "is not JSON": {"config.json": b"{"},
        "model_type is 'bert'": {"config.json": json.dumps({**config, "model_type": "bert"}).encode()},
        "no tensor encoder.layers.3.final": {
            "config.json": json.dumps({**config, "num_hidden_layers": 4}).encode()
        },
    }
    for number, (message, changes) in enumerate(cases.items()):
        home = tmp_path / str(number)
        home.mkdir()
        with pytest.raises(UpstreamError, match=message):
            s3prl_weights.find("xls_r_300m", damaged(folder, home, **changes))
    with pytest.raises(UpstreamError, match="nowhere: no such directory"):
        s3prl_weights.find("xls_r_300m", str(tmp_path / "nowhere"))
