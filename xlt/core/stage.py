"""The stage contract: what a stage reads and writes, when it is up to date, how it is resumed.

A stage writes into a hidden sibling of its output, ``.NAME.partial``, and renames it at the end, so a killed
stage leaves nothing that looks finished. Beside the output stands ``stage.json``: the settings it read, a
digest of each input and each output, versions, git revision, seed and wall time. The same settings, inputs
and outputs → ``up to date``. An input that is no longer what its own stage has made is refused.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xlt import __version__
from xlt.core import digests, jsons
from xlt.core.config import ROOT, defaults
from xlt.core.context import STAGES, Context, find
from xlt.core.errors import DataError, StageError
from xlt.core.files import atomic_text, sha256, sweep
from xlt.core.locks import DEAD_S, hold, holder_elsewhere, signs_of_life
from xlt.core.log import say
from xlt.core.machine import cpu_seconds
from xlt.core.paths import refuse_pipe
from xlt.core.remedies import naming

_SPENT = ".spent.json"  # in what an interrupted run leaves


@dataclass
class Unit:
    """One piece of a stage's work with one output directory.

    ``config``: the settings it reads (:meth:`Config.section`); ``inputs``: files or directories it reads;
    ``make``: writes everything below the directory it is given and may return facts for ``stage.json``. With
    ``resume`` an interrupted ``make`` finds its own earlier files there, if settings and inputs are still the
    same. ``stale`` says what else is no longer as a finished output needs it, e.g. a file elsewhere that it
    points to, or None. ``inspects``: it is there to say what is wrong with its inputs.
    """

    stage: str
    out: Path
    config: dict[str, Any]
    inputs: list[Path]
    make: Callable[[Path], dict | None]
    resume: bool = False
    versions: dict[str, str] = field(default_factory=dict)
    stale: Callable[[], str | None] | None = None
    inspects: bool = False


_BIG = 64 << 20


def digest(path: Path) -> str:
    """SHA-256 of a file's content; of a file over 64 MB, of its size and time; of a directory, of its
    files.
    """
    sha = hashlib.sha256()
    if path.is_dir():
        for child in sorted(path.iterdir()):
            if child.is_file() and child.name not in digests.OWN and not child.name.startswith("."):
                sha.update(f"{child.name}\0{digest(child)}\n".encode())
    else:
        info = path.stat()
        if info.st_size > _BIG:
            sha.update(f"{info.st_size} {info.st_mtime_ns}".encode())
        else:
            sha.update(path.read_bytes())
    return sha.hexdigest()[:20]


def git_revision() -> str:
    """Commit of this checkout, with ``+`` if files other than results differ from it; ``unknown`` outside
    git.
    """

    def git(*words: str) -> str:
        call = ["git", "-C", str(ROOT), *words]
        return subprocess.run(call, capture_output=True, text=True, check=True).stdout.strip()

    generated = [
        ":!egs/*/results/*",
        ":!egs/*/RESULTS.md",
        ":!egs/README.md",
        ":!egs/results.svg",
        ":!README.md",
        ":!tests/bench/results",
        ":!tests/bench/RESULTS.md",
        ":!tests/bench/features.svg",
    ]
    try:
        altered = git("status", "--porcelain", "-uno", "--", ":/", *generated)
        return git("rev-parse", "--short=12", "HEAD") + ("+" if altered else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


_SHAPES: dict[str, type | tuple[type, ...]] = {  # of what later stages read in a stage.json
    **dict.fromkeys(
        ("config", "inputs", "versions", "outputs", "digests", "archives", "weights", "time"), dict
    ),
    **dict.fromkeys(("seed", "errors"), int),
    **dict.fromkeys(("store", "git"), str),
    **dict.fromkeys(("wall_s", "cpu_s"), (int, float)),
    "first": list,
}


def read_stamp(out: Path) -> dict | None:
    """The ``stage.json`` of a finished output, or None if there is none, or one that no stage has written."""
    try:
        stamp = jsons.parse((out / "stage.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    fits = isinstance(stamp, dict) and all(
        isinstance(stamp[key], kind) for key, kind in _SHAPES.items() if key in stamp
    )
    sizes = stamp.get("archives", {}).values() if fits else ()
    return stamp if fits and all(isinstance(size, int) for size in sizes) else None


def read_json(path: Path, stage: str) -> dict:
    """The mapping in a JSON file that ``stage`` made; DataError if it is damaged."""
    refuse_pipe(path)
    try:
        value = jsons.parse(path.read_text(encoding="utf-8"))
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise DataError(f"{path}: damaged; make it again with --stage {find(stage).number} --force")
    return value


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that a reader sees the old file or the whole new one."""
    atomic_text(path, json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def _changes(old: dict, request: dict, out: Path) -> list[str]:
    changed = []
    for part in ("config", "inputs", "versions"):
        before, now = old.get(part, {}), request[part]
        for key in sorted(set(before) | set(now)):
            if key not in now:
                changed.append(f"{key} is no longer used")
            elif key not in before:
                if (
                    part != "config" or key not in defaults() or defaults()[key] != now[key]
                ):  # a setting that came with an update
                    changed.append(f"{key} is new")
            elif before[key] != now[key]:
                changed.append(f"{key}: {before[key]} → {now[key]}" if part != "inputs" else f"{key} changed")
    made = digests.recorded(out)
    for name, size in old.get("outputs", {}).items():
        path = out / name
        if not path.exists():
            changed.append(f"{name} is missing")
        elif name not in made and path.is_file() and path.stat().st_size != size:  # of an older version
            changed.append(f"{name} was altered")
    for name in digests.altered(out, made):
        if (out / name).exists():
            changed.append(f"{name} was altered by hand or damaged")
        elif name not in old.get("outputs", {}):  # of a folder
            changed.append(f"{name} is missing")
    return changed


@contextlib.contextmanager
def lock(out: Path) -> Iterator[None]:
    """Hold the right to write ``out``; StageError if another process holds it."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with (out.parent / f".{out.name}.lock").open("a+", encoding="utf-8") as handle:
        if not hold(handle):
            raise StageError(f"{out}: another process is writing it; wait for it to end")
        if host := holder_elsewhere(handle):
            raise StageError(
                f"{out}: a process on {host} is writing it; wait for it to end (it counts as ended"
                f" {DEAD_S:g} s after its last sign of life)"
            )
        with signs_of_life(handle, str(os.getpid())):
            yield


def run_unit(ctx: Context, unit: Unit) -> bool:
    """Make the unit's output unless it is up to date; True if it was made."""
    inputs = {ctx.display_path(p): digest(p) for p in unit.inputs if p.exists()}
    request = json.loads(
        json.dumps(
            {"config": unit.config, "inputs": inputs, "versions": {"xlt": __version__, **unit.versions}}
        )
    )
    out, shown = unit.out, ctx.display_path(unit.out)
    old = read_stamp(out)
    changed = _changes(old, request, out) if old else []
    if old and not changed and unit.stale and (reason := unit.stale()):
        changed = [reason]
    if old and not changed and not ctx.force:
        if not ctx.dry_run:
            _sweep(out)
        say(f"{unit.stage}: {shown} is up to date")
        return False
    if not old and out.is_dir() and any(out.iterdir()) and not ctx.force:
        raise StageError(
            f"{shown}: already exists and was not made by this stage (it has no stage.json, or a"
            " damaged one); to keep and use it, start at a later stage; to replace it, add --force"
        )
    why = f" again ({'; '.join(changed[:3])})" if changed else ""
    if ctx.dry_run:
        say(f"{unit.stage}: would make {shown}{why}")
        return False
    if not unit.inspects:
        refuse_altered(ctx, *unit.inputs)
    with lock(out):
        say(f"{unit.stage}: making {shown}{why}")
        partial, earlier = out.parent / f".{out.name}.partial", Spent()
        if partial.exists():
            before = partial / "request.json"
            same = unit.resume and before.exists() and _read_request(before) == request
            if not same:
                shutil.rmtree(partial)
            else:
                say(f"{unit.stage}: continuing where an earlier run stopped")
                earlier = Spent.take(partial)
        partial.mkdir(parents=True, exist_ok=True)
        write_json(partial / "request.json", request)
        start, before_s = time.monotonic(), cpu_seconds()
        try:
            with naming(out):
                facts = unit.make(partial) or {}
        except BaseException:
            if unit.resume:
                earlier.more(time.monotonic() - start, cpu_seconds() - before_s).keep(partial)
            raise
        spent = earlier.more(time.monotonic() - start, cpu_seconds() - before_s)
        measured = digests.measure(partial)
        stamp = {
            "stage": unit.stage,
            **request,
            "seed": ctx.cfg.seed,
            "git": git_revision(),
            "command": ctx.command,
            "finished": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            **spent.facts,
            **facts,
            "outputs": {
                p.name: p.stat().st_size if p.is_file() else 0
                for p in sorted(partial.iterdir())
                if not p.name.startswith(".") and p.name not in digests.OWN
            },
            "digests": {name: digest for name, (_, digest) in measured.items()},
        }
        write_json(partial / "stage.json", stamp)
        sweep(partial.rglob(".*.partial"))
        replace_dir(partial, out)
        # last: until the new output stands, a next run must find its work
        (out / "request.json").unlink(missing_ok=True)
        digests.remember(out, measured)
    return True


@dataclass(frozen=True)
class Spent:
    """Seconds that an output took, over all runs; ``cpu_s``: None after one that was killed, which told
    nothing.
    """

    wall_s: float = 0.0
    cpu_s: float | None = 0.0

    @classmethod
    def take(cls, partial: Path) -> Spent:
        """What an earlier run has kept; the file goes, so that the next one that is killed is known to be."""
        path = partial / _SPENT
        try:
            found = jsons.parse(path.read_text(encoding="utf-8"))
            return cls(float(found["wall_s"]), None if found["cpu_s"] is None else float(found["cpu_s"]))
        except (OSError, ValueError, KeyError, TypeError):
            return cls(0.0, None)
        finally:
            path.unlink(missing_ok=True)

    def more(self, wall_s: float, cpu_s: float) -> Spent:
        return Spent(self.wall_s + wall_s, None if self.cpu_s is None else self.cpu_s + cpu_s)

    def keep(self, partial: Path) -> None:
        with contextlib.suppress(OSError):  # a full disk has its own error
            write_json(partial / _SPENT, vars(self))

    @property
    def facts(self) -> dict[str, float]:
        """For the stamp."""
        cpu = {} if self.cpu_s is None else {"cpu_s": round(self.cpu_s, 1)}
        return {"wall_s": round(self.wall_s, 1), **cpu}


def _sweep(out: Path) -> None:
    """Remove what a run that was killed at its very end has left in a finished output."""
    (out / "request.json").unlink(missing_ok=True)
    sweep(out.glob(".*.partial"))


def refuse_altered(ctx: Context, *paths: Path) -> None:
    """DataError if a file among ``paths``, or in a folder among them, is not what its stage has made.

    Files whose digest no stage has noted, such as those of the user or of an older version, pass, and those
    that are missing: whoever needs them says so.
    """
    wanted: dict[Path, set[str]] = {}
    for path in paths:
        if path.is_dir() and (own := digests.recorded(path)):
            wanted.setdefault(path, set()).update(name for name in own if "/" not in name)
            continue
        for file in path.iterdir() if path.is_dir() else [path]:
            if found := digests.maker(file):
                wanted.setdefault(found[0], set()).add(found[1])
    for folder, names in wanted.items():
        made = digests.recorded(folder)
        there = {name: made[name] for name in sorted(names) if (folder / name).exists()}
        for name in digests.altered(folder, there, fresh=True):
            raise DataError(altered_message(folder, name, ctx.display_path(folder)))


def altered_message(folder: Path, name: str, shown: str) -> str:
    """What is said of the file ``name`` of the output ``folder``, which is ``shown``, if it is damaged."""
    made = next((s for s in STAGES if s.name == (read_stamp(folder) or {}).get("stage")), None)
    if made is None:
        return f"{shown}/{name}: altered by hand or damaged since it was made; copy the whole folder again"
    return (
        f"{shown}/{name}: altered by hand or damaged since stage {made.number} ({made.name}) made it; make it"
        f" again with --stage {made.number}, or, to use it as it is, remove {shown}/stage.json"
    )


def renew(out: Path, *names: str) -> None:
    """Note that files of a finished output were rewritten by xlt itself."""
    stamp = read_stamp(out)
    if stamp is None:
        return
    for name in names:
        stamp.get("outputs", {})[name] = (out / name).stat().st_size
        if "digests" in stamp:
            stamp["digests"][name] = sha256(out / name)
    write_json(out / "stage.json", stamp)


def _read_request(path: Path) -> dict | None:
    try:
        return jsons.parse(path.read_text(encoding="utf-8"))
    except ValueError:
        return None


def replace_dir(new: Path, out: Path) -> None:
    """Put directory ``new`` in the place of ``out``, whatever stands there."""
    aside = out.parent / f".{out.name}.old"
    shutil.rmtree(aside, ignore_errors=True)
    if out.exists():
        out.rename(aside)
    new.rename(out)
    shutil.rmtree(aside, ignore_errors=True)
