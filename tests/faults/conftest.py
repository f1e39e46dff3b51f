"""A small finished recipe, and what is needed to stop its stages at chosen moments."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import numpy as np
import pytest

from tests.data.corpus import PHRASES, stamp
from tests.faults.hold.sitecustomize import is_write
from xlt.cli import main
from xlt.core.config import ROOT
from xlt.core.digests import altered, recorded
from xlt.core.stage import renew
from xlt.formats.archives import FeatureReader

SETTINGS = [
    "features.upstream=fbank",
    "train.max_epochs=3",
    "train.min_updates=0",
    "train.batch_s=4",
    "nj=1",
    "train.encoder_conf={hidden_size: 16}",
    "score.bootstrap=20",
    "check.min_held_out=1",
]
OUTPUTS = {
    "data": ["data/all", "data/train", "data/dev", "data/test"],
    "check": ["data/check"],
    "features": ["dump/fbank", "cache/features"],  # the store lies in the recipe, so that a copy has its own
    "tokens": ["data/tokens"],
    "lm": [],
    "train": ["exp/main"],
    "decode": ["exp/main/decode_dev", "exp/main/decode_test"],
    "score": ["exp/main/score", "exp/main/score.json"],
    "report": ["results", "RESULTS.md"],
    "bundle": ["exp/main/bundle"],
}
STAGES = list(OUTPUTS)
VOLATILE = {
    "stage.json",
    "decode.json",
    "feats.scp",
    "train.log",
}  # times, and the order in which archives are filled


class Recipe:
    """A recipe of twelve made-up clips in ``dir``; calling it runs a stage in this process and returns the
    status.
    """

    def __init__(self, folder: Path):
        self.dir = folder

    def __call__(self, stage: str, *settings: str) -> int:
        return main([stage, "--recipe", str(self.dir), *SETTINGS, *settings])

    def command(self, stage: str, *settings: str) -> list[str]:
        return [sys.executable, "-m", "xlt.cli", stage, *SETTINGS, *settings]

    def start(self, stage: str, *settings: str, hold: int | None = None, **options) -> subprocess.Popen:
        """Run a stage in a process group of its own, as a terminal does; with ``hold``, until it stands at
        that write.
        """
        flag = self.dir.parent / "held"
        path = [os.fspath(ROOT)] if hold is None else [os.fspath(ROOT / "tests/faults/hold"), os.fspath(ROOT)]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(path), "XLT_HOLD": f"{stage} {hold} {flag}"}
        process = subprocess.Popen(
            self.command(stage, *settings),
            cwd=self.dir,
            env=env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            **options,
        )
        if hold is not None:
            wait_for(flag, process)
        return process

    def without(self, stage: str) -> Recipe:
        """Remove what ``stage`` makes."""
        for name in OUTPUTS[stage]:
            path = self.dir / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        return self

    def made(self, stage: str) -> dict:
        """What ``stage`` has made, as ``{file: content}`` without times; of archives the matrices."""
        found = {}
        for name in OUTPUTS[stage]:
            for path in [self.dir / name, *(self.dir / name).rglob("*")]:
                shown = str(path.relative_to(self.dir))
                if path.name == "feats.scp":
                    reader = FeatureReader(path)
                    os.chdir(self.dir)
                    found[shown] = {utt: np.asarray(reader[utt]).tobytes() for utt in reader}
                elif (
                    path.is_file()
                    and "cache" not in path.parts
                    and path.name not in VOLATILE
                    and path.name[0] != "."
                ):
                    found[shown] = path.read_bytes()
                if path.name == "report.md":  # what later stages still need hangs on what they have made
                    found[shown] = re.sub(
                        rb"\n## Disk and memory\n.*?(?=\n## |\Z)", b"", found[shown], flags=re.DOTALL
                    )
        return found


def wait_for(flag: Path, process: subprocess.Popen) -> None:
    """Until ``flag`` is there; if the process ends before, the test fails with what it said."""
    while not flag.exists():
        if process.poll() is not None:
            pytest.fail(f"ended with {process.returncode} before its time: {process.communicate()}")
        time.sleep(0.01)
    flag.unlink()


def left_over(process: subprocess.Popen) -> bool:
    """Whether processes of the group still run a while after its leader has ended; those that have ended and
    wait for whoever adopted them to ask do not count.
    """
    for _ in range(3000):
        if all(fields[0] in "ZX" for fields in _members(process.pid)):
            return False
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    return True


def _members(group: int) -> list[list[str]]:
    """Of each process of a group, the fields of /proc/*/stat behind its name: state, parent, group, …"""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            found.append(path.read_text().rpartition(")")[2].split())
    return [fields for fields in found if int(fields[2]) == group]


def make_stamps(root: Path) -> Path:
    """A corpus in Tux Paint's layout: twelve Romanian clips of 1 s."""
    for number, phrase in enumerate(PHRASES):
        stamp(root, f"animals/s{number:02}", {"ro": phrase.capitalize() + "."}, {"ro": 200.0 + 20 * number})
    return root


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    """All stages done. Not to be changed: take ``recipe``."""
    folder = tmp_path_factory.mktemp("finished")
    stamps = make_stamps(folder / "stamps")
    (folder / "recipe").mkdir()
    (folder / "recipe" / "recipe.yaml").write_text(
        f"lang: ron_Latn\ndata: {{reader: tuxpaint, dir: {stamps}}}\n"
    )
    made = Recipe(folder / "recipe")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XLT_CACHE", str(made.dir / "cache"))
        for stage in STAGES:
            assert made(stage) == 0, stage
    return made


@pytest.fixture
def recipe(finished: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """A copy of the finished recipe, with its own store."""
    copy = tmp_path / "recipe"
    shutil.copytree(finished.dir, copy, symlinks=True)
    old, new = os.fspath(finished.dir), os.fspath(copy)
    for path in [
        *copy.glob("dump/*/*/feats.scp"),
        *copy.glob("dump/*/*/stage.json"),
        *copy.glob("cache/features/*/uses/*"),
    ]:
        path.write_text(path.read_text().replace(old, new))
    for path in copy.glob("dump/*/*/stage.json"):
        renew(path.parent, "feats.scp")
    for path in copy.rglob("stage.json"):  # so that no test pays for reading what was copied
        assert altered(path.parent, recorded(path.parent)) == [], path
    monkeypatch.chdir(copy)
    monkeypatch.setenv("XLT_CACHE", str(copy / "cache"))
    return Recipe(copy)


def place_in_xlt(frame: FrameType | None) -> tuple[str, ...]:
    """From where in xlt a call comes: the three innermost functions; in core/stage.py, which writes the stamp
    of what begins and that of what is done, their lines.
    """
    place = []
    while frame is not None and len(place) < 3:
        file = Path(frame.f_code.co_filename)
        if file.is_relative_to(ROOT / "xlt"):
            exact = file == ROOT / "xlt/core/stage.py"
            place.append(f"{file}:{frame.f_lineno if exact else frame.f_code.co_qualname}")
        frame = frame.f_back
    return tuple(place)


class Hook:
    """An audit hook (they cannot be removed) that raises ``error`` just before the ``left``-th write of a
    file, or notes from where in xlt each write comes.
    """

    def __init__(self):
        self.left, self.ending, self.error = 0, "", None
        self.places: list[tuple] | None = None
        sys.addaudithook(self)

    def __call__(self, event: str, args: tuple) -> None:
        if self.places is None and not self.left or not is_write(event, args):
            return
        if self.places is not None:
            self.places.append((event, *place_in_xlt(sys._getframe(1))))
        elif os.fspath(args[0]).endswith(self.ending):
            self.left -= 1
            if not self.left:
                raise self.error

    def kinds(self, call: Callable[[], int]) -> tuple[int, list[int]]:
        """The status of ``call``, and of each place in xlt that writes the first of its writes, counted from
        1 over all of them.
        """
        self.places = []
        try:
            status, places = call(), self.places
        finally:
            self.places = None
        return status, sorted({place: number for number, place in reversed([*enumerate(places, 1)])}.values())

    def run(
        self, at: int, error: BaseException, call: Callable[[], int], ending: str = ""
    ) -> tuple[int, bool]:
        """The status of ``call`` and whether it came to the ``at``-th write of files whose names have this
        ``ending``.
        """
        self.left, self.ending, self.error = at, ending, error
        try:
            status = call()
            return status, not self.left
        finally:
            self.left = 0


@pytest.fixture(scope="session")
def hook() -> Hook:
    return Hook()
