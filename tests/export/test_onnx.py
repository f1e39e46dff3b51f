"""Exported bundles transcribe as those that they were made of, without torch."""

import dataclasses
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from tests.errors import raises, told
from tests.export.bundles import TONES, altered, over_whisper
from tests.tones import RATE, Loud, sound
from xlt.bundle import open_bundle
from xlt.cli import main
from xlt.core.config import ROOT
from xlt.core.errors import ConfigError, DataError
from xlt.export.onnx import export, parts_of, refuse
from xlt.models.onnx import BACKBONE, HEAD
from xlt.models.onnx.model import OnnxModel
from xlt.nets.paths import as_array

pytestmark = pytest.mark.trains

HEAVY = "torch torchaudio espnet espnet2 s3prl transformers scipy silero_vad onnx omniio"
FORBID = f"""
import sys
class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HEAVY.split()}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Forbidden())
from xlt.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """``{kind: (a bundle, its export)}``, with log-mels and over Whisper."""
    root = tmp_path_factory.mktemp("export")
    made = {}
    for kind, bundle in (("fbank", TONES), ("whisper", over_whisper(root / "whisper"))):
        out = root / f"{kind}-onnx"
        assert main(["export", "onnx", str(bundle), "--out", str(out)]) == 0
        made[kind] = bundle, out
    return made


def waves():
    """Several windows of Whisper's, and less than one frame."""
    rng = np.random.default_rng(1)
    return [sound("aei oae", rng), np.resize(sound("oae i", rng), 31 * RATE), sound("", rng)[:100]]


@pytest.mark.parametrize("kind", ["fbank", "whisper"])
def test_probabilities_are_the_bundles(bundles, kind):
    probs = []
    for folder in bundles[kind]:
        head = open_bundle(folder).head()
        found, lengths = head.recogniser.model.log_probs(head.encode(waves()))
        probs.append([row[:length] for row, length in zip(as_array(found), lengths.tolist(), strict=True)])
    for expected, found in zip(*probs, strict=True):
        assert found.shape == expected.shape and np.isfinite(found).all()
        # Features of log-mels are rounded to one byte a value: one in a thousand falls to its neighbour
        assert np.abs(found - expected).max() < (0.1 if kind == "fbank" else 2e-3)


def test_it_runs_where_torch_cannot_be_imported(bundles, tmp_path):
    """Voice activity detection takes no tones for speech, so all is transcribed."""
    wav = tmp_path / "a.wav"
    soundfile.write(wav, sound("aei oae", np.random.default_rng(1)), RATE)
    words = ["transcribe", str(bundles["fbank"][1]), str(wav), "--vad", "off"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", FORBID, *words], capture_output=True, text=True, check=False, env=environment
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.replace(" ", "") == f"{wav}\taeioae\n"


@pytest.mark.parametrize("method", ["greedy", "beam"])
def test_pieces_are_the_bundles(bundles, tmp_path, monkeypatch, method):
    """Texts, times and confidences, also those of voice activity detection by the network in the export."""
    monkeypatch.setattr("xlt.audio.voice.Voice", Loud)
    wav = tmp_path / "a.wav"
    pause = np.zeros(2 * RATE, np.float32)
    rng = np.random.default_rng(1)
    soundfile.write(wav, np.concatenate([sound("aei oae", rng), pause, sound("iao", rng)]), RATE)
    found = []
    for folder in bundles["fbank"]:
        head = open_bundle(folder).head()
        head.recogniser.decode = dataclasses.replace(
            head.recogniser.decode, method=method, lm_weight=[], length_bonus=0.5
        )
        found.append(head(str(wav)))
    ours, exported = found
    assert len(ours) == 2 and [piece["text"] for piece in exported] == [piece["text"] for piece in ours]
    for one, other in zip(ours, exported, strict=True):
        assert other["score"] == pytest.approx(one["score"], abs=0.05)
        assert [word["start_s"] for word in other["words"]] == [word["start_s"] for word in one["words"]]


def test_memory_is_given_back_between_clips(bundles, monkeypatch):
    trims = []
    monkeypatch.setattr("xlt.models.onnx.model.trim_memory", lambda: trims.append(1))
    monkeypatch.setattr("xlt.models.onnx.model.TRIM_EVERY", 3)
    model = OnnxModel(bundles["fbank"][1])
    for _ in range(4):
        model.log_probs(waves()[2:] * 2)
    assert len(trims) == 2  # after the fourth and the eighth clip


def test_an_export_in_one_byte_is_near(bundles, tmp_path):
    bundle, exported = bundles["whisper"]
    assert main(["export", "onnx", str(bundle), "--out", str(tmp_path / "small"), "--int8"]) == 0
    probs = [
        open_bundle(folder).head().recogniser.model.log_probs(waves()[:1])[0]
        for folder in (exported, tmp_path / "small")
    ]
    assert 1e-6 < np.abs(probs[0] - probs[1]).max() < 0.5
    assert (tmp_path / "small/backbone.onnx").stat().st_size < (exported / "backbone.onnx").stat().st_size


def test_a_language_of_many_is_exported_with_the_same_backbone(bundles, tmp_path):
    bundle, exported = bundles["whisper"]
    other = altered(shutil.copytree(bundle, tmp_path / "other"), lang="ron_Latn")
    joined, out = tmp_path / "joined", tmp_path / "out"
    assert main(["bundle", "join", str(bundle), str(other), "--out", str(joined)]) == 0
    out.mkdir()
    export(joined / "heads/ron_Latn", out, int8=False)
    for name in (BACKBONE, HEAD):
        assert (out / name).read_bytes() == (exported / name).read_bytes()


def test_what_cannot_be_exported_is_refused_with_the_reason(bundles, tmp_path, capsys):
    exported = bundles["fbank"][1]
    assert main(["export", "onnx", str(exported), "--out", str(tmp_path / "x")]) == 2
    told(capsys.readouterr().err, "exported already", where=str(exported))
    copy = altered(shutil.copytree(TONES, tmp_path / "copy"), family="whisper_ed")
    with raises(ConfigError, "whisper_ed", where=str(copy)):
        parts_of(copy)
    assert main(["export", "onnx", str(TONES), "--out", str(exported)]) == 2
    told(capsys.readouterr().err, "already exists", where=f"--out {exported}")
    assert main(["export", "lhotse", str(tmp_path / "x"), "--int8"]) == 2
    told(capsys.readouterr().err, "lhotse", where="--int8")
    assert not (tmp_path / "x").exists()


def test_an_encoder_that_hears_chunks_is_not_exported(tmp_path):
    manifest = {"decode": {"method": "greedy"}}
    features = {"upstream": {"upstream": "whisper_base"}, "chunk_s": [0.64], "left_s": 5.0}
    info = {"family": "espnet", "features": features}
    with raises(ConfigError, "features.chunk_s", where=str(tmp_path)):
        refuse(tmp_path, manifest, info, ["whisper_base"])
    features["chunk_s"] = [0.0, 0.64]  # xlt transcribe hears whole clips
    refuse(tmp_path, manifest, info, ["whisper_base"])


def test_a_damaged_export_is_refused(bundles, tmp_path):
    copy = altered(shutil.copytree(bundles["fbank"][1], tmp_path / "copy"))
    (copy / "head.onnx").write_bytes(b"no network")
    altered(copy)
    with raises(DataError, where=str(copy / "head.onnx")):
        open_bundle(copy).head()


def test_no_recipe_is_trained_from_an_export(bundles, tmp_path, capsys):
    recipe = tmp_path / "recipe"
    recipe.mkdir()
    (recipe / "recipe.yaml").write_text(
        f"lang: eng_Latn\ndata: {{reader: kaldi, dir: {tmp_path}}}\nfeatures: {{upstream: fbank}}\n"
        f"train: {{init: {bundles['fbank'][1]}}}\n"
    )
    assert main(["features", "--recipe", str(recipe)]) == 2
    told(capsys.readouterr().err, "exported", where="train.init")
