"""``xlt lm adapt BUNDLE TEXT…``: a bundle whose language model fits texts of one's own; ``xlt lm export
BUNDLE``: its language model as ARPA files.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from xlt.core.errors import ConfigError
from xlt.core.files import whole_folder
from xlt.core.log import say

SUBCOMMANDS = ("adapt", "export")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        choices=SUBCOMMANDS,
        help=(
            "adapt: make a new bundle whose language model knows your texts; the acoustic model stays;"
            " export: write the parts of a bundle's language model as ARPA files"
        ),
    )
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder made by stage 10 (bundle)")
    parser.add_argument(
        "texts", nargs="*", type=Path, metavar="TEXT", help="adapt: text files, a sentence a line, also .gz"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="what is made (default: BUNDLE-adapted, or BUNDLE-arpa)"
    )


def main(args: argparse.Namespace) -> None:
    """Write the new bundle and say what the texts brought, or write the ARPA files."""
    ending = "adapted" if args.what == "adapt" else "arpa"
    if bool(args.texts) != (args.what == "adapt"):
        need = "needs the texts to adapt to" if args.what == "adapt" else "takes no texts"
        raise ConfigError(f"TEXT: xlt lm {args.what} {need}; see xlt lm --help")
    out = args.out or args.bundle.with_name(f"{args.bundle.resolve().name}-{ending}")
    if out.exists():
        raise ConfigError(f"--out {out}: already exists; name a new folder")
    make = _adapt if args.what == "adapt" else _export
    with whole_folder(out) as partial:
        said = make(args, partial)
    say(said)
    say(f"wrote {out}" + (f": xlt transcribe {out} recording.wav" if args.what == "adapt" else ""))


def _export(args: argparse.Namespace, out: Path) -> str:
    """What was written: a file for each part, whose weight is in lm.json."""
    from xlt.bundle.manifest import LM, check_files, read_manifest
    from xlt.lm.arpa import write_arpa
    from xlt.lm.kind import read_mixture

    manifest = read_manifest(args.bundle)
    check_files(args.bundle, manifest)
    if manifest.get("lm") != "ngram":
        raise ConfigError(f"{args.bundle}: has no language model of n-grams; there is nothing to export")
    _, mixture = read_mixture(args.bundle / LM)
    for part in mixture.parts:
        write_arpa(part.model, out / f"{part.name}.arpa")
    rows = zip(mixture.parts, mixture.weights, strict=True)
    return "parts and their weights: " + ", ".join(f"{part.name} {weight:.3f}" for part, weight in rows)


def _adapt(args: argparse.Namespace, out: Path) -> str:
    from xlt.bundle.adapt import adapt

    found = adapt(args.bundle, args.texts, out)
    if found.after is None:
        return "too few lines to hold some out: the texts get half of the weight, untested"
    before = f"{found.before:.2f} before, " if found.before else ""
    return (
        f"perplexity of a character of {found.held_out} lines held out: {before}{found.after:.2f} with the"
        " other lines"
    )
