"""Clips to measure on: real speech of a recipe, as it is and joined to the lengths of read or spontaneous speech."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.feature_bench.common import SAMPLE_RATE, SEED
from xlt.kaldi_io import read_table, read_wav

if TYPE_CHECKING:
    import numpy as np

KINDS = {"short": "the recipe's clips as they are", "long": "clips of a speaker joined to 2 to 15 s"}


def pick(data: Path, kind: str, seconds: float) -> list[np.ndarray]:
    """Waves (N,), 16 kHz, of about ``seconds`` in all, in random order (as a corpus is), always the same ones."""
    import numpy as np

    rng = np.random.default_rng(SEED)
    wavs, durations = read_table(data / "wav.scp"), read_table(data / "utt2dur")
    if kind == "short":  # evenly over the sorted lengths, so that few clips are distributed as all are
        utts = sorted(wavs, key=lambda u: (float(durations[u]), u))
        total = sum(map(float, durations.values()))
        count = max(1, min(len(utts), round(len(utts) * seconds / total)))
        chosen = [[utts[int((i + 0.5) * len(utts) / count)]] for i in range(count)]
    else:
        chosen = _joined(data, wavs, durations, seconds, rng)
    rng.shuffle(chosen)
    base = data.parent.parent  # paths in wav.scp count from the recipe
    return [np.concatenate([read_wav(base / wavs[u]) for u in group]) for group in chosen]


def _joined(data: Path, wavs: dict, durations: dict, seconds: float, rng: np.random.Generator) -> list[list[str]]:
    """Groups of utterances of one speaker whose lengths add up to lengths drawn from 2 to 15 s."""
    speakers = read_table(data / "utt2spk")
    groups, total = [], 0.0
    current, length, wanted = [], 0.0, rng.uniform(2, 15)
    for utt in sorted(wavs, key=lambda u: (speakers[u], u)):
        if current and (speakers[utt] != speakers[current[0]] or length >= wanted):
            groups.append(current)
            total += length
            if total >= seconds:
                return groups
            current, length, wanted = [], 0.0, rng.uniform(2, 15)
        current.append(utt)
        length += float(durations[utt])
    return [*groups, current]


def total_s(waves: list[np.ndarray]) -> float:
    return sum(map(len, waves)) / SAMPLE_RATE
