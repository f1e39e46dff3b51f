"""`xlt experiment` with made-up stages: order, failures, claims, waiting, what a second call does."""

import os
import threading

import pytest

from tests.cluster.fake import FakeSlurm
from tests.errors import told
from xlt.cli import main
from xlt.commands import experiment
from xlt.commands import run as commands_run
from xlt.commands.run import INTERRUPTED
from xlt.core.errors import DataError
from xlt.core.plan import read

FILE = """
name: made_up
runs:
  - for: {target: [ron, cat], seed: [0, 1]}
    recipe: "{target}"
    tag: "a_s{seed}"
    settings: ["seed={seed}", "features.path=../fra/exp/body"]
    stages: [features, train, score]
  - {recipe: fra, tag: body, stages: [train]}
"""


@pytest.fixture
def egs(tmp_path, monkeypatch):
    for name in ("ron", "cat", "fra"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "recipe.yaml").write_text("lang: ron_Latn\n")
    (tmp_path / "e.yaml").write_text(FILE)
    monkeypatch.setattr(experiment, "_POLL_S", 0.01)
    return tmp_path


@pytest.fixture
def stages(egs, monkeypatch):
    """The stages that were run, as ``recipe/tag stage``; ``answers`` makes some of them end otherwise."""
    done, answers = [], {}

    def fake(stage, ctx):
        recipe, tag = ctx.recipe.name, ctx.cfg.tag
        done.append(f"{recipe}/{tag} {stage}")
        (egs / recipe / "exp" / tag).mkdir(parents=True, exist_ok=True)
        answer = answers.get(done[-1], 0)
        answer = answer(stage, ctx) if callable(answer) else answer
        if answer == INTERRUPTED:
            raise KeyboardInterrupt
        if answer:
            raise DataError("as the test asks for")

    monkeypatch.setattr(commands_run, "run_stage", fake)
    return done, answers


def run(egs, *words):
    return main(["experiment", str(egs / "e.yaml"), "--egs", str(egs), *words])


def named(egs, name):
    return next(r for r in read(egs / "e.yaml").runs if r.name == name)


def lane(egs):
    """One process's share of all runs."""
    plan = read(egs / "e.yaml")
    return experiment.Lane(plan, plan.ordered(), experiment.Board(egs))


def test_every_run_in_order_the_needed_one_first(egs, stages, capsys):
    done, _ = stages
    assert run(egs) == 0
    assert done == ["fra/body train"] + [
        f"{r}/a_s{s} {stage}"
        for r in ("ron", "cat")
        for s in (0, 1)
        for stage in ("features", "train", "score")
    ]
    out = capsys.readouterr().out
    assert (
        "run 1 of 5: fra/body (0 min so far)" in out
        and "run 5 of 5: cat/a_s1" in out
        and "all 5 runs are done" in out
    )


def test_words_and_where_paths_count_from(egs, stages):
    seen = []
    stages[1]["ron/a_s1 train"] = lambda stage, ctx: seen.append(ctx)
    assert run(egs) == 0
    (ctx,) = seen
    assert ctx.command == "./run.sh tag=a_s1 seed=1 features.path=../fra/exp/body" and ctx.cfg.nj == 1
    assert ctx.cfg.as_given("features.path") == "../fra/exp/body"  # from the recipe


def test_a_failed_run_does_not_stop_the_others(egs, stages, capsys):
    done, answers = stages
    answers["ron/a_s0 train"] = 2
    assert run(egs) == 2
    assert "ron/a_s0 score" not in done and "ron/a_s1 score" in done and "cat/a_s1 score" in done
    err = capsys.readouterr().err
    assert "1 of 5 runs failed" in err and "\n  ron/a_s0: stage train, see its error above" in err


def test_a_defect_in_a_run_is_shown_and_does_not_stop_the_others(egs, stages, monkeypatch, capsys):
    def defect(stage, ctx):
        raise ZeroDivisionError("in a stage")

    monkeypatch.setattr("tempfile.tempdir", str(egs))
    stages[1]["ron/a_s0 train"] = defect
    assert run(egs) == 2
    err = capsys.readouterr().err
    (kept,) = egs.glob("xlt-*.traceback")
    assert (
        f"xlt train: ZeroDivisionError: in a stage; this is a defect of xlt: the traceback is in {kept}"
        in err
    )
    assert "Traceback" in kept.read_text("utf-8")
    assert "\n  ron/a_s0: stage train, see its error above" in err
    assert "cat/a_s1 score" in stages[0]


def test_what_needs_a_failed_run_is_not_run(egs, stages, capsys):
    done, answers = stages
    answers["fra/body train"] = 2
    assert run(egs) == 2
    assert done == ["fra/body train"]
    assert "\n  cat/a_s1: needs fra/body, which failed" in capsys.readouterr().err


def test_ctrl_c_ends_the_experiment(egs, stages, capsys):
    done, answers = stages
    answers["ron/a_s0 train"] = INTERRUPTED
    assert run(egs) == 130
    assert done[-1] == "ron/a_s0 train"
    assert "the same command continues from here" in capsys.readouterr().err


def test_only_takes_what_it_names_and_what_that_needs(egs, stages, capsys):
    assert run(egs, "--only", "cat/a_s0") == 0
    assert stages[0] == ["fra/body train", "cat/a_s0 features", "cat/a_s0 train", "cat/a_s0 score"]
    stages[0].clear()
    assert run(egs, "--only", "t/*_s1") == 0
    assert stages[0] == ["fra/body train", "cat/a_s1 features", "cat/a_s1 train", "cat/a_s1 score"]
    assert run(egs, "--only", "nothing") == 2
    assert "no run has that in recipe/tag" in capsys.readouterr().err


def test_the_list_says_what_is_done_failed_changed_and_at_work(egs, stages, capsys):
    stages[1]["cat/a_s0 train"] = 2
    run(egs)
    capsys.readouterr()
    altered = FILE.replace("tag: body", "tag: new").replace('"seed={seed}"', '"seed={seed}", "train.lr=0.1"')
    (egs / "e.yaml").write_text(altered)
    with experiment.Board(egs).claim(named(egs, "ron/a_s1")):
        assert run(egs, "--list") == 0
    assert capsys.readouterr().out.splitlines() == [
        "settings changed ron/a_s0",
        "running          ron/a_s1",
        "failed           cat/a_s0",
        "settings changed cat/a_s1",
        "open             fra/new",
    ]
    (egs / "e.yaml").write_text(FILE)
    run(egs, "--list")
    assert "done             ron/a_s0\n" in capsys.readouterr().out


def test_dry_run_hands_the_option_on_and_claims_nothing(egs, stages):
    seen = []
    stages[1]["ron/a_s1 train"] = lambda stage, ctx: seen.append(ctx.dry_run)
    assert run(egs, "--dry_run") == 0
    assert seen == [True] and not (egs / ".experiment").exists()


def test_dry_run_of_what_needs_a_model_that_is_still_to_come(egs, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(commands_run, "run_stage", lambda stage, ctx: asked.append(f"{ctx.cfg.tag} {stage}"))
    (egs / "e.yaml").write_text(FILE.replace("[features, train, score]", "[data, features, train]"))
    assert run(egs, "--dry_run", "--only", "ron/a_s0") == 0
    assert asked == ["body train", "a_s0 data"]
    assert "features: would run after fra/body\ntrain: would run after fra/body\n" in capsys.readouterr().out
    (egs / "fra/exp/body").mkdir(parents=True)
    assert run(egs, "--dry_run", "--only", "ron/a_s0") == 0
    assert asked[2:] == ["body train", "a_s0 data", "a_s0 features", "a_s0 train"]


def test_a_run_of_another_process_is_not_touched_but_waited_for(egs, stages, capsys):
    """While fra/body is at work elsewhere nothing that needs it starts; once that ends, all goes on."""
    failed = []
    with experiment.Board(egs).claim(named(egs, "fra/body")) as mine:
        assert mine
        other = threading.Thread(target=lambda: failed.append(lane(egs).go()))
        other.start()
        other.join(0.3)
        assert other.is_alive() and stages[0] == []
    other.join(20)
    assert failed == [{}] and len(stages[0]) == 13
    assert capsys.readouterr().out.count("waiting for it") == 1


def test_a_free_run_is_taken_while_another_is_at_work_elsewhere(egs, stages):
    failed = []
    with experiment.Board(egs).claim(named(egs, "ron/a_s0")):
        other = threading.Thread(target=lambda: failed.append(lane(egs).go()))
        other.start()
        for _ in range(200):
            if "cat/a_s1 score" in stages[0]:
                break
            other.join(0.05)
        assert "cat/a_s1 score" in stages[0] and not any(s.startswith("ron/a_s0") for s in stages[0])
    other.join(20)
    assert failed == [{}] and stages[0][-1] == "ron/a_s0 score"


def test_two_processes_never_run_the_same_run_at_once_nor_prepare_at_once(egs, stages):
    """Two lanes; each stage notes who else is in it."""
    inside, clashes, guard = set(), [], threading.Lock()

    def watched(stage, ctx):
        name = f"{ctx.recipe}{ctx.cfg.tag}" if stage != "features" else "prepare"
        with guard:
            if name in inside:
                clashes.append(name)
            inside.add(name)
        threading.Event().wait(0.02)
        with guard:
            inside.discard(name)

    for stage in ("features", "train", "score"):
        for recipe in ("ron", "cat"):
            for seed in (0, 1):
                stages[1][f"{recipe}/a_s{seed} {stage}"] = watched
    lanes = [threading.Thread(target=lane(egs).go) for _ in range(2)]
    for one in lanes:
        one.start()
    for one in lanes:
        one.join(30)
    assert clashes == [] and {"ron/a_s0 score", "cat/a_s1 score"} <= set(stages[0])


def test_a_run_that_failed_elsewhere_meanwhile_is_not_tried_twice(egs, stages, capsys):
    early = lane(egs)
    with early.board.claim(named(egs, "ron/a_s0")):
        early.board.note(named(egs, "ron/a_s0"), "stage train")
    assert early.go() == {"ron/a_s0": "stage train"}
    assert not any(s.startswith("ron/a_s0") for s in stages[0])
    assert lane(egs).go() == {}  # a later call tries it again


@pytest.fixture
def slurm(egs, monkeypatch):
    """A Slurm whose jobs wait until they are told otherwise."""
    fake = FakeSlurm(egs / "slurm")
    fake.does(*(f"{job}:0 wait" for job in range(101, 130)))
    monkeypatch.setenv("PATH", f"{fake.folder}/bin:{os.environ['PATH']}")
    return fake


def waits_for(slurm, job):
    """What a job waits for, in the words of sbatch."""
    found = [word for word in slurm.options(job) if word.startswith("--dependency=")]
    return set(found[0].partition("=")[2].split(",")) if found else set()


def test_slurm_gets_two_jobs_a_run_that_wait_for_models_and_shared_data(egs, stages, slurm, capsys):
    assert run(egs, "--executor", "slurm") == 0 and stages[0] == []
    jobs = {next(w for w in slurm.options(j) if w.startswith("--job-name="))[11:]: j for j in slurm.jobs}
    assert list(jobs) == ["fra.body.own"] + [
        f"{recipe}.a_s{seed}.{part}"
        for recipe in ("ron", "cat")
        for seed in (0, 1)
        for part in ("shared", "own")
    ]
    model, chain = f"afterok:{jobs['fra.body.own']}", jobs["ron.a_s0.shared"]
    assert waits_for(slurm, jobs["fra.body.own"]) == set()
    assert waits_for(slurm, chain) == {model}
    assert waits_for(slurm, jobs["ron.a_s0.own"]) == {model, f"afterok:{chain}"}
    assert waits_for(slurm, jobs["ron.a_s1.shared"]) == {model, f"afterany:{chain}"}
    assert waits_for(slurm, jobs["cat.a_s0.shared"]) == {model, f"afterany:{jobs['ron.a_s1.shared']}"}
    assert "5 of 5 runs were submitted" in capsys.readouterr().out


def test_a_job_whose_successor_is_refused_does_not_stay(egs, stages, slurm, capsys):
    """The second sbatch of a run fails as at the limit of a user's jobs. The first job is of the model
    that it needs."""
    path = slurm.folder / "bin/sbatch"
    path.write_text(
        path.read_text().replace(
            "\ncat >", '\n(( id < 103 )) || { echo "QOSMaxSubmitJobPerUserLimit" >&2; exit 1; }\ncat >', 1
        )
    )
    assert run(egs, "--executor", "slurm", "--only", "ron/a_s0") == 2
    told(capsys.readouterr().err, "QOSMaxSubmitJobPerUserLimit", where="executor=slurm")
    assert slurm.jobs == [101, 102] and "102" in (slurm.folder / "cancelled").read_text().split()


def test_a_second_call_submits_what_is_neither_done_nor_in_the_queue(egs, stages, slurm):
    run(egs, "--executor", "slurm", "--only", "fra/")
    run(egs, "--executor", "slurm", "--only", "ron/a_s0")
    assert slurm.jobs == [101, 102, 103] and waits_for(slurm, 102) == {"afterok:101"}
    for job in (101, 102, 103):
        (slurm.folder / f"{job}.0").write_text("FAILED")
    (egs / "fra/exp/body").mkdir(parents=True)
    experiment.Board(egs).note(named(egs, "fra/body"), None)
    run(egs, "--executor", "slurm", "--only", "ron/a_s0")
    assert slurm.jobs == [101, 102, 103, 104, 105] and waits_for(slurm, 104) == set()


def test_a_job_does_its_part_and_fails_so_that_others_do_not_begin(egs, stages, capsys):
    done, answers = stages
    assert run(egs, "--only", "ron/a_s0", "--part", "shared") == 0
    assert run(egs, "--only", "ron/a_s0", "--part", "own") == 0
    assert done == ["ron/a_s0 features", "ron/a_s0 train", "ron/a_s0 score"]
    assert experiment.Board(egs).state(named(egs, "ron/a_s0")) == "done"
    answers["ron/a_s1 features"] = 2
    assert run(egs, "--only", "ron/a_s1", "--part", "shared") == 2
    told(capsys.readouterr().err, "features", where="ron/a_s1")
    assert experiment.Board(egs).state(named(egs, "ron/a_s1")) == "failed"
