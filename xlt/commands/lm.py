"""``xlt lm adapt BUNDLE TEXT…``: a bundle whose language model fits texts of one's own."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from xlt.core.errors import ConfigError
from xlt.core.log import say

SUBCOMMANDS = ("adapt",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        choices=SUBCOMMANDS,
        help="adapt: make a new bundle whose language model knows your texts; the acoustic model stays",
    )
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder made by stage 10 (bundle)")
    parser.add_argument(
        "texts", nargs="+", type=Path, metavar="TEXT", help="text files, a sentence a line, UTF-8, also .gz"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="the new bundle (default: BUNDLE-adapted, beside the old one)"
    )


def main(args: argparse.Namespace) -> None:
    """Write the new bundle, and say what the texts brought."""
    from xlt.bundle.adapt import adapt

    out = args.out or args.bundle.with_name(f"{args.bundle.resolve().name}-adapted")
    if out.exists():
        raise ConfigError(f"--out {out}: already exists; name a new folder")
    partial = out.parent / f".{out.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        found = adapt(args.bundle, args.texts, partial)
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    if found.after is None:
        say("too few lines to hold some out: the texts get half of the weight, untested")
    else:
        before = f"{found.before:.2f} before, " if found.before else ""
        say(
            f"perplexity of a character of {found.held_out} lines held out: {before}{found.after:.2f} with"
            " the other lines"
        )
    say(f"wrote {out}: xlt transcribe {out} recording.wav")
