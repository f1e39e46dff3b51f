"""Recipes of languages that nobody knows: letters are replaced one by one, and nothing else."""

import json

import pytest

from tests.bench.unknown_language import SCRIPTS, letters, main
from tests.errors import raises
from tests.report.test_decoders import combined, rows
from xlt.core.config import load
from xlt.core.errors import DataError
from xlt.data.corpora.kaldi import read
from xlt.formats.tables import read_table, write_table
from xlt.text.scripts import script

TEXTS = {
    "train_10min": {"s-1": "o broască", "s-2": "într-o zi"},
    "dev": {"s-3": "d'acolo dus"},
    "test": {"s-4": "broasca"},
}


@pytest.fixture
def source(tmp_path):
    """Stage 1 has run; train has more than what is learned from."""
    root = tmp_path / "egs" / "ron"
    for name, texts in {**TEXTS, "train": TEXTS["train_10min"] | {"s-9": "xyz"}}.items():
        folder = root / "data" / name
        folder.mkdir(parents=True)
        write_table(folder / "text", texts)
        write_table(folder / "utt2spk", dict.fromkeys(texts, "s"))
        write_table(folder / "wav.scp", {utt: f"data/all/wav/{utt}.wav" for utt in texts})
    (root / "data/all/wav").mkdir(parents=True)
    for name in range(1, 10):
        (root / f"data/all/wav/s-{name}.wav").write_bytes(b"")
    (root / "recipe.yaml").write_text("lang: ron_Latn\ndata: {train_minutes: 10}\n")
    return root


def made(source, *words):
    top = source.parent.parent
    return main([str(source), "--egs", str(top / "egs"), "--corpora", str(top / "corpora"), *words])


def test_the_corpus_has_the_same_recordings_and_sets(source, tmp_path):
    assert made(source) == 0
    recipe, corpus = tmp_path / "egs/qro", tmp_path / "corpora/qro_Geor"
    table = dict(line.split("\t") for line in (corpus / "letters.tsv").read_text("utf-8").splitlines())
    back = str.maketrans({new: old for old, new in table.items()})
    cfg = load(recipe)
    found = {utt.id: utt for utt in read(cfg).utterances}
    assert found.keys() == {"s-1", "s-2", "s-3", "s-4"}  # not s-9
    for name, texts in TEXTS.items():
        for utt, text in texts.items():
            one = found[utt]
            assert one.text != text and one.text.translate(back) == text
            assert [c for c in one.text if c in " -'"] == [c for c in text if c in " -'"]
            assert one.split == name.partition("_")[0]
            assert one.audio == source / f"data/all/wav/{utt}.wav"
    assert {script(char) for char in "".join(table.values())} == {"Geor"}
    settings = cfg.flat()
    assert (settings["lang"], settings["lm.words"]) == ("qro_Geor", "none")
    assert (settings["train.whisper_token"], settings["data.train_minutes"]) == ("ka", 10)
    assert (recipe / "run.sh").read_text("utf-8").endswith('exec ../common/asr.sh "$@"\n')


def test_letters_are_drawn_by_the_seed():
    texts = ["abcdefghij"]
    assert letters(texts, "Armn", 0) == letters(texts, "Armn", 0) != letters(texts, "Armn", 1)
    assert len(set(letters(texts, "Armn", 0).values())) == 10


@pytest.mark.parametrize("name", SCRIPTS)
def test_letters_have_no_capitals_among_them(name):
    every, _ = SCRIPTS[name]
    assert len(set(every)) == len(every) and [c.lower() for c in every] == every
    assert {script(char) for char in every} == {name}


def test_more_letters_than_the_script_has():
    with raises(DataError, "38", "39", where="Armn"):
        letters(["".join(chr(0x4E00 + k) for k in range(39))], "Armn", 0)


def test_another_token_and_script(source, tmp_path):
    assert made(source, "--script", "Armn", "--token", "sw") == 0
    assert load(tmp_path / "egs/qro").flat()["train.whisper_token"] == "sw"
    assert read_table(tmp_path / "corpora/qro_Armn/test/text").keys() == {"s-4"}


def test_a_table_beside_the_languages_they_were_made_of(tmp_path, capsys):
    for name, lang, cer in (("ron", "ron_Latn", 5.0), ("qro", "qro_Geor", 8.0)):
        folder = tmp_path / "egs" / name / "results"
        folder.mkdir(parents=True)
        found = combined("ed_s0", cer=cer, lang=(lang, lang))
        (folder / "ed_s0.json").write_text(json.dumps(found), encoding="utf-8")
    assert main([str(tmp_path / "egs/ron"), "--egs", str(tmp_path / "egs"), "--table"]) == 0
    page = capsys.readouterr().out
    assert [rows(page, lang)[0][-1] for lang in ("ron_Latn", "qro_Geor")] == ["5.0", "8.0"]


def test_nothing_is_overwritten(source, capsys):
    assert made(source) == 0 and made(source) == 2
    assert "egs/qro: already exists; remove it first" in capsys.readouterr().err


def test_before_stage_1(source, capsys):
    (source / "data/dev/text").unlink()
    assert made(source) == 2
    assert "data/dev/text: not there; run stage 1 of ron first" in capsys.readouterr().err
