import errno
import json
import os
import shutil
import tempfile
import weakref
from pathlib import Path

import pytest

from xlt.cli import main
from xlt.commands.run import Call, chosen, guarded
from xlt.core.context import STAGES, Stage
from xlt.core.errors import ConfigError, DataError
from xlt.core.remedies import naming

DEFAULT = [s.name for s in STAGES]


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "recipe.yaml").write_text("lang: ron_Latn\n")
    return tmp_path


@pytest.fixture
def ran(monkeypatch):
    """The stages that were run, with their contexts; ``ran.fails``: name → error."""

    class Ran(list):
        fails: dict = {}

    found = Ran()
    found.fails = {}

    def run(self, ctx):
        found.append((self.name, ctx))
        if self.name in found.fails:
            raise found.fails[self.name]

    monkeypatch.setattr(Stage, "run", run)
    return found


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("1", "bundle", DEFAULT),
        ("8", "10", ["score", "report", "bundle"]),
        ("score", "9", ["score", "report"]),
        ("4", "6", ["tokens", "lm", "train"]),
        ("lm", "lm", ["lm"]),
    ],
)
def test_range_of_stages(first, last, expected):
    assert [stage.name for stage in chosen(first, last)] == expected


def test_no_such_range():
    with pytest.raises(ConfigError, match="--stage 5 comes after --stop_stage 2"):
        chosen("5", "2")
    with pytest.raises(ConfigError, match="no stage 'nosuch'; there are 1 data"):
        chosen("nosuch", "2")


def test_all_stages_in_order_with_a_header_each_and_one_context(recipe, ran, capsys):
    words = ["run", "--recipe", str(recipe), "--nj", "3", "--force", "tag=a", "data.dir=my dir"]
    assert main(words) == 0
    assert [name for name, _ in ran] == DEFAULT
    assert len({id(ctx) for _, ctx in ran}) == 1
    ctx = ran[0][1]
    assert (ctx.cfg.nj, ctx.force, ctx.command) == (3, True, "./run.sh tag=a 'data.dir=my dir'")
    heads = [line.split("]")[0] for line in capsys.readouterr().out.splitlines()]
    assert heads == [f"[{s.number}/10 {s.name}" for s in STAGES]
    assert sorted(path.stem for path in (recipe / "log" / "a").iterdir()) == sorted(DEFAULT)


@pytest.mark.trains
def test_a_whole_run_ends_with_its_result_in_words(recipe, ran, capsys, monkeypatch):
    monkeypatch.chdir(recipe)
    (recipe / "exp/main").mkdir(parents=True)
    shutil.copy(Path(__file__).parents[1] / "fixtures/score_v1.json", recipe / "exp/main/score.json")
    assert main(["run"]) == 0
    *_, result, head, greedy, page, use = capsys.readouterr().out.splitlines()
    assert [result, head, greedy, page] == [
        "Catalan, test: 22.4% of characters wrong (95% interval 18.1 to 26.6)",
        "  wrong on test  characters   words",
        "    greedy CTC        22.4%   57.5%",
        "  scores and examples: RESULTS.md",
    ]
    assert use.startswith("  transcribe recordings: ")
    assert use.endswith("xlt transcribe exp/main/bundle FILE.wav")
    assert main(["run", "--stop_stage", "report"]) == 0 and main(["run", "--dry_run"]) == 0
    assert "of characters wrong" not in capsys.readouterr().out


@pytest.mark.trains
def test_a_recipe_of_this_checkout_is_told_of_its_page(recipe, ran, capsys, monkeypatch):
    own = recipe / "egs" / "x"
    (own / "exp/main").mkdir(parents=True)
    shutil.copy(recipe / "recipe.yaml", own)
    shutil.copy(Path(__file__).parents[1] / "fixtures/score_v1.json", own / "exp/main/score.json")
    monkeypatch.setattr("xlt.core.config.ROOT", recipe.resolve())
    monkeypatch.chdir(own)
    assert main(["run"]) == 0
    said = "  utterances to hear and compare: ../../tools/xlt report, then open ../report/report.html"
    assert said in capsys.readouterr().out.splitlines()


def test_relative_paths_count_from_where_the_user_stood(recipe, ran, monkeypatch, tmp_path_factory):
    here = tmp_path_factory.mktemp("here")
    monkeypatch.setenv("XLT_CWD", str(here))
    assert main(["run", "--recipe", str(recipe), "--stop_stage", "data", "data.dir=corpus"]) == 0
    assert ran[0][1].cfg.data.dir == f"{here}/corpus"


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (DataError("text:3: bad"), 2, "xlt tokens: text:3: bad\n"),
        (KeyboardInterrupt(), 130, "\nxlt tokens: interrupted; the same command continues from here\n"),
    ],
)
def test_the_first_failure_ends_the_run_with_its_status(recipe, ran, capsys, error, status, said):
    ran.fails["tokens"] = error
    with pytest.raises(SystemExit) as ended:
        main(["run", "--recipe", str(recipe)])
    assert ended.value.code == status
    assert [name for name, _ in ran] == ["data", "check", "features", "tokens"]
    assert capsys.readouterr().err == said


def test_settings_that_cannot_be_are_told_by_the_first_stage(recipe, ran, capsys):
    with pytest.raises(SystemExit):
        main(["run", "--recipe", str(recipe), "train.lrr=1"])
    assert capsys.readouterr().err.startswith("xlt data: command line 'train.lrr=1': train.lrr: unknown key")
    assert ran == []


def test_a_stage_s_threads_do_not_stay(recipe, ran, monkeypatch):
    import torch

    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    before = torch.get_num_threads()

    def one_thread(self, ctx):
        seen.append((os.environ["OMP_NUM_THREADS"], torch.get_num_threads()))
        os.environ["OMP_NUM_THREADS"] = "1"
        torch.set_num_threads(1)

    seen = []
    monkeypatch.setattr(Stage, "run", one_thread)
    try:
        assert main(["run", "--recipe", str(recipe), "--stop_stage", "3"]) == 0
    finally:
        torch.set_num_threads(before)
    assert seen[1:] == [("2", 2)] * 2


def test_a_stage_s_model_is_gone_when_the_next_one_starts(recipe, monkeypatch):
    class Model:
        def __init__(self):
            self.me = self  # held by nothing but itself, as a network is by its hooks

    alive = []

    def run(self, ctx):
        assert [name for name, model in alive if model() is not None] == []
        alive.append((self.name, weakref.ref(Model())))

    monkeypatch.setattr(Stage, "run", run)
    assert main(["run", "--recipe", str(recipe), "--stop_stage", "4"]) == 0
    assert [name for name, _ in alive] == ["data", "check", "features", "tokens"]


def failing(error):
    def work():
        raise error

    return work


@pytest.mark.parametrize(
    "error", [KeyError("a\nb"), RecursionError("deep"), OSError(errno.EBADF, "odd"), ValueError("\ud800")]
)
def test_what_nobody_foresaw_is_one_line_and_the_traceback_is_kept(tmp_path, monkeypatch, capsys, error):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert guarded("data", failing(error)) == 1
    said = capsys.readouterr().err
    (kept,) = tmp_path.iterdir()
    assert said.count("\n") == 1 and said.startswith(f"xlt data: {type(error).__name__}: ")
    assert str(kept) in said and "in work" in kept.read_text()


def test_a_traceback_that_cannot_be_kept_is_printed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    assert guarded("data", failing(KeyError("a"))) == 1
    said = capsys.readouterr().err
    assert "Traceback" in said and said.splitlines()[-1].startswith("xlt data: KeyError")


def test_a_full_disk_says_where(tmp_path, capsys):
    def work():
        with naming(tmp_path / "exp"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    assert guarded("train", work) == 2
    assert f"({tmp_path}/exp); free some space" in capsys.readouterr().err
    assert guarded("report", failing(OSError(errno.ENOSPC, "full"))) == 2
    assert "standard output" in capsys.readouterr().err


def test_guarded_gives_0_for_work_that_is_done():
    assert guarded("a", lambda: None) == 0


def test_call_without_a_place_counts_from_the_recipe(recipe):
    ctx = Call(recipe, ("train.init=../spa/exp/main",), ngpu=0).context()
    assert (ctx.cfg.train.init, ctx.cfg.train.ngpu) == (f"{recipe}/../spa/exp/main", 0)


def test_folds_come_before_the_final_model_in_each_stage_that_they_have(recipe, ran, capsys):
    words = ["run", "--recipe", str(recipe), "data.split=cross", "data.folds=3", "tag=a"]
    assert main(words) == 0
    tags = ["a_fold1", "a_fold2", "a_fold3", "a"]
    in_folds = ("data", "features", "tokens", "lm", "train", "decode")
    assert [(name, ctx.cfg.tag) for name, ctx in ran] == [
        (name, tag) for name in DEFAULT for tag in (tags if name in in_folds else ["a"])
    ]
    assert ran[0][1].data == recipe / "data/fold1" and ran[3][1].data == recipe / "data"
    assert {ctx.dump.name for name, ctx in ran if name == "train"} == {
        *(f"xls_r_300m_fold{n}" for n in (1, 2, 3)),
        "xls_r_300m",
    }


def test_one_fold_alone_has_no_scores_of_its_own(recipe, ran, capsys):
    assert main(["run", "--recipe", str(recipe), "data.split=cross", "data.fold=2"]) == 0
    assert {ctx.cfg.tag for _, ctx in ran} == {"main_fold2"}
    assert [name for name, _ in ran] == ["data", "features", "tokens", "lm", "train", "decode"]
    assert "score: is of all folds together" in capsys.readouterr().out


def test_a_stage_by_itself_runs_in_every_fold(recipe, ran):
    assert main(["train", "--recipe", str(recipe), "data.split=cross"]) == 0
    assert [ctx.cfg.tag for _, ctx in ran] == [*(f"main_fold{n}" for n in range(1, 6)), "main"]


def test_a_training_that_went_on_too_long_is_told_at_the_end(recipe, ran, capsys):
    (recipe / "exp/main").mkdir(parents=True)
    shutil.copy(Path(__file__).parents[1] / "fixtures/score_v1.json", recipe / "exp/main/score.json")
    losses = [9.0, 5.0, 6.0, 6.0, 6.0]
    (recipe / "exp/main/history.json").write_text(
        json.dumps([{"epoch": n, "loss": loss} for n, loss in enumerate(losses, 1)])
    )
    assert main(["run", "--recipe", str(recipe)]) == 0
    assert "  dev loss rises since epoch 2 (5, at the end 6): " in capsys.readouterr().out
