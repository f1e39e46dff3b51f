"""Faults as a user meets them: through run.sh, with the real stages."""

import os
import shutil
import signal

import pytest

from tests.faults.conftest import left_over, make_stamps, wait_for
from tests.tree import Tree
from xlt.core.config import ROOT

pytestmark = pytest.mark.slow

HOLD = str(ROOT / "tests" / "faults" / "hold")
WORDS = ["preset=fast", "features.upstream=fbank", "data.train_minutes=null"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A copy of the tree and a small corpus beside it."""
    folder = tmp_path_factory.mktemp("run sh")  # a space, as in many a home directory
    make_stamps(folder / "my stamps")
    return Tree(folder / "xlt")


@pytest.fixture
def run_sh(place):
    """``run_sh.start("--stage", …)`` on an empty Romanian recipe."""
    shutil.rmtree(place.root / "egs" / "ron")
    shutil.copytree(place.root / "egs" / "TEMPLATE", place.root / "egs" / "ron")
    shutil.copy(ROOT / "egs" / "ron" / "recipe.yaml", place.root / "egs" / "ron" / "recipe.yaml")
    return RunSh(place)


class RunSh:
    def __init__(self, place):
        self.place, self.flag = place, place.root.parent / "held"
        self.env = {"XLT_CACHE": str(place.root / "egs" / "ron" / "cache")}
        self.words = [
            "egs/ron/run.sh",
            f"data.dir={place.root.parent / 'my stamps'}",
            *WORDS,
            "--stop_stage",
            "tokens",
        ]
        for flag in (self.flag, self.flag.with_name("held.go")):
            flag.unlink(missing_ok=True)

    def start(self, *more: str, hold: str):
        child = self.place.start(
            *self.words, *more, PYTHONPATH=HOLD, XLT_HOLD=f"{hold} {self.flag}", **self.env
        )
        wait_for(self.flag, child)
        return child

    def end(self, *more: str) -> str:
        """Run to the end; what was printed."""
        child = self.place.start(*self.words, *more, **self.env)
        out, said = child.communicate()
        assert (child.returncode, said) == (0, ""), said
        return out


@pytest.mark.parametrize("hold", ["data 5", "check 4", "features 8", "tokens 4"])
def test_ctrl_c_then_the_same_command(run_sh, hold):
    child = run_sh.start("--nj", "2", hold=hold)
    os.killpg(child.pid, signal.SIGINT)
    _, said = child.communicate()
    assert child.returncode == 130
    assert said.strip() == f"xlt {hold.split()[0]}: interrupted; the same command continues from here"
    assert not left_over(child)
    assert "making data/tokens/char" in run_sh.end("--nj", "2")


def test_ctrl_c_while_python_starts_waits_for_xlt_s_answer(run_sh):
    child = run_sh.start(hold="check 0")
    os.killpg(child.pid, signal.SIGINT)
    run_sh.flag.with_name("held.go").touch()
    _, said = child.communicate()
    assert child.returncode == 130
    assert said.strip() == "xlt run: interrupted; the same command continues from here"


def test_ctrl_c_while_installing(place, run_sh):
    install = place.root / "tools" / "install.sh"
    before = install.read_text()
    place.script(
        "tools/install.sh",
        f"trap 'echo \"install: interrupted\" >&2; exit 130' INT\ntouch '{run_sh.flag}'\nsleep 600",
    )
    try:
        child = place.start(*run_sh.words)
        wait_for(run_sh.flag, child)
        os.killpg(child.pid, signal.SIGINT)
        assert child.communicate() == ("", "install: interrupted\n")
        assert child.returncode == 130 and not left_over(child)
    finally:
        install.write_text(before)


def test_second_run_of_a_recipe_at_once(place, run_sh):
    first = run_sh.start(hold="data 5")
    second = place.start(*run_sh.words)
    _, said = second.communicate()
    assert (second.returncode, said) == (
        2,
        "xlt data: data/all: another process is writing it; wait for it to end\n",
    )
    os.killpg(first.pid, signal.SIGINT)
    assert first.wait() == 130
    first.communicate()


def test_kill_of_the_whole_run_leaves_no_process_and_goes_on(run_sh):
    run_sh.end("--stop_stage", "check")
    child = run_sh.start("--nj", "2", hold="features 8")
    os.killpg(child.pid, signal.SIGKILL)  # as the machine's end of memory, or a batch system
    child.communicate()
    assert not left_over(child)
    assert "continuing where an earlier run stopped" in run_sh.end("--nj", "2")


def test_stage_6_with_nothing_before_it(place, run_sh):
    done = place.run("egs/ron/run.sh --stage 6 preset=fast features.upstream=fbank")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "stage 1 (data) makes it: run with --stage 1" in done.stderr


def test_misspelt_key_in_a_recipe(place, run_sh):
    recipe = place.root / "egs" / "ron" / "recipe.yaml"
    recipe.write_text("lang: ron_Latn\ndata: {reader: tuxpaint, train_minuts: 10}\n")
    done = place.run("egs/ron/run.sh")
    assert done.returncode == 2
    assert (
        done.stderr
        == "xlt data: recipe.yaml:2: data.train_minuts: unknown key; did you mean data.train_minutes?\n"
    )


def test_paths_count_from_where_the_user_stands(place, run_sh):
    here = place.root.parent / "some where"
    here.mkdir(exist_ok=True)
    done = place.run("../xlt/egs/ron/run.sh --stop_stage data 'data.dir=../my stamps'", cwd=here)
    assert done.returncode == 0, done.stderr
    assert (place.root / "egs" / "ron" / "data" / "train" / "text").exists()
