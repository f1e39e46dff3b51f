"""Stage 2: every data fault found now, not at epoch 3. Errors stop the run, warnings do not; all are reported."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

from xlt.errors import DataError
from xlt.log import say
from xlt.stage import Context, Unit, atomic_text, need, read_stamp, run_unit, write_json
from xlt.trained import HEARD, origin

SHOWN = 10  # faults printed; the report has all


def _audio_state(folders: list[Path]) -> str:
    """Changes when a file that wav.scp names appears, goes, or changes its size."""
    sha = hashlib.sha256()
    for folder in folders:
        scp = folder / "wav.scp"
        for line in scp.read_bytes().split(b"\n") if scp.exists() else []:
            path = Path(line.partition(b" ")[2].decode("utf-8", "replace").strip())
            sha.update(f"{path} {path.stat().st_size if path.is_file() else -1}\n".encode())
    return sha.hexdigest()[:20]


def run(ctx: Context) -> None:
    """Check the training set, dev and test; DataError if there are errors."""
    names = list(dict.fromkeys((ctx.cfg.train_set, "dev", "test")))
    folders = [ctx.data / name for name in names]
    if ctx.dry_run and not all(folder.exists() for folder in folders):
        say(f"check: would check {', '.join(map(ctx.shown, folders))}")
        return
    need(ctx, *folders, stage="data")
    phones = {}
    if ctx.cfg.tokens.type == "phone":  # a language without a converter would stop stage 4, behind the features
        from xlt.phones.corpus import choices

        phones = {"tokens.type": "phone", "g2p": choices(ctx)}
    out = ctx.data / "check"
    if (read_stamp(out) or {}).get("errors"):  # what was wrong may lie outside the inputs
        ctx = dataclasses.replace(ctx, force=True)

    def make(partial: Path) -> dict:
        return _check(ctx, partial, dict(zip(names, folders, strict=True)))

    config = {**ctx.cfg.section("data.normaliser", "data.train_minutes", "train.frame_rate", "train.init"),
              "lang": ctx.cfg.lang, **phones, "audio files": _audio_state(folders)}
    source = origin(ctx.cfg)
    heard = [source.folder / HEARD] if source else []
    heard += [ctx.data / train for train, _ in ctx.cfg.mixed.values()]
    run_unit(ctx, Unit("check", out, config, folders + heard, make))
    facts = read_stamp(out) or {}
    if facts.get("errors") and not ctx.dry_run:
        first = "\n".join(f"  {line}" for line in facts["first"])
        raise DataError(f"{facts['errors']} errors in the data; all are in {ctx.shown(out)}/report.md. First:\n{first}")


def _check(ctx: Context, out: Path, folders: dict[str, Path]) -> dict:
    """Run every check, write report.json and report.md, return the counts."""
    from xlt.check import corpus, kaldi
    from xlt.check.datadir import DataDir

    sets = {name: DataDir(folder, name) for name, folder in folders.items()}
    found = [(check.__name__, fault) for check in (*kaldi.CHECKS, *corpus.CHECKS) for fault in check(sets, ctx.cfg)]
    errors = [fault for _, fault in found if fault.level == "error"]
    warnings = [fault for _, fault in found if fault.level == "warning"]
    for fault in warnings[:SHOWN]:
        say(f"  warning: {fault}")
    if len(warnings) > SHOWN:
        say(f"  and {len(warnings) - SHOWN} more warnings")
    counts = {name: len(data.table("text")) for name, data in sets.items()}
    rules = len(kaldi.CHECKS) + len(corpus.CHECKS)
    say(f"  {rules} rules, {', '.join(f'{name} {n}' for name, n in counts.items())} utterances: "
        f"{len(errors)} errors, {len(warnings)} warnings")
    write_json(out / "report.json", {"utterances": counts, "rules": rules, "errors": len(errors),
                                     "warnings": len(warnings),
                                     "faults": [{"rule": rule, **dataclasses.asdict(fault)} for rule, fault in found]})
    lines = [f"# Data check: {len(errors)} errors, {len(warnings)} warnings", ""]
    lines += [f"- {name}: {n} utterances" for name, n in counts.items()]
    for level, faults in (("Errors", errors), ("Warnings", warnings)):
        if faults:
            lines += ["", f"## {level}", "", *(f"- {fault}" for fault in faults)]
    atomic_text(out / "report.md", "\n".join(lines) + "\n")
    return {"errors": len(errors), "warnings": len(warnings), "first": [str(fault) for fault in errors[:SHOWN]]}
