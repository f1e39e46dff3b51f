"""Whisper's tokens in stage 2."""

import json

import pytest

from tests.check.faults import faults, rows
from tests.errors import told
from tests.tiny import TINY_LANGUAGES, make_tiny_whisper
from xlt.formats.tables import write_table

RULES = (
    "readable_tokenizer",
    "known_language_token",
    "texts_come_back",
    "texts_fit_the_decoder",
    "few_tokens",
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make_tiny_whisper(tmp_path_factory.mktemp("whisper"))


@pytest.fixture
def settings(tiny):
    return ["train.family=whisper_ed", "features.upstream=whisper_base", f"features.path={tiny}"]


def of(recipe, rule):
    return [row for row in rows(recipe) if row["rule"] == rule]


def test_other_families_are_not_looked_at(recipe, settings):
    assert recipe(*settings[1:], "train.whisper_token=xx") == 0
    assert faults(recipe, *RULES) == []


def test_language_and_costs_are_told(recipe, settings, capsys):
    assert recipe(*settings) == 0
    language, cost = faults(recipe, *RULES)
    assert language[:2] == ("note", "known_language_token") and cost[:2] == ("note", "few_tokens")
    assert of(recipe, "known_language_token")[0]["values"]["token"] == "ro"
    # "un urs", "o casă", "un cal", six words; the tiny tokenizer has " un" as one of its merges or spells it
    (row,) = of(recipe, "few_tokens")
    assert row["where"] == "train/text" and 1 < row["values"]["rate"] < 6
    assert "ro" in capsys.readouterr().out
    assert recipe(*settings, "train.whisper_token=new") == 0
    assert of(recipe, "known_language_token")[0]["values"]["token"] == "new"
    assert recipe(*settings, "train.whisper_token=ca") == 0
    assert of(recipe, "known_language_token")[0]["values"]["token"] == "ca"


def test_a_token_that_is_not_there_stops_the_stage(recipe, settings, capsys):
    assert recipe(*settings, "train.whisper_token=ron") == 2
    told(capsys.readouterr().err, "ro", "train.whisper_token=ron")
    ((severity, _, where, _),) = faults(recipe, "known_language_token")
    assert (severity, where) == ("error", "train.whisper_token=ron")


def test_texts_that_do_not_come_back(recipe, settings):
    texts = {"ana-train0": "un urs", "ana-train1": "o <|ro|> casă", "ana-train2": "a\ufffdb"}
    write_table(recipe.dir / "data/train/text", texts)
    write_table(recipe.dir / "data/test/text", {"ana-test0": "un <|ro|>"})  # is never written in tokens
    assert recipe(*settings) == 2
    found = faults(recipe, "texts_come_back")
    assert [fault[:3] for fault in found] == [
        ("error", "texts_come_back", "train/text:2"),
        ("error", "texts_come_back", "train/text:3"),
    ]
    assert recipe(*settings, "train.zero_shot=true") in (0, 2)  # nothing is learned from texts
    assert faults(recipe, "texts_come_back") == []


def test_texts_longer_than_the_decoder(recipe, settings):
    # the prompt has four tokens and the end is one: 443 are left; a blank and 443 letters are 444
    for letters, count in ((442, 0), (443, 1)):
        text = "".join("qz"[k % 2] for k in range(letters))
        write_table(
            recipe.dir / "data/train/text",
            {"ana-train0": "un urs", "ana-train1": text, "ana-train2": "un cal"},
        )
        recipe(*settings)
        found = of(recipe, "texts_fit_the_decoder")
        assert len(found) == count
    assert (found[0]["severity"], found[0]["where"], found[0]["ids"]) == (
        "warning",
        "train/text:2",
        ["ana-train1"],
    )
    assert found[0]["values"]["tokens"] == 444


def test_scripts_that_are_spelled_in_bytes_are_warned_of(recipe, settings):
    texts = {"ana-train0": "ქართული ენა", "ana-train1": "საქართველო", "ana-train2": "დათვი"}
    write_table(recipe.dir / "data/train/text", texts)
    recipe(*settings, "lang=kat_Geor")
    (row,) = of(recipe, "few_tokens")
    # three bytes a letter, none of them merged, and a blank before each word: (7 + 3 + 10 + 5) · 3 + 4 of 4
    assert row["severity"] == "warning" and row["values"] == {"rate": 19.75, "unit": "word"}
    write_table(recipe.dir / "data/train/text", {utt: "ລາວ" for utt in texts})
    recipe(*settings, "lang=lao_Laoo")
    (row,) = of(recipe, "few_tokens")
    assert row["severity"] == "warning" and row["values"] == {"rate": 3.33, "unit": "character"}


def test_a_folder_without_tokenizer(recipe, tiny, tmp_path, settings, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "bare").mkdir()
    for name in ("config.json", "model.safetensors"):
        (tmp_path / "bare" / name).write_bytes((tiny / name).read_bytes())
    bare = [*settings[:2], f"features.path={tmp_path / 'bare'}", f"data.cache={tmp_path / 'cache'}"]
    assert recipe(*bare) == 2
    ((severity, _, where, _),) = faults(recipe, "readable_tokenizer")
    assert severity == "error" and where.endswith("bare/tokenizer.json")
    # with whisper-base's vocabulary it could be fetched, which stage 2 does not do
    config = json.loads((tiny / "config.json").read_text()) | {"vocab_size": 51865}
    (tmp_path / "bare/config.json").write_text(json.dumps(config))
    assert recipe(*bare) == 0
    assert [fault[:2] for fault in faults(recipe, *RULES)] == [("note", "readable_tokenizer")]
    # once it is there, the check is made again
    (tmp_path / "bare/tokenizer.json").write_bytes((tiny / "tokenizer.json").read_bytes())
    assert recipe(*bare) == 0
    assert [fault[1] for fault in faults(recipe, *RULES)] == ["known_language_token", "few_tokens"]


def test_each_language_of_the_training_set_is_told(recipe, settings):
    assert set(TINY_LANGUAGES) >= {"ro", "es"}
    langs = {"ana-train0": "ron_Latn", "ana-train1": "spa_Latn", "ana-train2": "quy_Latn"}
    write_table(recipe.dir / "data/train/utt2lang", langs)
    recipe(*settings)
    tokens = {r["values"]["lang"]: r["values"]["token"] for r in of(recipe, "known_language_token")}
    assert tokens == {"ron_Latn": "ro", "spa_Latn": "es", "quy_Latn": "new"}


def test_two_languages_without_a_token(recipe, settings):
    write_table(recipe.dir / "data/train/utt2lang", {"ana-train0": "crk_Cans", "ana-train1": "quy_Latn"})
    assert recipe(*settings) == 2
    (error,) = [r for r in of(recipe, "known_language_token") if r["severity"] == "error"]
    assert error["where"] == "train.whisper_token=auto"
