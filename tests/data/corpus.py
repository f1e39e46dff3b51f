"""Sounds and small corpora for the tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from xlt.data.corpora.table import read

PHRASES = [
    "un urs",
    "o pisică",
    "un câine mare",
    "trei mere roșii",
    "o casă",
    "un tren vechi",
    "luna plină",
    "două flori",
    "un copac",
    "marea neagră",
    "o broască",
    "un elefant",
]


def tone(path: Path, dur_s: float = 1.0, rate: int = 16000, hz: float = 220.0, channels: int = 1) -> Path:
    """Write a tone; its pitch makes it differ from the others."""
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = 0.3 * np.sin(2 * np.pi * hz * np.arange(round(dur_s * rate)) / rate)
    soundfile.write(path, np.repeat(wave[:, None], channels, axis=1), rate)
    return path


def melody(seed: int, dur_s: float = 2.0) -> np.ndarray:
    """Three tones at once, others every tenth of a second, and a little noise: (N,) at 16 kHz, float32."""
    rng = np.random.default_rng(seed)
    time = np.arange(1600) / 16000
    parts = [
        rng.uniform(0.02, 0.2) * sum(np.sin(2 * np.pi * hz * time) for hz in rng.uniform(150, 3200, size=3))
        for _ in range(round(dur_s * 10))
    ]
    return (np.concatenate(parts) + rng.normal(size=1600 * len(parts)) * 1e-3).astype(np.float32)


def stamp(
    root: Path, name: str, texts: dict[str, str], clips: dict[str, float] | None = None, **sound
) -> None:
    """Write a stamp: ``texts`` and ``clips`` (pitch of the tone) by two-letter code."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["English."] + [f"{code}.utf8={text}" for code, text in texts.items()]
    path.with_suffix(".txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for code, hz in (clips or {}).items():
        tone(path.with_name(f"{path.name}_desc_{code}.ogg"), hz=hz, **sound)


def voice(folder: Path, texts: dict[str, str], first_hz: float = 200.0) -> Path:
    """A voice as festvox keeps it; each prompt is a tone of its own."""
    (folder / "etc").mkdir(parents=True)
    lines = [f'( {name} "{text}" )' for name, text in texts.items()]
    (folder / "etc/txt.done.data").write_text("; prompts\n\n" + "\n".join(lines) + "\n", encoding="utf-8")
    for number, name in enumerate(texts):
        tone(folder / f"wav/{name}.wav", hz=first_hz + 20 * number)
    return folder


def of(recipe, place, *settings):
    """The corpus that the reader ``table`` makes of ``place``."""
    return read(recipe.cfg("data.reader=table", f"data.dir={place}", *settings))


def said(corpus) -> dict[str, str]:
    """Its texts by the stem of the sound file."""
    return {utt.audio.stem: utt.text for utt in corpus.utterances}
