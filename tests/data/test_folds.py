"""data.split=cross: every utterance is tested once, by a model that knows neither it nor its sentence."""

import json
from collections import Counter

import numpy as np
import pytest
import soundfile

from tests.data.corpus import PHRASES, melody
from tests.errors import raises, told
from xlt.check.speech import model_folders
from xlt.cli import main
from xlt.core.config import load
from xlt.core.errors import ConfigError
from xlt.data import folds
from xlt.data.corpora import Utterance
from xlt.data.splits import cross_validate
from xlt.formats.tables import read_table


def cut(speakers, groups=None, count=5, dur_s=1.0):
    """The parts of utterances ``{name: speaker}``."""
    groups = groups or {name: name for name in speakers}
    return folds.parts(dict.fromkeys(speakers, dur_s), speakers, groups, count)


def test_folds_are_of_equal_size_and_each_is_tested_once():
    speakers = {f"u{n:03}": "ana" for n in range(100)}
    parts, by, why = cut(speakers)
    assert (by, why) == ("text", "1 speakers; no sentence is in two folds")
    assert Counter(parts.values()) == {f"{fold}{half}": 10 for fold in range(1, 6) for half in "ab"}
    tested = Counter()
    for fold in range(1, 6):
        sets = folds.sets_of(parts, fold, 5)
        assert Counter(sets.values()) == {"train": 70, "dev": 10, "test": 20}
        tested.update(name for name, part in sets.items() if part == "test")
    assert tested == dict.fromkeys(speakers, 1)


def test_the_dev_set_of_a_fold_is_the_half_of_the_next_and_the_final_model_tests_nothing():
    parts = {"u1": "1a", "u2": "1b", "u3": "2a", "u4": "2b", "u5": "3a", "u6": "3b"}
    expected = {
        1: "test test dev train train train",
        2: "train train test test dev train",
        3: "dev train train train test test",
        None: "dev train train train train train",
    }
    for fold, sets in expected.items():
        assert list(folds.sets_of(parts, fold, 3).values()) == sets.split()


def test_no_group_is_parted_and_a_small_dev_set_is_a_whole_fold():
    speakers = {f"u{n:02}": "ana" if n % 2 else "ion" for n in range(45)}
    groups = {name: f"g{int(name[1:]) // 3}" for name in speakers}  # three clips a sentence
    parts, by, _ = cut(speakers, groups, 3)
    places = {}
    for name, group in groups.items():
        places.setdefault(group, set()).add(parts[name])
    assert by == "text" and all(len(found) == 1 for found in places.values())
    assert Counter(parts.values()) == {"1a": 15, "2a": 15, "3a": 15}  # half of 15 is fewer than 10


def test_voices_are_kept_together_where_they_make_folds_of_similar_size():
    even = {f"{speaker}-{n:02}": speaker for speaker in "abcdef" for n in range(10)}
    parts, by, why = cut(even, count=3)
    assert (by, why) == ("speaker", "6 speakers; no voice and no sentence is in two folds")
    assert len({(speaker, parts[name][:-1]) for name, speaker in even.items()}) == 6
    odd = {**even, **{f"z-{n:03}": "z" for n in range(70)}}  # z has more than half
    assert cut(odd, count=3)[1] == "text"
    few = {name: speaker for name, speaker in even.items() if speaker in "abcd"}
    assert cut(few, count=3)[1] == "text"
    same = {name: name[2:] for name in even}  # all say the same ten sentences: those would be in every fold
    parts, by, _ = cut(even, same, 3)
    assert by == "text" and len({(group, parts[name]) for name, group in same.items()}) == 10


def test_the_order_of_the_corpus_changes_nothing():
    speakers = {f"u{n:03}": "ana" for n in range(30)}
    assert cut(speakers)[0] == cut(dict(reversed(speakers.items())))[0]


def test_fewer_sentences_than_folds():
    with raises(ConfigError, 4, where="data.folds=5"):
        cut({f"u{n}": "ana" for n in range(4)})


def test_further_sets_stay_without_what_the_folds_have():
    names = {f"u{n:02}": None for n in range(30)} | {"x1": "phone", "x2": "phone"}
    utts = {
        name: Utterance(name, "ana", "ron_Latn", name, None, name, split=split or "train")
        for name, split in names.items()
    }
    groups = {name: name for name in names} | {"x2": "u00"}  # u00 says the same
    found, parts, facts = cross_validate(utts, dict.fromkeys(names, 1.0), groups, 3)
    assert found["x1"] == "phone" and "x2" not in found and parts.keys() == names.keys() - {"x1", "x2"}
    assert Counter(found.values()) == {"dev": 10, "train": 20, "phone": 1}
    assert facts["folds"] == 3 and facts["question"] == "known voices"
    assert facts["speakers"] == {"train": 1, "dev": 1, "test": 1, "phone": 1}


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """A recipe of 36 clips of two speakers: 24 different texts, some said twice, two clips that overlap."""
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    corpus, recipe = tmp_path / "corpus", tmp_path / "recipe"
    corpus.mkdir()
    recipe.mkdir()
    rows = ["path\ttext\tspeaker\tstart\tend"]
    for n in range(34):
        text = PHRASES[n % 12] + (f" {PHRASES[(n * 5 + 1) % 12]}" if n >= 12 else "")
        soundfile.write(corpus / f"c{n:02}.wav", melody(n), 16000)
        rows.append(f"c{n:02}.wav\t{text}\t{'ab'[n % 2]}\t\t")
    soundfile.write(corpus / "long.wav", np.concatenate([melody(90), melody(91)]), 16000)
    rows += ["long.wav\tcartea veche\ta\t0\t2.5", "long.wav\tveche este\tb\t1.5\t4"]
    (corpus / "corpus.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (recipe / "recipe.yaml").write_text(
        "lang: ron_Latn\ndata: {reader: table, dir: ../corpus, split: cross, folds: 3}\nnj: 1\n"
    )
    return recipe


def test_stage_1_makes_the_sets_of_all_folds_and_of_the_final_model(recipe, capsys):
    assert main(["data", "--recipe", str(recipe)]) == 0
    assert "3 folds by text" in capsys.readouterr().out
    whole, tested = read_table(recipe / "data/all/text"), []
    groups, spans = read_table(recipe / "data/all/utt2group"), read_table(recipe / "data/all/utt2span")
    for fold in range(1, 4):
        sets = {
            name: read_table(recipe / f"data/fold{fold}/{name}/text") for name in ("train", "dev", "test")
        }
        assert {utt: text for own in sets.values() for utt, text in own.items()} == whole
        held = {name: {groups[utt] for utt in own} for name, own in sets.items()}
        assert not held["train"] & held["test"] and not held["train"] & held["dev"]
        assert not held["dev"] & held["test"]
        texts = {name: set(own.values()) for name, own in sets.items()}
        assert not texts["train"] & texts["test"]
        assert sum(bool(own.keys() & spans.keys()) for own in sets.values()) == 1  # they overlap: one set
        tested += sets["test"]
    assert sorted(tested) == sorted(whole)
    pooled = read_table(recipe / "data/test/text")
    assert pooled == whole
    assert read_table(recipe / "data/test/utt2test_fold") == {
        utt: str(fold) for fold in range(1, 4) for utt in read_table(recipe / f"data/fold{fold}/test/text")
    }
    train, dev = (read_table(recipe / "data" / name / "text") for name in ("train", "dev"))
    assert train.keys() | dev.keys() == whole.keys() and not train.keys() & dev.keys()

    assert main(["data", "--recipe", str(recipe)]) == 0
    assert "making" not in capsys.readouterr().out
    assert main(["data", "--recipe", str(recipe), "data.folds=4"]) == 0
    assert len(list((recipe / "data").glob("fold4/*/text"))) == 3


def test_an_export_has_each_utterance_once(recipe, tmp_path):
    assert main(["data", "--recipe", str(recipe)]) == 0
    assert main(["export", "table", "--recipe", str(recipe), str(tmp_path / "out")]) == 0
    rows = (tmp_path / "out/corpus.tsv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 1 + len(read_table(recipe / "data/all/text"))


def test_stage_2_warns_of_the_size_of_all_folds_together(recipe, capsys):
    assert main(["run", "--recipe", str(recipe), "--stop_stage", "check"]) == 0
    faults = json.loads((recipe / "data/check/report.json").read_text())["faults"]
    (small,) = [fault for fault in faults if "uncertain" in fault["found"]]
    assert (small["values"]["set"], small["values"]["count"], small["severity"]) == ("test", 36, "warning")
    assert main(["check", "--recipe", str(recipe), "check.min_held_out=37"]) == 2
    assert "test has 36 utterances" in capsys.readouterr().err


def test_a_dropped_utterance_is_tested_all_the_same(recipe):
    assert main(["data", "--recipe", str(recipe)]) == 0
    utt = next(iter(read_table(recipe / "data/fold2/test/text")))
    (recipe / "drop.txt").write_text(f"{utt} misread\n")
    assert main(["data", "--recipe", str(recipe), "data.drop=" + str(recipe / "drop.txt")]) == 0
    for fold, there in ((1, False), (2, False), (3, False), (None, False)):
        folder = recipe / "data" / (f"fold{fold}" if fold else "")
        assert (utt in read_table(folder / "train/text")) is there
    assert utt in read_table(recipe / "data/fold2/test/text") and utt in read_table(recipe / "data/test/text")


def test_one_fold_has_places_of_its_own(tmp_path):
    (tmp_path / "recipe.yaml").write_text("lang: ron_Latn\ndata: {split: cross}\n")
    whole, one = load(tmp_path), load(tmp_path, ["data.fold=2"])
    assert (whole.tag, one.tag) == ("main", "main_fold2")
    assert (whole.pooled_sets, one.pooled_sets) == (["test"], [])
    assert (whole.sets, one.sets) == (["train", "dev"], ["train", "dev", "test"])
    assert (whole.scored_sets, one.scored_sets) == (["dev", "test"], ["test"])


@pytest.mark.parametrize(
    ("setting", "where"),
    [
        ("data.fold=6", "data.fold=6"),
        ("train.mix={spa: 0.1}", "data.split=cross"),
        ("data.train_speakers=[a]", "data.split=cross"),
        ("decode.sets=[dev]", "decode.sets=['dev']"),
        ("decode.partner=other", "data.split=cross"),
        ("data.split=text", "data.fold=2"),
    ],
)
def test_settings_that_do_not_go_together(recipe, capsys, setting, where):
    more = ["data.fold=2"] if setting == "data.split=text" else []
    assert main(["data", "--recipe", str(recipe), setting, *more]) == 2
    told(capsys.readouterr().err, where=where)


def test_texts_are_aligned_by_the_models_of_the_folds(recipe):
    cfg = load(recipe, ["check.align=true"])
    assert model_folders(cfg, recipe / "exp/main") == []  # not all of them are trained
    folders = [recipe / f"exp/main_fold{fold}" for fold in (1, 2, 3)]
    for folder in [*folders, recipe / "exp/main"]:
        folder.mkdir(parents=True)
        (folder / "xlt.json").write_text("{}")
    assert model_folders(cfg, recipe / "exp/main") == folders
    assert model_folders(load(recipe, ["check.align=true", "data.split=text"]), recipe / "exp/main") == [
        recipe / "exp/main"
    ]


def test_fewer_than_three_folds(recipe, capsys):
    assert main(["data", "--recipe", str(recipe), "data.folds=2"]) == 2
    assert "data.folds: found 2, expected a number not below 3" in capsys.readouterr().err
