"""The experiments behind egs/README.md: every language, ten minutes and everything, Whisper's encoder and log-mels.

    python tests/bench/languages.py --lane 1/2 &     # two halves of the work side by side, one thread each
    python tests/bench/languages.py --lane 2/2
    python tests/bench/peer_whisper.py egs/ron egs/cat …
    xlt benchmark

Each experiment is `run.sh tag=… seed=… …` without stage 10, in this process, so that ESPnet is imported once. What is up
to date is not run again, so the script can be stopped and called again.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys

from xlt.cli import main as xlt
from xlt.config import ROOT, load

STAGES = ("data", "check", "features", "tokens", "train", "decode", "score", "report")


def experiments(seeds: int) -> list[list[str]]:
    """The settings of each experiment of a language: ``[["tag=…", "seed=…", …], …]``."""
    found = []
    for budget, upstream in itertools.product((10, None), ("whisper_base", "fbank")):
        for seed in range(seeds):
            name = f"{upstream}_{'all' if budget is None else f'{budget}min'}_s{seed}"
            minutes = "null" if budget is None else budget
            found.append([f"tag={name}", f"seed={seed}", f"data.train_minutes={minutes}", f"features.upstream={upstream}"])
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("languages", nargs="*", help="recipes (default: all that use tuxpaint)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="", metavar="TEXT", help="experiments with TEXT in their tag")
    parser.add_argument("--lane", default="1/1", metavar="I/N", help="the I-th of N equal parts of the languages")
    args = parser.parse_args()
    every = sorted(p.parent.name for p in (ROOT / "egs").glob("*/recipe.yaml") if load(p.parent).data.reader == "tuxpaint")
    names = args.languages or every
    lane, lanes = map(int, args.lane.split("/"))
    for name in names[lane - 1 :: lanes]:
        for settings in experiments(args.seeds):
            if args.only not in settings[0]:
                continue
            for stage in STAGES:
                status = xlt([stage, "--recipe", str(ROOT / "egs" / name), "--nj", "1", *settings])
                if status:
                    return status
    return 0


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
