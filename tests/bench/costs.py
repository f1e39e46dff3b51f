"""What the bundles of trained models weigh, and the CPU-seconds that a second of speech takes with them.

    python tests/bench/costs.py egs/ron conformer_10min_s0 words2_10min_s0     # after stage 10 of these experiments

Transcribes the first clips of the test set, one thread, from the sound file to the text, as `xlt transcribe` does;
one clip before them warms up. Writes results/costs/<tag>.json, from which the table of costs in egs/README.md
is made (`xlt report`). Figures are of one machine: measure what you compare on the same, and idle, one.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and torch read it

from xlt.bundle import open_bundle
from xlt.core.errors import DataError
from xlt.formats.costs import FOLDER, Costs, write_costs
from xlt.formats.tables import read_scp, read_table
from xlt.score.facts import environment

CLIPS = 20


def measure(bundle: Path, clips: list[tuple[str, float]]) -> Costs:
    """``clips``: sound files and their seconds; the first one only warms up."""
    transcriber = open_bundle(bundle).head(None)
    (first, _), *others = clips
    transcriber(first)
    began = time.process_time()
    for path, _ in others:
        transcriber(path)
    took, speech = time.process_time() - began, sum(seconds for _, seconds in others)
    size = sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file())
    return {
        "bundle_mb": round(size / 1e6, 1),
        "cpu_s_per_s": round(took / speech, 4),
        "clips": len(others),
        "speech_s": round(speech, 1),
        "processor": environment()["processor"],
    }


def chosen(recipe: Path, count: int) -> list[tuple[str, float]]:
    """The first ``count`` clips of test, and one before them."""
    waves = read_scp(recipe / "data/test/wav.scp", recipe)
    seconds = read_table(recipe / "data/test/utt2dur")
    return [(wave, float(seconds[utt])) for utt, wave in list(waves.items())[: count + 1]]


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("tags", nargs="+", metavar="TAG")
    parser.add_argument("--clips", type=int, default=CLIPS)
    args = parser.parse_args(words)
    recipe = args.recipe.resolve()
    clips = chosen(recipe, args.clips)
    for tag in args.tags:
        bundle = recipe / "exp" / tag / "bundle"
        if not bundle.is_dir():
            raise DataError(
                f"{bundle}: not found; make it with stage 10: egs/{recipe.name}/run.sh --stage 10 tag={tag}"
            )
        found = measure(bundle, clips)
        write_costs(recipe / "results" / FOLDER / f"{tag}.json", found)
        print(f"{tag}: {found['bundle_mb']} MB, {found['cpu_s_per_s']} CPU-seconds per second of speech")


if __name__ == "__main__":
    main()
