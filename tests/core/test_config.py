import dataclasses
import os

import pytest
import yaml

from xlt.core import config
from xlt.core.config import CONF_DIR, load, presets
from xlt.core.errors import ConfigError
from xlt.core.schema import flatten, schema
from xlt.core.yaml_source import parse_overrides, read_yaml


@pytest.fixture
def recipe(tmp_path):
    """Function that writes recipe.yaml and returns its directory."""

    def write(text="lang: ron_Latn\n"):
        (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
        return tmp_path

    return write


def test_base_holds_every_key_of_the_dataclasses_and_no_other():
    assert set(read_yaml(CONF_DIR / "base.yaml")) == set(schema())


def test_every_key_of_base_has_a_comment():
    docs = config.documented_keys()
    assert set(docs) == set(schema())
    assert [key for key, text in docs.items() if "#" not in text] == []


@pytest.mark.parametrize("preset", presets())
def test_every_preset_loads(recipe, preset):
    assert load(recipe(f"preset: {preset}\n")).preset == preset


def test_order_is_base_preset_recipe_command_line(recipe):
    base = yaml.safe_load((CONF_DIR / "base.yaml").read_text(encoding="utf-8"))
    preset = yaml.safe_load((CONF_DIR / "ctc_linear.yaml").read_text(encoding="utf-8"))
    assert base["train"]["encoder"] != preset["train"]["encoder"] == "linear"
    path = recipe("preset: ctc_linear\n")
    assert load(path).train.encoder == "linear"  # preset over base
    recipe("preset: ctc_linear\ntrain: {encoder: transformer, lr: 0.5}\n")
    assert load(path).train.encoder == "transformer"  # recipe over preset
    assert load(path).train.lr == 0.5  # recipe over base
    cfg = load(path, ["train.encoder=blstm"])
    assert (cfg.train.encoder, cfg.train.lr) == ("blstm", 0.5)  # command line over recipe, and only there


def test_preset_on_the_command_line_takes_the_place_of_the_recipe_s(recipe):
    cfg = load(recipe("preset: ctc_linear\n"), ["preset=hybrid_ssl"])
    assert (cfg.preset, cfg.decode.method) == ("hybrid_ssl", "joint")


def test_whole_numbers_become_floats_where_a_number_is_wanted(recipe):
    minutes = load(recipe("data: {train_minutes: 10}\n")).data.train_minutes
    assert isinstance(minutes, float) and minutes == 10


def test_train_set_carries_its_budget(recipe):
    path = recipe()
    assert load(path).train_set == "train"
    assert load(path, ["data.train_minutes=10"]).train_set == "train_10min"
    assert load(path, ["data.train_minutes=2.5"]).train_set == "train_2.5min"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("train:\n  lrr: 1\n", ["recipe.yaml:2", "train.lrr: unknown key", "did you mean train.lr?"]),
        ("features:\n  upstrem: fbank\n", ["recipe.yaml:2", "did you mean features.upstream?"]),
        ("lr: 1\n", ["recipe.yaml:1", "did you mean train.lr?"]),
        ("lang: ron_Latn\nseed: one\n", ["recipe.yaml:2", "seed", "'one'", "a whole number"]),
        ("seed: 1.5\n", ["seed", "1.5", "a whole number"]),
        ("seed: true\n", ["seed", "True", "a whole number"]),
        ("train: {lr: fast}\n", ["train.lr", "'fast'", "a number"]),
        ("train: {lr: 0}\n", ["train.lr", "above 0"]),
        ("train: {ctc_weight: 1.5}\n", ["train.ctc_weight", "between 0 and 1"]),
        ("tokens: {type: word}\n", ["tokens.type", "'word'", "char, bpe"]),
        ("nj: -1\n", ["nj", "above 0"]),
        ("decode: {sets: test}\n", ["decode.sets", "a list"]),
        ("preset: fats\n", ["recipe.yaml:1", "no preset 'fats'", "did you mean fast?"]),
        ("tag: a/b\n", ["tag", "'a/b'"]),
        ("lang: ron_Latn\nlang: cat_Latn\n", ["recipe.yaml:2", "duplicate key lang", "recipe.yaml:1"]),
        ("lang: [ron\n", ["recipe.yaml:2", "not valid YAML"]),
        ("- lang\n", ["recipe.yaml:1", "key: value"]),
    ],
)
def test_faults_in_a_recipe_are_named(recipe, text, parts):
    with pytest.raises(ConfigError) as err:
        load(recipe(text))
    for part in parts:
        assert part in str(err.value)


def test_recipe_that_is_not_there_or_not_text(tmp_path):
    with pytest.raises(ConfigError, match="recipe.yaml: no such file.*egs/ron"):
        load(tmp_path)
    (tmp_path / "recipe.yaml").write_bytes(b"lang: \xff\xfe\n")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("word", "part"),
    [
        ("train.lr", "expected key=value"),
        ("train.lr=[1", "not valid YAML"),
        ("train.lrr=1", "did you mean train.lr?"),
        ("train.lr=fast", "command line 'train.lr=fast'"),
    ],
)
def test_faults_on_the_command_line_are_named(recipe, word, part):
    with pytest.raises(ConfigError) as err:
        load(recipe(), [word])
    assert part in str(err.value)


def test_values_on_the_command_line_are_yaml():
    found = parse_overrides(
        ["data.train_minutes=null", "decode.sets=[test]", "train.encoder_conf={hidden_size: 8}"]
    )
    assert [value for value, _ in found.values()] == [None, ["test"], {"hidden_size": 8}]


def test_paths_on_the_command_line_count_from_where_the_user_stood(tmp_path):
    words = ["data.dir=corpus", "features.path=/models/w2v", "data.archive=null", "tag=corpus"]
    found = parse_overrides(words, tmp_path)
    assert [v for v, _ in found.values()] == [os.path.join(tmp_path, "corpus"), "/models/w2v", None, "corpus"]


def test_free_form_mappings_are_replaced_not_merged(recipe):
    cfg = load(recipe("train: {encoder_conf: {hidden_size: 8}}\n"))
    assert cfg.train.encoder_conf == {"hidden_size": 8}


def test_a_neighbour_is_named_alike_on_the_command_line_and_in_recipe_yaml(tmp_path):
    """Else the same experiment would be trained again, and a stamp would hold this machine's folders."""
    recipe = tmp_path / "egs" / "cat"
    recipe.mkdir(parents=True)
    (recipe / "recipe.yaml").write_text("lang: cat_Latn\n")
    words = ["train.init=egs/multi/exp/main", "tokens.union=[egs/spa]", "features.mix_from=elsewhere"]
    cfg = load(recipe, words, cwd=tmp_path)
    assert (cfg.as_given("train.init"), cfg.as_given("tokens.union")) == ("../multi/exp/main", ["../spa"])
    assert cfg.features.mix_from == str(tmp_path / "elsewhere")
    assert os.path.samefile(os.path.dirname(cfg.tokens.union[0]), tmp_path / "egs")


def test_paths_are_absolute_and_a_stamp_has_them_as_they_were_given(tmp_path, monkeypatch):
    recipe = tmp_path / "egs" / "cat"
    recipe.mkdir(parents=True)
    (recipe / "recipe.yaml").write_text(
        "lang: cat_Latn\ndata: {dir: corpus/, cache: ~/c, archive: /a.tar}\nscore: {words: {names: n.txt}}\n"
        "tokens: {union: [../spa, ../fra/]}\n"
    )
    monkeypatch.setenv("HOME", "/home/ana")
    cfg = load(recipe, ["data.parts=[{reader: kaldi, dir: a, split: text}]"], cwd=tmp_path)
    assert (cfg.data.dir, cfg.data.cache, cfg.data.archive) == (f"{recipe}/corpus/", "/home/ana/c", "/a.tar")
    assert cfg.score.words == {"names": f"{recipe}/n.txt"}
    assert cfg.data.parts == [{"reader": "kaldi", "dir": f"{tmp_path}/a", "split": "text"}]
    assert [folder.name for folder in cfg.written_too] == ["spa", "fra"]
    given = cfg.section("data", "score.words", "tokens.union")
    assert (given["data.dir"], given["data.cache"]) == ("corpus/", "~/c")
    assert given["score.words"] == {"names": "n.txt"}
    assert given["tokens.union"] == ["../spa", "../fra/"]
    other = dataclasses.replace(cfg, data=dataclasses.replace(cfg.data, dir="/elsewhere"))
    assert other.section("data.dir") == {"data.dir": "/elsewhere"}  # what a stage has put in its place


def test_section_picks_keys_for_a_stamp(recipe):
    cfg = load(recipe("data: {train_minutes: 10}\n"))
    assert cfg.section("tokens", "data.train_minutes") == {
        "tokens.type": "char",
        "tokens.size": 150,
        "tokens.union": [],
        "tokens.language_tag": False,
        "data.train_minutes": 10.0,
    }
    assert "train.encoder_conf" in cfg.section("train")
    with pytest.raises(KeyError):
        cfg.section("nosuch")


def test_flatten_keeps_what_it_is_told_to():
    assert flatten({"a": {"b": 1, "c": {"d": 2}}}, keep={"a.c"}) == {"a.b": 1, "a.c": {"d": 2}}


@pytest.mark.parametrize(
    "value",
    [
        "!!python/object/apply:os.system ['true']",
        "!!python/name:os.system",
        "!!timestamp x",
        "!!bool x",
        "[" * 3000,
    ],
)
def test_values_that_are_no_settings(recipe, value):
    with pytest.raises(ConfigError, match="recipe.yaml"):
        load(recipe(f"lang: ron_Latn\nnj: {value}\n"))
    with pytest.raises(ConfigError, match="nj="):
        parse_overrides([f"nj={value}"])
