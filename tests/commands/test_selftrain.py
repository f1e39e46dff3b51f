"""`xlt selftrain` with made-up stages: which rounds are run, with what, when they end, and what is said."""

import json

import pytest

from tests.data.corpus import tone
from tests.errors import told
from tests.report.documents import document
from xlt.cli import main
from xlt.commands import experiment
from xlt.core.errors import DataError


class World:
    """``egs/ron``, and what its stages would make: ``wrong``: of 10 characters of each of 20 utterances of
    dev, by tag. ``done``: the stages that were run; ``manifest``: of every bundle."""

    def __init__(self, root):
        self.recipe, self.more = root / "egs" / "ron", root / "more"
        self.recipe.mkdir(parents=True)
        (self.recipe / "recipe.yaml").write_text("lang: ron_Latn\n")
        tone(self.more / "talk.wav")
        self.wrong = {"main": 5, "main_round1": 4, "main_round2": 3, "main_round3": 2}
        self.done, self.contexts, self.broken = [], {}, {}
        self.manifest = {"lm": "ngram", "confidence": {}, "decode": {"method": "beam"}, "files": {}}
        self.manifest["confidence"] = {"scale": 1.0, "slope": 1.0, "offset": 0.0, "words": 9}

    def stage(self, stage, contexts):
        (ctx,) = contexts
        tag = ctx.cfg.tag
        self.done.append(f"{tag} {stage}")
        self.contexts[tag] = ctx
        if self.done[-1] in self.broken:
            raise self.broken[self.done[-1]]
        exp = self.recipe / "exp" / tag
        (exp / "bundle").mkdir(parents=True, exist_ok=True)
        if stage == "score":
            scores, errors = document(tag, dev=10.0 * self.wrong[tag]), self.wrong[tag]
            one = {"ids": "x", "errors": [errors] * 20, "n_ref": [10] * 20}
            scores["counts"] = {"dev": one, "test": one}
            if ctx.cfg.train.teacher:
                dev = {"confidence": 0.55, "kept": 9, "cer": 0.02, "cer_of_all": 0.03}
                labels = {"minutes": 5.82, "utterances": 185, "of": 186, "dev": dev}
                scores["teacher"] = {"recipe": "ron", "tag": "main", "lang": "ron_Latn", "labels": labels}
            (exp / "score.json").write_text(json.dumps(scores))
        if stage == "bundle":
            (exp / "bundle" / "bundle.json").write_text(json.dumps(self.manifest | {"format": 2}))

    def __call__(self, *words, status=0):
        found = main(["selftrain", str(self.more), "--recipe", str(self.recipe), *words])
        assert found == status

    @property
    def trained(self):
        return [word.removesuffix(" train") for word in self.done if word.endswith(" train")]


@pytest.fixture
def world(tmp_path, monkeypatch):
    found = World(tmp_path)
    monkeypatch.setattr(experiment, "run_in_folds", found.stage)
    return found


def rows(out):
    lines = [line for line in out.splitlines() if line.startswith("| main")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_each_round_is_an_experiment_that_the_one_before_teaches(world, capsys):
    world("--rounds", "2", "preset=fast", "train.label_cer=0.2")
    assert world.done[0] == "main_round1 data"  # a held-out clip is found before anything is trained
    assert world.trained == ["main", "main_round1", "main_round2"]
    assert world.done[-1] == "main_round2 bundle"
    for tag, teacher in (("main", None), ("main_round1", "exp/main"), ("main_round2", "exp/main_round1")):
        cfg = world.contexts[tag].cfg
        assert (cfg.as_given("train.teacher"), cfg.train.label_cer, cfg.preset) == (teacher, 0.2, "fast")
        assert cfg.train.unlabelled == (str(world.more) if teacher else None)
    out = capsys.readouterr().out
    first, second, third = rows(out)
    assert first == ["main", "–", "–", "50.0 / 150.0", "–", "9.0 / 27.0", "–"] or first[:3] == [
        "main",
        "–",
        "–",
    ]
    assert second[:3] == ["main_round1", "5.8 min, 185", "0.55"]
    # 4 and 3 of 10 characters instead of 5, in each utterance
    assert (second[4], third[4]) == ("−10.0 [−10.0, −10.0]", "−20.0 [−20.0, −20.0]")
    assert "best on dev: main_round2" in out and "round 2 is the last of --rounds 2" in out


def test_the_rounds_end_when_dev_gains_nothing(world, capsys):
    world.wrong |= {"main_round2": 4}
    world("--rounds", "5")
    assert world.trained == ["main", "main_round1", "main_round2"]
    out = capsys.readouterr().out
    assert "round 2 gains nothing on dev" in out and "best on dev: main_round1\n" in out
    assert "exp/main_round1/bundle FILE.wav" in out


def test_a_round_that_is_worse_is_not_the_best(world, capsys):
    world.wrong |= {"main_round1": 6}
    world()
    assert world.trained == ["main", "main_round1"]
    assert "best on dev: main\n" in capsys.readouterr().out


def test_a_failed_round_leaves_the_table_of_those_before(world, capsys):
    world.broken["main_round2 train"] = DataError("data/labels: none can be learned; raise train.label_cer")
    world("--rounds", "3", status=2)
    out, err = capsys.readouterr()
    assert [row[0] for row in rows(out)] == ["main", "main_round1"]
    assert "raise train.label_cer" in err
    told(err, "train", where="ron/main_round2")


def test_a_held_out_clip_is_found_before_anything_is_trained(world, capsys):
    world.broken["main_round1 data"] = DataError("train.unlabelled=more: held out; take it out")
    with pytest.raises(SystemExit) as ended:
        world()
    assert ended.value.code == 2 and world.done == ["main_round1 data"]
    told(capsys.readouterr().err, where="train.unlabelled=more")


@pytest.mark.parametrize(("key", "fact"), [("lm", "lm.text"), ("confidence", "decode.method=beam")])
def test_a_bundle_that_cannot_teach(world, capsys, key, fact):
    del world.manifest[key]
    world(status=2)
    assert world.trained == ["main"]
    told(capsys.readouterr().err, fact, where="exp/main/bundle")


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (["--rounds", "0"], "--rounds 0"),
        (["lm.type=none"], "lm.type=none"),
        (["decode.method=greedy"], "decode.method=greedy"),
        (["decode.sets=[test]"], "decode.sets=['test']"),
        (["train.teacher=exp/a"], "train.teacher=exp/a"),
        (["train.unlabelled=b"], "train.unlabelled=b"),
        (["train.lrr=1"], "command line 'train.lrr=1'"),
    ],
)
def test_words_that_cannot_be(world, capsys, monkeypatch, words, where):
    monkeypatch.chdir(world.recipe)
    monkeypatch.delenv("XLT_CWD", raising=False)
    world(*words, status=2)
    assert world.done == []
    told(capsys.readouterr().err, where=where)


def test_settings_that_speech_without_texts_does_not_go_with(world, capsys):
    world("train.balance=0.5", status=2)
    assert told(capsys.readouterr().err, "train.balance=0.5").setting == "train.unlabelled"


def test_a_folder_without_sound_and_none(world, capsys):
    (world.more / "talk.wav").unlink()
    world(status=2)
    told(capsys.readouterr().err, where="more")
    world.more.rmdir()
    world(status=2)
    told(capsys.readouterr().err, where="more")
    assert world.done == []


def test_a_dry_run_does_nothing(world, capsys):
    world("--dry_run")
    assert {word.split()[0] for word in world.done} == {"main"}
    assert not (world.recipe.parent / ".experiment").exists()


def test_paths_count_from_where_the_user_stands(world, monkeypatch, tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "here/news.txt").write_text("da\n")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.delenv("XLT_CWD", raising=False)
    world("--rounds", "1", "lm.text=[news.txt]", "tag=main")
    assert world.contexts["main_round1"].cfg.lm.text == [str(tmp_path / "here/news.txt")]
