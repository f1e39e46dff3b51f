"""What all parts share: where they work, recipes copied outside the repository, upstreams, and the kept
figures.
"""

from __future__ import annotations

import datetime
import fcntl
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from xlt.audio.files import SAMPLE_RATE  # noqa: F401 (the other parts take it from here)
from xlt.cli import main as xlt
from xlt.core.config import ROOT, load
from xlt.core.errors import StageError
from xlt.core.log import say
from xlt.core.settings import FeaturesConfig
from xlt.core.stage import git_revision, write_json
from xlt.fetch.files import cache_root
from xlt.score.facts import environment, versions

SEED = 0


@dataclass
class Bench:
    """One call of the bench. ``out``: the folder of the figures; ``work``: recipes, models and stores, kept
    from run to run.
    """

    out: Path
    work: Path
    force: bool = False
    command: str = ""
    _made: set[str] = field(default_factory=set)

    def prepare(self) -> None:
        """Make the folders, and a cache of its own: the user's downloads by links, a feature store apart from
        the user's.
        """
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        self.out.mkdir(parents=True, exist_ok=True)
        os.environ["XLT_CACHE"] = str(linked_cache(self.work / "cache"))

    def scratch(self, name: str) -> Path:
        """An empty folder below the work folder."""
        folder = self.work / "scratch" / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def recipe(self, lang: str, name: str) -> Path:
        """A copy of egs/``lang`` in the work folder; what stages have made there stays."""
        folder = self.work / "recipes" / name
        folder.mkdir(parents=True, exist_ok=True)
        for file in ("recipe.yaml", "run.sh"):
            shutil.copy(ROOT / "egs" / lang / file, folder / file)
        return folder

    def entries(self, part: str) -> list[dict]:
        return read_entries(self.out, part)

    def measure(self, part: str, key: dict, make: Callable[[], dict]) -> dict:
        """The figures of ``key``: those that are kept, or what ``make`` returns, which is kept then."""
        name = json.dumps([part, key], sort_keys=True)
        kept = next((e["figures"] for e in self.entries(part) if e["key"] == key), None)
        if kept is not None and not (self.force and name not in self._made):
            say(f"{part}: {shown(key)}: is there")
            return kept
        say(f"{part}: {shown(key)}")
        start = time.monotonic()
        figures = make()
        entry = {
            "key": key,
            "figures": figures,
            "made": {
                "command": self.command,
                "commit": git_revision(),
                "environment": environment(),
                "versions": versions(),
                "seconds": round(time.monotonic() - start, 1),
                "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            },
        }
        with (self.out / f".features_{part}.lock").open("w") as handle:  # lanes write the same file
            fcntl.flock(handle, fcntl.LOCK_EX)
            entries = [e for e in self.entries(part) if e["key"] != key] + [entry]
            entries.sort(key=lambda e: json.dumps(e["key"]))
            write_json(self.out / f"features_{part}.json", {"part": part, "entries": entries})
        self._made.add(name)
        return figures


def linked_cache(folder: Path) -> Path:
    """A cache root without features, whose downloads are those of the present one, by links."""
    theirs = cache_root(None)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("apt", "unpacked", "whisper_base"):
        if (theirs / name).is_dir() and theirs != folder and not (folder / name).is_symlink():
            (folder / name).symlink_to((theirs / name).resolve())
    return folder


def read_entries(out: Path, part: str) -> list[dict]:
    """What ``features_<part>.json`` holds: ``[{"key", "figures", "made"}, …]``."""
    path = out / f"features_{part}.json"
    return json.loads(path.read_text(encoding="utf-8"))["entries"] if path.exists() else []


def shown(key: dict) -> str:
    return " ".join(f"{k}={','.join(map(str, v)) if isinstance(v, list) else v}" for k, v in key.items())


def stages(recipe: Path, names: list[str], *settings: str, force: bool = False) -> None:
    """Run stages of ``recipe`` in this process; StageError if one fails."""
    for name in names:
        if xlt([name, "--recipe", str(recipe), *(["--force"] if force else []), *settings]):
            raise StageError(f"{shlex.join(['xlt', name, *settings])} failed in {recipe}")


def features_config(recipe: Path, *settings: str) -> FeaturesConfig:
    return load(recipe, list(settings)).features


def upstream_settings(bench: Bench, name: str) -> list[str]:
    """The settings that choose an upstream of the bench; its weights are made if they are random ones."""
    if name in RANDOM:
        return ["features.upstream=hf_wav2vec2_custom", f"features.path={random_model(bench, name)}"]
    return [f"features.upstream={name}"]


def random_model(bench: Bench, name: str) -> Path:
    """The Hugging Face directory of a model with random weights, made once."""
    folder = bench.work / "models" / name
    if not (folder / "done").exists():
        RANDOM[name](folder)
        (folder / "done").touch()
    return folder


def _xls_r_size(folder: Path) -> None:
    """XLS-R-300M as published, 315 M parameters, but its weights are random: for time and disk only."""
    from tests.tiny import save_wav2vec2

    save_wav2vec2(
        folder,
        SEED,
        hidden_size=1024,
        num_hidden_layers=24,
        num_attention_heads=16,
        intermediate_size=4096,
        conv_dim=[512] * 7,
    )


def _tiny(folder: Path) -> None:
    from tests.tiny import make_tiny_wav2vec2

    make_tiny_wav2vec2(folder)


def _least(folder: Path) -> None:
    """One layer of 8 dimensions: the cheapest that still goes through everything."""
    from tests.tiny import make_tiny_wav2vec2

    make_tiny_wav2vec2(folder, layers=1, dim=8)


RANDOM = {"xls_r_size": _xls_r_size, "tiny": _tiny, "least": _least}
TITLES = {
    "whisper_base": "whisper_base",
    "xls_r_size": "XLS-R-300M size, random weights",
    "tiny": "tiny wav2vec2",
    "least": "wav2vec2, one layer of 8 dimensions",
}


@dataclass(frozen=True)
class Usage:
    """What a process and its children took: seconds by the clock and of processors, peak memory in MiB."""

    wall_s: float
    cpu_s: float
    own_mib: float
    child_mib: float  # of the child that had the most


_USAGE = """import json, resource, sys
from xlt.cli import main
status = main(sys.argv[2:])
own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
cpu = sum(u.ru_utime + u.ru_stime for u in (own, children))
# ru_maxrss of a process counts what its parent had when it was started; VmHWM does not
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
json.dump([cpu, peak / 1024, children.ru_maxrss / 1024], open(sys.argv[1], "w"))
sys.exit(status)"""


def xlt_apart(bench: Bench, words: list[str], **env: str) -> Usage:
    """Run ``xlt WORDS`` in a process of its own; StageError if it fails."""
    report = bench.work / f"usage.{os.getpid()}.json"
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", _USAGE, str(report), *words], env=child_environment(**env))
    wall = time.monotonic() - start
    if done.returncode:
        raise StageError(f"xlt {shlex.join(words)} ended with status {done.returncode}")
    cpu, own, child = json.loads(report.read_text())
    report.unlink()
    return Usage(wall, cpu, own, child)


def child_environment(**more: str) -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **more}


def median(values: list[float]) -> float:
    return statistics.median(values)


@dataclass(frozen=True)
class Target:
    """A line of the summary: ``figure`` as it is shown; ``met``: None while it has not been measured."""

    part: str
    what: str
    target: str
    figure: str
    met: bool | None
