"""Encoders that a recipe has pre-trained: results/pretraining/<tag>.json, their section of RESULTS.md with a
chart each, and what report.html shows of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlt.core.stage import read_json, read_stamp
from xlt.formats import svg as figure
from xlt.formats.markdown import code, escaped, table
from xlt.formats.pretrained import CURVE, FORMAT, NAME, Record, hours, read_record
from xlt.formats.svg import Axis, Look, Point

if TYPE_CHECKING:
    from xlt.core.context import Context

FOLDER = "pretraining"  # in results/
_DRAWN = 40  # points of a line, at most
_LOOKS = (Look("main", 0), Look("second", 1, True), Look("third", 2))
_INTRODUCTION = """Encoders trained on speech without texts. *Right* is the share of right answers about what was hidden, on clips that were not
learned from, beside that of one who has learned nothing; what an answer is depends on the method. *Codes in even use* is the
perplexity of the codebook on the same clips. The charts are of the training itself."""


def record(ctx: Context) -> Record:
    """What is kept of the encoder in ``exp/<tag>``; DataError if its files are damaged."""
    from xlt.score.facts import portable

    facts = FORMAT.read(ctx.exp / NAME, "make it again with `xlt pretrain --force`")
    stamp = read_stamp(ctx.exp) or {}
    path = ctx.exp / CURVE
    curve: Any = read_json(path, "train").get("rows") if path.exists() else []
    return {
        "tag": ctx.cfg.tag,
        "facts": {key: value for key, value in facts.items() if key != "format"},
        "curve": curve,
        "command": portable(str(stamp.get("command", ctx.command))),
        "commit": str(stamp.get("git", "")),
    }


def load(results: Path) -> list[Record]:
    """Those of a recipe, by name; DataError for a file that is none."""
    return [read_record(path) for path in sorted((results / FOLDER).glob("*.json"))]


def series(found: Record) -> dict[str, list[tuple[int, float]]]:
    """``{name: (step, percent)}`` of a training: right answers, and of codes those used and those in even use."""
    codes = found["facts"].get("codes")
    rows = found["curve"][:: -(-len(found["curve"]) // _DRAWN) or 1]
    made = {"right answers": [(row["step"], row["accuracy"]) for row in rows]}
    if codes:
        made["codes used"] = [(row["step"], 100 * row["used"]) for row in rows]
        made["codes in even use"] = [(row["step"], 100 * row["perplexity"] / codes) for row in rows]
    return made


def chart(found: Record) -> str:
    """An SVG of :func:`series`; "" of fewer than two points."""
    lines = series(found)
    if len(next(iter(lines.values()))) < 2:
        return ""
    drawn = {
        k: [Point(x, max(0.0, y), y, y, f"step {x}: {name} {y:.1f}%") for x, y in points]
        for k, (name, points) in enumerate(lines.items())
    }
    every = [point for points in drawn.values() for point in points]
    reach = min(p.x for p in every), max(p.x for p in every), max(p.value for p in every) or 1.0
    return figure.curves(
        f"{found['tag']}: {found['facts']['method']}, %", drawn, {}, reach, _LOOKS, Axis("step")
    )


def legend(found: Record) -> list[tuple[str, str]]:
    """A sign as SVG, and the name, of each line of :func:`chart`."""
    return [(figure.sign(look), name) for look, name in zip(_LOOKS, series(found), strict=False)]


def said(found: Record) -> str:
    """In a line what came out."""
    facts = found["facts"]
    words = f"{facts['method']} on {hours(facts['hours'])}, {facts['epochs']} epochs: right {_right(found)} on dev"
    return f"{words}, {_codes(found)} codes in even use" if "codes" in facts else words


def files(recipe: Path, encoders: Sequence[Record]) -> dict[Path, str]:
    """The charts, ``{path: SVG}``."""
    made = {recipe / "results" / FOLDER / f"{found['tag']}.svg": chart(found) for found in encoders}
    return {path: text for path, text in made.items() if text}


def section(encoders: Sequence[Record]) -> str:
    """Of RESULTS.md; "" without encoders."""
    if not encoders:
        return ""
    head = [
        "encoder",
        "method",
        "speech",
        "epochs",
        "parameters trained",
        "CPU-hours",
        "right on dev",
        "codes in even use",
    ]
    rows = [
        [
            found["tag"],
            found["facts"]["method"],
            hours(found["facts"]["hours"]),
            str(found["facts"]["epochs"]),
            f"{found['facts']['parameters']:,}",
            _hours_of_work(found),
            _right(found),
            _codes(found),
        ]
        for found in encoders
    ]
    parts = ["## Encoders that were pre-trained here", _INTRODUCTION, table(head, rows)]
    for found in encoders:
        if chart(found):
            names = "circles right answers" + (
                "; squares codes used; triangles codes in even use" if "codes" in found["facts"] else ""
            )
            parts.append(
                f"![{escaped(found['tag'])}: {names}, percent by step](results/{FOLDER}/{found['tag']}.svg)\n\n{names.capitalize()}."
            )
    made = [[found["tag"], code(found["command"]), found["commit"]] for found in encoders]
    return "\n\n".join([*parts, table(["encoder", "command", "commit"], made)])


def _right(found: Record) -> str:
    facts = found["facts"]
    return f"{facts['accuracy']:.1f}% ({facts.get('baseline', 'by chance')} {facts['chance']:.1f}%)"


def _codes(found: Record) -> str:
    facts = found["facts"]
    return f"{facts['perplexity']:.0f} of {facts['codes']}" if "codes" in facts else "–"


def _hours_of_work(found: Record) -> str:
    work_s = found["facts"].get("work_s")
    return "–" if work_s is None else f"{work_s / 3600:.2f}"
