"""Peak memory of `xlt transcribe`, and when it prints its first line, by the length of a recording.

    python tests/bench/long_memory.py egs/ron/exp/main/bundle egs/ron/data/all/wav --hours 0.1 3

Each recording has faint noise and a clip of the folder every ``--every`` minutes, so that hours cost only
minutes of processor time: what is kept of a recording does not depend on how much of it is speech.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from xlt.audio.files import SAMPLE_RATE, read_wav
from xlt.core.config import ROOT

NOISE = 10 ** (-60 / 20)


def write(path: Path, clips: list[Path], hours: float, every_min: float) -> int:
    """Write the recording; returns the number of clips in it."""
    rng, count = np.random.default_rng(0), 0
    with soundfile.SoundFile(path, "w", SAMPLE_RATE, 1, subtype="PCM_16") as file:
        for minute in range(round(60 * hours)):
            samples = NOISE * rng.normal(size=60 * SAMPLE_RATE)
            if minute % every_min == 0:
                clip = read_wav(clips[count % len(clips)])
                samples[SAMPLE_RATE : SAMPLE_RATE + len(clip)] += clip
                count += 1
            file.write(samples)
    return count


def run(bundle: Path, path: Path) -> tuple[float, float, int, int]:
    """Seconds to the first line, seconds in all, peak memory in MB, lines."""
    start, first, lines = time.monotonic(), 0.0, 0
    words = [sys.executable, "-m", "xlt.cli", "transcribe", str(bundle), str(path), "--format", "segments"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert process.stdout is not None
    for _ in process.stdout:
        first = first or time.monotonic() - start
        lines += 1
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"xlt transcribe ended with {status}")
    return first, time.monotonic() - start, used.ru_maxrss // 1024, lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--hours", type=float, nargs="+", default=[0.1, 3.0])
    parser.add_argument("--every", type=float, default=15, metavar="MINUTES")
    args = parser.parse_args()
    clips = sorted(args.clips.glob("*.wav"))
    print("| hours | clips | first line, s | all, s | peak memory, MB | lines |\n|---|---|---|---|---|---|")
    for hours in args.hours:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "long.wav"
            count = write(path, clips, hours, args.every)
            first, whole, peak, lines = run(args.bundle, path)
            print(f"| {hours:g} | {count} | {first:.0f} | {whole:.0f} | {peak} | {lines} |", flush=True)


if __name__ == "__main__":
    main()
