"""A folder from a stranger that holds Python's modules: calling xlt in it imports none of them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from xlt.core.config import ROOT
from xlt.core.executor import Workers, run
from xlt.core.registry import WORK

MODULES = ["yaml", "numpy", "argparse", "torch", "xlt", "encodings", "sitecustomize"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where each module leaves a mark when it is imported."""
    for name in MODULES:
        (tmp_path / f"{name}.py").write_text(
            f"import os\nos.makedirs({str(tmp_path / 'ran')!r}, exist_ok=True)\nraise ImportError\n"
        )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def helped(folder: Path, **environment: str) -> bool:
    """Whether ``xlt --help`` works in ``folder``."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    env.pop("PYTHONSAFEPATH", None) if not environment else None
    done = subprocess.run(
        [sys.executable, "-m", "xlt.cli", "--help"], cwd=folder, env=env, capture_output=True
    )
    return done.returncode == 0


def test_the_command_sets_what_keeps_modules_of_the_folder_out(folder):
    script = (ROOT / "tools/xlt").read_text("utf-8")
    (value,) = re.findall(r"^export PYTHONSAFEPATH=(\S+)", script, re.MULTILINE)
    assert helped(folder, PYTHONSAFEPATH=value) and not (folder / "ran").exists()
    assert not helped(folder) and (folder / "ran").exists()  # what would be, without it


def test_workers_import_nothing_from_there_either(folder, monkeypatch):
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    monkeypatch.setitem(WORK.entries, "squares", "tests.core.toy_work:Squares")
    assert [answer[0] for answer in run("squares", None, [{"n": 2}, {"n": 3}], Workers(2))] == [4, 9]
    assert not (folder / "ran").exists()
