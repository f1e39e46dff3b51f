"""Exported bundles transcribe as those that they were made of, without torch."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from tests.bundle.many import resign
from tests.errors import raises, told
from tests.export.bundles import TONES, altered, over_whisper
from tests.tones import RATE, Loud, sound
from xlt.audio.cut import Cut
from xlt.audio.voice import NETWORK
from xlt.bundle import join, open_bundle
from xlt.bundle.auto import Auto
from xlt.bundle.joined import Joined
from xlt.bundle.manifest import MANIFEST
from xlt.bundle.opened import load_backbone
from xlt.cli import main
from xlt.core.config import ROOT
from xlt.core.errors import ConfigError, DataError
from xlt.export.onnx import export, parts_of, refuse
from xlt.lid.classifier import fit
from xlt.lid.pool import pooled
from xlt.models.onnx import BACKBONE, HEAD
from xlt.nets.paths import as_array

pytestmark = pytest.mark.trains

TOLD = [sound(text, np.random.default_rng(n)) for n, text in enumerate(("a", "ae", "aa", "o", "oi", "oo"))]

HEAVY = "torch torchaudio espnet espnet2 s3prl transformers scipy silero_vad onnx omniio"
FORBID = f"""
import json, sys
class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HEAVY.split()}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Forbidden())
from xlt.cli import main
sys.exit(max(main(words) for words in json.loads(sys.argv[1])))
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


@pytest.fixture(scope="module")
def many(bundles, tmp_path_factory):
    """A bundle of two languages that tells them by the pitch of tones and refuses the half that it is least
    sure of; and its export.
    """
    root, bundle = tmp_path_factory.mktemp("many"), bundles["whisper"][0]
    other = altered(shutil.copytree(bundle, root / "other"), lang="ron_Latn")
    joined, out = root / "joined", root / "out"
    join.join([bundle, other], joined)
    layers = (1, 2)
    rows = [pooled(load_backbone(joined, Joined.read(joined)).layers([wave], layers)[0]) for wave in TOLD]
    found = fit({"eng_Latn": np.stack(rows[:3]), "ron_Latn": np.stack(rows[3:])})
    least = float(np.median(found.probabilities(np.stack(rows)).max(axis=1)))
    join.set_lid(joined, dataclasses.replace(found, threshold=least), layers, {"eng_Latn": 3}, {})
    assert main(["export", "onnx", str(joined), "--out", str(out)]) == 0
    return joined, out


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


def test_it_runs_where_torch_cannot_be_imported(bundles, many, tmp_path):
    """Voice activity detection takes no tones for speech, so all is transcribed."""
    wav = tmp_path / "a.wav"
    soundfile.write(wav, sound("aei oae", np.random.default_rng(1)), RATE)
    words = [
        ["transcribe", str(bundles["fbank"][1]), str(wav), "--vad", "off"],
        ["transcribe", str(many[1]), str(wav), "--vad", "off", "--lang", "auto", "--format", "json"],
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", FORBID, json.dumps(words)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    single, auto = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert single.replace(" ", "") == f"{wav}\taeioae"
    assert 0 < json.loads(auto)["segments"][0]["lang_confidence"] <= 1


def test_languages_and_texts_of_many_are_the_bundles(many):
    told = []
    for folder in many:
        auto = Auto(open_bundle(folder))
        told.append([auto.piece(Cut(0, wave)) for wave in TOLD])
    ours, exported = told
    assert {piece["lang"] for piece in ours} == {"eng_Latn", "ron_Latn", None}
    for one, other in zip(ours, exported, strict=True):
        assert (other["lang"], other["text"]) == (one["lang"], one["text"])
        assert other["lang_confidence"] == pytest.approx(one["lang_confidence"], abs=1e-3)


def test_an_export_of_many_is_whole_and_stays_as_it_is(bundles, many, tmp_path, capsys):
    joined, exported = many
    assert main(["bundle", "verify", str(exported)]) == 0
    assert sorted(path.name for path in (exported / "backbone").iterdir()) == [BACKBONE, NETWORK]
    alone = exported / "heads/ron_Latn"
    assert not (alone / BACKBONE).exists() and not (alone / NETWORK).exists()
    with raises(DataError, "--lang ron_Latn", where=str(alone)):
        open_bundle(alone).head()
    capsys.readouterr()
    for source, named in ((bundles["whisper"][1],) * 2, (exported, exported / "heads/eng_Latn")):
        assert main(["bundle", "join", str(source), "--out", str(tmp_path / "x")]) == 2
        told(capsys.readouterr().err, "xlt export onnx", where=str(named))
    copy = shutil.copytree(exported, tmp_path / "copy")
    assert main(["bundle", "remove", str(copy), "ron"]) == 0 and join.verify(copy) == []


def test_layers_that_an_exported_encoder_lacks_are_told(many, tmp_path):
    copy = shutil.copytree(many[1], tmp_path / "copy")
    lid = json.loads((copy / MANIFEST).read_text("utf-8"))["lid"]
    resign(copy, lid=lid | {"layers": [1, 3]})
    with raises(DataError, "layers [1, 3]", where=MANIFEST):
        Auto(open_bundle(copy)).piece(Cut(0, TOLD[0]))


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


@pytest.mark.parametrize("exported", [False, True])
def test_memory_is_given_back_between_pieces(bundles, monkeypatch, exported):
    trims = []
    head = open_bundle(bundles["fbank"][exported]).head()
    monkeypatch.setattr("xlt.core.machine.trim_memory", lambda: trims.append(1))
    monkeypatch.setattr("xlt.bundle.transcribe.TRIM_EVERY", 3)
    for _ in range(7):
        head.piece(Cut(0, TOLD[0]))
    assert len(trims) == 2  # after the third and the sixth


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
