"""A working copy of the checkout in which nothing is installed: its environment is the one that runs the
tests.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from xlt.core.config import ROOT


class Tree:
    """The scripts, the package and the recipes' settings below ``root``; ``start`` runs a script as a
    terminal does.
    """

    def __init__(self, root: Path):
        self.root = root
        ignore = shutil.ignore_patterns(
            "__pycache__", "data", "dump", "exp", "log", "results", "report", "RESULTS.md", ".*"
        )
        for name in ("egs", "tools"):
            shutil.copytree(ROOT / name, root / name, ignore=ignore)
        shutil.copytree(ROOT / "xlt", root / "xlt", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("README.md", "setup.py"):
            shutil.copy(ROOT / name, root / name)
        base = root / "egs/common/conf/base.yaml"  # a dozen clips have one or two for a test
        base.write_text(base.read_text("utf-8").replace("min_held_out: 10 ", "min_held_out: 1 "), "utf-8")
        python = shlex.quote(sys.executable)
        self.script("tools/install.sh", "exit 0")
        self.script(".venv/bin/python", f'exec {python} "$@"')

    def script(self, name: str, text: str) -> Path:
        """Write an executable."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/bash\n{text}\n", encoding="utf-8")
        path.chmod(0o755)
        return path

    def environment(self, **more: str) -> dict[str, str]:
        own = {
            k: v for k, v in os.environ.items() if k not in ("XLT_VENV", "XLT_CWD", "XLT_CONF", "PYTHONPATH")
        }
        return {**own, "OMP_NUM_THREADS": "1", **more}

    def run(self, command: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess:
        """A line of shell, run at the root of the copy unless ``cwd`` is given."""
        return subprocess.run(
            ["bash", "-c", command],
            cwd=cwd or self.root,
            env=self.environment(**env),
            text=True,
            capture_output=True,
        )

    def start(self, *words: str, cwd: Path | None = None, **env: str) -> subprocess.Popen:
        return subprocess.Popen(
            words,
            cwd=cwd or self.root,
            env=self.environment(**env),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
