"""A made-up language whose letters are tones: a corpus in Kaldi's form that a head learns from log-mels in
seconds.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
import soxr

from xlt.formats.tables import write_table

RATE = 16000
TONES = {"a": 300, "e": 700, "i": 1500, "o": 2500}


def sound(text: str, rng: np.random.Generator) -> np.ndarray:
    """Each letter a tone of 0.15 s, a space 0.15 s of near silence; (N,) at 16 kHz."""
    time = np.arange(int(0.15 * RATE)) / RATE
    parts = [0.3 * np.sin(2 * np.pi * TONES[c] * time) if c in TONES else np.zeros_like(time) for c in text]
    whole = np.concatenate([np.zeros(1600), *parts, np.zeros(1600)])
    return (whole + rng.normal(size=len(whole)) * 0.001).astype(np.float32)


class Loud:
    """In place of :class:`xlt.audio.voice.Voice`, which does not take tones for speech: what is loud is."""

    def __init__(self, network: Path | None = None): ...

    def reset(self) -> None: ...

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        frames = np.pad(samples, (0, -len(samples) % 512)).reshape(-1, 512)
        return (np.abs(frames).max(axis=1, initial=0) > 0.05).astype(np.float32)


def make_corpus(root: Path, train: int = 60, held_out: int = 6) -> Path:
    """Write train, dev and test below ``root``; half of the files are telephone speech, 8 kHz."""
    rng = np.random.default_rng(0)
    for name, count in (("train", train), ("dev", held_out), ("test", held_out)):
        folder = root / name
        folder.mkdir(parents=True)
        text, wavs = {}, {}
        for i in range(count):
            utt = f"spk-{name}{i:03d}"
            text[utt] = " ".join(
                "".join(rng.choice(list(TONES), size=3, replace=False)) for _ in range(2 + i % 2)
            )
            wavs[utt] = str(folder / f"{utt}.wav")
            rate = RATE if i % 2 else 8000  # which has nothing above 4 kHz
            soundfile.write(wavs[utt], soxr.resample(sound(text[utt], rng), RATE, rate), rate)
        write_table(folder / "text", text)
        write_table(folder / "wav.scp", wavs)
        write_table(folder / "utt2spk", dict.fromkeys(text, "spk"))
    return root
