"""The command `xlt` as pip installs it: Python looks for modules in the folder of the script first, where
scripts of other packages are, too.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pip._vendor.distlib.scripts import ScriptMaker

from xlt.cli import COMMANDS
from xlt.core.config import ROOT
from xlt.core.context import STAGES


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    """Function: runs the console script of a copy of xlt, whose folder has the scripts of all packages."""
    home = tmp_path_factory.mktemp("installed")
    shutil.copytree(ROOT / "xlt", home / "xlt", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "egs" / "common", home / "egs" / "common")
    entry = re.search(r'"(xlt = xlt[\w.]*:\w+)"', (ROOT / "setup.py").read_text("utf-8"))[1]
    (home / "bin").mkdir()
    maker = ScriptMaker(None, str(home / "bin"))
    maker.variants = {""}
    (path,) = maker.make(entry)
    for other in Path(sys.executable).parent.glob("*.py"):
        shutil.copy(other, home / "bin")

    def run(*words, cwd=home):
        return subprocess.run(
            [sys.executable, path, *words],
            capture_output=True,
            text=True,
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(home)},
            timeout=300,
        )

    return run


@pytest.mark.parametrize("name", [*COMMANDS, *(stage.name for stage in STAGES)])
def test_help_of_each_command(script, name):
    done = script(name, "--help")
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith(f"usage: xlt {name}")


@pytest.mark.slow
def test_phones_finds_the_data_of_other_packages(script, tmp_path):
    for name, text in (("ron", "bună ziua"), ("cat", "bon dia"), ("spa", "hola")):
        (tmp_path / name / "data" / "train").mkdir(parents=True)
        (tmp_path / name / "recipe.yaml").write_text(f"lang: {name}_Latn\n")
        (tmp_path / name / "data" / "train" / "text").write_text(f"a-1 {text}\n")
    done = script("phones", "ron", "--sources", "cat,spa", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "URIEL" in done.stdout
