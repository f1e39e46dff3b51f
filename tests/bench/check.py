"""Seconds and peak memory of the data checks that read no sound, on made-up tables of 100,000 utterances.

    .venv/bin/python tests/bench/check.py [UTTERANCES]

Figures to stay under: 20 s and 500 MB for 100,000.
"""

from __future__ import annotations

import importlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from xlt.check.datadir import Sets
from xlt.check.families import FAMILIES
from xlt.core.config import load
from xlt.formats.tables import spk2utt, write_table

LISTENING = {"audio"}  # families that open sound files
HEADERS = {"audio_files"}  # rules that do
LETTERS = list("abcdefghijlmnopqrstuvwxzăâîșț")
SHARES = {"train": 0.9, "dev": 0.05, "test": 0.05}


def make(recipe: Path, utterances: int) -> None:
    """Tables as stage 1 writes them; 10 words an utterance of 60,000 kinds by Zipf's law, 1000 speakers."""
    rng = np.random.default_rng(0)
    kinds = ["".join(rng.choice(LETTERS, size=rng.integers(2, 11))) for _ in range(60_000)]
    (recipe / "recipe.yaml").write_text("lang: ron_Latn\n", encoding="utf-8")
    first = 0
    for name, share in SHARES.items():
        folder = recipe / "data" / name
        folder.mkdir(parents=True)
        count = round(utterances * share)
        speakers = max(1, round(1000 * share))
        utts = {f"{name}{i * speakers // count:04d}-utterance{first + i:07d}": i for i in range(count)}
        words = np.minimum(rng.zipf(1.3, size=(count, 10)), len(kinds)) - 1
        texts = {utt: " ".join(kinds[k] for k in words[i]) for utt, i in utts.items()}
        raw = {utt: text.capitalize() + "." for utt, text in texts.items()}
        speaker = {utt: utt.partition("-")[0] for utt in utts}
        hashes = {utt: f"{first + i:020x}" for utt, i in utts.items()}
        durs = {utt: f"{rng.uniform(3, 9):.4f}" for utt in utts}
        tables = {
            "text": texts,
            "text_raw": raw,
            "utt2spk": speaker,
            "spk2utt": spk2utt(speaker),
            "utt2audio": hashes,
            "utt2dur": durs,
            "wav.scp": {utt: f"data/all/wav/{utt}.wav" for utt in utts},
            "utt2lang": dict.fromkeys(utts, "ron_Latn"),
            "utt2content": {utt: utt for utt in utts},
            "utt2group": {utt: utt for utt in utts},
        }
        for table, rows in tables.items():
            write_table(folder / table, rows)
        first += count


def measure(recipe: Path) -> None:
    """Run the checks on ``recipe`` and print what each takes, seconds of the processor: other work does not
    count.
    """
    os.chdir(recipe)
    cfg = load(Path("."))
    whole, before = time.perf_counter(), time.process_time()
    sets = Sets(Path("data"), {name: Path("data") / name for name in SHARES})
    took, found = {"reading": time.process_time() - before}, 0
    for family in FAMILIES:
        if family in LISTENING:
            continue
        module = importlib.import_module(f"xlt.check.{family}")
        steps = {
            rule.__name__: lambda rule=rule: len(list(rule(sets, cfg)))
            for rule in module.CHECKS
            if rule.__name__ not in HEADERS
        }
        if hasattr(module, "section"):
            steps[f"section of {family}"] = lambda module=module: (
                len(module.section(sets, cfg, Path("."))) * 0
            )
        for name, step in steps.items():
            start = time.process_time()
            found += step()
            took[name] = time.process_time() - start
    for name, seconds in sorted(took.items(), key=lambda item: -item[1])[:12]:
        print(f"  {seconds:6.2f} s  {name}")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    utterances = sum(len(data.table("text")) for data in sets.values())
    print(
        f"{utterances} utterances: {time.perf_counter() - whole:.1f} s ({sum(took.values()):.1f} s of one"
        f" processor), peak {memory:.0f} MB, {found} faults"
    )


def main(words: list[str]) -> None:
    if words[:1] == ["--measure"]:
        measure(Path(words[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), int(words[0]) if words else 100_000)
        subprocess.run(
            [sys.executable, __file__, "--measure", folder], check=True
        )  # alone: its peak is the checks'


if __name__ == "__main__":
    main(sys.argv[1:])
