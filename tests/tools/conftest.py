import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Checkout:
    """A copy of the scripts of this repository, in which nothing real is installed or trained.

    ``bin`` is the only folder on PATH: the system's tools, but no Python, no uv.
    """

    def __init__(self, root: Path):
        self.root, self.bin, self.home = root / "xlt checkout", root / "bin", root / "home"
        for name in ("tools", "egs/common", "egs/TEMPLATE", "xlt/core"):
            (self.root / name).mkdir(parents=True)
        for name in (
            "setup.py",
            "tools/install.sh",
            "tools/constraints.txt",
            "tools/new_recipe.sh",
            "tools/xlt",
            "egs/common/asr.sh",
            "xlt/core/context.py",
            "egs/TEMPLATE/run.sh",
            "egs/TEMPLATE/recipe.yaml",
            "egs/TEMPLATE/README.md",
        ):
            shutil.copy(ROOT / name, self.root / name)
        self.bin.mkdir()
        self.home.mkdir()
        for folder in ("/usr/local/bin", "/bin", "/usr/bin"):
            for tool in Path(folder).iterdir() if Path(folder).is_dir() else []:
                link = self.bin / tool.name
                if (
                    not tool.name.startswith(("python", "uv", "pip", "pyenv", "conda"))
                    and not link.is_symlink()
                ):
                    link.symlink_to(tool)
        self.env = {"PATH": str(self.bin), "HOME": str(self.home), "LANG": "C.UTF-8"}

    def script(self, path: Path, text: str) -> Path:
        """Write an executable; ``text`` is what follows ``#!/bin/bash``."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            path.unlink()
        path.write_text("#!/bin/bash\n" + text)
        path.chmod(0o755)
        return path

    def run(self, *words: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            list(map(str, words)),
            cwd=cwd or self.root,
            capture_output=True,
            text=True,
            env={**self.env, **env},
        )

    def start(self, *words: str, **env: str) -> subprocess.Popen:
        """Like :meth:`run`, in the background and as its own process group, as a terminal would."""
        return subprocess.Popen(
            list(map(str, words)),
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**self.env, **env},
            start_new_session=True,
        )


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path)


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith("XLT_") or name == "PYTHON":
            monkeypatch.delenv(name)
