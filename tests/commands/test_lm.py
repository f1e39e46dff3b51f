"""``xlt lm adapt``: a bundle of the first version, which has no language model, gets one."""

import json
import shutil

import numpy as np
import pytest
import soundfile

from tests.errors import told
from tests.tones import RATE, Loud, sound
from xlt.bundle.manifest import check_files, read_manifest
from xlt.bundle.transcribe import Transcriber
from xlt.cli import main
from xlt.core.config import ROOT
from xlt.lm.arpa import read_arpa
from xlt.lm.ngram import NGram

OLD = ROOT / "tests/fixtures/bundle_v1"


@pytest.fixture
def bundle(tmp_path):
    return shutil.copytree(OLD, tmp_path / "bundle")


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("aei oae\n" * 5 + "oae aei\n" * 5)
    return path


@pytest.mark.trains
def test_the_new_bundle_transcribes_and_the_old_one_stays(bundle, texts, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("xlt.audio.voice.Voice", Loud)
    before = {path.name: path.read_bytes() for path in bundle.iterdir()}
    assert main(["lm", "adapt", str(bundle), str(texts)]) == 0
    made = tmp_path / "bundle-adapted"
    said = capsys.readouterr().out
    assert "too few lines" in said and "no language model" in said and str(made) in said
    assert {path.name: path.read_bytes() for path in bundle.iterdir()} == before
    manifest = read_manifest(made)
    check_files(made, manifest)
    assert manifest["lm"] == "ngram" and manifest["decode"]["method"] == "beam"
    assert json.loads((made / "lm/lm.json").read_text())["sources"][0]["what"] == "the text texts.txt"
    wav = tmp_path / "a.wav"
    soundfile.write(wav, sound("aei oae", np.random.default_rng(1)), RATE)
    assert Transcriber(made)(str(wav))[0]["text"].replace(" ", "") == "aeioae"


def test_an_existing_folder_is_not_touched(bundle, texts, tmp_path, capsys):
    (tmp_path / "there").mkdir()
    assert main(["lm", "adapt", str(bundle), str(texts), "--out", str(tmp_path / "there")]) == 2
    told(capsys.readouterr().err, "already exists", where=f"--out {tmp_path / 'there'}")
    assert list((tmp_path / "there").iterdir()) == []


@pytest.mark.parametrize(
    ("text", "fact"), [("", "no text"), ("привет мир\n" * 30, "script"), (None, "no such file")]
)
def test_bad_texts_leave_nothing_behind(bundle, tmp_path, capsys, text, fact):
    path = tmp_path / "bad.txt"
    if text is not None:
        path.write_text(text)
    assert main(["lm", "adapt", str(bundle), str(path)]) == 2
    assert fact in capsys.readouterr().err
    assert sorted(child.name for child in tmp_path.iterdir() if child != path) == ["bundle"]


def test_a_damaged_bundle_is_refused(bundle, texts, capsys):
    with (bundle / "tokens.txt").open("a") as file:
        file.write("x\n")
    assert main(["lm", "adapt", str(bundle), str(texts)]) == 2
    told(capsys.readouterr().err, "altered", where="tokens.txt")


def test_an_exported_model_is_the_bundle_s(bundle, texts, tmp_path, capsys):
    assert main(["lm", "export", str(bundle), "--out", str(tmp_path / "none")]) == 2
    told(capsys.readouterr().err, "no language model", where=str(bundle))
    assert main(["lm", "adapt", str(bundle), str(texts)]) == 0
    made = tmp_path / "bundle-adapted"
    assert main(["lm", "export", str(made)]) == 0
    assert sorted(path.name for path in (tmp_path / "bundle-adapted-arpa").iterdir()) == [
        "domain1.arpa",
        "domain1_words.arpa",
    ]
    model = read_arpa(tmp_path / "bundle-adapted-arpa/domain1.arpa")
    original = NGram.load(made / "lm/domain1.npz")
    assert model.logp("aei oae") == pytest.approx(original.logp("aei oae"), abs=1e-4)


def test_texts_belong_to_adapt_alone(bundle, texts, capsys):
    assert main(["lm", "adapt", str(bundle)]) == 2
    told(capsys.readouterr().err, "needs the texts", where="TEXT")
    assert main(["lm", "export", str(bundle), str(texts)]) == 2
    told(capsys.readouterr().err, "takes no texts", where="TEXT")
