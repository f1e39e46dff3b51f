import itertools
import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.errors import raises
from xlt.core import stage
from xlt.core.config import ROOT, load
from xlt.core.context import STAGES, Context, find, need
from xlt.core.errors import ConfigError, MissingInput, StageError
from xlt.core.stage import Unit, atomic_text, digest, lock, read_stamp, run_unit


class Work:
    """A unit that upper-cases ``in.txt`` into ``out/text``; counts its runs and can be made to fail
    half-way.
    """

    def __init__(self, recipe):
        (recipe / "recipe.yaml").write_text("lang: ron_Latn\n")
        self.source = recipe / "in.txt"
        self.source.write_text("abc")
        self.recipe, self.out = recipe, recipe / "out"
        self.runs, self.found, self.fail = 0, [], None

    def make(self, folder):
        self.runs += 1
        self.found = sorted(p.name for p in folder.iterdir() if p.name != "request.json")
        (folder / "part").write_text("half")
        if self.fail:
            raise self.fail
        (folder / "text").write_text(self.source.read_text().upper())
        return {"lines": 1}

    def run(self, *settings, resume=False, versions=None, stale=None, **flags):
        ctx = Context(self.recipe, load(self.recipe, list(settings)), command="./run.sh", **flags)
        return run_unit(
            ctx,
            Unit(
                "tokens",
                self.out,
                ctx.cfg.section("tokens"),
                [self.source],
                self.make,
                resume=resume,
                versions=versions or {},
                stale=stale,
            ),
        )


@pytest.fixture
def work(tmp_path):
    return Work(tmp_path)


def test_output_stands_with_its_stamp(work):
    assert work.run("seed=7", versions={"tool": "1.2"})
    assert (work.out / "text").read_text() == "ABC"
    stamp = json.loads((work.out / "stage.json").read_text())
    assert stamp["stage"] == "tokens" and stamp["config"] == {
        "tokens.type": "char",
        "tokens.size": 150,
        "tokens.union": [],
        "tokens.language_tag": False,
    }
    assert stamp["inputs"] == {"in.txt": digest(work.source)}
    assert stamp["versions"]["tool"] == "1.2" and "xlt" in stamp["versions"]
    assert (stamp["seed"], stamp["lines"], stamp["command"]) == (7, 1, "./run.sh")
    assert stamp["outputs"] == {"part": 4, "text": 3}
    assert stamp["wall_s"] >= 0 and stamp["cpu_s"] >= 0 and stamp["git"] and stamp["finished"]
    assert sorted(p.name for p in work.recipe.iterdir() if "partial" in p.name or "old" in p.name) == []


def test_second_run_is_skipped(work, capsys):
    work.run()
    before = (work.out / "stage.json").read_bytes()
    assert not work.run()
    assert work.runs == 1 and (work.out / "stage.json").read_bytes() == before
    assert "tokens: out is up to date" in capsys.readouterr().out


def test_what_the_unit_itself_finds_stale_is_said_and_made_again(work, capsys):
    assert work.run(stale=lambda: pytest.fail("there is no output to be stale"))
    assert not work.run(stale=lambda: None)
    capsys.readouterr()
    assert work.run(stale=lambda: "feats.7.ark is gone")
    assert "making out again (feats.7.ark is gone)" in capsys.readouterr().out and work.runs == 2


def test_settings_that_the_unit_does_not_read_do_not_count(work):
    work.run()
    assert not work.run("train.lr=0.5", "seed=3")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: w.run("tokens.size=99"), "tokens.size: 150 → 99"),
        (lambda w: (w.source.write_text("xyz"), w.run()), "in.txt changed"),
        (lambda w: w.run(versions={"tool": "2"}), "tool is new"),
        (lambda w: ((w.out / "text").unlink(), w.run()), "text is missing"),
        (lambda w: ((w.out / "text").write_text("AB"), w.run()), "text was altered by hand or damaged"),
    ],
)
def test_what_changed_is_named_and_the_unit_runs_again(work, capsys, change, said):
    work.run()
    capsys.readouterr()
    change(work)
    assert work.runs == 2
    assert f"making out again ({said})" in capsys.readouterr().out
    assert (work.out / "text").read_text() == work.source.read_text().upper()


def test_force_runs_again(work):
    work.run()
    assert work.run(force=True) and work.runs == 2


def test_dry_run_says_and_does_nothing(work, capsys):
    assert not work.run(dry_run=True)
    assert "tokens: would make out" in capsys.readouterr().out
    assert work.runs == 0 and not work.out.exists()
    work.run()
    work.run("tokens.size=99", dry_run=True)
    assert "would make out again (tokens.size: 150 → 99)" in capsys.readouterr().out and work.runs == 1


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), OSError(28, "No space left on device"), ValueError("defect")]
)
def test_interrupted_work_leaves_nothing_that_looks_finished(work, error):
    work.fail = error
    with pytest.raises(type(error)):
        work.run()
    assert not work.out.exists() and read_stamp(work.out) is None
    work.fail = None
    assert work.run() and work.found == []  # without resume it starts from nothing
    assert sorted(p.name for p in work.out.iterdir()) == ["part", "stage.json", "text"]


def test_failed_rerun_leaves_the_old_output_whole(work):
    work.run()
    work.fail = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        work.run("tokens.size=99")
    assert (work.out / "text").read_text() == "ABC"
    assert read_stamp(work.out)["config"]["tokens.size"] == 150
    work.fail = None
    assert not work.run()  # with the old settings it is still up to date


def test_resume_finds_its_earlier_files(work, capsys):
    work.fail = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        work.run(resume=True)
    work.fail = None
    work.run(resume=True)
    assert work.found == ["part"]
    assert "continuing where an earlier run stopped" in capsys.readouterr().out


def test_what_interrupted_runs_took_is_added_up_and_of_killed_ones_nothing_is_said(work, monkeypatch):
    """Each run takes ten seconds of the processor."""
    seconds = itertools.count(0, 10)
    monkeypatch.setattr("xlt.core.stage.cpu_seconds", lambda: next(seconds))
    spent = work.recipe / ".out.partial" / ".spent.json"

    def interrupted():
        work.fail = KeyboardInterrupt()
        with pytest.raises(KeyboardInterrupt):
            work.run(resume=True)
        work.fail = None

    interrupted()
    interrupted()
    work.run(resume=True)
    assert read_stamp(work.out)["cpu_s"] == 30 and not spent.exists()
    shutil.rmtree(work.out)
    interrupted()
    spent.unlink()  # as after a kill
    interrupted()
    work.run(resume=True)
    assert "cpu_s" not in read_stamp(work.out) and read_stamp(work.out)["wall_s"] >= 0


@pytest.mark.parametrize(
    "change",
    [
        lambda w: w.run("tokens.size=99", resume=True),
        lambda w: (w.source.write_text("other"), w.run(resume=True)),
        lambda w: ((w.recipe / ".out.partial" / "request.json").write_text("{torn"), w.run(resume=True)),
    ],
)
def test_resume_starts_anew_if_settings_or_inputs_differ(work, change):
    work.fail = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        work.run(resume=True)
    work.fail = None
    change(work)
    assert work.found == []


def test_output_that_the_user_made_is_not_overwritten(work):
    work.out.mkdir()
    (work.out / "mine").write_text("x")
    with pytest.raises(StageError, match="out: already exists and was not made by this stage.*--force"):
        work.run()
    assert (work.out / "mine").exists()
    assert work.run(force=True) and not (work.out / "mine").exists()


@pytest.mark.parametrize(
    "content",
    [
        '{"stage": ',
        "[" * 100_000,
        *(f'{{"{key}": [1]}}' for key in ("config", "inputs", "versions", "outputs", "archives", "wall_s")),
        '{"archives": {"a.ark": "1"}}',
        '{"config": {}, "first": "\\ud800"}',
    ],
)
def test_damaged_stamp_counts_as_none(work, content):
    work.run()
    (work.out / "stage.json").write_text(content)
    with raises(StageError, "stage.json", "--force", where="out"):
        work.run()


def test_two_processes_do_not_write_one_output(work):
    with lock(work.out), pytest.raises(StageError, match="another process is writing it"):
        work.run()
    assert work.runs == 0
    assert work.run()


def test_lock_is_free_after_its_holder_died(root, tmp_path):
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom xlt.core.stage import lock\n"
        "with lock(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(600)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / "out"],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    child.stdout.readline()
    with raises(StageError, where=str(tmp_path / "out")), lock(tmp_path / "out"):
        pass
    child.kill()
    child.communicate()
    with lock(tmp_path / "out"):
        pass


def test_digest_sees_content_and_names(tmp_path):
    folder = tmp_path / "d"
    folder.mkdir()
    (folder / "a").write_text("1")
    first = digest(folder)
    (folder / "stage.json").write_text("{}")
    (folder / ".hidden").write_text("x")
    assert digest(folder) == first  # stamps and hidden files do not count
    (folder / "a").write_text("2")
    second = digest(folder)
    (folder / "a").rename(folder / "b")
    assert len({first, second, digest(folder)}) == 3


def test_need_names_the_stage_that_makes_it(work):
    ctx = Context(work.recipe, load(work.recipe))
    need(ctx, work.source, stage="data")
    with pytest.raises(
        MissingInput, match=r"data/train/text: not found; stage 1 \(data\) makes it.*--stage 1"
    ):
        need(ctx, work.source, ctx.data / "train" / "text", stage="data")


def test_atomic_text_replaces_whole(tmp_path):
    path = tmp_path / "f"
    atomic_text(path, "one")
    atomic_text(path, "two")
    assert path.read_text() == "two" and [p.name for p in tmp_path.iterdir()] == ["f"]


def test_stages_are_found_by_number_and_name():
    assert find("3") is find("features")
    assert [s.number for s in STAGES] == list(range(1, 11))
    with pytest.raises(ConfigError, match="no stage 'train2'.*6 train"):
        find("train2")


def test_tokens_of_a_budget_have_their_own_place(work):
    def tokens(*settings):
        return (
            Context(work.recipe, load(work.recipe, list(settings))).tokens.relative_to(work.recipe).as_posix()
        )

    assert tokens() == "data/tokens/char"
    assert tokens("tokens.type=bpe") == "data/tokens/bpe150"
    assert tokens("tokens.type=bpe", "data.train_minutes=10") == "data/tokens/bpe150_10min"


def test_two_processes_may_write_one_file_at_once(tmp_path):
    code = (
        "import sys; from pathlib import Path; from xlt.core.stage import atomic_text\n"
        "for _ in range(300): atomic_text(Path(sys.argv[1]), sys.argv[2] * 5000)"
    )
    path = tmp_path / "README.md"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(path), letter], env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
        for letter in "ab"
    ]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert path.read_text() in ("a" * 5000, "b" * 5000)
    assert [p.name for p in tmp_path.iterdir()] == ["README.md"]


def test_a_revision_is_altered_by_code_and_not_by_results(tmp_path, monkeypatch):
    files = [
        "egs/ron/results/main.json",
        "egs/ron/RESULTS.md",
        "egs/README.md",
        "tests/bench/results/a.json",
        "xlt/code.py",
    ]
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("one")
    for words in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=n", "-c", "user.email=e@x", "commit", "-qm", "all"],
    ):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    monkeypatch.setattr(stage, "ROOT", tmp_path)
    clean = stage.git_revision()
    assert len(clean) == 12
    for name in files[:-1]:
        (tmp_path / name).write_text("two")
    assert stage.git_revision() == clean
    (tmp_path / files[-1]).write_text("two")
    assert stage.git_revision() == clean + "+"
