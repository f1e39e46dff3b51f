"""Clips to measure on: real speech of a recipe, as it is and joined to the lengths of read or spontaneous
speech.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.feature_bench.common import SAMPLE_RATE, SEED
from xlt.audio.files import read_wav
from xlt.formats.tables import read_table, write_table

if TYPE_CHECKING:
    import numpy as np

KINDS = {"short": "the recipe's clips as they are", "long": "clips of a speaker joined to 2 to 15 s"}


def pick(data: Path, kind: str, seconds: float) -> list[np.ndarray]:
    """Waves (N,), 16 kHz, of about ``seconds`` in all, in random order (as a corpus is), always the same
    ones.
    """
    wavs = read_table(data / "wav.scp")
    return [_wave(data, wavs, group) for group in _groups(data, kind, seconds)]


def corpus(data: Path, recipe: Path, kind: str, seconds: float) -> float:
    """Write a recipe whose training set are the clips that :func:`pick` gives, dev and test one each; seconds
    in all.
    """
    import soundfile

    from xlt.features.extract import audio_hash

    wavs, texts = read_table(data / "wav.scp"), read_table(data / "text")
    (recipe / "wav").mkdir(parents=True)
    (recipe / "recipe.yaml").write_text(
        (data.parents[1] / "recipe.yaml").read_text(encoding="utf-8"), encoding="utf-8"
    )
    tables: dict[str, dict[str, dict[str, str]]] = {}
    total = 0
    for n, group in enumerate(_groups(data, kind, seconds)):
        wave, utt = _wave(data, wavs, group), f"spk-{n:05d}"
        soundfile.write(recipe / "wav" / f"{utt}.wav", wave, SAMPLE_RATE)
        values = {
            "wav.scp": f"wav/{utt}.wav",
            "utt2dur": f"{len(wave) / SAMPLE_RATE:.4f}",
            "utt2spk": "spk",
            "utt2audio": audio_hash(wave),
            "text": " ".join(texts[u] for u in group),
        }
        for table, value in values.items():
            tables.setdefault(("dev", "test")[n] if n < 2 else "train", {}).setdefault(table, {})[utt] = value
        total += len(wave)
    for name, contents in tables.items():
        (recipe / "data" / name).mkdir(parents=True)
        for table, values in contents.items():
            write_table(recipe / "data" / name / table, values)
    return total / SAMPLE_RATE


def _wave(data: Path, wavs: dict[str, str], group: list[str]) -> np.ndarray:
    import numpy as np

    return np.concatenate(
        [read_wav(data.parents[1] / wavs[utt]) for utt in group]
    )  # paths count from the recipe


def _groups(data: Path, kind: str, seconds: float) -> list[list[str]]:
    """The utterances of each clip."""
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
    return chosen


def _joined(
    data: Path, wavs: dict, durations: dict, seconds: float, rng: np.random.Generator
) -> list[list[str]]:
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
