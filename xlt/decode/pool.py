"""The texts of ``data.split=cross``: every utterance as the model wrote it that was trained without it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlt.core.config import fold_tag
from xlt.core.context import need
from xlt.core.errors import DataError
from xlt.core.log import say
from xlt.core.stage import Unit, read_json, refuse_altered, write_json
from xlt.formats.model_folder import INFO, MANIFEST, Trained, read_info
from xlt.formats.tables import read_table, write_table

if TYPE_CHECKING:
    from xlt.core.context import Context

GREEDY = "greedy"


def unit(ctx: Context, name: str) -> Unit:
    """``exp/<tag>/decode_<name>`` of what the folds have decoded; MissingInput before that."""
    folds = [ctx.exp.parent / fold_tag(ctx.cfg.tag, n + 1) for n in range(ctx.cfg.data.folds)]
    decoded = [folder / f"decode_{name}" for folder in folds]
    need(ctx, *(folder / "decode.json" for folder in decoded), stage="decode")
    inputs = [ctx.data / name / "text", ctx.data / name / "utt2audio", *decoded]
    inputs += [path for folder in folds for path in (folder / INFO, folder / MANIFEST) if path.exists()]

    def make(out: Path) -> dict:
        refuse_altered(ctx, *decoded)
        return _pool(ctx, folds, name, out)

    return Unit("decode", ctx.exp / f"decode_{name}", ctx.cfg.section("data.folds"), inputs, make)


def _pool(ctx: Context, folds: list[Path], name: str, out: Path) -> dict:
    """Put the tables of the folds together; DataError if a model has heard what it was tested on, or if an
    utterance was not tested once.
    """
    tested: dict[str, Path] = {}
    for folder in folds:
        utts = read_table(folder / f"decode_{name}" / "text")
        _unheard(ctx, folder, set(utts), name)
        if twice := min(utts.keys() & tested.keys(), default=None):
            raise DataError(
                f"{ctx.display_path(folder)}: {twice!r} was tested in {ctx.display_path(tested[twice])}, too;"
                " make the folds again with --stage 1"
            )
        tested |= dict.fromkeys(utts, folder)
    wanted = read_table(ctx.data / name / "text")
    if lacking := min(wanted.keys() ^ tested.keys(), default=None):
        raise DataError(
            f"{ctx.display_path(ctx.data / name / 'text')}: {lacking!r} was not tested in exactly one fold;"
            " make the folds again with --stage 1"
        )
    parts = [folder / f"decode_{name}" for folder in folds]
    for table in ("text", "score"):
        _write(out / table, [read_table(part / table) for part in parts])
    if any((part / GREEDY).exists() for part in parts):  # the other folds have chosen it for their texts
        both = [part / (GREEDY if (part / GREEDY).exists() else "text") for part in parts]
        _write(out / GREEDY, [read_table(path) for path in both])
    for table in ("beam", "partner", "attention", "lang"):
        if all((part / table).exists() for part in parts):
            _write(out / table, [read_table(part / table) for part in parts])
    if all((part / "ctm").exists() for part in parts):
        lines = [line for part in parts for line in (part / "ctm").read_text(encoding="utf-8").splitlines()]
        lines.sort(key=lambda line: line.split(" ", 1)[0].encode())  # stable: words stay in order of time
        (out / "ctm").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
    facts = _facts([read_json(part / "decode.json", "decode") for part in parts])
    say(f"  {name}: {len(tested)} utterances, each by that of {len(folds)} models that has not heard it")
    write_json(out / "decode.json", facts)
    return {"decode": facts}


def _write(path: Path, tables: list[dict[str, str]]) -> None:
    rows = {utt: value for table in tables for utt, value in table.items()}
    write_table(path, {utt: rows[utt] for utt in sorted(rows, key=str.encode)})


def _unheard(ctx: Context, folder: Path, utts: set[str], name: str) -> None:
    """DataError if the model of a fold, or one that it started from, was trained on what tests it: the same
    recording, or another one of the same content.
    """
    heard, place = Trained(folder, read_info(folder)).manifest, ctx.data / name
    if heard is None:
        where = ctx.display_path(folder)
        say(f"  {where} does not say all that it was trained on; make sure that nothing of {name} is")
        return
    audio, content = read_table(place / "utt2audio"), read_table(place / "utt2content")
    known = {value for values in heard.values() for value in values if value != "-"}
    for utt in sorted(utts, key=str.encode):
        if {audio[utt], content[utt]} & known:
            raise DataError(
                f"{ctx.display_path(folder)}: was trained on {utt!r}, or on the same content, and cannot be"
                " tested on it; make the folds again with --stage 1, or train without train.init"
            )


def _facts(found: list[dict[str, Any]]) -> dict[str, Any]:
    """``decode.json`` of all folds together; times are means, each fold weighted by its speech."""
    audio_s = sum(fold["audio_s"] for fold in found)
    wall_s = sum(fold["wall_s"] for fold in found)
    costs = [(fold["audio_s"], fold["cpu_s_per_s"]) for fold in found if fold["cpu_s_per_s"]]
    spent = {
        part: round(sum(s * cost.get(part, 0.0) for s, cost in costs) / sum(s for s, _ in costs), 4)
        for part in dict.fromkeys(part for _, cost in costs for part in cost)
    }
    looped = sorted(utt for fold in found for utt in fold.get("looped", ()))
    return {
        "method": " or ".join(sorted({fold["method"] for fold in found})),
        "folds": len(found),
        "utterances": sum(fold["utterances"] for fold in found),
        **({"looped": looped} if looped else {}),
        "audio_s": round(audio_s, 1),
        "wall_s": round(wall_s, 2),
        "real_time_factor": round(wall_s / audio_s, 4) if audio_s else None,
        "cpu_s_per_s": spent or None,
    }
