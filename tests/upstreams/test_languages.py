"""Adapters of languages over one backbone, against transformers: files, outputs, letters, what is refused."""

import json
import shutil

import numpy as np
import pytest

from tests.errors import raises
from tests.faults.test_weights import HOSTILE, ran, refused  # noqa: F401 (a fixture)
from tests.lazy import Lazy, torch
from tests.upstreams.layouts import LAYOUTS, SIZES, make, save_mms
from xlt.core.errors import DataError, UpstreamError
from xlt.formats.adapter_file import (
    BACKBONE,
    AdapterFile,
    adapter_path,
    languages_in,
    letters_of,
    read_adapter,
    read_vocabularies,
    write_adapter,
    write_vocabulary,
)

transformers = Lazy("transformers")
languages = Lazy("xlt.upstreams.languages")
safetensors = Lazy("safetensors.torch")

pytestmark = pytest.mark.trains

LETTERS = {
    "ron": ["<pad>", "<s>", "</s>", "<unk>", "|", "a", "ă", "e", "i"],
    "bel": ["<pad>", "<s>", "</s>", "<unk>", "|", "а", "ў"],
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder as facebook/mms-1b-all has it, with two languages; transformers wrote all of it."""
    return save_mms(tmp_path_factory.mktemp("mms"), LETTERS)


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / "mms")


@pytest.fixture(scope="module")
def backbone(made):
    return languages.Languages(made)


@pytest.fixture(scope="module")
def waves():
    rng = np.random.default_rng(3)
    return [rng.normal(0, 0.1, size).astype(np.float32) for size in (16000, 9200)]


def theirs(folder, lang):
    return transformers.Wav2Vec2ForCTC.from_pretrained(
        folder, target_lang=lang, ignore_mismatched_sizes=True, local_files_only=True
    ).eval()


def outputs(model, folder, wave):
    extractor = transformers.Wav2Vec2FeatureExtractor.from_pretrained(folder)
    with torch.inference_mode():
        return model(**extractor(wave, sampling_rate=16000, return_tensors="pt")).logits[0]


def test_it_gives_what_transformers_gives_in_each_language(made, backbone, waves):
    for lang in LETTERS:
        backbone.add(lang)
        model = theirs(made, lang)
        tokenizer = transformers.Wav2Vec2CTCTokenizer(str(made / "vocab.json"), target_lang=lang)
        texts = backbone.texts(lang, waves)
        for wave, ours, text in zip(waves, backbone.logits(lang, waves), texts, strict=True):
            expected = outputs(model, made, wave)
            assert (ours - expected).abs().max() < 1e-5 * expected.abs().max()
            wanted = tokenizer.decode(expected.argmax(dim=1)).replace("<s>", "").replace("</s>", "")
            assert text.split() == wanted.split()
        assert any(texts)


def test_adding_and_exchanging_a_language_touches_no_other(folder, waves):
    backbone = languages.Languages(folder)
    backbone.add("ron")
    alone = backbone.logits("ron", waves)
    file, letters = (folder / "adapter.ron.safetensors").read_bytes(), letters_of(folder, "ron", 9)
    backbone.add("bel")
    first = backbone.logits("bel", waves)
    assert all(map(torch.equal, backbone.logits("ron", waves), alone))
    found = read_adapter(folder / "adapter.bel.safetensors")
    other = AdapterFile(found.layers, (found.head[0] + 1, found.head[1]), backbone.fingerprint)
    write_adapter(folder, "cat", other)
    write_vocabulary(folder, "cat", LETTERS["bel"])
    write_adapter(folder, "bel", other)
    backbone.add("cat")
    backbone.add("bel")
    assert all(map(torch.equal, backbone.logits("bel", waves), backbone.logits("cat", waves)))
    assert not any(map(torch.equal, backbone.logits("bel", waves), first))
    assert all(map(torch.equal, backbone.logits("ron", waves), alone))
    assert (folder / "adapter.ron.safetensors").read_bytes() == file
    assert letters_of(folder, "ron", 9) == letters and set(read_vocabularies(folder)) == {"ron", "bel", "cat"}
    assert languages_in(folder) == ["bel", "cat", "ron"]
    again = languages.Languages(folder)
    again.add("ron")
    assert all(map(torch.equal, again.logits("ron", waves), alone))


def test_there_and_back_through_transformers(folder, tmp_path, backbone):
    """What we write, transformers loads bit by bit; what it has, we read and write again bit by bit."""
    found = read_adapter(folder / "adapter.ron.safetensors")
    write_adapter(folder, "new", AdapterFile(found.layers, found.head, backbone.fingerprint))
    model = theirs(folder, "bel")
    model.load_adapter("new", local_files_only=True)
    state = {name: value.detach() for name, value in model._get_adapters().items()}
    wanted = safetensors.load_file(folder / "adapter.ron.safetensors")
    assert state.keys() == wanted.keys() and all(torch.equal(state[name], wanted[name]) for name in wanted)
    safetensors.save_file(state, tmp_path / "adapter.back.safetensors")
    back = read_adapter(tmp_path / "adapter.back.safetensors")
    assert (
        back.backbone is None
        and read_adapter(folder / "adapter.new.safetensors").backbone == backbone.fingerprint
    )
    for ours, other in zip(back.layers, found.layers, strict=True):
        assert ours.keys() == other.keys() and all(torch.equal(ours[name], other[name]) for name in ours)
    assert all(map(torch.equal, back.head, found.head)) and (back.dim, back.width) == (32, 4)


def test_a_file_of_mms_1b_is_under_10_mb(tmp_path):
    shapes = {
        "norm.weight": (1280,),
        "norm.bias": (1280,),
        "linear_1.weight": (16, 1280),
        "linear_1.bias": (16,),
    }
    shapes |= {"linear_2.weight": (1280, 16), "linear_2.bias": (1280,)}
    layers = [{name: torch.zeros(shape) for name, shape in shapes.items()} for _ in range(48)]
    head = torch.zeros(154, 1280), torch.zeros(154)  # outputs of facebook/mms-1b-all in English
    path = write_adapter(tmp_path, "eng", AdapterFile(layers, head, "0" * 64))
    assert 9_000_000 < path.stat().st_size < 10_000_000


def test_pickles_of_older_folders_are_read(folder, backbone, waves):
    state = safetensors.load_file(folder / "adapter.ron.safetensors")
    torch.save({name: value.half() for name, value in state.items()}, folder / "adapter.old.bin")
    write_vocabulary(folder, "old", LETTERS["ron"])
    backbone.add("old", folder)
    backbone.add("ron", folder)
    for a, b in zip(backbone.logits("old", waves), backbone.logits("ron", waves), strict=True):
        assert 0 < (a - b).abs().max() < 0.05 * b.abs().max()


def test_whose_backbone_is_known(folder, backbone, tmp_path):
    assert not backbone.add("ron").checked  # transformers' files do not say
    found = read_adapter(folder / "adapter.ron.safetensors")
    write_adapter(folder, "ron", AdapterFile(found.layers, found.head, backbone.fingerprint))
    assert backbone.add("ron", folder).checked
    config = transformers.Wav2Vec2Config(**SIZES | LAYOUTS["mms"][1], vocab_size=9, pad_token_id=0)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        transformers.Wav2Vec2ForCTC(config).save_pretrained(folder)
    other = languages.Languages(folder)
    with raises(DataError, "trained on another backbone".split()[0], where="adapter.ron.safetensors"):
        other.add("ron")
    other.add("bel")  # does not say, and fits
    make(tmp_path / "deeper", "xls_r", num_hidden_layers=3)
    with raises(DataError, "2 layers", where="adapter.bel.safetensors"):
        languages.Languages(tmp_path / "deeper").add("bel", folder)


def test_the_backbone_is_known_in_any_file_form(made, tmp_path, backbone):
    model = transformers.Wav2Vec2Model.from_pretrained(made, adapter_attn_dim=None)
    model.save_pretrained(tmp_path, max_shard_size="20KB")
    shutil.copyfile(made / "preprocessor_config.json", tmp_path / "preprocessor_config.json")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    assert languages.Languages(tmp_path).fingerprint == backbone.fingerprint


@pytest.mark.parametrize("layout", ["wav2vec2_base", "hubert_base", "w2v_bert"])
def test_backbones_that_have_no_adapters_in_transformers(tmp_path, layout):
    make(tmp_path, layout)
    with raises(UpstreamError, "do_stable_layer_norm"):
        languages.Languages(tmp_path)


def changed(folder, **tensors):
    """adapter.ron.safetensors with some tensors exchanged (None: left out)."""
    state = safetensors.load_file(folder / "adapter.ron.safetensors") | tensors
    state = {name: value for name, value in state.items() if value is not None}
    safetensors.save_file(state, folder / "adapter.ron.safetensors")
    return folder / "adapter.ron.safetensors"


FIRST = "wav2vec2.encoder.layers.0.adapter_layer."


@pytest.mark.parametrize(
    "tensors, fact",
    [
        ({"wav2vec2.encoder.layers.0.attention.q_proj.weight": (32, 32)}, "attention.q_proj.weight"),
        ({"__import__('os')": (1,)}, "os"),
        ({FIRST + "norm.bias": None}, "encoder.layers.0.adapter_layer.norm.bias"),
        ({"lm_head.bias": None}, "lm_head.bias"),
        ({"encoder.layers.0.adapter_layer.norm.bias": (32,)}, "twice"),
        ({FIRST + "linear_1.weight": (5, 32)}, "linear_1"),
        ({FIRST + "norm.bias": (31,)}, "norm.bias"),
        ({"lm_head.weight": (9, 31)}, "lm_head.weight"),
        ({"wav2vec2.encoder.layers.999.adapter_layer.norm.bias": (32,)}, "adapter_layer.linear_1.bias"),
    ],
    ids=str,
)
def test_files_that_hold_something_else(folder, tensors, fact):
    shaped = {name: None if shape is None else torch.zeros(shape) for name, shape in tensors.items()}
    path = changed(folder, **shaped)
    with pytest.raises(DataError) as caught:
        read_adapter(path)
    assert str(caught.value).startswith(f"{path}: ") and fact in str(caught.value)


def test_numbers_that_are_none(folder):
    for value in (
        torch.full((32,), torch.nan),
        torch.full((32,), torch.inf),
        torch.zeros(32, dtype=torch.int64),
    ):
        with raises(DataError, FIRST + "norm.bias", where="adapter.ron.safetensors"):
            read_adapter(changed(folder, **{FIRST + "norm.bias": value}))


def test_damaged_and_hostile_files(folder, ran):  # noqa: F811
    path = folder / "adapter.ron.safetensors"
    whole = path.read_bytes()
    length = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + length])
    name = next(n for n in header if n != "__metadata__")

    def with_header(**entry):
        text = json.dumps(header | {name: header[name] | entry}).encode()
        return len(text).to_bytes(8, "little") + text + whole[8 + length :]

    for content in (
        whole[:-1],
        whole[:100],
        whole[:4],
        b"",
        b"<html>" * 50,
        (2**63).to_bytes(8, "little") + whole[8:],
        with_header(shape=[-1]),
        with_header(shape=[10**12]),
        with_header(data_offsets=[0, 10**15]),
        with_header(data_offsets=["a", "b"]),
        with_header(dtype=7),
    ):
        path.write_bytes(content)
        with raises(DataError, where=path.name):
            read_adapter(path)
    path.unlink()
    HOSTILE["zip"](folder / "adapter.ron.bin", ran)
    with pytest.raises(DataError) as caught:
        read_adapter(adapter_path(folder, "ron"))
    refused(caught, ran)
    with raises(DataError, "bel", where="adapter.cat.safetensors"):
        read_adapter(adapter_path(folder, "cat"))
    for lang in ("../ron", "", "a/b", "-x", "ron\n"):
        with raises(DataError, "ron"):
            adapter_path(folder, lang)


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"a": 0, "b": 1}',  # of one language
        '{"bel": {}}',
        '{"ron": {"<pad>": 0}}',
        '{"ron": {"<pad>": 0, "a": 0}}',
        '{"ron": {"<pad>": "0"}}',
        json.dumps({"ron": {str(n): n for n in range(9)}}),
    ],
)
def test_letters_that_do_not_fit(folder, backbone, content):
    (folder / "vocab.json").write_text(content, encoding="utf-8")
    with raises(DataError, where="vocab.json"):
        backbone.add("ron", folder)


def test_metadata_name():
    assert BACKBONE == "xlt_backbone_sha256"  # files that are out there have it
