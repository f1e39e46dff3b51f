"""Hugging Face folders of every kind, layout and file format, against transformers, layer by layer."""

import json
import shutil

import numpy as np
import pytest

from tests.errors import raises
from tests.lazy import Lazy, torch
from tests.tiny import skip_without
from tests.upstreams.layouts import LAYOUTS, make
from xlt.core.errors import ConfigError, UpstreamError
from xlt.upstreams import upstream_class
from xlt.upstreams.hf import HuggingFace
from xlt.upstreams.hf_config import extractor

transformers = Lazy("transformers")
tunable = Lazy("xlt.upstreams.tunable")
conformer = Lazy("xlt.upstreams.conformer")

pytestmark = pytest.mark.trains

TUNABLE = ["xls_r", "wav2vec2_base", "mms", "hubert_base", "hubert_large", "w2v_bert"]


@pytest.fixture(scope="module")
def waves():
    rng = np.random.default_rng(1)  # the third has an odd number of log-mel frames
    return [rng.normal(0.02, 0.1, size).astype(np.float32) for size in (16000, 12321, 9200)]


def theirs(model, folder, wave):
    """All hidden states (T, D) as transformers' own documentation says to get them."""
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    inputs = dict(extractor(wave, sampling_rate=16000, return_tensors="pt"))
    mask = inputs.get("attention_mask")
    if "input_values" in inputs and not extractor.return_attention_mask:
        inputs.pop("attention_mask", None)
    model.config.tie_last_hidden_states = True
    with torch.inference_mode():
        found = model(**inputs, output_hidden_states=True)
    assert torch.equal(found.hidden_states[-1], found.last_hidden_state)
    frames = int(mask.sum()) if "input_features" in inputs else found.last_hidden_state.shape[1]
    return [h[0, :frames].numpy() for h in found.hidden_states]


def encoded(folder, waves, dtype="float32"):
    """Of each wave all hidden states (T, D)."""
    upstream = HuggingFace(HuggingFace.find("hf", str(folder), folder), dtype, "cpu")
    outputs, lengths = upstream.encode(waves, list(range(upstream.num_layers)))
    assert lengths == [-(-len(wave) // 320) for wave in waves] == [upstream.num_frames(len(w)) for w in waves]
    return [[h[row, :length].numpy() for h in outputs] for row, length in enumerate(lengths)]


def far(ours, model, folder, waves):
    """The largest difference of any layer from transformers'; what is behind its frames repeats the last."""
    most = 0.0
    for wave, layers in zip(waves, ours, strict=True):
        expected = theirs(model, folder, wave)
        assert len(layers) == len(expected)
        for mine, other in zip(layers, expected, strict=True):
            most = max(most, np.abs(mine[: len(other)] - other).max())
            assert np.array_equal(
                mine[len(other) :], np.repeat(mine[len(other) - 1 :][:1], len(mine) - len(other), 0)
            )
    return most


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layer_is_that_of_transformers(tmp_path, waves, layout):
    model = make(tmp_path, layout)
    if layout == "mms":  # features are those of the backbone, which all languages share
        assert far(encoded(tmp_path, waves[:1]), model, tmp_path, waves[:1]) > 0.01
        model = type(model).from_pretrained(tmp_path, adapter_attn_dim=None).eval()
    ours = encoded(tmp_path, waves)
    assert far(ours, model, tmp_path, waves) < 1e-5
    (alone,) = encoded(tmp_path, waves[1:2])
    assert max(np.abs(a - b).max() for a, b in zip(alone, ours[1], strict=True)) < 1e-5


@pytest.mark.parametrize("layout", TUNABLE)
def test_the_network_with_gradients_is_the_same(tmp_path, waves, layout):
    make(tmp_path, layout)
    pieces = HuggingFace.pieces(HuggingFace.find("hf", str(tmp_path), tmp_path))
    net = tunable.Net(pieces, 2, 0.0).eval().requires_grad_(True)
    hidden, spans = net([torch.from_numpy(wave) for wave in waves])
    for (begin, end), layers in zip(spans, encoded(tmp_path, waves), strict=True):
        for mine, other in zip(hidden, layers, strict=True):
            assert np.abs(mine[begin:end].detach().numpy() - other[: end - begin]).max() < 1e-5
    hidden[-1].square().sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    bare = tunable.Net(HuggingFace.bare_pieces("hf", tmp_path), 2, 0.0)
    assert bare.load_state_dict(net.state_dict())


@pytest.mark.parametrize("layout", ["wavlm_base", "data2vec", "conformer"])
def test_what_cannot_be_trained_is_known_from_config_json(tmp_path, layout):
    make(tmp_path, layout)
    assert not HuggingFace.can_tune("hf", str(tmp_path))
    with raises(UpstreamError, "train.freeze=upstream"):
        HuggingFace.pieces(HuggingFace.find("hf", str(tmp_path), tmp_path))
    make(tmp_path / "other", "w2v_bert")
    assert HuggingFace.can_tune("hf", str(tmp_path / "other")) and HuggingFace.can_tune("hf")


def state_of(folder):
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def old_names(state):
    """As files before torch's parametrizations have them, with the prefix of a model with a head."""
    new = "parametrizations.weight.original"
    return {
        f"wav2vec2.{key.replace(new + '0', 'weight_g').replace(new + '1', 'weight_v')}": value
        for key, value in state.items()
    } | {"lm_head.weight": torch.zeros(5, 32), "quantizer.codevectors": torch.zeros(1, 2, 3)}


def write(folder, state, form):
    """The weights of ``folder`` in another of the forms in which models are published."""
    from safetensors.torch import save_file

    (folder / "model.safetensors").unlink()
    keys = sorted(state)
    parts = {"00001": keys[::2], "00002": keys[1::2]} if "shards" in form else {"": keys}
    stem, ending = ("pytorch_model", ".bin") if "bin" in form else ("model", ".safetensors")
    placed = {}
    for number, names in parts.items():
        name = f"{stem}-{number}-of-00002{ending}" if number else stem + ending
        tensors = {key: state[key].contiguous() for key in names}
        placed |= dict.fromkeys(names, name)
        torch.save(tensors, folder / name) if "bin" in form else save_file(
            tensors, folder / name, {"format": "pt"}
        )
    if "shards" in form:
        text = json.dumps({"metadata": {}, "weight_map": placed})
        (folder / f"{stem}{ending}.index.json").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("form", ["safetensors", "bin", "safetensors shards", "bin shards"])
@pytest.mark.parametrize("names", ["old", "new"])
def test_every_form_of_weights(tmp_path, waves, form, names):
    model = make(tmp_path, "xls_r")
    state = state_of(tmp_path)
    write(tmp_path, old_names(state) if names == "old" else state, form)
    assert far(encoded(tmp_path, waves[:1]), model, tmp_path, waves[:1]) < 1e-5
    source = HuggingFace.find("hf", str(tmp_path), tmp_path)
    assert isinstance(source.identity["weights_sha256"], list) == ("shards" in form)
    copy = tmp_path / "bundle"  # what a bundle takes along is the model
    copy.mkdir()
    for file in source.files:
        shutil.copyfile(file, copy / file.rpartition("/")[2])
    assert HuggingFace.find("hf", str(copy), tmp_path).identity == source.identity
    assert far(encoded(copy, waves[:1]), model, tmp_path, waves[:1]) < 1e-5


def test_half_precision_is_widened(tmp_path, waves):
    model = make(tmp_path, "xls_r")
    write(tmp_path, {k: v.half() for k, v in state_of(tmp_path).items()}, "safetensors")
    assert far(encoded(tmp_path, waves[:1]), model.half().float(), tmp_path, waves[:1]) < 1e-5


@pytest.mark.parametrize("layout", ["xls_r", "w2v_bert"])
def test_bfloat16_is_near(tmp_path, waves, layout):
    skip_without("bfloat16")
    make(tmp_path, layout)
    for a, b in zip(encoded(tmp_path, waves), encoded(tmp_path, waves, "bfloat16"), strict=True):
        assert 0 < np.linalg.norm(a[-1] - b[-1]) / np.linalg.norm(a[-1]) < 0.05


def test_int8_is_for_packed_models(tmp_path):
    make(tmp_path, "w2v_bert")
    with raises(ConfigError, where="features.dtype=int8"):
        HuggingFace(HuggingFace.find("hf", str(tmp_path), tmp_path), "int8", "cpu")


def change(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | values), encoding="utf-8")


@pytest.mark.parametrize("form", ["safetensors", "bin"])
@pytest.mark.parametrize(
    "lacking", ["encoder.layers.0.attention.q_proj.bias", "feature_projection.layer_norm.bias"]
)
def test_what_transformers_would_draw_at_random_is_refused(tmp_path, form, lacking):
    make(tmp_path, "xls_r")
    state = state_of(tmp_path)
    del state[lacking]
    write(tmp_path, state, form)
    with raises(UpstreamError, lacking):
        HuggingFace(HuggingFace.find("hf", str(tmp_path), tmp_path), "float32", "cpu")


@pytest.mark.parametrize(
    "values, fact",
    [
        ({"num_hidden_layers": 1}, "encoder.layers.1.attention.k_proj.bias"),
        ({"num_hidden_layers": 3}, "encoder.layers.2.final_layer_norm.weight"),
        ({"intermediate_size": 48}, "config.json"),
        ({"model_type": "hubert", "conv_bias": False}, "feature_extractor.conv_layers.0.conv.bias"),
        ({"model_type": "bert"}, "bert"),
        ({"model_type": "whisper"}, "features.upstream=whisper_base"),
        ({"model_type": ["x"]}, "wavlm"),
    ],
    ids=str,
)
def test_weights_of_another_model(tmp_path, values, fact):
    make(tmp_path, "xls_r")
    change(tmp_path, **values)
    with raises(UpstreamError, fact):
        HuggingFace(HuggingFace.find("hf", str(tmp_path), tmp_path), "float32", "cpu")


def test_a_processor_as_transformers_5_saves_it_says_how_waves_are_prepared(tmp_path):
    """``Wav2Vec2Processor.save_pretrained`` writes no preprocessor_config.json."""
    make(tmp_path, "xls_r")
    before = HuggingFace.find("hf", str(tmp_path), tmp_path)
    own = tmp_path / "preprocessor_config.json"
    inside = json.loads(own.read_text("utf-8"))
    whole = {"feature_extractor": inside, "processor_class": "Wav2Vec2Processor"}
    own.unlink()
    (tmp_path / "processor_config.json").write_text(json.dumps(whole))
    found = HuggingFace.find("hf", str(tmp_path), tmp_path)
    assert found.identity == before.identity
    assert [path for path in found.files if path not in before.files] == [
        str(tmp_path / "processor_config.json")
    ]
    assert extractor(tmp_path).do_normalize == inside["do_normalize"]
    (tmp_path / "processor_config.json").write_text("{}")
    with raises(UpstreamError, "feature_extractor", where="processor_config.json"):
        HuggingFace.find("hf", str(tmp_path), tmp_path)


def test_indices_that_name_other_files(tmp_path):
    make(tmp_path, "xls_r")
    write(tmp_path, state_of(tmp_path), "safetensors shards")
    index = tmp_path / "model.safetensors.index.json"
    whole = json.loads(index.read_text("utf-8"))
    (tmp_path / "model-00002-of-00002.safetensors").rename(tmp_path / "aside.safetensors")
    with raises(UpstreamError, "model-00002-of-00002.safetensors", where=index.name):
        HuggingFace.find("hf", str(tmp_path), tmp_path)
    for name in ("../aside.safetensors", "/etc/passwd", "evil.py", 7):
        index.write_text(json.dumps({"weight_map": whole["weight_map"] | {"x": name}}))
        with raises(UpstreamError, "trust", where=index.name):
            HuggingFace.find("hf", str(tmp_path), tmp_path)
    index.write_text("{}")
    with raises(UpstreamError, where=index.name):
        HuggingFace.find("hf", str(tmp_path), tmp_path)


def test_names_of_the_hub(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in ("mms_300m", "mms_1b", "mms_1b_all", "w2v_bert_2"):
        assert upstream_class(name) is HuggingFace
        with raises(UpstreamError, "features.path=DIR", "HF_HUB_OFFLINE", where=f"features.upstream={name}"):
            HuggingFace.find(name, None, tmp_path)
    with raises(ConfigError, "features.path", where="features.upstream=hf"):
        HuggingFace.find("hf", None, tmp_path)
    snapshot = tmp_path / "hub/models--facebook--w2v-bert-2.0/snapshots/abc"
    make(snapshot, "w2v_bert")
    assert HuggingFace.find("w2v_bert_2", None, tmp_path).path == str(snapshot)


def test_features_are_stored_and_read_again(tmp_path, monkeypatch):
    """Stage 3, and the same features from the waves, as a bundle makes them."""
    from tests.features.conftest import Recipe
    from xlt import features
    from xlt.audio.files import read_wav
    from xlt.formats.archives import FeatureReader
    from xlt.formats.features import read_features
    from xlt.formats.tables import read_table

    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    make(tmp_path / "w2v_bert", "w2v_bert")
    recipe = Recipe(tmp_path / "recipe")
    for name in ("train", "dev", "test"):
        recipe.add(name, {f"s-{name}": 0.7})
    monkeypatch.chdir(recipe.dir)
    words = ["features.upstream=hf", f"features.path={tmp_path / 'w2v_bert'}", "features.layers=last"]
    ctx = recipe.context(*words, "features.storage=f32", "features.dtype=float32")
    features.run(ctx)
    folder = ctx.dump / "train"
    stored = FeatureReader(folder / "feats.scp", ctx.recipe)["s-train"]
    wave = read_wav(recipe.dir / read_table(recipe.dir / "data/train/wav.scp")["s-train"])
    ((*_, last),) = encoded(tmp_path / "w2v_bert", [wave])
    assert stored.shape == (35, 32) and np.abs(stored - last).max() < 1e-5
    identity = read_features(folder)["upstream"]
    assert identity["model_type"] == "wav2vec2-bert" and len(identity["weights_sha256"]) == 64


XLS_R = dict(conv_bias=True, feat_extract_norm="layer", do_stable_layer_norm=True, num_attention_heads=16)
# config.json of the hub, and the millions of parameters that Babu et al. 2021 (arXiv:2111.09296) state, the
# quantiser among them; of the others only the layout is looked at
PUBLISHED = {
    "xls_r_300m": ("Wav2Vec2", dict(hidden_size=1024, num_hidden_layers=24, intermediate_size=4096,
                                    codevector_dim=768, proj_codevector_dim=768) | XLS_R, 317),
    "xls_r_1b": ("Wav2Vec2", dict(hidden_size=1280, num_hidden_layers=48, intermediate_size=5120,
                                  codevector_dim=1024, proj_codevector_dim=1024) | XLS_R, 965),
    "xls_r_2b": ("Wav2Vec2", dict(hidden_size=1920, num_hidden_layers=48, intermediate_size=7680,
                                  codevector_dim=1024, proj_codevector_dim=1024) | XLS_R, 2162),
    "hubert_large": ("Hubert", dict(hidden_size=1024, num_hidden_layers=24, intermediate_size=4096)
                     | XLS_R, None),
    "w2v_bert_2": ("Wav2Vec2Bert", dict(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16,
                                        intermediate_size=4096, hidden_act="swish"), None),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_true_sizes_can_be_trained_whole(name):
    """Without memory for them: every parameter of the published layout is a piece of the trained network."""
    family, config, millions = PUBLISHED[name]
    with torch.device("meta"):
        config = getattr(transformers, f"{family}Config")(**config)
        model = getattr(transformers, f"{family}Model")(config).eval()
        if millions is not None:
            whole = transformers.Wav2Vec2ForPreTraining(config)
            assert int(sum(p.numel() for p in whole.parameters()) / 1e6) == millions
    if family == "Wav2Vec2Bert":
        pieces = conformer.bert_pieces(model, transformers.SeamlessM4TFeatureExtractor(stride=2))
    else:
        import types

        expert = types.SimpleNamespace(model=model, extracter=transformers.Wav2Vec2FeatureExtractor())
        pieces = tunable.wav2vec2_pieces(expert, name)
    net = tunable.Net(pieces, config.num_hidden_layers, 0.0)
    ours, masked = {id(p) for p in net.parameters()}, {id(model.masked_spec_embed)}
    assert ours == {id(p) for p in model.parameters()} - masked
