"""A small recipe whose data is right, for tests that spoil one thing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from xlt.cli import main
from xlt.core.config import load
from xlt.formats.tables import spk2utt, write_table

TEXTS = {"train": ["un urs", "o casă", "un cal"], "dev": ["o sursă"], "test": ["un nor"]}


def speech(seed: int, dur_s: float = 1.0) -> np.ndarray:
    """Noise that comes and goes four times a second over a quiet hiss, another for each seed; (N,) at
    16 kHz.
    """
    rng, time = np.random.default_rng(seed), np.arange(round(dur_s * 16000)) / 16000
    return 0.1 * rng.normal(size=len(time)) * np.sin(4 * np.pi * time) ** 2 + 0.001 * rng.normal(
        size=len(time)
    )


class Recipe:
    """A recipe with data/train, dev and test; calling it runs ``xlt check`` and returns the exit status."""

    def __init__(self, folder: Path):
        self.dir = folder
        folder.mkdir()
        (folder / "recipe.yaml").write_text("lang: ron_Latn\n", encoding="utf-8")
        wavs = folder / "data/all/wav"
        wavs.mkdir(parents=True)
        for name, texts in TEXTS.items():
            utts = {f"ana-{name}{i}": text for i, text in enumerate(texts)}
            data = folder / "data" / name
            data.mkdir()
            for i, utt in enumerate(utts):
                soundfile.write(wavs / f"{utt}.wav", speech(len(name) + 10 * i), 16000, subtype="PCM_16")
            write_table(data / "text", utts)
            write_table(data / "wav.scp", {utt: f"data/all/wav/{utt}.wav" for utt in utts})
            write_table(data / "utt2spk", dict.fromkeys(utts, "ana"))
            write_table(data / "spk2utt", spk2utt(dict.fromkeys(utts, "ana")))
            write_table(data / "utt2dur", dict.fromkeys(utts, "1.0000"))
            write_table(data / "utt2lang", dict.fromkeys(utts, "ron_Latn"))
            write_table(data / "utt2audio", {utt: f"hash-of-{utt}" for utt in utts})

    def __call__(self, *settings: str) -> int:
        return main(["check", "--recipe", str(self.dir), *settings])

    def cfg(self, *settings: str):
        return load(self.dir, list(settings))


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    return Recipe(tmp_path / "recipe")
