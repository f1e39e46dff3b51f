import errno
import os
import signal
import subprocess
import sys

import pytest

from xlt import cli
from xlt.core.context import STAGES, Stage
from xlt.core.errors import DataError

HEAVY = [
    "torch",
    "torchaudio",
    "numpy",
    "espnet2",
    "s3prl",
    "transformers",
    "matplotlib",
    "scipy",
    "sacrebleu",
    "soundfile",
    "sentencepiece",
    "omniio",
]
NAMES = [s.name for s in STAGES]


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "recipe.yaml").write_text("lang: ron_Latn\n")
    return tmp_path


def imported(root, code):
    """Which of HEAVY a fresh process imports when it runs ``code``."""
    code += f"\nimport sys\nprint('HEAVY', *[m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].split()[1:]


@pytest.mark.parametrize("words", [["--help"], *([name, "--help"] for name in NAMES)], ids=" ".join)
def test_help_imports_nothing_heavy(root, words):
    assert (
        imported(root, f"from xlt.cli import main\ntry:\n    main({words})\nexcept SystemExit:\n    pass")
        == []
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_stage_is_imported_without_anything_heavy(root, name):
    assert imported(root, f"import xlt.{name}\nassert callable(xlt.{name}.run)") == []


def test_imports_that_are_heavy_are_seen(root):
    assert "numpy" in imported(root, "import numpy")  # else the two tests above could not fail


def test_help_lists_stages_and_settings(xlt):
    text = xlt("--help").stdout
    assert all(f"{s.number:2} {s.name}" in text for s in STAGES)
    text = xlt("train", "--help").stdout
    assert "train.lr" in text and "--force" in text and "decode.method" not in text


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ([], "STAGE"),
        (["--version"], "xlt 0."),
    ],
)
def test_without_a_stage(xlt, words, part):
    done = xlt(*words)
    assert done.returncode == 0 and part in done.stdout


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["trian"], "trian: no stage or command of xlt; did you mean train?"),
        (["transcrib"], "did you mean transcribe?"),
        (["qqq"], "xlt --help lists them"),
        (["run", "--stage", "tran"], "did you mean train?"),
        (["train", "--nosuch"], "--nosuch"),
        (["data", "--nj", "many"], "--nj"),
        (["data", "train.lrr=1"], "did you mean train.lr?"),
        (["data", "--nj", "0"], "above 0"),
        (["data", "data.reader=nosuch"], "tuxpaint"),
    ],
)
def test_user_errors_end_with_2_and_one_message(xlt, recipe, words, part):
    done = xlt(*words, cwd=recipe)
    assert done.returncode == 2
    assert part in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [["bundle", "lss", "many"], ["lm", "adopt", "b"]], ids=" ".join)
def test_a_mistyped_subcommand_is_no_stage(recipe, monkeypatch, capsys, words):
    monkeypatch.chdir(recipe)
    with pytest.raises(SystemExit, match="2"):
        cli.main(words)
    assert f"invalid choice: '{words[1]}'" in capsys.readouterr().err


def test_outside_a_recipe(xlt, tmp_path):
    done = xlt("train", cwd=tmp_path)
    assert (
        done.returncode == 2 and "recipe.yaml: no such file" in done.stderr and "Traceback" not in done.stderr
    )


@pytest.mark.parametrize(
    ("stage", "number"),
    [("check", 1), ("features", 1), ("tokens", 1), ("train", 1), ("decode", 6), ("report", 8), ("bundle", 6)],
)
def test_stage_with_nothing_before_it_names_the_one_that_is_missing(xlt, recipe, stage, number):
    done = xlt(stage, "features.upstream=fbank", cwd=recipe)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert f"stage {number} (" in done.stderr and f"--stage {number}" in done.stderr


@pytest.mark.parametrize("stage", [name for name in NAMES if name not in ("data", "lm")])
def test_dry_run_of_a_stage_with_nothing_before_it_goes_on(xlt, recipe, stage):
    done = xlt(stage, "--dry_run", "features.upstream=fbank", cwd=recipe)
    assert done.returncode == 0, done.stderr
    assert f"{stage}: would " in done.stdout
    assert sorted(p.name for p in recipe.iterdir()) == ["recipe.yaml"]


@pytest.mark.parametrize(
    ("error", "status", "part"),
    [
        (DataError("text:3: bad"), 2, "xlt data: text:3: bad"),
        (KeyboardInterrupt(), 130, "interrupted; the same command continues from here"),
        (OSError(errno.ENOSPC, "x", "data/all"), 2, "No space left on device (data/all); free some space"),
    ],
)
def test_exit_status_of_a_stage_s_errors(monkeypatch, recipe, capsys, error, status, part):
    def run(self, ctx):
        raise error

    monkeypatch.setattr(Stage, "run", run)
    monkeypatch.chdir(recipe)
    assert cli.main(["data"]) == status
    said = capsys.readouterr().err
    assert part in said and len(said.strip().splitlines()) == 1


def test_defects_are_not_hidden(monkeypatch, recipe, capsys):
    def run(self, ctx):
        raise OSError(errno.EBADF, "a defect of xlt")

    monkeypatch.setattr(Stage, "run", run)
    monkeypatch.chdir(recipe)
    monkeypatch.setattr("tempfile.tempdir", str(recipe))
    assert cli.main(["data"]) == 1
    (kept,) = recipe.glob("xlt-*.traceback")
    assert "OSError: [Errno 9] a defect of xlt" in kept.read_text()
    assert str(kept) in capsys.readouterr().err


def test_stage_runs_in_the_recipe_with_its_log(monkeypatch, recipe, tmp_path_factory):
    from xlt.core.log import say

    seen = []

    def run(self, ctx):
        seen.append(
            (ctx.recipe, ctx.cfg.nj, ctx.cfg.features.ngpu, ctx.cfg.train.ngpu, ctx.force, ctx.command)
        )
        say("hello")

    monkeypatch.setattr(Stage, "run", run)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    assert (
        cli.main(
            [
                "data",
                "--recipe",
                str(recipe),
                "--nj",
                "3",
                "--ngpu",
                "0",
                "--force",
                "tag=a",
                "data.dir=my dir",
            ]
        )
        == 0
    )
    assert seen == [(recipe, 3, 0, 0, True, "./run.sh tag=a 'data.dir=my dir'")]
    assert os.getcwd() == str(elsewhere)
    assert (recipe / "log" / "a" / "data.log").read_text().endswith(" hello\n")


def test_ctrl_c_ends_with_130(root, recipe):
    code = (
        "import sys, time\nfrom xlt import cli\nfrom xlt.core.context import Stage\n"
        "def run(self, ctx):\n    print('ready', flush=True)\n    while True:\n        time.sleep(0.01)\n"
        "Stage.run = run\nsys.exit(cli.main(['data']))"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=recipe,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert child.stdout.readline() == "ready\n"
    child.send_signal(signal.SIGINT)
    _, said = child.communicate()
    assert child.returncode == 130
    assert said.strip() == "xlt data: interrupted; the same command continues from here"
