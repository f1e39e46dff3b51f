"""Frontends that encode during training: the same features as the cache's, whatever mode, batch and
checkpoint.
"""

import contextlib
import io
import json

import numpy as np
import pytest

from tests.errors import raises
from tests.lazy import Lazy, torch
from tests.tiny import make_tiny_wav2vec2, skip_without
from xlt.core.errors import ConfigError, UpstreamError
from xlt.features.extract import Setup, encode_waves, load
from xlt.features.mix import Mix
from xlt.models.espnet.frontends import find_weights, statistics
from xlt.upstreams.base import has_fast_bf16

dense = Lazy("xlt.upstreams.fast.dense")
upstream_frontend = Lazy("xlt.models.espnet.frontends.upstream")
featurizer = Lazy("xlt.nets.featurizer")

pytestmark = pytest.mark.trains

TINY = "hf_wav2vec2_custom"
SIZES = [9000, 16000, 9001, 500, 23456]  # 500 is below what the convolutions take


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make_tiny_wav2vec2(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def group_norm(tmp_path_factory):
    """Like wav2vec2-base: a group norm over time in the convolutions, so a clip feels what it is padded
    with.
    """
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    folder = tmp_path_factory.mktemp("models") / "group"
    torch.manual_seed(0)
    Wav2Vec2Model(
        Wav2Vec2Config(
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            conv_dim=[16] * 7,
            num_conv_pos_embeddings=8,
            num_conv_pos_embedding_groups=2,
            feat_extract_norm="group",
        )
    ).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(return_attention_mask=False).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def waves():
    rng = np.random.default_rng(1)
    return [rng.normal(0, 0.1, n).astype(np.float32) for n in SIZES]


def frontend(path, layers="mix", norm="none", identity=None, stats_file=None, upstream=TINY):
    arguments = dict(
        upstream=upstream,
        path=str(path) if path else None,
        cache=None,
        identity=identity,
        layers=layers,
        norm=norm,
        dtype="float32",
        batch_s=12.0,
        stats_file=str(stats_file) if stats_file else None,
    )
    if upstream != TINY:
        return upstream_frontend.FrozenUpstream(**arguments)
    from xlt.models.espnet.frontends.s3prl import FrozenS3prl

    with contextlib.redirect_stderr(io.StringIO()):
        return FrozenS3prl(**arguments)


def padded(waves):
    """(B, N) with noise behind the ends, which must not matter, and (B,)."""
    speech = torch.full((len(waves), max(map(len, waves))), 0.3)
    for row, wave in zip(speech, waves, strict=True):
        row[: len(wave)] = torch.from_numpy(wave)
    return speech, torch.tensor([len(w) for w in waves])


def cached(path, waves, layers, upstream=TINY):
    source = find_weights(upstream, str(path) if path else None, None, None)
    return encode_waves(load(Setup(source, layers, "float32", 12.0)), waves, layers)


def save_statistics(made, waves, file):
    named = {str(n): w for n, w in enumerate(waves)}
    *_, (_, total) = statistics(made, named.get, {k: len(w) for k, w in named.items()}, batch_s=2.0)
    np.savez(file, **total)
    return file


@pytest.mark.parametrize("model", ["tiny", "group_norm"])
def test_in_train_mode_each_utterance_of_a_batch_gets_its_cached_features(model, waves, request):
    path = request.getfixturevalue(model)
    made = frontend(path, layers=[0, 1]).train()
    assert (made.raw_frames is None) == (
        model == "group_norm"
    )  # the second may only batch clips of one length
    speech, sizes = padded(waves)
    states, lengths = made.hidden(speech, sizes)
    again, _ = made.hidden(speech, sizes)
    assert all(torch.equal(a, b) for a, b in zip(states, again, strict=True))
    for row, matrix in enumerate(cached(path, waves, [0, 1])):
        assert lengths[row] == len(matrix) == made.num_frames(SIZES[row])
        got = torch.cat([s[row, : lengths[row]] for s in states], dim=1)
        torch.testing.assert_close(got, torch.from_numpy(matrix), atol=1e-5, rtol=1e-5)


def test_the_trap_is_there_in_espnets_own_frontend(tiny, waves):
    from espnet2.asr.frontend.s3prl import S3prlFrontend

    with contextlib.redirect_stderr(io.StringIO()):
        stock = S3prlFrontend(frontend_conf={"upstream": TINY, "path_or_url": str(tiny)}, layer=1).train()
    speech, sizes = padded(waves[1:2])
    assert not torch.allclose(stock(speech, sizes)[0], stock(speech, sizes)[0], atol=1e-3)
    assert any("upstream" in key for key in stock.state_dict())


@pytest.mark.parametrize("upstream", [TINY, "fbank"])
def test_model_and_optimiser_know_nothing_of_the_upstream(upstream, tiny, waves, tmp_path):
    made = frontend(tiny if upstream == TINY else None, upstream=upstream)
    assert list(made.state_dict()) == [n for n, _ in made.named_parameters()] == ["featurizer.weights"]
    save_statistics(made, waves, tmp_path / "stats.npz")
    made = frontend(
        tiny if upstream == TINY else None, upstream=upstream, stats_file=tmp_path / "stats.npz"
    ).train()
    out, _ = made(*padded(waves))
    (out * torch.linspace(0, 1, out.shape[-1])).square().sum().backward()
    assert made.featurizer.weights.grad is not None
    if upstream == TINY:
        assert all(p.grad is None and not p.requires_grad for p in made._frozen[0].parameters())
        assert made.featurizer.weights.grad.abs().max() > 0
        state = made.state_dict()
        state["featurizer.weights"] = torch.tensor([1.0, 2.0, 3.0])
        other = frontend(tiny, stats_file=tmp_path / "stats.npz")
        other.load_state_dict(state)  # strict
        assert not torch.equal(other(*padded(waves))[0], out)
        made.load_state_dict(state)
        torch.testing.assert_close(other(*padded(waves))[0], made(*padded(waves))[0])


def test_the_upstream_moves_with_the_model(tiny):
    made = frontend(tiny)
    made.double()
    assert {p.dtype for p in made._frozen[0].parameters()} == {torch.float64}


def test_building_a_frontend_leaves_the_seed_alone(tiny):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    frontend(tiny)
    assert torch.rand(1) == expected


def test_other_weights_than_those_of_the_training_are_refused(tiny, tmp_path):
    identity = find_weights(TINY, str(tiny), None, None).identity
    frontend(tiny, identity=identity)
    other = make_tiny_wav2vec2(tmp_path / "other", seed=1)
    with pytest.raises(UpstreamError, match="the features were to come from"):
        frontend(other, identity=identity)


def test_a_layer_that_is_not_there_is_named(tiny):
    with raises(ConfigError, 7, where="features.layers"):
        frontend(tiny, layers=7)


def test_single_layer_is_the_cached_matrix_behind_global_mvn(tiny, waves, tmp_path):
    stats = save_statistics(frontend(tiny, layers=1), waves, tmp_path / "stats.npz")
    out, lengths = frontend(tiny, layers=1, stats_file=stats)(*padded(waves))
    matrices = cached(tiny, waves, 1)
    frames = np.concatenate(matrices)
    for row, matrix in enumerate(matrices):
        wanted = (matrix - frames.mean(0)) / frames.std(0)
        torch.testing.assert_close(out[row, : lengths[row]], torch.from_numpy(wanted), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("norm", ["none", "frame", "corpus"])
def test_mix_is_the_cached_mix_behind_global_mvn_at_equal_weights(norm, tiny, waves, tmp_path):
    stats = save_statistics(frontend(tiny, norm=norm), waves, tmp_path / "stats.npz")
    made = frontend(tiny, norm=norm, stats_file=stats)
    with torch.no_grad():
        made.featurizer.weights.copy_(torch.tensor([0.3, -1.0, 0.8]))
    weights = np.exp([0.3, -1.0, 0.8])
    layers = [np.concatenate(cached(tiny, waves, n)) for n in range(3)]
    mix = Mix(
        [0, 1, 2],
        weights / weights.sum(),
        norm,
        np.stack([x.mean(0) for x in layers]),
        np.stack([x.std(0) for x in layers]),
    )
    mixed = mix.apply([torch.from_numpy(x)[None] for x in layers])[0]
    wanted = (mixed - mixed.mean(0)) / mixed.std(0, correction=0)
    out, lengths = made(*padded(waves))
    got = torch.cat([out[row, :length] for row, length in enumerate(lengths)])
    torch.testing.assert_close(got, wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("norm", ["none", "frame"])
def test_featurizer_is_s3prls_up_to_mean_and_deviation(norm, tmp_path):
    from types import SimpleNamespace

    with contextlib.redirect_stderr(io.StringIO()):
        from s3prl.nn import Featurizer as Theirs

    torch.manual_seed(0)
    states = [torch.randn(2, 7, 5) * (n + 1) + n for n in range(3)]
    theirs = Theirs(
        SimpleNamespace(hidden_sizes=[5] * 3, downsample_rates=[320] * 3, num_layers=3),
        normalize=norm == "frame",
    )
    ours = featurizer.Featurizer([0, 1, 2], True, norm, None)
    moments = ours.moments(states, torch.tensor([7, 7]))
    np.savez(tmp_path / "s.npz", count=moments.count, sum=moments.total, products=moments.products)
    ours = featurizer.Featurizer([0, 1, 2], True, norm, str(tmp_path / "s.npz"))
    assert torch.equal(ours.weights, theirs.weights)
    for weights in ([0.0, 0.0, 0.0], [2.0, -1.0, 0.5]):
        with torch.no_grad():
            ours.weights.copy_(torch.tensor(weights))
            theirs.weights.copy_(torch.tensor(weights))
        wanted, _ = theirs(states, [torch.tensor([7, 7])] * 3)
        flat = wanted.reshape(-1, 5)
        torch.testing.assert_close(
            ours(states), (wanted - flat.mean(0)) / flat.std(0, correction=0), atol=1e-5, rtol=1e-4
        )


def test_statistics_leave_out_what_stands_behind_an_utterances_end():
    x = torch.tensor([[[1.0], [3.0], [9.0]], [[5.0], [9.0], [9.0]]])
    found = featurizer.Featurizer([4], False, "none", None).moments([x], torch.tensor([2, 1]))
    assert (found.count, found.total.tolist(), found.products.tolist()) == (3, [[9.0]], [[35.0]])


def test_features_that_are_not_numbers_stop_the_training(tiny, waves, tmp_path):
    made = frontend(tiny)
    with torch.no_grad():
        for parameter in made._frozen[0].parameters():
            parameter.fill_(float("nan"))
    with pytest.raises(UpstreamError, match="not finite numbers"):
        made.hidden(*padded(waves))


def test_damaged_weights_are_an_upstream_error(tiny, tmp_path):
    folder = make_tiny_wav2vec2(tmp_path / "torn")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "hidden_size": 48}))
    with raises(UpstreamError, "encoder.layer_norm.bias", where=str(folder)):
        frontend(folder)


def test_fbank_frames_are_counted_as_they_come(waves):
    made = frontend(None, upstream="fbank", layers=0)
    _, lengths = made.hidden(*padded(waves))
    assert lengths.tolist() == [made.num_frames(n) for n in SIZES]


def test_whisper_pads_and_cuts_in_training_as_in_extraction(tmp_path):
    rng = np.random.default_rng(2)
    clips = [
        rng.normal(0, 0.1, n * 1600).astype(np.float32) for n in (20, 70, 311)
    ]  # 5 s, 10 s, 30 s and another window
    made = frontend(None, upstream="whisper_base", layers=[0, 4]).train()
    states, lengths = made.hidden(*padded(clips))
    for row, matrix in enumerate(cached(None, clips, [0, 4], "whisper_base")):
        assert lengths[row] == len(matrix) == made.num_frames(len(clips[row]))
        got = torch.cat([s[row, : lengths[row]] for s in states], dim=1)
        torch.testing.assert_close(got, torch.from_numpy(matrix), atol=1e-4, rtol=1e-4)


def test_bfloat16_is_that_of_the_extraction(tiny, waves):
    skip_without("bfloat16")
    source = find_weights(TINY, str(tiny), None, None)
    matrices = encode_waves(load(Setup(source, 2, "bfloat16", 12.0)), waves, 2)
    made = frontend(tiny, layers=2)
    exact = made.hidden(*padded(waves))[0][0]
    made.dtype = torch.bfloat16
    states, lengths = made.hidden(*padded(waves))
    assert states[0].dtype == torch.float32 and not torch.equal(states[0], exact)
    for row, matrix in enumerate(matrices):  # values up to 4; both round to 8 bits, in other places
        off = (states[0][row, : lengths[row]] - torch.from_numpy(matrix)).abs()
        assert off.max() < 0.15 and off.mean() < 0.02


@pytest.mark.parametrize("channels", [8, 16])
def test_bfloat16_convolutions_are_right_or_refused(channels):
    """Fewer than 16 channels a group are wrong with AMX: refused there, right elsewhere."""
    skip_without("bfloat16")
    torch.manual_seed(0)
    conv = torch.nn.Conv1d(4 * channels, 4 * channels, 16, padding=8, groups=4)
    x = torch.randn(2, 4 * channels, 73).bfloat16()
    with torch.no_grad():
        exact = conv(x.float())
        off = (conv.bfloat16()(x).float() - exact).abs().max().item()
    if channels < 16 and has_fast_bf16():
        with raises(ConfigError, where="features.dtype=bfloat16"):
            dense.check_groups(torch.nn.Sequential(conv), "bfloat16")
    else:
        dense.check_groups(torch.nn.Sequential(conv), "bfloat16")
        assert off < 0.05
