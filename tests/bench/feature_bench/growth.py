"""Part 5: memory and time of stage 3 at 1, 10 and 100 hours, and a reader over a million utterances.

The speech is real but repeated; each repetition is shifted by a constant of one more 16-bit step, so that no
two clips are the same to the store. The upstream is the cheapest that still goes through everything.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

from tests.bench.feature_bench.common import (
    SAMPLE_RATE,
    SEED,
    TITLES,
    Bench,
    Target,
    child_environment,
    median,
    stages,
    upstream_settings,
    xlt_apart,
)
from xlt.audio.files import read_wav
from xlt.formats.tables import read_table, write_table

UNIT, LOGARITHMIC = "peak memory of the stage and its two workers, MiB", False
UPSTREAM = "least"
WITHIN, OPEN_S, UTTERANCES = 0.10, 2.0, 1_000_000  # targets
SETTINGS = ["nj=2", "features.dtype=float32", "features.layers=last"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--hours", default="1,10,100", help="growth: sizes of the corpus, hours")
    parser.add_argument("--clip_s", type=float, default=10.0, help="growth: length of a clip, seconds")
    parser.add_argument(
        "--repeats", type=int, default=3, help="growth: runs of each size up to 10 hours; medians count"
    )
    parser.add_argument(
        "--utterances", type=int, default=UTTERANCES, help="growth: of the reader's simulated scp"
    )


def run(bench: Bench, args: argparse.Namespace) -> None:
    for hours in map(float, args.hours.split(",")):
        repeats = args.repeats if hours <= 10 else 1
        key = {
            "measured": "stage",
            "hours": hours,
            "clip_s": args.clip_s,
            "upstream": UPSTREAM,
            "runs": repeats,
        }
        bench.measure("growth", key, lambda h=hours, r=repeats: _stage(bench, args, h, r))
    bench.measure(
        "growth",
        {"measured": "reader", "utterances": args.utterances},
        lambda: _reader(bench, args.utterances),
    )


def _stage(bench: Bench, args: argparse.Namespace, hours: float, repeats: int) -> dict:
    recipe = bench.scratch("growth") / "recipe"
    clips = make_corpus(recipe, _speech(bench, args), hours, args.clip_s)
    cache = recipe.parent / "cache"
    words = ["features", "--recipe", str(recipe), *upstream_settings(bench, UPSTREAM), *SETTINGS]
    usages = []
    for _ in range(repeats):
        for made in (cache, recipe / "dump"):
            shutil.rmtree(made, ignore_errors=True)
        usages.append(xlt_apart(bench, words, XLT_CACHE=str(cache)))
    access = _access(next((recipe / "dump").glob("*/train/feats.scp")))
    stored = sum(f.stat().st_size for f in (cache / "features").rglob("*.ark"))
    shutil.rmtree(recipe.parent)
    middle = {k: median([getattr(u, k) for u in usages]) for k in ("wall_s", "cpu_s", "own_mib", "child_mib")}
    return {
        "clips": clips,
        "wall_s": round(middle["wall_s"], 1),
        "cpu_s": round(middle["cpu_s"], 1),
        "stage_mib": round(middle["own_mib"]),
        "worker_mib": round(middle["child_mib"]),
        "archive_bytes": stored,
        "each_wall_s": [round(u.wall_s, 1) for u in usages],
        "each_cpu_s": [round(u.cpu_s, 1) for u in usages],
        **access,
    }


def _speech(bench: Bench, args: argparse.Namespace):
    """All training speech of a recipe in one array of 16-bit samples (N,)."""
    import numpy as np

    recipe = bench.recipe(args.languages[0], args.languages[0])
    stages(recipe, ["data"])
    wavs = read_table(recipe / "data" / "train" / "wav.scp")
    return np.concatenate(
        [
            np.round(read_wav(recipe / path) * 32768).clip(-32768, 32767).astype(np.int16)
            for path in wavs.values()
        ]
    )


def make_corpus(recipe: Path, speech, hours: float, clip_s: float) -> int:
    """Write a recipe whose training set is ``speech`` over and over, never the same; returns its number of
    clips.

    ``speech``: 16-bit samples (N,). Dev and test are one clip each.
    """
    import numpy as np
    import soundfile

    from xlt.features.extract import audio_hash

    size = round(clip_s * SAMPLE_RATE)
    pieces = [speech[at : at + size] for at in range(0, len(speech) - size + 1, size)]
    count = round(hours * 3600 / clip_s)
    (recipe / "wav").mkdir(parents=True)
    (recipe / "recipe.yaml").write_text("lang: cat_Latn\n")
    tables: dict[str, dict[str, dict[str, str]]] = {}
    for n in range(count + 2):
        name = "train" if n < count else ("dev", "test")[n - count]
        utt, path = f"spk-{n:07d}", f"wav/{n:07d}.wav"
        shifted = np.clip(pieces[n % len(pieces)].astype(np.int32) + n // len(pieces), -32768, 32767).astype(
            np.int16
        )
        soundfile.write(recipe / path, shifted, SAMPLE_RATE)
        values = {
            "wav.scp": path,
            "utt2dur": f"{clip_s:.2f}",
            "utt2spk": "spk",
            "text": "a",
            "utt2audio": audio_hash(shifted.astype(np.float32) / 32768),
        }
        for table, value in values.items():
            tables.setdefault(name, {}).setdefault(table, {})[utt] = value
    for name, contents in tables.items():
        (recipe / "data" / name).mkdir(parents=True)
        for table, values in contents.items():
            write_table(recipe / "data" / name / table, values)
    return count


_OPEN = """import json, random, sys, time
from pathlib import Path
import numpy
from xlt.formats.archives import FeatureReader
def bytes_read():
    return int(next(line for line in open("/proc/self/io") if line.startswith("rchar")).split()[1])
def timed(work):
    start = time.monotonic()
    return work(), time.monotonic() - start
some = json.loads(sys.argv[2])
(reader, opened) = timed(lambda: FeatureReader(Path(sys.argv[1])))
_, first = timed(lambda: reader[some[0]])
idle = -bytes_read() + bytes_read()  # what reading /proc itself counts
access = []
for utt in some:
    before = bytes_read()
    matrix, seconds = timed(lambda: reader[utt])
    access.append([bytes_read() - before - idle, matrix.nbytes, seconds])
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024
count, keys = timed(lambda: sum(1 for _ in reader))
print(json.dumps({"open_s": opened, "first_s": first, "keys_s": keys, "utterances": count, "mib": peak, "access": access}))"""


def _open(scp: Path, utts: list[str]) -> dict:
    """Open a reader in a process of its own, and read some utterances."""
    words = [sys.executable, "-c", _OPEN, str(scp), json.dumps(utts)]
    return json.loads(
        subprocess.run(
            words, env=child_environment(), check=True, capture_output=True, text=True, cwd=scp.parents[3]
        ).stdout
    )


def _access(scp: Path) -> dict:
    """Bytes that the system was asked for when single utterances were read, and bytes of their matrices, at
    the most.
    """
    utts = list(read_table(scp))
    found = _open(scp, [utts[0], utts[len(utts) // 3], utts[-1]])["access"]
    beyond, _, size = max((count - size, count, size) for count, size, _ in found)
    return {"read_beyond_bytes": beyond, "matrix_bytes": size}


def _reader(bench: Bench, utterances: int) -> dict:
    """Open a scp with its checksums as a corpus of 1,000 hours has them; it points into one small archive
    over and over.
    """
    import numpy as np

    from xlt.formats.archives import ArkWriter

    folder = bench.scratch("reader") / "dump" / "least" / "train"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(SEED)
    with ArkWriter(folder / "feats.ark") as writer:
        entries = [writer.write(f"a{n}", rng.normal(size=(180, 512))) for n in range(100)]
    names = [f"speaker{n // 500:05d}-{n:08d}" for n in range(utterances)]
    with (folder / "feats.scp").open("w") as scp, (folder / "utt2crc").open("w") as crc:
        for n, name in enumerate(names):
            scp.write(f"{name} {folder / 'feats.ark'}:{entries[n % 100].offset}\n")
            crc.write(f"{name} {entries[n % 100].crc:08x}\n")
    some = [names[n] for n in rng.integers(0, utterances, 300)]
    found = [_open(folder / "feats.scp", some) for _ in range(5)]
    shutil.rmtree(folder.parents[2])
    figures = {k: round(median([f[k] for f in found]), 4) for k in ("open_s", "first_s", "keys_s", "mib")}
    return {
        **figures,
        "read_s": round(median([s for f in found for *_, s in f["access"]]), 6),
        "read_beyond_bytes": max(count - size for f in found for count, size, _ in f["access"]),
    }


def _stages(entries: list[dict]) -> list[dict]:
    return sorted((e for e in entries if e["key"]["measured"] == "stage"), key=lambda e: e["key"]["hours"])


def _sizes(stage: list[dict]) -> str:
    return " → ".join(f"{e['key']['hours']:g} h" for e in stage)


def memory(figures: dict) -> int:
    """MiB of the stage's process and its two workers together, each at its peak."""
    return figures["stage_mib"] + 2 * figures["worker_mib"]


def spread(values: list[float]) -> float:
    """How far the largest lies above the least, as a share of the least."""
    return max(values) / min(values) - 1


def marginal(runs: list[tuple[float, float]]) -> list[float]:
    """Seconds an hour of each step from one size to the next, of ``[(hours, seconds), …]``."""
    return [(b[1] - a[1]) / (b[0] - a[0]) for a, b in zip(runs, runs[1:], strict=False)]


def targets(entries: list[dict]) -> list[Target]:
    found, stage = [], _stages(entries)
    if len(stage) > 1:
        values = [memory(e["figures"]) for e in stage]
        found.append(
            Target(
                "growth",
                f"peak memory of the stage and its workers, {_sizes(stage)}",
                f"flat within {WITHIN:.0%}",
                " → ".join(f"{v} MiB" for v in values),
                spread(values) <= WITHIN,
            )
        )
    if len(stage) > 2:
        for name, what in (("wall_s", "clock"), ("cpu_s", "processors")):
            steps = marginal([(e["key"]["hours"], e["figures"][name]) for e in stage])
            found.append(
                Target(
                    "growth",
                    f"time by the {what}, seconds for each further hour",
                    f"linear within {WITHIN:.0%}",
                    " → ".join(f"{s:.2f}" for s in steps),
                    spread(steps) <= WITHIN,
                )
            )
    for e in entries:
        figures, key = e["figures"], e["key"]
        where = "of the million" if key["measured"] == "reader" else f"of {key['hours']:g} h"
        if key["measured"] == "reader" or e in stage[-1:]:
            beyond = figures["read_beyond_bytes"]
            found.append(
                Target(
                    "growth",
                    f"reading one utterance {where}: bytes asked for beyond its matrix",
                    "no more than two buffers (16 KiB)",
                    f"{beyond}",
                    beyond <= 16384,
                )
            )
        if key["measured"] == "reader":
            million = (figures["open_s"] + figures["first_s"]) * UTTERANCES / key["utterances"]
            found.append(
                Target(
                    "growth",
                    "opening a reader and reading a first utterance, seconds for a million utterances",
                    f"< {OPEN_S:g}",
                    f"{million:.3f}",
                    million < OPEN_S,
                )
            )
    return found


def page(entries: list[dict]) -> list[str]:
    from xlt.formats.markdown import table

    rows = [
        [
            f"{e['key']['hours']:g}",
            f"{e['figures']['clips']:,}",
            f"{e['figures']['wall_s']:.1f}",
            f"{e['figures']['cpu_s']:.1f}",
            e["figures"]["stage_mib"],
            e["figures"]["worker_mib"],
            f"{e['figures']['archive_bytes'] / 1e6:.0f}",
        ]
        for e in _stages(entries)
    ]
    clip = sorted({e["key"]["clip_s"] for e in _stages(entries)})
    reader = [
        [
            f"{e['key']['utterances']:,}",
            *(f"{e['figures'][k]:.4f}" for k in ("open_s", "first_s")),
            f"{e['figures']['read_s'] * 1000:.2f}",
            f"{e['figures']['keys_s']:.2f}",
            f"{e['figures']['mib']:.0f}",
        ]
        for e in entries
        if e["key"]["measured"] == "reader"
    ]
    return [
        (
            f"Stage 3 with two workers on clips of {' or '.join(f'{c:g}' for c in clip)} s, real speech"
            f" repeated with another constant added each time; upstream: {TITLES[UPSTREAM]}, random weights."
            " Import of Python's libraries is in the time, so the time of a further hour is judged."
        ),
        table(["hours", "clips", "seconds", "CPU seconds", "stage MiB", "worker MiB", "archives MB"], rows),
        (
            "A reader over a scp of so many utterances with its checksums, in a process of its own, median of"
            " five; the matrices, 180 frames of 512 dimensions, lie in one archive."
        ),
        table(
            [
                "utterances",
                "seconds to open",
                "seconds to read a first one",
                "milliseconds to read any other",
                "seconds to list all",
                "MiB of the process",
            ],
            reader,
        ),
    ]


def bars(entries: list[dict]) -> list[tuple[str, float]]:
    return [(f"{e['key']['hours']:g} h", memory(e["figures"])) for e in _stages(entries)]
