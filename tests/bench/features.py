"""The bench of the feature cache: what it saves in time and disk, what it costs in quality, whether it holds
at size.

    python tests/bench/features.py                                # all parts; hours on two cores
    python tests/bench/features.py --part disk,throughput         # some of them
    python tests/bench/features.py --part quality --lane 1/2 &    # two halves of a part side by side
    python tests/bench/features.py --part ""                      # only writes the page again

Every figure is kept in tests/bench/results/features_<part>.json as soon as it is there, with command, commit,
machine and date; what is kept for the same settings is not measured again without --force. After each part
tests/bench/RESULTS.md and features.svg are written from all that is kept. Recipes, models with random weights
and a feature store of its own are kept in --work; downloads are taken from xlt's cache.
"""

from __future__ import annotations

import argparse
import importlib
import os
import shlex
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and torch read it
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench.feature_bench.common import Bench  # noqa: E402
from tests.bench.feature_bench.render import PARTS, write  # noqa: E402
from xlt.core.config import ROOT  # noqa: E402
from xlt.core.errors import XltError  # noqa: E402
from xlt.fetch.files import cache_root  # noqa: E402

_APART = {"out", "work", "force", "part", "lane"}  # where and how, not what


def parse(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", default=",".join(PARTS), help=f"of {','.join(PARTS)}")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "tests" / "bench" / "results", help="folder of the figures"
    )
    parser.add_argument("--work", type=Path, help="folder to work in (default: bench in xlt's cache)")
    parser.add_argument("--force", action="store_true", help="measure again what is kept")
    parser.add_argument(
        "--languages", default="ron,cat,bel,ell", help="recipes; throughput and others use the first"
    )
    parser.add_argument("--seeds", type=int, default=3, help="quality: seeds")
    parser.add_argument(
        "--lane", default="1/1", metavar="I/N", help="quality: the I-th of N parts of the work"
    )
    for name in PARTS:
        module = importlib.import_module(f"tests.bench.feature_bench.{name}")
        getattr(module, "add_arguments", lambda parser: None)(parser)
    args = parser.parse_args(words)
    args.given = {
        a.option_strings[0]: getattr(args, a.dest)
        for a in parser._actions  # noqa: SLF001
        if a.dest not in _APART | {"help"} and getattr(args, a.dest) != a.default
    }
    args.languages = args.languages.split(",")
    return args


def main(words: list[str] | None = None) -> int:
    args = parse(words)
    parts = [p for p in args.part.split(",") if p]
    unknown = set(parts) - set(PARTS)
    if unknown:
        print(
            f"features: --part: {', '.join(sorted(unknown))}: no such part; there are {', '.join(PARTS)}",
            file=sys.stderr,
        )
        return 2
    work = (args.work or cache_root(None) / "bench").resolve()
    options = "".join(f" {name} {shlex.quote(str(value))}" for name, value in args.given.items())
    try:
        for part in parts:
            bench = Bench(
                args.out.resolve(), work, args.force, f"python tests/bench/features.py --part {part}{options}"
            )
            bench.prepare()
            importlib.import_module(f"tests.bench.feature_bench.{part}").run(bench, args)
            write(args.out.resolve())
        write(args.out.resolve())
    except XltError as err:
        print(f"features: {err}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
