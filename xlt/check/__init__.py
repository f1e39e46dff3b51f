"""Stage 2: every data fault found now, not at epoch 3. Errors stop the run, warnings and notes do not; all
are reported.

A check is a function ``(sets, cfg) -> faults`` in ``CHECKS`` of a module; a module is a family, one line of
:data:`~xlt.check.families.FAMILIES`. A new check of a family that is there is a function and its name in
``CHECKS``::

    # xlt/check/kaldi.py
    def no_shouting(sets, cfg):
        # No text in capitals alone.
        for data in sets.values():
            for line in data.lines.get("text", ()):
                if line.value.isupper():
                    where, values = data.where("text", line.number), {"id": line.key}
                    yield Fault("warning", where, "{id!r} is in capitals", "lower it", values=values)

    CHECKS = (..., no_shouting)

A family that has facts to show has ``section(sets, cfg, out) -> Markdown`` as well, which may write figures
into ``out``; ``droppable(sets, cfg)`` says which training utterances ``drop.txt`` proposes for data.drop, and
why. docs/extend.md has a whole family, which a test runs.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.audio.augment import values
from xlt.check.families import FAMILIES
from xlt.check.faults import LEVELS
from xlt.core.context import Context, need
from xlt.core.errors import DataError
from xlt.core.log import say
from xlt.core.paths import plain
from xlt.core.stage import Unit, atomic_text, read_stamp, run_unit, write_json
from xlt.data.drop import left_out_before
from xlt.data.sets import from_elsewhere, require, why_reserved
from xlt.formats.model_folder import MANIFEST, identity, initial_model, teacher
from xlt.formats.tables import write_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from xlt.check.datadir import Sets
    from xlt.check.faults import Fault
    from xlt.core.config import Config

SHOWN = 10  # faults printed; the report has all
REPORT, LISTEN = "report.html", "listen.html"  # for a browser
_KEYS = (
    "data.normaliser",
    "data.keep",
    "data.digits",
    "data.train_minutes",
    "data.min_dur_s",
    "data.max_dur_s",
    "features.upstream",
    "features.on_the_fly",
    "lm.exclude_overlap",
    "lm.order",
    "lm.text",
    "lm.unit",
    "lm.words",
    "tokens",
    "train.encoder",
    "train.encoder_conf",
    "train.frame_rate",
    "train.init",
    "train.init_tokens",
    "train.zero_shot",
    "check",
)


def _audio_state(recipe: Path, folders: list[Path]) -> str:
    """Changes when a file that wav.scp names appears, goes, or is written again."""
    sha = hashlib.sha256()
    for folder in folders:
        scp = folder / "wav.scp"
        for line in scp.read_bytes().split(b"\n") if scp.exists() else []:
            path = Path(line.partition(b" ")[2].decode("utf-8", "replace").strip())
            place = recipe / path
            info = place.stat() if place.is_file() else None
            sha.update(f"{path} {info and (info.st_size, info.st_mtime_ns)}\n".encode())
    return sha.hexdigest()[:20]


def run(ctx: Context) -> None:
    """Check the training set, dev, test and the further sets of ``decode.sets``; DataError if there are
    errors, ConfigError if stage 1 has not made a set that is asked for.
    """
    if ctx.fix:
        _fix(ctx, ctx.fix)
        return
    names = ctx.cfg.checked_sets
    folders = [ctx.data / name for name in names]
    if ctx.dry_run and not all(folder.exists() for folder in folders):
        say(f"check: would check {', '.join(map(ctx.display_path, folders))}")
        return
    need(ctx, *(ctx.data / name for name in (ctx.cfg.train_set, "dev", "test")), stage="data")
    _need_sets(ctx)
    need(ctx, *(ctx.data / name for name in from_elsewhere(ctx.cfg) if name in names), stage="data")
    phones = {}
    if (
        ctx.cfg.tokens.type == "phone"
    ):  # a language without a converter would stop stage 4, behind the features
        from xlt.phones.corpus import choices

        phones = {"g2p": choices(ctx)}
    whisper = {}
    if ctx.cfg.train.family == "whisper_ed":
        from xlt.check.whisper import state

        whisper = {"whisper": state(ctx.cfg)}
    out = ctx.data / "check"
    if (read_stamp(out) or {}).get("errors"):  # what was wrong may lie outside the inputs
        ctx = dataclasses.replace(ctx, force=True)

    def make(partial: Path) -> dict:
        return _check(ctx, partial, dict(zip(names, folders, strict=True)))

    config = {
        **ctx.cfg.section(*_KEYS),
        **{f"features.{key}": value for key, value in values(ctx.cfg.features).items()},
        "lang": ctx.cfg.lang,
        **phones,
        **whisper,
        "audio files": _audio_state(ctx.recipe, folders),
    }
    models = filter(None, (initial_model(ctx.cfg), teacher(ctx.cfg)))
    heard = [model.folder / MANIFEST for model in models]
    heard += [ctx.data / train for train, _ in ctx.cfg.mixed.values()]
    heard += [ctx.everything / "report.json"]
    from xlt.check.speech import model_folders
    from xlt.lm.sources import names_a_file

    heard += [path for folder in model_folders(ctx.cfg, ctx.exp) for path in identity(folder)]
    # characters are known from the texts, other tokens once stage 4 has made them
    tokens = [ctx.tokens] if ctx.cfg.tokens.type != "char" and ctx.tokens.exists() else []
    texts = [Path(name) for name in ctx.cfg.lm.text if isinstance(name, str)]
    texts += [Path(ctx.cfg.lm.words)] if names_a_file(ctx.cfg) else []
    inputs = folders + heard + tokens + texts
    run_unit(ctx, Unit("check", out, config, inputs, make, stale=lambda: _lacks_a_page(out), inspects=True))
    facts = read_stamp(out) or {}
    if not ctx.dry_run:
        _tell_of_pages(ctx, out)
    if facts.get("errors") and not ctx.dry_run:
        first = "\n".join(f"  {line}" for line in facts["first"])
        raise DataError(
            f"{facts['errors']} errors in the data; all are in {ctx.display_path(out)}/report.md, and with"
            f" sound in {REPORT} there. First:\n{first}"
        )


def _lacks_a_page(out: Path) -> str | None:
    return None if (out / REPORT).exists() else f"{REPORT} is new"


def _tell_of_pages(ctx: Context, out: Path) -> None:
    for name, what in ((REPORT, "what to mend, with sound"), (LISTEN, "texts that do not fit, with sound")):
        if (out / name).exists():
            say(f"  to open in a browser: {ctx.typed(out / name)} ({what})")


def _need_sets(ctx: Context) -> None:
    """ConfigError if ``decode.sets`` names a set that is not there, with those that are."""
    there = [path.name for path in ctx.data.glob("*") if (path / "text").exists()]
    require(ctx.cfg, (name for name in there if not why_reserved(name, ctx.cfg)), ctx.display_path(ctx.data))


def _fix(ctx: Context, out: Path) -> None:
    """Write a repaired copy of the whole train, of dev, test and the further sets of ``decode.sets``."""
    from xlt.check.datadir import Sets
    from xlt.check.fix import fix

    cfg = dataclasses.replace(ctx.cfg, data=dataclasses.replace(ctx.cfg.data, train_minutes=None))
    folders = {name: ctx.data / name for name in cfg.checked_sets}
    need(ctx, *list(folders.values())[:3], stage="data")
    _need_sets(ctx)
    if ctx.dry_run:
        names = ", ".join(map(ctx.display_path, folders.values()))
        say(f"check: would write a repaired copy of {names} to {out}")
        return
    left = fix(Sets(ctx.data, folders), cfg, out)
    say(
        f"check: a repaired copy is in {out}; {out / 'fix.md'} has each change and what is left to do ({left}"
        f" faults); use it: data.reader=kaldi data.dir={ctx.typed(out)}"
    )


def _propose(sets: Sets, cfg: Config, families: dict[str, ModuleType], out: Path) -> dict[str, str]:
    """Write ``drop.txt`` if there is something more to leave out; of several reasons the first counts.

    It holds what ``data.drop`` has left out, too, which would come back with a list that lacks it.
    """
    found: dict[str, str] = {}
    for family in families.values():
        if hasattr(family, "droppable"):
            found = family.droppable(sets, cfg) | found
    if found:
        before = left_out_before(sets[cfg.train_set].folder)
        write_table(out / "drop.txt", before | found)
        say(
            f"  drop.txt there proposes {len(found)} training utterances to leave out"
            + (f", beside the {len(before)} that are" if before else "")
            + ": look at them, copy it beside recipe.yaml and give data.drop=drop.txt"
        )
    return found


def _check(ctx: Context, out: Path, folders: dict[str, Path]) -> dict:
    """Run every check, write report.json and report.md, return the counts."""
    from xlt.check.datadir import Sets
    from xlt.check.page import page

    sets = Sets(ctx.data, folders)
    families = {name: importlib.import_module(f"xlt.check.{name}") for name in FAMILIES}
    raw = list(_faults(sets, ctx.cfg, families))
    found = [fault.seen_from(ctx.recipe) for fault in raw]
    proposed = _propose(sets, ctx.cfg, families, out)
    sections = {
        name: plain(family.section(sets, ctx.cfg, out), ctx.recipe)
        for name, family in families.items()
        if hasattr(family, "section")
    }
    counts = {name: len(data.table("text")) for name, data in sets.items()}
    rules = sum(len(family.CHECKS) for family in families.values())
    by_level = {level: [fault for fault in found if fault.severity == level] for level in LEVELS}
    _tell(by_level, counts, rules)
    numbers = {f"{level}s": len(faults) for level, faults in by_level.items()}
    rows = [fault.to_json() for fault in found]
    write_json(out / "report.json", {"utterances": counts, "rules": rules, **numbers, "faults": rows})
    atomic_text(out / "report.md", page(counts, found, sections))
    _pages(ctx, sets, out, (raw, found), proposed)
    return {**numbers, "first": [str(fault) for fault in by_level["error"][:SHOWN]]}


def _pages(
    ctx: Context,
    sets: Sets,
    out: Path,
    faults: tuple[list[Fault], list[Fault]],
    proposed: dict[str, str],
) -> None:
    """Write report.html, and listen.html where a model has listened; ``faults``: as found and as shown."""
    from xlt.audio.players import Sounds
    from xlt.check import html, listen
    from xlt.check.speech import fits

    sounds = Sounds(out, ctx.data / "check")
    named = html.with_utterances(sets, *faults, sounds)
    heard = fits(sets, ctx.cfg)
    atomic_text(out / REPORT, html.page(sets, ctx.cfg, named, sounds, bool(heard)))
    if heard:
        atomic_text(out / LISTEN, listen.page(ctx, sets, heard, proposed, sounds))


def _faults(sets: Sets, cfg: Config, families: dict[str, ModuleType]) -> Iterator[Fault]:
    """What the rules of all families find, each with its family and rule."""
    for name, family in families.items():
        for check in family.CHECKS:
            for fault in check(sets, cfg):
                rows = sets.rows_of(fault)
                yield dataclasses.replace(fault, family=name, rule=check.__name__, rows=rows)


def _tell(by_level: dict[str, list[Fault]], counts: dict[str, int], rules: int) -> None:
    """The first warnings and notes, and how many faults of each kind there are; errors end the stage."""
    for level in ("warning", "note"):
        for fault in by_level[level][:SHOWN]:
            say(f"  {level}: {fault}")
        if len(by_level[level]) > SHOWN:
            say(f"  and {len(by_level[level]) - SHOWN} more {level}s")
    sizes = ", ".join(f"{name} {n}" for name, n in counts.items())
    faults = ", ".join(f"{len(faults)} {level}s" for level, faults in by_level.items())
    say(f"  {rules} rules, {sizes} utterances: {faults}")
