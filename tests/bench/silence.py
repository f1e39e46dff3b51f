"""What a model writes where nobody speaks: characters a minute, of five kinds of sound.

    python tests/bench/silence.py BUNDLE … --rooms egs/dan egs/fra

Each kind is a minute long, made here: digital silence; the room noise of other corpora (the pauses of the
recipes --rooms, after stage 1); pink noise of three levels; music-like tones. Heard as `xlt transcribe --vad
off` does, which leaves it all to the model, and as it does by default. Half a minute of processor time a
bundle.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from xlt.audio.files import SAMPLE_RATE
from xlt.bundle.transcribe import Transcriber
from xlt.data.empty import joined, pauses
from xlt.formats.tables import read_scp

MINUTE = 60 * SAMPLE_RATE
LEVELS_DB = (-50, -35, -20)


def pink(level_db: float, rng: np.random.Generator) -> np.ndarray:
    """Noise whose power falls as 1/f from 30 Hz on, (N,)."""
    bands = np.fft.rfft(rng.normal(size=MINUTE))
    bands /= np.sqrt(np.maximum(np.fft.rfftfreq(MINUTE, 1 / SAMPLE_RATE), 30.0))
    wave = np.fft.irfft(bands, MINUTE)
    return wave / np.sqrt(np.square(wave).mean()) * 10 ** (level_db / 20)


def tones(rng: np.random.Generator) -> np.ndarray:
    """Three notes of a scale at a time, each with overtones and dying away, twice a second, (N,)."""
    wave = np.zeros(MINUTE)
    scale = 220 * 2 ** (np.array([0, 2, 4, 5, 7, 9, 11, 12, 14, 16]) / 12)  # Hz
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    for start in range(0, MINUTE - SAMPLE_RATE, SAMPLE_RATE // 2):
        for hz in rng.choice(scale, 3, replace=False):
            note = sum(np.sin(2 * np.pi * k * hz * time) / k for k in range(1, 6))
            wave[start : start + SAMPLE_RATE] += 0.04 * note * np.exp(-4 * time)
    return wave


def sounds(rooms: list[Path], seed: int) -> dict[str, np.ndarray]:
    """A minute of each kind."""
    rng = np.random.default_rng(seed)
    found = {"digital silence": np.zeros(MINUTE)}
    for recipe in rooms:
        paths = [Path(path) for path in read_scp(recipe / "data/all/wav.scp", recipe).values()]
        found[f"room noise ({recipe.name})"] = joined(MINUTE, pauses(paths, rng), rng)
    found |= {f"pink noise, {level} dBFS": pink(level, rng) for level in LEVELS_DB}
    return found | {"tones": tones(rng)}


def characters(transcriber: Transcriber, path: Path, vad: bool | None) -> int:
    """How many a model writes, spaces apart."""
    return sum(len(piece["text"].replace(" ", "")) for piece in transcriber.pieces(str(path), vad=vad))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundles", nargs="+", type=Path, metavar="BUNDLE")
    parser.add_argument("--rooms", nargs="*", type=Path, default=[], metavar="RECIPE")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    made = sounds([recipe.resolve() for recipe in args.rooms], args.seed)
    print(f"| bundle | voice activity | {' | '.join(made)} |\n|---|---|{'---|' * len(made)}")
    with tempfile.TemporaryDirectory() as folder:
        for bundle in args.bundles:
            transcriber = Transcriber(bundle)
            for vad, name in ((False, "off"), (None, "as given")):
                counts = []
                for samples in made.values():
                    soundfile.write(Path(folder) / "a.wav", samples, SAMPLE_RATE, subtype="FLOAT")
                    counts.append(characters(transcriber, Path(folder) / "a.wav", vad))
                print(f"| {bundle} | {name} | {' | '.join(map(str, counts))} |")


if __name__ == "__main__":
    main()
