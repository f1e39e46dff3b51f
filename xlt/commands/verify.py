"""`xlt verify`: reads all that stages have made, and bundles, and compares it with the digests they noted."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

from xlt.core.digests import altered, recorded
from xlt.core.errors import DataError
from xlt.core.log import say
from xlt.core.stage import altered_message


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folders",
        nargs="*",
        type=Path,
        metavar="FOLDER",
        help="recipes, experiments or bundles, with all in them (default: the current folder)",
    )


def main(args: argparse.Namespace) -> None:
    """DataError if anything is not as it was made; what was made by older versions is only counted."""
    faults: list[str] = []
    unknown = count = 0
    for place in args.folders or [Path()]:
        if not (args.cwd / place).is_dir():
            raise DataError(f"{place}: no such folder; name a recipe, an experiment or a bundle")
        for folder in outputs(args.cwd / place):
            expected, shown = recorded(folder), os.path.relpath(folder, args.cwd)
            if not expected:
                unknown += 1
                continue
            count += 1
            bad = [
                altered_message(folder, name, shown) for name in altered(folder, expected, fresh=True)
            ] + _own_fault(folder)
            faults += bad
            if not bad:
                say(f"{shown}: as it was made, files: {len(expected)}")
    for fault in faults:
        say(fault)
    if unknown:
        say(f"{unknown} folders were made by an older xlt, which noted no digests: nothing is known of them")
    if faults:
        more = "" if len(faults) == 1 else f" ({len(faults)} files in all)"
        where, _, what = faults[0].partition(": ")
        raise DataError(f"{where}: {what}{more}")
    if not count and not unknown:
        raise DataError(
            f"{', '.join(map(str, args.folders)) or '.'}: no stage has made anything in it; name a recipe"
        )


def _own_fault(folder: Path) -> list[str]:
    """What is wrong with the ``bundle.json`` of several languages, which has a digest of itself."""
    from xlt.bundle.joined import Joined
    from xlt.bundle.manifest import is_joined

    try:
        if is_joined(folder):
            Joined.read(folder)
    except DataError as err:
        return [str(err)]
    return []


def outputs(place: Path) -> Iterator[Path]:
    """The finished outputs of stages, and the bundles, in ``place``; not what is hidden."""
    for folder, inside, files in os.walk(place):
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        if "stage.json" in files or "bundle.json" in files:
            yield Path(folder)
