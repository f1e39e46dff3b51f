"""The frontend that trains its upstream: at first the frozen features, then gradients where they belong and
nowhere else.
"""

import contextlib
import io

import numpy as np
import pytest

from tests.errors import raises
from tests.lazy import Lazy, torch
from tests.tiny import make_tiny_wav2vec2, make_tiny_whisper, save_wav2vec2
from tests.upstreams.layouts import make
from xlt.core.errors import ConfigError, UpstreamError
from xlt.features.extract import Setup, encode_waves, load
from xlt.models.espnet.frontends import find_weights, statistics
from xlt.models.espnet.tuning import Tuning, parameter_groups
from xlt.upstreams import upstream_class

tuned_frontend = Lazy("xlt.models.espnet.frontends.tuned")

pytestmark = pytest.mark.trains

UPSTREAMS = {
    "wav2vec2": "hf_wav2vec2_custom",
    "group_norm": "hf_wav2vec2_custom",
    "whisper": "whisper_base",
    "w2v_bert": "hf",
}
SIZES = [9000, 500, 23456, 81000]  # below what wav2vec2's convolutions take; above Whisper's grid of 5 s
TUNING = Tuning(
    freeze="extractor",
    freeze_updates=0,
    upstream_lr=0.1,
    layer_decay=0.5,
    upstream_dropout=0.0,
    checkpointing=False,
    adapter="none",
    adapter_dim=4,
)


def tuning(**changes) -> dict:
    return {**vars(TUNING), **changes}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    made = {
        "wav2vec2": make_tiny_wav2vec2(root / "tiny"),
        "whisper": make_tiny_whisper(root / "whisper"),
        "group_norm": root / "group",
        "w2v_bert": root / "w2v_bert",
    }  # as wav2vec2-base: group norm, norms behind the sublayers
    make(made["w2v_bert"], "w2v_bert")
    torch.manual_seed(0)
    Wav2Vec2Model(
        Wav2Vec2Config(
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=64,
            conv_dim=[32] * 7,
            num_conv_pos_embeddings=8,
            num_conv_pos_embedding_groups=4,
            feat_extract_norm="group",
        )
    ).save_pretrained(made["group_norm"])
    Wav2Vec2FeatureExtractor(return_attention_mask=False).save_pretrained(made["group_norm"])
    return made


@pytest.fixture(scope="module")
def waves():
    rng = np.random.default_rng(1)
    return [rng.normal(0, 0.1, n).astype(np.float32) for n in SIZES]


def padded(waves):
    """(B, N) with noise behind the ends, which must not matter, and (B,)."""
    speech = torch.full((len(waves), max(map(len, waves))), 0.3)
    for row, wave in zip(speech, waves, strict=True):
        row[: len(wave)] = torch.from_numpy(wave)
    return speech, torch.tensor([len(w) for w in waves])


def arguments(folders, model, layers, stats_file=None, **more):
    return dict(
        upstream=UPSTREAMS[model],
        path=str(folders[model]),
        cache=None,
        identity=None,
        layers=layers,
        norm="corpus",
        dtype="float32",
        batch_s=12.0,
        stats_file=str(stats_file) if stats_file else None,
        **more,
    )


def tuned(folders, model, layers="mix", stats_file=None, architecture=None, **changes):
    return tuned_frontend.TunedUpstream(
        **arguments(folders, model, layers, stats_file, tuning=tuning(**changes)), architecture=architecture
    )


def frozen(folders, model, layers, stats_file=None):
    from xlt.core.registry import FRONTENDS

    with contextlib.redirect_stderr(io.StringIO()):
        frontend = FRONTENDS.get(upstream_class(UPSTREAMS[model]).frontend)
        return frontend(**arguments(folders, model, layers, stats_file))


@pytest.fixture(scope="module")
def stats(folders, waves, tmp_path_factory):
    files = {}
    for model in UPSTREAMS:
        named = {str(n): w for n, w in enumerate(waves)}
        made = frozen(folders, model, "mix")
        *_, (_, total) = statistics(made, named.get, {k: len(w) for k, w in named.items()}, batch_s=2.0)
        files[model] = tmp_path_factory.mktemp("stats") / f"{model}.npz"
        np.savez(files[model], **total)
    return files


def loss(frontend, waves):
    out, _ = frontend(*padded(waves))
    return (out * torch.linspace(0.5, 1.5, out.shape[-1])).square().mean()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"freeze": "none", "checkpointing": True},
        {"freeze": "upstream", "adapter": "lora"},
        {"freeze": "upstream", "adapter": "houlsby"},
        {"freeze": "upstream", "adapter": "mms"},
    ],
)
@pytest.mark.parametrize("model", UPSTREAMS)
def test_before_the_first_update_it_gives_the_frozen_features(folders, waves, stats, model, changes):
    made = tuned(folders, model, stats_file=stats[model], **changes).train()
    got, lengths = made(*padded(waves))
    wanted, theirs = frozen(folders, model, "mix", stats[model])(*padded(waves))
    assert lengths.tolist() == theirs.tolist() and made.output_size() == wanted.shape[2] == 32
    for row, length in enumerate(lengths):
        torch.testing.assert_close(got[row, :length], wanted[row, :length], atol=2e-4, rtol=2e-4)
    cached = encode_waves(
        load(Setup(find_weights(UPSTREAMS[model], str(folders[model]), None, None), [0, 1], "float32", 12.0)),
        waves,
        [0, 1],
    )
    states, _ = tuned(folders, model, [0, 1], **changes).train().hidden(*padded(waves))
    for row, matrix in enumerate(cached):
        both = torch.cat([s[row, : len(matrix)] for s in states], dim=1)
        torch.testing.assert_close(both, torch.from_numpy(matrix), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("model", "changes"), [("whisper", {"freeze": "upstream", "adapter": "lora"}), ("wav2vec2", {})]
)
def test_a_stream_hears_with_the_tuned_encoder(folders, waves, stats, model, changes):
    """Untuned, what the frozen one gives under the same chunks; tuned, something else."""
    from xlt.models.espnet.streaming import hearing
    from xlt.nets.chunks import Chunks

    made, chunks = tuned(folders, model, stats_file=stats[model], **changes).eval(), Chunks(16, 50, 8)
    source = find_weights(UPSTREAMS[model], str(folders[model]), None, None)
    masked = load(Setup(source, "last", "float32", 12.0)).chunked(chunks)
    wave = waves[2]
    states, (length,) = masked.encode([wave], made.featurizer.layers)
    with torch.inference_mode():
        wanted = made.featurizer(states)[0, :length]

    def streamed():
        hears, found = hearing(made, folders[model]), []
        stream = hears.open(chunks)
        for start in range(0, len(wave), 3000):
            found.append(hears.features(stream.push(wave[start : start + 3000], start + 3000 >= len(wave))))
        return torch.from_numpy(np.concatenate(found))

    torch.testing.assert_close(streamed(), wanted, atol=1e-3, rtol=1e-3)
    with torch.no_grad():
        for parameter in (made.adapters or made.upstream.layers).parameters():
            parameter += 0.1
    assert (streamed() - wanted).abs().max() > 0.01


def test_encoders_of_whole_clips_and_other_arithmetic_are_refused_for_streams(folders):
    from xlt.models.espnet.streaming import hearing
    from xlt.nets.chunks import Chunks

    made = tuned(folders, "group_norm")
    with raises(UpstreamError, "whole clip", where="features.chunk_s"):
        hearing(made, folders["group_norm"]).open(Chunks(16))
    with raises(ConfigError, "float32", where="dtype=int8"):
        hearing(made, folders["group_norm"], "int8")


def test_whisper_is_cut_into_windows_of_30_s_as_in_extraction(folders):
    clip = np.random.default_rng(2).normal(0, 0.1, 496_000).astype(np.float32)  # 31 s
    states, lengths = tuned(folders, "whisper", 2).hidden(*padded([clip]))
    assert lengths.tolist() == [1550]
    source = find_weights("whisper_base", str(folders["whisper"]), None, None)
    (matrix,) = encode_waves(load(Setup(source, 2, "float32", 12.0)), [clip], 2)
    torch.testing.assert_close(states[0][0], torch.from_numpy(matrix), atol=1e-4, rtol=1e-4)


def moved(frontend, waves):
    """The parameters that have a gradient other than 0."""
    frontend.zero_grad()
    loss(frontend, waves).backward()
    return {n for n, p in frontend.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}


@pytest.mark.parametrize("model", UPSTREAMS)
def test_gradients_reach_the_transformer_and_not_the_extractor(folders, waves, stats, model):
    made = tuned(folders, model, stats_file=stats[model]).train()
    names = {n for n, _ in made.named_parameters()}
    extractor = {n for n in names if n.startswith("net.front.")}
    # a key's bias shifts all scores of a query alike and cannot matter
    wanted = {n for n in names - extractor if not n.endswith(".k.bias")}
    assert len(extractor) >= 4 and moved(made, waves) - {n for n in names if n.endswith(".k.bias")} == wanted
    whole = tuned(folders, model, stats_file=stats[model], freeze="none").train()
    assert {n for n in moved(whole, waves) if n.startswith("net.front.")} == extractor


def test_layers_above_the_last_one_used_are_not_there(folders, waves):
    made = tuned(folders, "wav2vec2", 1)
    assert len(made.net.layers) == 1 and made.net.final_norm is None
    assert tuned(folders, "wav2vec2", 2).net.final_norm is not None


def test_the_head_learns_alone_until_freeze_updates_and_a_resumed_training_knows(folders, waves, stats):
    made = tuned(folders, "whisper", stats_file=stats["whisper"], freeze_updates=2).train()
    assert moved(made, waves) == {"featurizer.weights"}
    made.eval()
    made(*padded(waves))  # validation is no update
    state = made.train().state_dict()
    again = tuned(folders, "whisper", stats_file=stats["whisper"], freeze_updates=2).train()
    again.load_state_dict(state)
    assert moved(again, waves) == {"featurizer.weights"}
    assert "net.layers.0.q.weight" in moved(again, waves)


@pytest.mark.parametrize("adapter, parts", [("lora", 2 * 4), ("houlsby", 2 * 2 * 2), ("mms", 2 * 3)])
@pytest.mark.parametrize("model", UPSTREAMS)
def test_of_an_upstream_with_adapters_only_these_are_trained_and_saved(
    folders, waves, stats, model, adapter, parts
):
    made = tuned(folders, model, stats_file=stats[model], freeze="upstream", adapter=adapter).train()
    names = {n for n, _ in made.named_parameters()}
    assert len(names) == 2 * parts + 1 and all(
        n.startswith("adapters.") for n in names - {"featurizer.weights"}
    )
    assert set(made.state_dict()) == names | {"updates"}
    optimiser = torch.optim.Adam(made.parameters(), lr=0.01)
    before = loss(made, waves).detach()
    for _ in range(3):
        moved(made, waves)
        optimiser.step()
    assert moved(made, waves) == names and not torch.allclose(loss(made, waves), before)
    assert all(p.grad is None for p in made.upstream.parameters())
    other = tuned(folders, model, stats_file=stats[model], freeze="upstream", adapter=adapter)
    other.load_state_dict(made.state_dict())
    assert torch.equal(other.eval()(*padded(waves))[0], made.eval()(*padded(waves))[0])


def test_adapters_are_what_their_papers_say():
    from xlt.nets.adapters import Houlsby, Lora, Mms

    x = torch.tensor([[1.0, 2.0]])
    lora = Lora(2, 1)
    with torch.no_grad():
        lora.a["q"].copy_(torch.tensor([[3.0, 1.0]]))
        lora.b["q"].copy_(torch.tensor([[1.0], [-1.0]]))
    assert lora.linear("q", x, 10 * x).tolist() == [[15.0, 15.0]]  # A x = 5
    assert lora.linear("k", x, 10 * x).tolist() == [[10.0, 20.0]] and lora.linear("fc1", x, x) is x
    houlsby = Houlsby(2, 1)
    with torch.no_grad():
        houlsby.down["attention"].weight.copy_(torch.tensor([[10.0, 10.0]]))
        houlsby.down["attention"].bias.fill_(-5.0)
        houlsby.up["attention"].weight.copy_(torch.tensor([[1.0], [2.0]]))
    torch.testing.assert_close(houlsby.behind("attention", x), torch.tensor([[26.0, 52.0]]))  # gelu(25) = 25
    assert torch.equal(houlsby.behind("feed_forward", x), x)
    assert all(adapter.behind("layer", x) is x for adapter in (lora, houlsby))
    mms = Mms(2, 1)
    assert torch.equal(mms.behind("layer", x), x) and mms.behind("attention", x) is x
    with torch.no_grad():
        mms.linear_1.weight.copy_(torch.tensor([[1.0, 3.0]]))
        mms.linear_1.bias.fill_(1.0)
        mms.linear_2.weight.copy_(torch.tensor([[1.0], [2.0]]))
        mms.linear_2.bias.fill_(0.5)
    # the norm gives (-1, 1); relu(-1 + 3 + 1) = 3
    torch.testing.assert_close(mms.behind("layer", x), torch.tensor([[4.5, 8.5]]), atol=1e-4, rtol=0)
    mms.linear_1.bias.data.fill_(-3.0)  # relu(-1) = 0
    torch.testing.assert_close(mms.behind("layer", x), torch.tensor([[1.5, 2.5]]))


@pytest.mark.parametrize("model", ["wav2vec2", "whisper"])
def test_checkpointing_changes_no_gradient(folders, waves, stats, model):
    grads = []
    for recompute in (False, True):
        made = tuned(folders, model, stats_file=stats[model], freeze="none", checkpointing=recompute).train()
        moved(made, waves)
        grads.append({n: p.grad for n, p in made.named_parameters()})
    for name, grad in grads[0].items():
        torch.testing.assert_close(grad, grads[1][name], msg=name)


def test_dropout_acts_in_training_only_and_only_if_asked_for(folders, waves):
    def run(frontend):
        return frontend.hidden(*padded(waves))[0][-1]

    for changes in ({}, {"freeze": "upstream", "adapter": "lora"}):
        still = tuned(folders, "wav2vec2", **changes).train()
        assert torch.equal(run(still), run(still))
        made = tuned(folders, "wav2vec2", upstream_dropout=0.5, **changes).train()
        assert not torch.allclose(run(made), run(made))
        assert torch.equal(run(made.eval()), run(still))


def test_the_learning_rate_falls_from_layer_to_layer_and_the_schedule_scales_all(folders, stats):
    model = torch.nn.Module()
    model.frontend = tuned(folders, "wav2vec2", stats_file=stats["wav2vec2"], freeze="none")
    model.head = torch.nn.Linear(2, 3)
    groups = parameter_groups(model)
    assert (
        sum(len(g["params"]) for g in groups)
        == len({id(p) for g in groups for p in g["params"]})
        == len(list(model.parameters()))
    )
    assert [g.get("lr") for g in groups] == [
        None,
        0.025,
        0.05,
        0.1,
    ]  # head; extractor, layers 1 and 2: halved each
    assert len(groups[0]["params"]) == 3  # the head, and the layer weights
    assert any(p is model.frontend.net.final_norm.weight for p in groups[3]["params"])
    optimiser = torch.optim.Adam(groups, lr=0.4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=2)
    optimiser.step()
    schedule.step()  # half way: half the rate
    assert [g["lr"] for g in optimiser.param_groups] == pytest.approx([0.2, 0.0125, 0.025, 0.05])
    model.frontend = tuned(folders, "wav2vec2", stats_file=stats["wav2vec2"])
    assert [g.get("lr") for g in parameter_groups(model)] == [None, 0.05, 0.1]
    del model.frontend
    assert parameter_groups(model) is None


@pytest.mark.parametrize("model", UPSTREAMS)
def test_a_tuned_model_is_built_from_its_config_alone(folders, waves, stats, model, tmp_path):
    made = tuned(folders, model, stats_file=stats[model])
    with torch.no_grad():
        for parameter in made.parameters():
            parameter += 0.01
    for file in folders[model].glob("*.json"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    folders = {**folders, model: "/nowhere"}
    bare = tuned(folders, model, stats_file=stats[model], architecture=str(tmp_path))
    bare.load_state_dict(made.state_dict())  # strict
    assert torch.equal(bare.eval()(*padded(waves))[0], made.eval()(*padded(waves))[0])


def test_s3prls_own_files_are_trained_too(tmp_path, waves, monkeypatch):
    """xls_r_300m as s3prl converts it from fairseq, in small: the same parts under other names."""
    import dataclasses

    from s3prl.upstream.wav2vec2.wav2vec2_model import AudioPretrainingConfig, Wav2Vec2Config, Wav2Vec2Model

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
    file = tmp_path / "tiny.xlsr2_300m.pt"
    torch.save(
        {
            "task_cfg": dataclasses.asdict(AudioPretrainingConfig(normalize=True)),
            "model_cfg": dataclasses.asdict(config),
            "model_weight": Wav2Vec2Model(config).state_dict(),
        },
        file,
    )
    monkeypatch.setitem(UPSTREAMS, "fairseq", "xls_r_300m")
    made = tuned({"fairseq": file}, "fairseq", [0, 1, 2], freeze="none").train()
    states, _ = made.hidden(*padded(waves))
    source = find_weights("xls_r_300m", str(file), None, None)
    for row, matrix in enumerate(
        encode_waves(load(Setup(source, [0, 1, 2], "float32", 12.0)), waves, [0, 1, 2])
    ):
        got = torch.cat([s[row, : len(matrix)] for s in states], dim=1)
        torch.testing.assert_close(got, torch.from_numpy(matrix), atol=1e-4, rtol=1e-4)
    states[-1].square().sum().backward()
    assert {n for n, p in made.net.front.named_parameters() if p.grad is None} == set()
    again = tuned({"fairseq": file}, "fairseq", [0, 1, 2], freeze="none")
    again.load_state_dict({k: v + 0.01 for k, v in made.state_dict().items()})
    assert not torch.allclose(again.hidden(*padded(waves))[0][-1], states[-1])


def test_an_upstream_of_another_build_is_refused(tmp_path):
    folder = save_wav2vec2(
        tmp_path / "adapted",
        0,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=[16] * 7,
        num_conv_pos_embeddings=8,
        hidden_act="relu",
        num_conv_pos_embedding_groups=2,
    )
    with pytest.raises(
        UpstreamError, match="built in a way that cannot be trained here.*train.freeze=upstream"
    ):
        tuned({"wav2vec2": folder}, "wav2vec2")


def test_other_weights_a_missing_layer_and_diverged_features_are_named(folders, waves, tmp_path):
    other = make_tiny_whisper(tmp_path / "other", seed=1)
    wrong = arguments(folders, "whisper", 1) | {
        "identity": find_weights("whisper_base", str(other), None, None).identity
    }
    with raises(UpstreamError, wrong["identity"]):
        tuned_frontend.TunedUpstream(**wrong, tuning=tuning())
    with raises(ConfigError, 7, where="features.layers"):
        tuned(folders, "whisper", 7)
    made = tuned(folders, "whisper", 1)
    with torch.no_grad():
        made.net.layers[0].fc1.weight.fill_(float("nan"))
    with pytest.raises(UpstreamError, match="not finite numbers; lower train.upstream_lr"):
        made.hidden(*padded(waves))
