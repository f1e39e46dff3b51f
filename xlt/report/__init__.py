"""Stage 9: exp/<tag>/score.json → results/<tag>.json, and from all files there RESULTS.md (and ../README.md
in egs/).

What is rendered is a function of the files in results/ alone, so that a test can compare.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xlt.core.context import Context


def run(ctx: Context) -> None:
    """Copy the scores with a few utterances to look at and the confusions of characters, and write the
    tables.

    StageError before stage 8.
    """
    from xlt.core.config import ROOT
    from xlt.core.context import need
    from xlt.core.stage import read_json
    from xlt.formats.tables import read_table
    from xlt.report import benchmark
    from xlt.report.confusions import alphabet, confusions
    from xlt.report.examples import examples
    from xlt.report.markdown import render
    from xlt.report.results import load

    source = ctx.exp / "score.json"
    need(ctx, source, stage="score")
    document = read_json(source, "score")
    shown = ctx.cfg.decode.sets[-1]
    table = ctx.exp / "score" / f"{shown}.tsv"
    need(ctx, table, stage="score")
    document["examples"] = {shown: examples(table, ctx.cfg.report.examples)}
    document["confusions"] = {shown: confusions(table)}
    learned = ctx.text(ctx.cfg.train_set)
    if learned.exists():
        document["alphabet"] = alphabet(read_table(learned), document["confusions"][shown]["unit"])
    results = ctx.recipe / "results"
    if ctx.dry_run:
        _write(ctx, results / f"{ctx.cfg.tag}.json", _json(document))
        return
    results.mkdir(exist_ok=True)
    _write(ctx, results / f"{ctx.cfg.tag}.json", _json(document))
    _write(ctx, ctx.recipe / "RESULTS.md", render(load(results)))
    egs = ctx.recipe.resolve().parent
    if egs == ROOT / "egs":
        for path, text in benchmark.files(egs).items():
            _write(ctx, path, text)


def _json(document: dict) -> str:
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def _write(ctx: Context, path: Path, text: str) -> None:
    from xlt.core.log import say
    from xlt.core.stage import atomic_text

    old = path.read_text(encoding="utf-8") if path.exists() else None
    shown = os.path.relpath(path, ctx.recipe)
    if old == text and not ctx.force:
        say(f"report: {shown} is up to date")
    elif ctx.dry_run:
        say(f"report: would write {shown}")
    else:
        atomic_text(path, text)
        say(f"report: wrote {shown}")
