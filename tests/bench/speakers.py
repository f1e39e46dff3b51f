"""How well `--speakers` tells the voices of a recording apart: clips of several speakers of a language, joined.

    python tests/bench/speakers.py egs/rus_join egs/rus egs/fra_join egs/spa_join egs/nld egs/ces --minutes 4

after stage 1 of these recipes; those of one language are put together. For each language, recordings of one
speaker, and of the two, three, … with most clips, are made of turns of at least 2 s and of 8 s of speech, with
0.2 to 0.8 s of faint noise between clips. Prints a table and writes results/speakers.json. Takes a CPU-second
for ten seconds of recording.

Confusion: the share of the speech, as voice activity detection of the clips alone has it, that is given to the
wrong speaker, where speakers found and true ones are matched one to one so that it is least (the diarisation
error rate without what voice activity detection itself misses). Clips below 0.4 s and above 15 s are not used.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from scipy.optimize import linear_sum_assignment

from xlt.audio.cut import phrases
from xlt.audio.files import SAMPLE_RATE, read_wav
from xlt.audio.voice import FRAME_S, Voice
from xlt.core.config import load
from xlt.fetch.files import cache_root
from xlt.formats.tables import read_scp, read_table
from xlt.speakers.encoder import VoiceEncoder, find_weights
from xlt.speakers.turns import Turns, tell_apart

RESULTS = Path(__file__).parent / "results" / "speakers.json"
SHORTEST_S, LONGEST_S = 0.4, 15.0
TURNS_S = (2.0, 8.0)
FRAME_RATE = 100

Truth = list[tuple[float, float, str]]


def clips(recipes: Sequence[Path]) -> dict[str, dict[str, list[Path]]]:
    """Language → speaker → clips, those with most first."""
    found: dict[str, dict[str, dict[str, Path]]] = {}
    for recipe in recipes:
        own = found.setdefault(load(recipe).lang, {})
        for data in sorted(path.parent for path in recipe.glob("data/*/utt2spk")):
            wavs = read_scp(data / "wav.scp", recipe)
            for utt, speaker in read_table(data / "utt2spk").items():
                if utt in wavs:
                    own.setdefault(speaker, {})[utt] = Path(wavs[utt])
    return {
        lang: {
            speaker: [own[speaker][utt] for utt in sorted(own[speaker])]
            for speaker in sorted(own, key=lambda one: -len(own[one]))
        }
        for lang, own in found.items()
    }


def joined(
    pools: dict[str, list[Path]], turn_s: float, minutes: float, seed: int
) -> tuple[np.ndarray, Truth]:
    """Samples, and who speaks when."""
    rng, noise, voice = random.Random(seed), np.random.default_rng(seed), Voice()
    left = {name: rng.sample(paths, len(paths)) for name, paths in pools.items()}
    parts: list[np.ndarray] = []
    truth: Truth = []
    at, last = 0, ""
    while at < 60 * minutes * SAMPLE_RATE and any(left.values()):
        names = [name for name in left if left[name]]
        last = rng.choice([name for name in names if name != last] or names)
        said = 0
        while said < turn_s * SAMPLE_RATE and left[last]:
            samples = read_wav(left[last].pop())
            if not SHORTEST_S <= len(samples) / SAMPLE_RATE <= LONGEST_S:
                continue
            voice.reset()
            begin_s = at / SAMPLE_RATE
            truth += [
                (begin_s + FRAME_S * a, begin_s + FRAME_S * b, last) for a, b in phrases(voice(samples))
            ]
            pause = int(rng.uniform(0.2, 0.8) * SAMPLE_RATE)
            parts += [samples, (1e-4 * noise.standard_normal(pause)).astype(np.float32)]
            at, said = at + len(samples) + pause, said + len(samples)
    return np.concatenate(parts), truth


def confusion(turns: Turns, truth: Truth) -> float:
    """Share of the speech, of what both take for speech, that has the wrong speaker."""
    names = sorted({name for *_, name in truth})
    size = 1 + round(FRAME_RATE * max([end for _, end, _ in truth] + turns.ends_s.tolist()))
    true, given = np.full(size, -1), np.full(size, -1)
    for start, end, name in truth:
        true[round(FRAME_RATE * start) : round(FRAME_RATE * end)] = names.index(name)
    for start, end, voice in zip(turns.starts_s, turns.ends_s, turns.voices, strict=True):
        given[round(FRAME_RATE * start) : round(FRAME_RATE * end)] = voice - 1
    both = (true >= 0) & (given >= 0)
    table = np.zeros((len(names), turns.count), int)
    np.add.at(table, (true[both], given[both]), 1)
    rows, columns = linear_sum_assignment(-table)
    return float(1 - table[rows, columns].sum() / both.sum())


def measure(pools: dict[str, list[Path]], turn_s: float, minutes: float, encoder: VoiceEncoder) -> dict:
    samples, truth = joined(pools, turn_s, minutes, len(pools))
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/a.wav"
        soundfile.write(path, samples, SAMPLE_RATE, subtype="PCM_16")
        begin = time.process_time()
        found = tell_apart(path, encoder)
        cpu_s = time.process_time() - begin
        given = tell_apart(path, encoder, len(pools)) if len(pools) > 1 else found
    minutes = len(samples) / SAMPLE_RATE / 60
    return {
        "speakers": len(pools),
        "turns of at least s": turn_s,
        "minutes": round(minutes, 1),
        "found": found.count,
        "confusion": round(100 * confusion(found, truth), 1),
        "confusion, number given": round(100 * confusion(given, truth), 1),
        "cpu_s a minute": round(cpu_s / minutes, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipes", type=Path, nargs="+")
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--most", type=int, default=6, help="speakers in a recording")
    parser.add_argument("--fewest_clips", type=int, default=18, help="of a speaker that is used")
    args = parser.parse_args()
    encoder = VoiceEncoder(find_weights(cache_root()))
    rows = []
    for lang, own in clips([recipe.resolve() for recipe in args.recipes]).items():
        usable = [name for name, paths in own.items() if len(paths) >= args.fewest_clips]
        for count in range(1, min(len(usable), args.most) + 1):
            for turn_s in TURNS_S if count > 1 else TURNS_S[:1]:
                pools = {name: own[name] for name in usable[:count]}
                row = {"lang": lang, **measure(pools, turn_s, args.minutes, encoder)}
                rows.append(row)
                print(
                    f"{lang} {count} speakers, turns {turn_s:g} s: found {row['found']}, confusion"
                    f" {row['confusion']}%, with the number given {row['confusion, number given']}%,"
                    f" {row['cpu_s a minute']} CPU-s a minute",
                    flush=True,
                )
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
