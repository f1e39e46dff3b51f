"""A recipe whose bundle has learned its training clips, recordings beside it, and a recogniser that is told
what to write.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import soundfile

from tests.data.corpus import PHRASES, melody
from xlt.audio.cut import Cut
from xlt.audio.files import read_wav
from xlt.cli import main
from xlt.core.config import ROOT
from xlt.formats.tables import read_table, write_table

RATE = 16000
CALIBRATED = {"scale": 1.0, "slope": 1.0, "offset": 0.0, "words": 50}


class Scene:
    """``recipe``: Romanian, of twelve melodies in train, dev and test; ``bundle``: in its exp/main; ``more``:
    the folder of recordings; ``said``: what is written of each, ``{name: [(word, confidence), …]}``."""

    def __init__(self, root: Path):
        self.recipe, self.more, self.said = root / "ron", root / "more", {}
        self.bundle = self.recipe / "exp/main/bundle"
        self.more.mkdir(parents=True)

    def make(self) -> None:
        """Stage 1, and the bundle."""
        corpus = self.recipe.parent / "corpus"
        for number, name in enumerate(("train", "dev", "test")):
            folder = corpus / name
            folder.mkdir(parents=True)
            utts = [f"spk-{name}{n}" for n in range(4)]
            for n, utt in enumerate(utts):
                soundfile.write(folder / f"{utt}.wav", melody(4 * number + n), RATE)
            write_table(folder / "wav.scp", {utt: f"{utt}.wav" for utt in utts})
            write_table(folder / "text", {utt: PHRASES[4 * number + n] for n, utt in enumerate(utts)})
            write_table(folder / "utt2spk", dict.fromkeys(utts, "spk"))
        self.recipe.mkdir()
        settings = f"lang: ron_Latn\ndata: {{reader: kaldi, dir: {corpus}}}\nnj: 1\n"
        (self.recipe / "recipe.yaml").write_text(settings, encoding="utf-8")
        assert main(["data", "--recipe", str(self.recipe)]) == 0
        shutil.copytree(ROOT / "tests/fixtures/bundle_v1", self.bundle)
        audio = read_table(self.recipe / "data/train/utt2audio")
        write_table(self.bundle / "heard", {utt: f"{value} {utt}" for utt, value in audio.items()})
        self.info(family="espnet", format=2, lang="ron_Latn")
        self.manifest(lang="ron_Latn", confidence=CALIBRATED, lm="ngram", files={})

    def _edit(self, name: str, changes: dict) -> None:
        path = self.bundle / name
        found = json.loads(path.read_text()) | changes
        path.write_text(json.dumps({k: v for k, v in found.items() if v is not None}))

    def info(self, **changes) -> None:
        self._edit("xlt.json", changes)

    def manifest(self, **changes) -> None:
        self._edit("bundle.json", changes)

    def record(self, name: str, seed: int, *words: tuple[str, float], **sound) -> Path:
        """A recording, and what the recogniser writes of it."""
        path = self.more / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, melody(seed, **sound), RATE)
        self.said[path.name] = list(words)
        return path


class Writing:
    """In place of the transcriber: each recording is one piece."""

    scene: Scene

    def __init__(self, bundle: Path):
        self.recogniser, self._now = SimpleNamespace(has_ctc=True), ""

    def cuts(self, path: str):
        self._now = Path(path).name
        yield Cut(0, read_wav(path))

    def piece(self, cut: Cut):
        words = self.scene.said[self._now]
        end_s = len(cut.samples) / RATE
        return {
            "start_s": cut.start / RATE,
            "end_s": end_s,
            "text": " ".join(word for word, _ in words),
            "score": -1.0,
            "words": [{"text": w, "start_s": 0.0, "end_s": end_s, "confidence": c} for w, c in words],
        }


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    scene = Scene(tmp_path_factory.mktemp("scene"))
    scene.make()
    return scene


@pytest.fixture
def scene(made, tmp_path, monkeypatch):
    """A copy of it; the user stands in an empty folder."""
    root = shutil.copytree(made.recipe.parent, tmp_path / "root")
    found = Scene.__new__(Scene)
    found.recipe, found.more, found.said = root / "ron", root / "more", {}
    found.bundle = found.recipe / "exp/main/bundle"
    monkeypatch.setattr(Writing, "scene", found, raising=False)
    monkeypatch.setattr("xlt.bundle.transcribe.Transcriber", Writing)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return found
