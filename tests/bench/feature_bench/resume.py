"""Part 6: extraction killed at random points, each time gone on with by the same command.

Points are seeded shares of the bytes to come, and a seeded moment behind, so that kills fall into encoding as
well as into writing. Every second kill takes the stage's process alone, as the kernel does when memory runs
out, the others the workers with it. Each batch that a process takes on is noted, so what is encoded twice is
counted, not inferred.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tests.bench.feature_bench.common import (
    SEED,
    Bench,
    Target,
    child_environment,
    linked_cache,
    stages,
    upstream_settings,
)
from xlt.core.errors import StageError
from xlt.core.log import say
from xlt.formats.archives import FeatureReader
from xlt.formats.markdown import table
from xlt.formats.tables import read_table

UNIT, LOGARITHMIC = "utterances", False
UPSTREAM, WORKERS, MOMENT_S, WAIT_S = "whisper_base", 2, 0.6, 600.0
SETTINGS = [f"nj={WORKERS}", "features.dtype=float32", "features.layers=last", "features.batch_s=10"]
_NOTE = """# every batch that a process takes on, and ends, is noted in a file
import os
from xlt.features import extract
_run = extract.Shard.run
def _noted(self, message, *rest, **more):
    keys = " ".join(utt[0] for utt in message["utts"])
    def note(word):
        handle = os.open(os.environ["XLT_BENCH_NOTES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, f"{word} {os.getpid()} {keys}\\n".encode())
        os.close(handle)
    note("takes")
    answer = _run(self, message, *rest, **more)
    note("ends")
    return answer
extract.Shard.run = _noted
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kills", type=int, default=20, help="resume: how often extraction is killed")


def run(bench: Bench, args: argparse.Namespace) -> None:
    key = {
        "kills": args.kills,
        "language": args.languages[0],
        "upstream": UPSTREAM,
        "workers": WORKERS,
        "batch_s": 10,
    }
    bench.measure("resume", key, lambda: _resume(bench, args))


def _resume(bench: Bench, args: argparse.Namespace) -> dict:
    scratch = bench.scratch("resume")
    (scratch / "patch").mkdir()
    (scratch / "patch" / "sitecustomize.py").write_text(_NOTE)
    words = {}
    for name in ("whole", "killed"):
        recipe = bench.recipe(args.languages[0], f"{args.languages[0]}-{name}")
        stages(recipe, ["data"])
        shutil.rmtree(recipe / "dump", ignore_errors=True)
        words[name] = [
            sys.executable,
            "-m",
            "xlt.cli",
            "features",
            "--recipe",
            str(recipe),
            *upstream_settings(bench, UPSTREAM),
            *SETTINGS,
        ]
    runs = {
        name: Run(words[name], linked_cache(scratch / name), scratch / f"{name}.notes", scratch / "patch")
        for name in words
    }
    start = time.monotonic()
    runs["whole"].to_end()
    whole_s, size = time.monotonic() - start, runs["whole"].stored()
    rng = random.Random(SEED)
    start, kills = time.monotonic(), []
    for number, share in enumerate(sorted(rng.uniform(0.0, 0.97) for _ in range(args.kills))):
        alone = number % 2 == 0
        if runs["killed"].until(share * size, rng.uniform(0, MOMENT_S), alone):
            kills.append("stage alone" if alone else "stage and workers")
            say(f"  kill {len(kills)}: {runs['killed'].stored() / size:.0%} stored, {kills[-1]}")
    runs["killed"].to_end()
    killed_s = time.monotonic() - start
    counts = runs["killed"].counts()
    differ = different(
        *(bench.work / "recipes" / f"{args.languages[0]}-{name}" for name in ("whole", "killed"))
    )
    shutil.rmtree(scratch)
    return {
        **counts,
        "kills": len(kills),
        "kills_of_the_stage_alone": kills.count("stage alone"),
        **differ,
        "whole_s": round(whole_s, 1),
        "killed_s": round(killed_s, 1),
    }


class Run:
    """One extraction that is started again and again, with a store of its own."""

    def __init__(self, words: list[str], cache: Path, notes: Path, patch: Path):
        self.words, self.cache, self.notes = words, cache, notes
        notes.touch()
        self.env = child_environment(XLT_CACHE=str(cache), XLT_BENCH_NOTES=str(notes))
        self.env["PYTHONPATH"] = os.pathsep.join([str(patch), self.env["PYTHONPATH"]])

    def start(self) -> subprocess.Popen:
        return subprocess.Popen(
            self.words,
            env=self.env,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def stored(self) -> int:
        """Bytes in the archives."""
        total = 0
        for path in (self.cache / "features").glob("*/*.ark"):
            with contextlib.suppress(FileNotFoundError):
                total += path.stat().st_size
        return total

    def to_end(self) -> None:
        process = self.start()
        _, errors = process.communicate()
        if process.returncode:
            raise StageError(f"extraction ended with status {process.returncode}: {errors.strip()[-500:]}")

    def until(self, size: float, moment_s: float, alone: bool) -> bool:
        """Run until archives of ``size`` bytes are there, and a moment more, then kill -9; False if it ended
        before.
        """
        process, limit = self.start(), time.monotonic() + WAIT_S
        before = self.notes.stat().st_size
        while process.poll() is None and (self.stored() < size or self.notes.stat().st_size == before):
            if time.monotonic() > limit:
                os.killpg(process.pid, signal.SIGKILL)
                raise StageError(f"extraction stored less than {size:.0f} bytes in {WAIT_S:.0f} s")
            time.sleep(0.002)
        time.sleep(moment_s)
        ended = process.poll() is not None
        if ended and process.returncode:
            raise StageError(
                f"extraction ended with status {process.returncode}: {process.stderr.read().strip()[-500:]}"
            )
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL) if alone else os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stderr.close()
        return not ended

    def counts(self) -> dict:
        """What the notes say: utterances taken on and ended more than once, batches begun and not ended."""
        taken, ended, batch, open_batches = Counter(), Counter(), 0, Counter()
        for line in self.notes.read_text().splitlines():
            word, pid, *keys = line.split()
            (taken if word == "takes" else ended).update(keys)
            batch = max(batch, len(keys))
            open_batches[pid] += 1 if word == "takes" else -1
        return {
            "audio": len(taken),
            "taken_again": sum(taken.values()) - len(taken),
            "ended_again": sum(ended.values()) - len(ended),
            "largest_batch": batch,
            "batches_lost": sum(open_batches.values()),
        }


def different(first: Path, second: Path) -> dict:
    """Utterances of two recipes' dump folders, and those whose matrices are not the same bytes, or are
    missing.
    """
    utterances, found = 0, []
    for scp in sorted((first / "dump").glob("*/*/feats.scp")):
        other = second / scp.relative_to(first)
        one, two = FeatureReader(scp), FeatureReader(other)
        utterances += len(one)
        found += sorted(set(one) ^ set(two))
        found += [u for u in one if u in set(two) and one[u].tobytes() != two[u].tobytes()]
        crcs = [read_table(p.with_name("utt2crc")) for p in (scp, other)]
        found += [u for u in crcs[0] if crcs[0][u] != crcs[1].get(u)]
    return {"utterances": utterances, "different": len(set(found)), "different_first": sorted(set(found))[:5]}


def targets(entries: list[dict]) -> list[Target]:
    found = []
    for entry in entries:
        figures, kills = entry["figures"], entry["figures"]["kills"]
        limit = kills * WORKERS
        found += [
            Target(
                "resume",
                f"utterances that differ from an uninterrupted extraction's, after {kills} × kill -9",
                "0",
                f"{figures['different']} of {figures['utterances']}",
                figures["different"] == 0,
            ),
            Target(
                "resume",
                "batches begun and lost",
                f"≤ 1 a kill and worker: {limit}",
                str(figures["batches_lost"]),
                figures["batches_lost"] <= limit,
            ),
            Target(
                "resume",
                "utterances encoded to the end twice",
                f"≤ one batch a kill and worker: {limit * figures['largest_batch']}",
                str(figures["ended_again"]),
                figures["ended_again"] <= limit * figures["largest_batch"],
            ),
        ]
    return found


def page(entries: list[dict]) -> list[str]:
    rows = [
        [
            e["key"]["upstream"],
            e["figures"]["kills"],
            e["figures"]["kills_of_the_stage_alone"],
            e["figures"]["audio"],
            e["figures"]["different"],
            e["figures"]["taken_again"],
            e["figures"]["ended_again"],
            e["figures"]["batches_lost"],
            e["figures"]["largest_batch"],
            f"{e['figures']['whole_s']:.0f}",
            f"{e['figures']['killed_s']:.0f}",
        ]
        for e in entries
    ]
    return [
        (
            f"Stage 3 with {WORKERS} workers, killed (SIGKILL) at seeded random points and started again by"
            " the same command; every second kill takes the stage's process alone and leaves its workers."
            " Compared with an uninterrupted run, utterance by utterance: the matrices' bytes and their"
            " checksums. Whatever a process takes on and ends is noted."
        ),
        table(
            [
                "upstream",
                "kills",
                "of the stage alone",
                "audio clips",
                "different",
                "taken on again",
                "ended again",
                "batches begun and lost",
                "clips in the largest batch",
                "seconds uninterrupted",
                "seconds with kills",
            ],
            rows,
        ),
    ]


def bars(entries: list[dict]) -> list[tuple[str, float]]:
    return [
        bar
        for e in entries
        for bar in (
            ("audio clips", e["figures"]["audio"]),
            ("taken on again, over all kills", e["figures"]["taken_again"]),
        )
    ]
