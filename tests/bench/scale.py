"""What many rows and many workers cost: the figures of docs/scale.md.

    python tests/bench/scale.py rows 10000000        # a made manifest is opened, looked up and cut into parts
    python tests/bench/scale.py workers egs/ron      # stage 3 and 7 on 1, 2, 4 workers, Slurm and Dask with two

``rows`` needs about 200 bytes of disk a row, below TMPDIR, and removes them. ``workers`` needs a recipe with
data and, for stage 7, a trained model; it makes features and hypotheses again, and starts a Slurm of its own
(:mod:`tests.cluster.slurm`).
"""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.cluster import slurm  # noqa: E402
from xlt.core.machine import Stopwatch  # noqa: E402
from xlt.formats.archives import Lookup  # noqa: E402
from xlt.formats.parts import split_directory  # noqa: E402

SECONDS = 5.0  # of a made utterance
PART_H = 1000.0


def peak_mb() -> float:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def rows(count: int) -> None:
    with tempfile.TemporaryDirectory(prefix="xlt-scale-") as place:
        data = Path(place) / "data"
        data.mkdir()
        ids = [f"spk{k // 1000:06d}-{k:09d}" for k in (0, count - 1)]
        with (data / "wav.scp").open("w") as wavs, (data / "utt2dur").open("w") as durations:
            for k in range(count):
                utt = f"spk{k // 1000:06d}-{k:09d}"
                wavs.write(f"{utt} corpus/{k // 1000:06d}/{k:09d}.flac\n")
                durations.write(f"{utt} {SECONDS}\n")
        size = sum(path.stat().st_size for path in data.iterdir())
        print(f"{count} rows, {count * SECONDS / 3600:.0f} hours, {size / 1e9:.2f} GB; {peak_mb():.0f} MB")
        before, watch = peak_mb(), Stopwatch()
        parts = split_directory(data, Path(place) / "parts", PART_H)
        assert sum(part.utterances for part in parts) == count
        print(
            f"cut into {len(parts)} parts of {PART_H:.0f} hours in {watch.took():.0f} CPU-seconds,"
            f" {watch.took() / count * 1e6:.1f} µs a row; {peak_mb():.0f} MB (before: {before:.0f})"
        )
        watch = Stopwatch()
        table = Lookup(data / "wav.scp")
        assert table.get(ids[0]) and table.get(ids[1])
        opened = watch.took()
        rng, watch = random.Random(0), Stopwatch()
        for _ in range(10_000):
            k = rng.randrange(count)
            assert table.get(f"spk{k // 1000:06d}-{k:09d}")
        print(
            f"opened in {opened * 1000:.1f} ms; a look-up takes {watch.took() / 10_000 * 1e6:.0f} µs; {peak_mb():.0f} MB"
        )


def stage(name: str, recipe: Path, env: dict[str, str], *words: str) -> float:
    """Seconds of a stage that is done again."""
    command = [sys.executable, "-P", "-m", "xlt.cli", name, "--recipe", str(recipe), "--force", *words]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    began = time.monotonic()
    subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path, **env}, check=True, stdout=subprocess.DEVNULL
    )
    return time.monotonic() - began


def workers(recipe: Path) -> None:
    print("| stage | where | seconds | speed-up |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="xlt-slurm-") as place, slurm.running(Path(place)) as env:
        for name in ("features", "decode") if (recipe / "exp/main").is_dir() else ("features",):
            alone = None
            for where, words in {
                "1 worker": ("--nj", "1"),
                "2 workers": ("--nj", "2"),
                "4 workers": ("--nj", "4"),
                "Slurm, 2 slots": ("--executor", "slurm", "cluster.tasks=2"),
                "Dask, 2 threads": ("--executor", "dask", "cluster.tasks=2"),
            }.items():
                if name == "decode" and where[0] in "24":
                    continue  # a model takes all cores of a machine in one process
                took = stage(name, recipe, env, *words)
                alone = alone or took
                print(f"| {name} | {where} | {took:.1f} | {alone / took:.2f} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "rows":
        rows(int(sys.argv[2]))
    else:
        workers(Path(sys.argv[2]))
