"""Weights of encoders from strangers: s3prl and transformers run nothing of what is in them."""

import dataclasses
import inspect
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.errors import raises
from tests.faults.test_models import asked, bundle, named_upstream  # noqa: F401 (fixtures)
from tests.faults.test_weights import HOSTILE, ran, refused  # noqa: F401
from tests.lazy import torch
from tests.tiny import make_tiny_wav2vec2, make_tiny_whisper
from xlt.bundle.transcribe import Transcriber
from xlt.core.errors import ConfigError, DataError, UpstreamError
from xlt.features.extract import encode_waves
from xlt.upstreams import s3prl_safe, s3prl_weights
from xlt.upstreams.s3prl import S3prlUpstream, load_expert
from xlt.upstreams.s3prl_safe import parse_convolutions, read_checkpoint, typed_settings

CONVOLUTIONS = "[(32, 10, 5)] + [(32, 3, 2)] * 4 + [(32,2,2)] + [(32,2,2)]"


def converted(path: Path, **settings) -> Path:
    """A tiny wav2vec 2.0 as s3prl converts them from fairseq."""
    from s3prl.upstream.wav2vec2.wav2vec2_model import AudioPretrainingConfig, Wav2Vec2Config, Wav2Vec2Model

    config = Wav2Vec2Config(
        extractor_mode="layer_norm",
        conv_bias=True,
        layer_norm_first=True,
        encoder_layers=1,
        encoder_embed_dim=32,
        encoder_ffn_embed_dim=32,
        encoder_attention_heads=2,
        final_dim=16,
        latent_vars=8,
        conv_feature_layers=CONVOLUTIONS,
        conv_pos=16,
        conv_pos_groups=4,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = Wav2Vec2Model(config).state_dict()
    task = dataclasses.asdict(AudioPretrainingConfig(normalize=True)) | {"data": "/checkpoint/some/where"}
    model = dataclasses.asdict(config) | {"_name": "wav2vec2"} | settings
    torch.save({"task_cfg": task, "model_cfg": model, "model_weight": state}, path)
    return path


def evil(mark: Path) -> str:
    """Python that gives what s3prl expects, and makes the folder ``mark``."""
    return f"__import__('os').mkdir({str(mark)!r}) or {CONVOLUTIONS}"


@pytest.mark.parametrize("way", ["by path", "by name", "by a frontend", "in a bundle"])
def test_texts_that_s3prl_would_run(tmp_path, ran, way, monkeypatch, request):  # noqa: F811
    file = converted(tmp_path / "evil.pt", conv_feature_layers=evil(ran))
    where = f"{file}: model_cfg.conv_feature_layers"
    if way == "by name":
        monkeypatch.setenv("HOME", str(tmp_path))
        file = s3prl_weights.download_file(s3prl_weights.hub_urls("xls_r_300m")[0])
        file.parent.mkdir(parents=True)
        shutil.copyfile(tmp_path / "evil.pt", file)
        where = str(file)
    with pytest.raises(UpstreamError, match="trust") as caught:
        if way in ("by path", "by name"):
            source = s3prl_weights.find("xls_r_300m", str(file) if way == "by path" else None)
            load_expert(source)
        elif way == "by a frontend":
            from xlt.models.espnet.frontends.s3prl import FrozenS3prl

            FrozenS3prl("xls_r_300m", str(file), None, None, "last", "none", "float32", 10.0)
        else:
            folder = request.getfixturevalue("bundle")
            (folder / "upstream").mkdir()
            file = Path(shutil.copyfile(file, folder / "upstream/evil.pt"))
            info = json.loads((folder / "xlt.json").read_text("utf-8"))
            info["features"]["upstream"] = s3prl_weights.find("xls_r_300m", str(file)).identity
            (folder / "xlt.json").write_text(json.dumps(info), encoding="utf-8")
            named_upstream(folder, **{"features.upstream": "xls_r_300m"})
            where = str(file)
            Transcriber(folder)
    assert str(caught.value).startswith(where.partition(": ")[0])
    refused(caught, ran)


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_pickles(tmp_path, ran, kind):  # noqa: F811
    file = tmp_path / "evil.pt"
    HOSTILE[kind](file, ran)
    with raises(UpstreamError, "code", where="evil.pt") as caught:
        load_expert(s3prl_weights.find("hubert", str(file)))
    refused(caught, ran)


def test_a_sound_file_gives_what_s3prl_gave(tmp_path):
    """The same network: against the model that s3prl builds of the same settings and weights."""
    from s3prl.upstream.utils import merge_with_parent
    from s3prl.upstream.wav2vec2.wav2vec2_model import Wav2Vec2Config, Wav2Vec2Model

    file = converted(tmp_path / "tiny.pt")
    whole = torch.load(file, weights_only=True)
    theirs = Wav2Vec2Model(merge_with_parent(Wav2Vec2Config, whole["model_cfg"])).eval()
    theirs.load_state_dict(whole["model_weight"])
    ours = load_expert(s3prl_weights.find("xls_r_300m", str(file))).eval()
    wave = torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32))
    with torch.no_grad():
        expected = theirs.extract_features(torch.nn.functional.layer_norm(wave, wave.shape)[None], None)["x"]
        found = ours([wave])["hidden_states"][-1]
    assert torch.equal(found[:, : expected.shape[1]], expected)
    assert {k: v for k, v in vars(ours.model.cfg).items() if k != "conv_feature_layers"} == {
        k: v for k, v in vars(theirs.cfg).items() if k != "conv_feature_layers"
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[(512,10,5)] + [(512,3,2)]*4", [(512, 10, 5)] + [(512, 3, 2)] * 4),
        (" [(512, 10, 5), (2, 3, 1)]\n", [(512, 10, 5), (2, 3, 1)]),
        ("[[1, 2, 3]] * 2", [(1, 2, 3)] * 2),
        ([(512, 10, 5), [512, 3, 2]], [(512, 10, 5), (512, 3, 2)]),
    ],
)
def test_lists_of_convolutions(text, expected):
    assert parse_convolutions(text, "a.pt: x") == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "512",
        "[(512,10)]",
        "[(512,10,5.0)]",
        "[(512,10,True)]",
        "[(512,10,-5)]",
        "[(512,10,0)]",
        "[(512,10,99999999)]",
        "[(512,10,5)] * 1000000000",
        "([(512,10,5)] * 60) * 60",
        "[(512,10,5)] ** 2",
        "[(1,1,1) for _ in (1,)]",
        "__import__('os').system('x')",
        "[(512,10,5)] if x() else [(1,1,1)]",
        "[(512,10,x())]",
        "[*x()]",
        "(x := [(512,10,5)])",
        "[(512,10,5)]; x()",
        "lambda: x()",
        "f'{x()}'",
        "(" * 300 + ")" * 300,
        "[(1,1,1)] + " * 2000 + "[(1,1,1)]",
        None,
        7,
        {"a": 1},
        [(512, 10)],
        ["x()"],
    ],
)
def test_no_list_of_convolutions(text):
    with raises(UpstreamError, where="a.pt"):
        parse_convolutions(text, "a.pt: model_cfg.conv_feature_layers")


def test_of_settings_only_numbers_and_words_are_handed_on():
    found = {
        "encoder_layers": 2,
        "dropout": 0.1,
        "latent_temp": (2, 0.5, 0.999995),
        "layer_type": "transformer",
        "attn_type": "",
        "xformers_att_config": "x()",
        "w2v_path": "/somewhere",
        "other": {"a": 1},
        "conv_feature_layers": "[(1,2,3)]*2",
    }
    assert typed_settings(found, "a.pt: cfg") == {
        "encoder_layers": 2,
        "dropout": 0.1,
        "latent_temp": (2, 0.5, 0.999995),
        "layer_type": "transformer",
        "attn_type": "",
        "conv_feature_layers": "[(1, 2, 3), (1, 2, 3)]",
    }
    for wrong in ({"layer_type": "x()"}, {"activation_fn": 3}, {"conv_feature_layers": "x()"}):
        with raises(UpstreamError, where="a.pt"):
            typed_settings(found | wrong, "a.pt: cfg")


@pytest.mark.parametrize(
    "content",
    [[1], {}, {"model_cfg": {}, "task_cfg": {}}, {"model_cfg": 1, "task_cfg": {}, "model_weight": {}}]
    + [{"model_cfg": {}, "task_cfg": {}, "model_weight": weights} for weights in (1, {"a": "x"}, {1: 2})],
)
def test_files_of_another_shape(tmp_path, content):
    torch.save(content, tmp_path / "a.pt")
    with raises(UpstreamError, where="a.pt"):
        read_checkpoint(tmp_path / "a.pt", "wav2vec2")


def test_families_that_are_not_looked_at_are_refused(tmp_path):
    (tmp_path / "a.pt").write_bytes(b"")
    for name in ("apc", "tera", "mockingjay", "distilhubert", "vggish", "discretebert", "wav2vec"):
        with raises(ConfigError, "hubert", where=f"features.upstream={name}"):
            s3prl_weights.find(name, None)
    with raises((ConfigError), where="features.upstream=decoar"):
        s3prl_weights.find("decoar", str(tmp_path / "a.pt"))
    with pytest.raises(ConfigError):
        s3prl_safe.secure("distiller")


def test_each_loader_of_the_allowed_families_is_replaced():
    """s3prl loads and evaluates where this module knows that it does, in this version of it."""
    import importlib

    root = Path(importlib.import_module("s3prl").__file__).parent / "upstream"
    loads = {
        ("wav2vec2", "expert"),  # of fairseq's own files, which are asked for nowhere
        ("wav2vec2", "convert"),
        ("hubert", "convert"),
        ("data2vec", "convert"),
        ("wavlm", "expert"),
        ("unispeech_sat", "expert"),
    }
    found, evaluated = set(), set()
    for family in (*s3prl_safe.FAMILIES, *s3prl_safe.HUGGING_FACE):
        for file in (root / family).glob("*.py"):
            text = file.read_text("utf-8")
            found |= {(family, file.stem)} if re.search(r"torch\.load|pickle|yaml\.load", text) else set()
            evaluated |= set(re.findall(r"(?<![\w.])eval\(([^()]+)\)", text))
    assert found == loads
    # names of modules in the code itself, an option that no setting reaches, and the convolutions
    assert evaluated == {"module_name", "x", "cfg.conv_feature_layers", "self.cfg.conv_feature_layers"}
    for family, (module, _) in s3prl_safe.FAMILIES.items():
        s3prl_safe.secure(family)
        assert isinstance(importlib.import_module(f"s3prl.upstream.{module}").torch, s3prl_safe._Torch)


@pytest.fixture
def tiny(tmp_path):
    return make_tiny_wav2vec2(tmp_path / "tiny", layers=1)


def change(folder: Path, **values) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | values), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "values",
    [
        {"auto_map": {"AutoModel": "evil.Model"}},
        {"quantization_config": {"quant_method": "bitsandbytes"}},
        {"hidden_act": "someone/kernel"},
        {"hidden_size": 10**12},
        {"conv_dim": ["x"]},
        {"num_hidden_layers": "1"},
    ],
    ids=str,
)
def test_folders_that_name_more_than_sizes(tiny, tmp_path, asked, values):  # noqa: F811
    change(tiny, **values)
    for model in (tiny, change(make_tiny_whisper(tmp_path / "whisper"), **{"d_model": "x"} | values)):
        with raises(UpstreamError, where="config.json"):
            if model == tiny:
                load_expert(s3prl_weights.find("hf_wav2vec2_custom", str(tiny)))
            else:
                from xlt.models.whisper.weights import published

                published(model)
    assert asked == []


def test_what_transformers_would_fetch_is_left_out(tiny, asked):  # noqa: F811
    before = load_expert(s3prl_weights.find("hf_wav2vec2_custom", str(tiny)))
    kernel = {"attn_implementation": "someone/kernel", "_attn_implementation": "someone/kernel"}
    change(tiny, _name_or_path="someone/model", **kernel)
    expert = load_expert(s3prl_weights.find("hf_wav2vec2_custom", str(tiny)))
    assert expert.model.config._attn_implementation == before.model.config._attn_implementation == "sdpa"
    for name, value in before.state_dict().items():
        assert torch.equal(expert.state_dict()[name], value)
    assert asked == []


def test_a_broken_extractor_is_not_fetched_from_elsewhere(tiny, asked):  # noqa: F811
    """s3prl falls back to the one of facebook/wav2vec2-base, from the hub."""
    for content in ("[]", "{", '{"do_normalize": "x"}'):
        (tiny / "preprocessor_config.json").write_text(content)
        with raises(UpstreamError, where="preprocessor_config.json"):
            load_expert(s3prl_weights.find("hf_wav2vec2_custom", str(tiny)))
    assert asked == []


def test_an_adapter_does_not_name_another_model(tiny, asked):  # noqa: F811
    (tiny / "adapter_config.json").write_text('{"base_model_name_or_path": "someone/model"}')
    with raises(UpstreamError, where="adapter_config.json"):
        load_expert(s3prl_weights.find("hf_wav2vec2_custom", str(tiny)))
    assert asked == []


def test_hostile_pytorch_bin(tiny, ran, asked):  # noqa: F811
    (tiny / "model.safetensors").unlink()
    HOSTILE["zip"](tiny / "pytorch_model.bin", ran)
    with pytest.raises(UpstreamError) as caught:
        load_expert(s3prl_weights.find("hf_wav2vec2_custom", str(tiny)))
    refused(caught, ran)
    assert asked == []


def test_hostile_whisper(tmp_path, ran, asked):  # noqa: F811
    from xlt.models.whisper.weights import load, published
    from xlt.upstreams.whisper import load_encoder

    folder = make_tiny_whisper(tmp_path / "whisper")
    change(folder, attn_implementation="someone/kernel")
    assert load_encoder(folder).config._attn_implementation == "sdpa"
    assert published(folder).config._attn_implementation == "sdpa"
    change(folder, activation_function="../x")
    with raises(DataError, where="config.json"):
        load(folder, {"windows_s": [30.0]})
    change(folder, activation_function="gelu")
    (folder / "model.safetensors").unlink()
    HOSTILE["zip"](folder / "pytorch_model.bin", ran)
    for read in (load_encoder, published):
        with pytest.raises(UpstreamError) as caught:
            read(folder)
        refused(caught, ran)
    assert asked == []


def test_transformers_is_asked_in_one_place_only():
    from tests.faults.test_commands import users

    assert users(r"\.from_pretrained\(|AutoModel|AutoConfig|snapshot_download") == [
        "xlt/fetch/hub.py",
        "xlt/upstreams/hf_config.py",
    ]
    assert "trust_remote_code=False" in inspect.getsource(inspect.getmodule(s3prl_safe.hf_config.load))


def test_features_of_a_folder_are_as_before(tiny):
    """Against transformers itself, which reads the configuration as it stands."""
    from transformers import Wav2Vec2FeatureExtractor, Wav2Vec2Model

    model = Wav2Vec2Model.from_pretrained(tiny).eval()
    model.config.tie_last_hidden_states = True
    wave = np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32)
    inputs = Wav2Vec2FeatureExtractor.from_pretrained(tiny)(
        [wave], return_tensors="pt", return_attention_mask=True, sampling_rate=16000
    )
    with torch.no_grad():
        expected = model(**inputs, output_hidden_states=True).hidden_states[-1][0].numpy()
    (found,) = encode_waves(
        S3prlUpstream(s3prl_weights.find("hf_wav2vec2_custom", str(tiny)), "float32", "cpu"), [wave]
    )
    assert np.abs(found[: len(expected)] - expected).max() < 1e-4
