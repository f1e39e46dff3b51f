"""`xlt report` outside a recipe: egs/README.md, and a folder with report.html, results.tex and results.csv.

All are functions of the files egs/*/results/*.json and of the experiment files: the same bytes each time.
egs/README.md is over the recipes that egs/published.txt lists, the folder over all. In egs/report, which git
ignores, report.html also has what lies beside the results on this machine; with --out it has not.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from xlt.core.config import ROOT

    parser.add_argument(
        "egs", type=Path, nargs="?", default=ROOT / "egs", help="folder with the recipes (default: egs)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help=(
            "output folder of report.html, results.tex and results.csv, which may be published (default:"
            " egs/report, where report.html has all texts, links to sound and the trainings' histories)"
        ),
    )


def main(args: argparse.Namespace) -> None:
    """DataError if there is no such folder, or a file in it is not a result."""
    from xlt.core.errors import DataError
    from xlt.core.log import say
    from xlt.core.stage import atomic_text
    from xlt.report import benchmark, latex, page, sheet
    from xlt.report.md import HEAD

    if not args.egs.is_dir():
        raise DataError(
            f"{args.egs}: no such folder; name the one that holds the recipes, such as egs, or run stage 9 in"
            " a recipe's folder"
        )
    recipes, out = benchmark.read_all(args.egs), args.out or args.egs / "report"
    out.mkdir(parents=True, exist_ok=True)
    if not args.out:
        for cut in (out / "sound").glob("[0-9]*.flac"):  # of a page that this one replaces
            cut.unlink()
    pages = benchmark.files(args.egs)
    readme = args.egs / "README.md"
    if readme.exists() and not readme.read_text(encoding="utf-8").startswith(HEAD):
        say(f"report: {readme} was not written by xlt report and stays unchanged")
        del pages[readme]
    made = pages | {
        out / "report.html": page.render(args.egs, None if args.out else out),
        out / "results.tex": latex.render(recipes),
        out / "results.csv": sheet.render(recipes),
    }
    for path, text in made.items():
        atomic_text(path, text)
        say(f"report: wrote {path}")
    listed = benchmark.published(args.egs)
    apart = [name for name in recipes if listed is not None and name not in listed]
    if apart:
        say(
            f"report: {', '.join(apart)}: in {out} only, as {args.egs / benchmark.PUBLISHED} does not list"
            f" {'it' if len(apart) == 1 else 'them'}"
        )
