"""Recipes whose stage 1 is made by hand, and the real corpus and weights, each fetched once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from xlt.core.config import load
from xlt.core.context import Context
from xlt.features.extract import audio_hash
from xlt.formats.tables import write_table


class Recipe:
    """A recipe directory with Kaldi directories of made-up sounds (noise, since nothing is recognised
    here).
    """

    def __init__(self, folder: Path):
        self.dir = folder
        folder.mkdir(exist_ok=True)
        settings = "lang: ron_Latn\nfeatures: {upstream: fbank, storage: f32}\nnj: 1\n"
        (folder / "recipe.yaml").write_text(settings, encoding="utf-8")

    def add(self, name: str, durations_s: dict[str, float]) -> None:
        """Write data/<name>; an utterance of equal id has equal sound in every set."""
        wavs, hashes, durations = {}, {}, {}
        for utt, dur_s in durations_s.items():
            path = self.dir / "data" / "all" / "wav" / f"{utt}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng(sum(utt.encode())).normal(0, 0.1, round(dur_s * 16000))
            samples = np.round(noise.clip(-1, 1) * 32767).astype(np.int16)
            soundfile.write(path, samples, 16000)
            wavs[utt], durations[utt] = str(path.relative_to(self.dir)), f"{dur_s:.4f}"
            hashes[utt] = audio_hash(samples.astype(np.float32) / 32768)
        folder = self.dir / "data" / name
        folder.mkdir(exist_ok=True)
        for table, rows in (("wav.scp", wavs), ("utt2audio", hashes), ("utt2dur", durations)):
            write_table(folder / table, rows)

    def context(self, *settings: str, force: bool = False) -> Context:
        return Context(Path("."), load(self.dir, list(settings)), force=force)

    @property
    def store(self) -> Path:
        """The keys of the shared store."""
        return self.dir.parent / "cache" / "features"

    def key(self) -> Path:
        """The folder of the only key."""
        (folder,) = self.store.iterdir()
        return folder

    def dump(self, name: str, upstream: str = "fbank") -> Path:
        return self.dir / "dump" / upstream / name


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """Five training, two dev and two test utterances; the current directory is the recipe, as in a stage."""
    made = Recipe(tmp_path / "recipe")
    made.add("train", {"s-a": 0.5, "s-b": 1.0, "s-c": 0.7, "s-d": 0.3, "s-e": 0.9})
    made.add("dev", {"s-f": 0.6, "s-g": 0.4})
    made.add("test", {"s-h": 0.5, "s-i": 0.8})
    monkeypatch.chdir(made.dir)
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    return made


@pytest.fixture(scope="session")
def real_waves(tmp_path_factory: pytest.TempPathFactory) -> list[np.ndarray]:
    """Eight real Romanian clips of 1 to 5 s, 16 kHz, from the Tux Paint corpus (fetched into the user's
    cache).
    """
    from xlt.audio.files import read_wav
    from xlt.data.corpora.tuxpaint import source

    folder = tmp_path_factory.mktemp("real")
    (folder / "recipe.yaml").write_text("lang: ron_Latn\ndata: {reader: tuxpaint}\n", encoding="utf-8")
    waves = []
    for path in sorted(source(load(folder)).rglob("*_desc_ro.ogg"))[::60]:
        wave = read_wav(path)
        if 16000 <= len(wave) <= 5 * 16000:
            waves.append(wave)
    assert len(waves) >= 8
    return waves[:8]
