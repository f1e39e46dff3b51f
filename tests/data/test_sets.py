"""Sets beyond train, dev and test: who makes them, who refuses them, and that one goes through all stages."""

import csv
import json

import pytest

from tests.data.corpora.test_commonvoice import row, tsv
from tests.data.corpus import PHRASES, tone
from tests.errors import told
from xlt.cli import main
from xlt.core.errors import ConfigError, DataError
from xlt.data.corpora import Utterance, commonvoice, kaldi, lhotse
from xlt.data.corpora import table as table_reader
from xlt.data.splits import assign
from xlt.formats.tables import read_table

SPLIT = ["train"] * 6 + ["dev"] * 2 + ["test"] * 2 + ["test_phone"] * 2


@pytest.fixture
def table(tmp_path):
    """Twelve clips with a column split; the last two are test_phone."""
    folder = tmp_path / "corpus"
    rows = []
    for number, (phrase, name) in enumerate(zip(PHRASES, SPLIT, strict=True)):
        tone(folder / f"{number}.wav", hz=200.0 + 20 * number)
        rows.append([f"{number}.wav", phrase, f"s{number}", name])
    write(folder, rows)
    return folder


def write(folder, rows):
    with (folder / "corpus.csv").open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows([["path", "text", "speaker", "split"], *rows])


def rename(folder, new):
    path = folder / "corpus.csv"
    path.write_text(path.read_text().replace("test_phone", new))


def sizes(recipe):
    folders = [path for path in (recipe.dir / "data").iterdir() if (path / "text").exists()]
    return {path.name: len(read_table(path / "text")) for path in folders}


@pytest.mark.trains
def test_a_fourth_set_goes_through_stages_1_to_9(recipe, table, capsys):
    settings = [
        "data.reader=table",
        f"data.dir={table}",
        "features.upstream=fbank",
        "train.max_epochs=1",
        "train.min_updates=0",
        "score.bootstrap=20",
        "decode.sets=[dev,test,test_phone]",
        "lm.words=none",
    ]
    for stage in ("data", "check", "features", "tokens", "lm", "train", "decode", "score", "report"):
        assert main([stage, "--recipe", str(recipe.dir), *settings]) == 0, capsys.readouterr().err
    assert sizes(recipe) == {"all": 12, "train": 6, "dev": 2, "test": 2, "test_phone": 2}
    assert json.loads((recipe.dir / "data/check/report.json").read_text())["utterances"]["test_phone"] == 2
    score = json.loads((recipe.dir / "exp/main/score.json").read_text())
    assert score["sets"]["test_phone"]["cer"]["n_ref"] == sum(map(len, PHRASES[-2:]))
    assert "test_phone" in (recipe.dir / "RESULTS.md").read_text()


def test_a_set_that_nobody_asks_for_is_made_and_costs_nothing_later(recipe, table, capsys):
    settings = ["data.reader=table", f"data.dir={table}"]
    assert recipe(*settings) == 0
    report = json.loads((recipe.dir / "data/all/report.json").read_text())
    assert report["utterances"] == {"train": 6, "dev": 2, "test": 2, "test_phone": 2}
    assert recipe.cfg(*settings).sets == recipe.cfg(*settings).checked_sets == ["train", "dev", "test"]
    capsys.readouterr()
    assert recipe(*settings, "decode.sets=[test,test_phone]") == 0  # it is there: nothing is made again
    assert capsys.readouterr().out.count("is up to date") == 5


def test_a_misspelt_set_ends_stage_1_before_anything_is_decoded(recipe, table, capsys):
    settings = ["data.reader=table", f"data.dir={table}", "decode.sets=[dev,test_fone]"]
    assert recipe(*settings) == 2
    told(capsys.readouterr().err, "'test_fone'", "train, dev, test, test_phone", where="decode.sets")
    assert not (recipe.dir / "data/all").exists()
    assert not list((recipe.dir / "data/.all.partial").glob("wav/*"))


def test_a_misspelt_set_ends_stage_2(recipe, table, capsys):
    settings = ["data.reader=table", f"data.dir={table}"]
    assert recipe(*settings) == 0
    assert main(["check", "--recipe", str(recipe.dir), *settings, "decode.sets=[tset]"]) == 2
    assert (
        "no set 'tset'; data has train, dev, test, test_phone; did you mean test?" in capsys.readouterr().err
    )


@pytest.mark.parametrize("name", ["all", "check", "tokens", "mix", "train_10min", "train_0.5min", ".x"])
def test_a_set_cannot_have_the_name_of_a_folder_of_ours(recipe, table, capsys, name):
    rename(table, name)
    assert recipe("data.reader=table", f"data.dir={table}") == 2
    assert f"a set of the corpus is called {name!r}" in capsys.readouterr().err
    assert recipe("data.reader=table", f"data.dir={table}", f"decode.sets=[{name}]") == 2
    assert f"decode.sets: {name!r} is not a set" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["[]", "[dev, dev]", "[3]", "[[dev]]"])
def test_decode_sets_are_different_names(recipe, value):
    with pytest.raises(ConfigError, match="decode.sets: found .*, expected different names of sets"):
        recipe.cfg(f"decode.sets={value}")


def test_speech_of_train_in_a_further_set_is_found_by_stage_2(recipe, table, capsys):
    settings = ["data.reader=table", f"data.dir={table}", "decode.sets=[test_phone]"]
    assert recipe(*settings) == 0
    rows = read_table(recipe.dir / "data/test_phone/text")
    first = next(iter(read_table(recipe.dir / "data/train/text").values()))
    changed = dict.fromkeys(rows, first)
    (recipe.dir / "data/test_phone/text").write_text("".join(f"{u} {t}\n" for u, t in changed.items()))
    main(["check", "--recipe", str(recipe.dir), *settings])
    faults = json.loads((recipe.dir / "data/check/report.json").read_text())["faults"]
    assert [f["ids"] for f in faults if f["rule"] == "shared_texts"] == [list(rows)]


def kaldi_sets(folder, *names):
    for place, name in enumerate(names):
        tone(folder / f"{name}/{name}.wav", hz=300.0 + 30 * place)
        for file, value in (("wav.scp", f"{name}/{name}.wav"), ("text", "unu"), ("utt2spk", name)):
            (folder / name / file).write_text(f"{name}-1 {value}\n")
    return folder


def test_kaldi_folders_beside_train_are_read_if_they_are_asked_for(recipe, tmp_path):
    place = kaldi_sets(tmp_path / "kaldi", "train", "valid", "test", "test_noisy", "train_sp")
    settings = ["data.reader=kaldi", f"data.dir={place}"]
    found = kaldi.read(recipe.cfg(*settings))
    assert [utt.split for utt in found.utterances] == ["train", "dev", "test"]
    assert found.unread == {"test_noisy": 1, "train_sp": 1}
    found = kaldi.read(recipe.cfg(*settings, "decode.sets=[test_noisy]"))
    assert [utt.split for utt in found.utterances] == ["train", "dev", "test", "test_noisy"]
    assert found.unread == {"train_sp": 1}


def test_kaldi_data_all_is_made_again_for_a_new_set_and_not_for_one_that_is_dropped(recipe, tmp_path, capsys):
    place = kaldi_sets(tmp_path / "kaldi", "train", "dev", "test", "test_noisy")
    for name, text in zip(("train", "dev", "test", "test_noisy"), PHRASES, strict=False):
        (place / name / "text").write_text(f"{name}-1 {text}\n")
    settings = ["data.reader=kaldi", f"data.dir={place}"]
    assert recipe(*settings) == 0
    assert (
        "the corpus has further sets, which decode.sets can ask for: test_noisy (1)"
        in capsys.readouterr().out
    )
    assert recipe(*settings, "decode.sets=[test,test_noisy]") == 0
    assert sizes(recipe) == {"all": 4, "train": 1, "dev": 1, "test": 1, "test_noisy": 1}
    capsys.readouterr()
    assert recipe(*settings) == 0
    assert capsys.readouterr().out.count("is up to date") == 5


def test_kaldi_dev_under_two_names_and_an_utterance_of_two_sets(recipe, tmp_path):
    place = kaldi_sets(tmp_path / "kaldi", "train", "dev", "valid", "test")
    with pytest.raises(DataError, match="has dev and valid, which are both dev; rename one"):
        kaldi.read(recipe.cfg("data.reader=kaldi", f"data.dir={place}"))
    place = kaldi_sets(tmp_path / "other", "train", "dev", "test", "more")
    for file in ("wav.scp", "text", "utt2spk"):
        path = place / "more" / file
        path.write_text(path.read_text().replace("more-1", "test-1").replace("more/", "test/"))
    (place / "more/utt2spk").write_text("test-1 test\n")
    with pytest.raises(
        DataError, match="utterance 'test-1' is in test and in more; an utterance belongs to one"
    ):
        kaldi.read(recipe.cfg("data.reader=kaldi", f"data.dir={place}", "decode.sets=[more]"))


def test_common_voices_other_without_what_train_has(recipe, tmp_path):
    folder = tmp_path / "cv/ro"
    rows = {
        "train": [row(1, "ana", "Un urs.")],
        "dev": [row(2, "ion", "O pisică")],
        "test": [row(3, "eva", "Trei mere")],
        "other": [
            row(4, "ana", "Un tren"),
            row(5, "dan", "UN URS!"),
            row(6, "dan", "O casă"),
            row(3, "eva", "x"),
        ],
    }
    for name, own in rows.items():
        tsv(folder / f"{name}.tsv", *own)
    for clip in range(1, 7):
        tone(folder / f"clips/common_voice_ro_{clip}.mp3", rate=32000)
    settings = ["data.reader=commonvoice", f"data.dir={folder}"]
    assert commonvoice.read(recipe.cfg(*settings)).unread == {"other": 4}
    found = commonvoice.read(recipe.cfg(*settings, "decode.sets=[test,other]"))
    assert [(utt.split, utt.text) for utt in found.utterances if utt.split == "other"] == [
        ("other", "O casă")
    ]
    assert found.left_out == {
        "other: the clip is in another set": ["other.tsv:5"],
        "other: its speaker is in train": ["other.tsv:2"],
        "other: its sentence is in train": ["other.tsv:3"],
    }


def test_a_table_beside_train_dev_and_test_is_a_set_if_it_is_asked_for(recipe, tmp_path):
    place = tmp_path / "corpus"
    for number, name in enumerate(("train", "dev", "test", "phone")):
        tone(place / f"{number}.wav")
        (place / f"{name}.csv").write_text(f"path,text\n{number}.wav,{name}\n")
    settings = ("data.reader=table", f"data.dir={place}")
    with pytest.raises(DataError, match="another is a set if decode.sets has its name"):
        table_reader.read(recipe.cfg(*settings))
    found = table_reader.read(recipe.cfg(*settings, "decode.sets=[dev,phone]"))
    assert {utt.text: utt.split for utt in found.utterances} == {
        name: name for name in ("train", "dev", "test", "phone")
    }


def test_a_part_of_lhotse_is_a_set_if_it_is_asked_for(recipe):
    parts = {name: {} for name in ("train-clean", "dev", "test", "far")}
    cfg = recipe.cfg("data.reader=lhotse", "decode.sets=[dev,far]")
    assert lhotse._splits(parts, cfg, None) == {
        "train-clean": "train",
        "dev": "dev",
        "test": "test",
        "far": "far",
    }
    cfg = recipe.cfg("data.reader=lhotse", "data.splits={train-clean: train, far: far_field}")
    assert lhotse._splits(parts, cfg, None) == {"train-clean": "train", "far": "far_field"}
    cfg = recipe.cfg("data.reader=lhotse", "data.splits={train-clean: train}", "decode.sets=[far]")
    assert lhotse._splits(parts, cfg, None) == {"train-clean": "train", "far": "far"}


def utterance(name, speaker, split):
    return Utterance(name, speaker, "ron_Latn", name, None, name, split=split)


def test_our_own_train_shares_no_sentence_with_a_further_set():
    utts = {f"u{i}": utterance(f"u{i}", "a", None) for i in range(40)} | {
        f"x{i}": utterance(f"x{i}", "a", "extra") for i in range(40)
    }
    groups = {name: name[1:] for name in utts}  # x7 says what u7 says
    found, how = assign(utts, dict.fromkeys(utts, 1.0), groups, "text")
    assert how["by"] == "text"
    for i in range(40):
        assert found.get(f"x{i}") == (None if found[f"u{i}"] == "train" else "extra")


def test_our_own_train_shares_no_voice_with_a_further_set_where_voices_are_parted():
    utts = {f"{who}{i}": utterance(f"{who}{i}", who, None) for who in "abcdef" for i in range(5)}
    utts |= {f"{who}x": utterance(f"{who}x", who, "extra") for who in "abcdefg"}
    found, how = assign(utts, dict.fromkeys(utts, 1.0), {name: name for name in utts}, "speaker")
    train = {name[0] for name, part in found.items() if part == "train"}
    assert how["by"] == "speaker" and train
    assert {name[0] for name, part in found.items() if part == "extra"} == set("abcdefg") - train


def test_a_corpus_of_further_sets_alone():
    utts = {"a": utterance("a", "s", "extra")}
    with pytest.raises(DataError, match="the corpus has only extra, expected train as well"):
        assign(utts, {"a": 1.0}, {"a": "a"}, "auto")
