"""The driver egs/common/asr.sh: which stages it runs, in what order, with what, and how it ends."""

import os
import shlex
import signal

import pytest

from xlt.core.context import STAGES

NAMES = [s.name for s in STAGES]
DEFAULT = [n for n in NAMES if n != "lm"]  # lm is off


@pytest.fixture
def place(checkout):
    """A checkout with one recipe and a stand-in for Python that writes down how each stage is called."""
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

    def stages():
        """The stages that were run: ``[(name, other words), …]``."""
        lines = [
            line.split("|")[0] for line in checkout.log.read_text().splitlines() if line.startswith("-m ")
        ]
        return [(line.split()[2], " ".join(line.split()[3:])) for line in lines]

    checkout.stages = stages
    return checkout


def names(place):
    return [name for name, _ in place.stages()] if place.log.exists() else []


def test_stage_table_is_that_of_the_package(place):
    listed = [line.split()[:2] for line in place.asr("--list").stdout.splitlines()]
    assert listed == [[str(s.number), s.name] for s in STAGES]
    assert not place.log.exists()  # needs no environment


def test_all_stages_in_order_with_a_header_each(place):
    done = place.asr()
    assert done.returncode == 0, done.stderr
    assert names(place) == DEFAULT
    heads = [line.split("]")[0] for line in done.stdout.splitlines()]
    assert heads == [f"[{s.number}/10 {s.name}" for s in STAGES if s.name != "lm"]
    assert place.log.read_text().splitlines()[0] == "install --quiet"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--stage", "8"], ["score", "report", "bundle"]),
        (["--stage", "score"], ["score", "report", "bundle"]),
        (["--stage=8", "--stop_stage=report"], ["score", "report"]),
        (["--stop_stage", "2"], ["data", "check"]),
        (["--stage", "train", "--stop_stage", "6"], ["train"]),
        (["--stage", "4", "--stop_stage", "6"], ["tokens", "train"]),  # lm is off
        (["--stage", "lm", "--stop_stage", "lm"], ["lm"]),  # unless it is named
    ],
)
def test_range_of_stages(place, words, expected):
    assert place.asr(*words).returncode == 0
    assert names(place) == expected


def test_flags_and_settings_go_to_every_stage(place):
    place.asr(
        "--stage", "9", "--force", "--dry_run", "--nj", "3", "--ngpu=2", "train.lr=0.1", "data.dir=my corpus"
    )
    assert place.stages() == [
        (name, "--force --dry_run --nj 3 --ngpu 2 train.lr=0.1 data.dir=my corpus")
        for name in ("report", "bundle")
    ]


def test_stage_runs_in_the_recipe_and_knows_where_the_user_stood(place, tmp_path):
    here = tmp_path / "some where"
    here.mkdir()
    place.asr("--stage", "6", "--stop_stage", "8", cwd=here)
    rows = [line.split("|") for line in place.log.read_text().splitlines()[1:]]
    assert [row[1:3] for row in rows] == [[str(place.recipe), str(here)]] * 3
    assert [row[3] for row in rows] == ["1"] * 3  # threads
    assert {row[4] for row in rows} == {str(place.root)}


@pytest.mark.parametrize("status", [2, 1, 141])
def test_first_failure_ends_the_run_with_its_status(place, status):
    place.python(f"[[ $3 != tokens ]] || exit {status}")
    assert place.asr().returncode == status
    assert names(place) == ["data", "check", "features", "tokens"]


def test_failed_installation_ends_the_run(place):
    place.script(place.root / "tools" / "install.sh", "echo 'install: no Python' >&2; exit 2\n")
    done = place.asr()
    assert (done.returncode, done.stderr, names(place)) == (2, "install: no Python\n", [])


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
    trap = "trap 'echo \"xlt $3: interrupted\" >&2; exit 130' INT"
    place.python(
        # xlt lets the signal in itself
        '[[ ${open:-} ]] || open=yes exec env --default-signal=INT "$0" "$@"\n'
        f"{trap if says else ''}\n"
        f"[[ $3 != tokens ]] || {{ echo >{shlex.quote(str(ready))}; sleep 600; }}"
    )
    child = place.start(place.recipe / "run.sh")
    ready.read_text()
    os.killpg(child.pid, signal.SIGINT)
    _, said = child.communicate()
    assert (child.returncode, said) == (130, "xlt tokens: interrupted\n" if says else "")
    assert names(place)[-1] == "tokens"


def test_environment_named_by_a_relative_path(place, tmp_path):
    (place.root / ".venv").rename(tmp_path / "shared")
    done = place.asr("--stop_stage", "1", cwd=tmp_path, XLT_VENV="shared")
    assert done.returncode == 0 and names(place) == ["data"]


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
