"""``xlt bundle join|add|remove|ls|verify``: bundles of several languages, small networks ("heads") over one
frozen encoder.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.core.errors import ConfigError, DataError
from xlt.core.log import say

if TYPE_CHECKING:
    from xlt.bundle.joined import Joined

SUBCOMMANDS = ("join", "add", "remove", "ls", "verify")
_EXPLAINED = """join BUNDLE… --out NEW: write a bundle with the languages of all BUNDLEs.
add NEW BUNDLE…: add languages to it.
remove NEW LANG…: take languages out of it, with all files of theirs.
ls NEW: its languages, and what each takes on disk.
verify NEW: compare the digests of all files, its own bundle.json's too.
A BUNDLE is a folder that stage 10 made, with a network on a frozen encoder (preset=fast), or one of several
languages."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EXPLAINED
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("action", choices=SUBCOMMANDS, help="what to do")
    parser.add_argument("place", type=Path, metavar="BUNDLE", help="bundle (join: the first of them)")
    parser.add_argument(
        "more", nargs="*", metavar="BUNDLE|LANG", help="join and add: further bundles; remove: languages"
    )
    parser.add_argument("--out", type=Path, metavar="NEW", help="join: folder to write, which must not exist")
    parser.add_argument(
        "--int8",
        action="store_true",
        help="join and add: store weights of heads in a byte each; texts may differ in some letters",
    )
    parser.add_argument(
        "--as",
        dest="names",
        metavar="NAME[,NAME]",
        help=(
            "join and add: what the heads are called, one name for each in order (default: their languages,"
            " e.g. ron_Latn)"
        ),
    )


def main(args: argparse.Namespace) -> None:
    """ConfigError or DataError for what cannot be done; then the bundle is as it was."""
    from xlt.bundle import join

    names = args.names.split(",") if args.names else []
    _refuse(args)
    if args.action == "join":
        made = join.join([args.place, *map(Path, args.more)], args.out, names, args.int8)
        _tell(args.out, made, sorted(made.heads))
        say(f"next: xlt transcribe {args.out} FILE --lang {min(made.heads).partition('_')[0]}")
    elif args.action == "add":
        before = set(_joined(args.place).heads)
        made = join.add(args.place, list(map(Path, args.more)), names, args.int8)
        _tell(args.place, made, sorted(set(made.heads) - before))
        if made.lid:
            say(f"next: xlt lid train {args.place}, so that --lang auto tells the new languages, too")
    elif args.action == "remove":
        gone = [_joined_name(args.place, lang) for lang in args.more]
        made = join.remove(args.place, gone)
        say(f"{args.place}: without {', '.join(gone)}; has {', '.join(sorted(made.heads))}")
    elif args.action == "ls":
        made = _joined(args.place)
        _tell(args.place, made, sorted(made.heads))
    else:
        _verify(args.place)


def _refuse(args: argparse.Namespace) -> None:
    """ConfigError for arguments that do not fit the action."""
    if args.action == "join" and args.out is None:
        raise ConfigError("--out: join needs the folder to write, e.g. --out many/")
    if args.action != "join" and args.out is not None:
        raise ConfigError(f"--out {args.out}: only join writes a new bundle; leave it out")
    if args.names and args.action not in ("join", "add"):
        raise ConfigError(f"--as {args.names}: only join and add give names; leave it out")
    if args.int8 and args.action not in ("join", "add"):
        raise ConfigError("--int8: only join and add copy heads; leave it out")
    if args.action in ("add", "remove") and not args.more:
        what = "bundles to add" if args.action == "add" else "languages to remove"
        raise ConfigError(f"{args.action}: names no {what}; see xlt bundle --help")
    if args.action in ("ls", "verify") and args.more:
        raise ConfigError(f"{args.more[0]}: xlt bundle {args.action} takes one bundle; leave out the others")


def _joined(place: Path) -> Joined:
    from xlt.bundle.join import refuse_single
    from xlt.bundle.joined import Joined

    refuse_single(place)
    return Joined.read(place)


def _joined_name(place: Path, lang: str) -> str:
    from xlt.bundle.opened import chosen

    return chosen(sorted(_joined(place).heads), lang, str(place))


def _tell(place: Path, made: Joined, names: Sequence[str]) -> None:
    from xlt.bundle.manifest import read_manifest
    from xlt.formats.model_folder import BACKBONE, HEADS

    backbone = _size(place / BACKBONE)
    where = f"{backbone / 1e6:.1f} MB" if backbone else "without its weights, which are found by name"
    say(f"{place}: {made.foundation.name} in {made.foundation.dtype}, {where}; {made.foundation.hash}")
    rows = [["language", "model", "decoder", "MB", "of that LM"]]
    for name in names:
        folder = place / HEADS / name
        manifest = read_manifest(folder)
        model = "/".join(dict.fromkeys((made.heads[name].lang, made.heads[name].tag)))
        size, lm = _size(folder), _size(folder / "lm")
        rows.append(
            [name, model, manifest["decode"].get("method", ""), f"{size / 1e6:.2f}", f"{lm / 1e6:.2f}"]
        )
    widths = [max(len(row[n]) for row in rows) for n in range(5)]
    for row in rows:
        cells = [
            c.rjust(w) if n > 2 else c.ljust(w) for n, (c, w) in enumerate(zip(row, widths, strict=True))
        ]
        say("  ".join(cells))


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0


def _verify(place: Path) -> None:
    from xlt.bundle.join import verify

    faults = verify(place)
    for fault in faults[1:]:
        say(fault)
    if faults:
        more = f" ({len(faults)} faults in all)" if len(faults) > 1 else ""
        raise DataError(faults[0] + more)
    say(f"{place}: all files are as they were made; heads: {len(_joined(place).heads)}")
