"""Stage 9: exp/<tag>/score.json → results/<tag>.json, and from all files there RESULTS.md; of the recipes in
egs/published.txt the tables over languages, too.

What is rendered is a function of the files in results/ alone, so that a test can compare.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xlt.core.context import Context
    from xlt.formats.results import Details


def run(ctx: Context) -> None:
    """Copy the scores, with a few utterances to look at and the confusions of characters in a file of their
    own, and write the tables.

    StageError before stage 8.
    """
    from xlt.core.context import need
    from xlt.core.stage import refuse_altered
    from xlt.formats.results import DETAILS, SCORES, dump, of_stage_8
    from xlt.report import encoders
    from xlt.report.markdown import render
    from xlt.report.results import EXAMPLES, load

    if ctx.cfg.pretrains:
        _encoder(ctx)
        return
    source = ctx.exp / "score.json"
    need(ctx, source, stage="score")
    refuse_altered(ctx, ctx.exp / "score")
    scores = of_stage_8(source)
    details = _details(ctx)
    results, name = ctx.recipe / "results", f"{ctx.cfg.tag}.json"
    if not ctx.dry_run:
        (results / EXAMPLES).mkdir(parents=True, exist_ok=True)
    _write(ctx, results / name, dump(SCORES.stamped(scores)))
    _write(ctx, results / EXAMPLES / name, dump(DETAILS.stamped(details)))
    if ctx.dry_run:
        return
    _write(ctx, ctx.recipe / "RESULTS.md", render(load(results), encoders.load(results)))
    _over_languages(ctx)


def _encoder(ctx: Context) -> None:
    """Keep what a pre-training has left, and write the pages with its curves."""
    from xlt.core.context import need
    from xlt.formats.pretrained import NAME, RECORD
    from xlt.formats.results import dump
    from xlt.report import encoders
    from xlt.report.markdown import render
    from xlt.report.results import load

    need(ctx, ctx.exp / NAME, stage="train")
    results = ctx.recipe / "results"
    if not ctx.dry_run:
        (results / encoders.FOLDER).mkdir(parents=True, exist_ok=True)
    kept = RECORD.stamped(encoders.record(ctx))
    _write(ctx, results / encoders.FOLDER / f"{ctx.cfg.tag}.json", dump(kept))
    if ctx.dry_run:
        return
    found = encoders.load(results)
    for path, text in encoders.files(ctx.recipe, found).items():
        _write(ctx, path, text)
    _write(ctx, ctx.recipe / "RESULTS.md", render(load(results), found))


def _details(ctx: Context) -> Details:
    """What is looked at, of the last of the sets."""
    from xlt.core.context import need
    from xlt.formats.tables import read_table
    from xlt.report.confusions import alphabet, confusions
    from xlt.report.examples import examples

    shown = ctx.cfg.decode.sets[-1]
    table = ctx.exp / "score" / f"{shown}.tsv"
    need(ctx, table, stage="score")
    confused = confusions(table)
    details: Details = {
        "examples": {shown: examples(table, ctx.cfg.report.examples)},
        "confusions": {shown: confused},
    }
    learned = ctx.reference(ctx.cfg.train_set)
    if learned.exists():
        details["alphabet"] = alphabet(read_table(learned), confused["unit"])
    return details


def _over_languages(ctx: Context) -> None:
    """The pages over all languages, of a recipe that has a place on them."""
    from xlt.core.config import ROOT
    from xlt.core.log import say
    from xlt.report import benchmark

    recipe = ctx.recipe.resolve()
    egs = recipe.parent
    if egs != ROOT / "egs":
        return
    if recipe.name in (benchmark.published(egs) or [recipe.name]):
        for path, text in benchmark.files(egs).items():
            _write(ctx, path, text)
    else:
        say(f"report: egs/README.md stays unchanged: egs/{benchmark.PUBLISHED} does not list {recipe.name};")
        say("  `xlt report` compares it with all other recipes in egs/report/report.html")


def _write(ctx: Context, path: Path, text: str) -> None:
    import os

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
