"""The driver egs/common/asr.sh: which stages it asks `xlt run` for, with what, and how it ends."""

import os
import shlex
import signal

import pytest

from xlt.core.context import STAGES

pytestmark = pytest.mark.slow


@pytest.fixture
def place(checkout):
    """A checkout with one recipe and a stand-in for Python that writes down how it is called."""
    checkout.recipe = checkout.root / "egs" / "ron"
    (checkout.root / "egs" / "TEMPLATE").rename(checkout.recipe)
    checkout.log = checkout.root.parent / "calls.log"
    checkout.script(
        checkout.root / "tools" / "install.sh", f'echo "install $*" >>{shlex.quote(str(checkout.log))}\n'
    )

    def python(then="exit 0"):
        checkout.script(
            checkout.root / ".venv" / "bin" / "python",
            'echo "$*|$PWD|${XLT_CWD:-}|${OMP_NUM_THREADS:-}|$PYTHONPATH" '
            f">>{shlex.quote(str(checkout.log))}\n{then}\n",
        )

    python()
    checkout.python = python
    checkout.asr = lambda *words, **kwargs: checkout.run(checkout.recipe / "run.sh", *words, **kwargs)

    def called():
        """The words of each call of ``xlt``."""
        lines = checkout.log.read_text().splitlines() if checkout.log.exists() else []
        return [line.split("|")[0].removeprefix("-m xlt.cli ") for line in lines if line.startswith("-m ")]

    checkout.called = called
    return checkout


def test_stage_table_is_that_of_the_package(place):
    listed = [line.split()[:2] for line in place.asr("--list").stdout.splitlines()]
    assert listed == [[str(s.number), s.name] for s in STAGES]
    assert not place.log.exists()  # needs no environment


def test_all_stages_by_one_call(place):
    done = place.asr()
    assert done.returncode == 0, done.stderr
    assert place.called() == ["run --stage 1 --stop_stage 10"]
    assert place.log.read_text().splitlines()[0] == "install --quiet"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--stage", "score"], "--stage 8 --stop_stage 10"),
        (["--stage=8", "--stop_stage=report"], "--stage 8 --stop_stage 9"),
        (["--stop_stage", "2"], "--stage 1 --stop_stage 2"),
        (["--stage", "lm", "--stop_stage", "lm"], "--stage 5 --stop_stage 5"),
    ],
)
def test_range_of_stages(place, words, expected):
    assert place.asr(*words).returncode == 0
    assert place.called() == [f"run {expected}"]


def test_flags_and_settings_are_handed_on(place):
    place.asr("--force", "--dry_run", "--nj", "3", "--ngpu=2", "train.lr=0.1", "data.dir=my corpus")
    (call,) = place.called()
    assert call.endswith(" --force --dry_run --nj 3 --ngpu 2 train.lr=0.1 data.dir=my corpus")


def test_it_runs_in_the_recipe_and_knows_where_the_user_stood(place, tmp_path):
    here = tmp_path / "some where"
    here.mkdir()
    place.asr(cwd=here)
    _, *where, threads, path = place.log.read_text().splitlines()[1].split("|")
    assert (where, threads, path) == ([str(place.recipe), str(here)], "1", str(place.root))


@pytest.mark.parametrize("status", [2, 1, 141])
def test_a_failure_is_the_status_of_the_run(place, status):
    place.python(f"exit {status}")
    assert place.asr().returncode == status


def test_failed_installation_ends_the_run(place):
    place.script(place.root / "tools" / "install.sh", "echo 'install: no Python' >&2; exit 2\n")
    done = place.asr()
    assert (done.returncode, done.stderr, place.called()) == (2, "install: no Python\n", [])


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--stage", "nosuch"], "--stage: no stage nosuch; there are 1 to 10: data check"),
        (["--stage", "11"], "no stage 11"),
        (["--stage", "0"], "no stage 0"),
        (["--stop_stage", ""], "no stage"),
        (["--stage"], "--stage: needs a value"),
        (["--stage", "5", "--stop_stage", "2"], "comes after --stop_stage 2"),
        (["--nj", "0"], "--nj: found '0'"),
        (["--nj", "two"], "a whole number"),
        (["--ngpu", "-1"], "--ngpu: found '-1'"),
        (["--nosuch"], "--nosuch: no such option"),
        (["train"], "expected an option or key=value"),
    ],
)
def test_wrong_words_end_with_2_and_one_message(place, words, part):
    done = place.asr(*words)
    assert done.returncode == 2 and part in done.stderr and len(done.stderr.splitlines()) == 1
    assert not place.log.exists()


def test_started_outside_a_recipe(place):
    done = place.run(place.root / "egs" / "common" / "asr.sh")
    assert done.returncode == 2 and "recipe.yaml: no such file" in done.stderr


@pytest.mark.parametrize(
    "says", [True, False]
)  # False: the stage dies of the signal before it can say anything
def test_ctrl_c_ends_with_130_and_the_stage_s_own_message(place, says):
    ready = place.home / "ready"
    os.mkfifo(ready)
    trap = "trap 'echo \"xlt tokens: interrupted\" >&2; exit 130' INT"
    place.python(
        # xlt lets the signal in itself
        '[[ ${open:-} ]] || open=yes exec env --default-signal=INT "$0" "$@"\n'
        f"{trap if says else ''}\n"
        f"echo >{shlex.quote(str(ready))}; sleep 600"
    )
    child = place.start(place.recipe / "run.sh")
    ready.read_text()
    os.killpg(child.pid, signal.SIGINT)
    _, said = child.communicate()
    assert (child.returncode, said) == (130, "xlt tokens: interrupted\n" if says else "")


def test_environment_named_by_a_relative_path(place, tmp_path):
    (place.root / ".venv").rename(tmp_path / "shared")
    done = place.asr("--stop_stage", "1", cwd=tmp_path, XLT_VENV="shared")
    assert done.returncode == 0 and len(place.called()) == 1


def test_help_says_all_options(place):
    text = place.asr("--help").stdout
    for word in (
        "--stage",
        "--stop_stage",
        "--force",
        "--dry_run",
        "--list",
        "--nj",
        "--ngpu",
        "key=value",
        "10  bundle",
    ):
        assert word in text


def test_driver_stays_short(root):
    assert len((root / "egs" / "common" / "asr.sh").read_text("utf-8").splitlines()) <= 120
