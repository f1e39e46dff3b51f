"""Bundles and models of other versions: older ones are read for ever, newer ones are refused."""

import json
import shutil

import numpy as np
import pytest
import soundfile

from tests.errors import raises, told
from tests.tones import RATE, Loud, sound
from xlt.bundle.manifest import read_manifest
from xlt.bundle.transcribe import Transcriber
from xlt.cli import main
from xlt.core.config import ROOT
from xlt.core.errors import DataError
from xlt.core.settings import DecodeConfig
from xlt.core.stored import from_json
from xlt.formats.model_folder import read_info

pytestmark = pytest.mark.trains

OLD = ROOT / "tests/fixtures/bundle_v1"


@pytest.fixture(autouse=True)
def tones_are_speech(monkeypatch):
    monkeypatch.setattr("xlt.audio.voice.Voice", Loud)


@pytest.fixture
def wav(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, sound("aei oae", np.random.default_rng(1)), RATE)
    return path


@pytest.fixture
def copy(tmp_path):
    return shutil.copytree(OLD, tmp_path / "bundle")


def alter(path, **values):
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, **values}))


def test_a_bundle_of_the_first_version_transcribes(wav, capsys):
    assert main(["transcribe", str(OLD), str(wav)]) == 0
    assert capsys.readouterr().out.replace(" ", "") == f"{wav}\taeioae\n"


def test_a_bundle_from_before_there_were_versions_is_of_the_first(copy, wav):
    manifest = json.loads((copy / "bundle.json").read_text())
    del manifest["format"]
    (copy / "bundle.json").write_text(json.dumps(manifest))
    assert Transcriber(copy)(str(wav))[0]["text"].replace(" ", "") == "aeioae"


def test_a_bundle_that_lacks_a_setting_of_today_gets_its_default(copy, wav):
    alter(copy / "bundle.json", decode={})
    assert Transcriber(copy)(str(wav))[0]["text"].replace(" ", "") == "aeioae"


@pytest.mark.parametrize("name", ["bundle.json", "xlt.json"])
def test_a_newer_version_is_refused(copy, wav, capsys, name):
    alter(copy / name, format=99)
    manifest = read_manifest(copy) if name == "xlt.json" else {"files": {}}
    alter(copy / "bundle.json", files={k: v for k, v in manifest["files"].items() if k != name})
    assert main(["transcribe", str(copy), str(wav)]) == 2
    told(capsys.readouterr().err, "version 99", where=name)


def test_a_setting_that_no_version_knows_is_refused(copy, wav, capsys):
    alter(copy / "bundle.json", decode={"method": "greedy", "beam_sise": 3})
    assert main(["transcribe", str(copy), str(wav)]) == 2
    assert told(capsys.readouterr().err, where="bundle.json").setting == "decode.beam_sise"


@pytest.mark.parametrize("value", [[], None, 3])
def test_a_manifest_without_its_parts_is_damaged(copy, value):
    alter(copy / "bundle.json", decode=value)
    with pytest.raises(DataError, match="bundle.json: damaged; run stage 10"):
        read_manifest(copy)


def test_a_model_of_the_first_version_is_espnet_s(copy):
    assert "family" not in json.loads((copy / "xlt.json").read_text())
    info = read_info(copy)
    assert (info["format"], info["family"], info["lang"]) == (2, "espnet", "eng_Latn")


def test_a_damaged_model_file_names_the_remedy(copy):
    (copy / "xlt.json").write_text('{"lang": ')
    with raises(DataError, "--stage 6 --force", where="xlt.json"):
        read_info(copy)


def test_a_bundle_of_the_first_version_is_decoded_by_its_defaults(copy):
    then = json.loads((OLD / "bundle.json").read_text())["decode"]
    alter(copy / "bundle.json", decode={})
    now = vars(from_json(DecodeConfig, "decode", read_manifest(copy)["decode"], "x"))
    assert {key: now[key] for key in then} == then
