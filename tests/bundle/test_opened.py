"""Which recogniser of a bundle a language means."""

import json
import shutil

import pytest

from tests.errors import raises
from xlt.bundle import open_bundle
from xlt.core.config import ROOT
from xlt.core.errors import ConfigError, DataError

ONE = ROOT / "tests/fixtures/bundle_v1"


@pytest.fixture
def loaded(monkeypatch):
    """Folders of the recognisers that were loaded."""
    folders = []

    class Listed:
        def __init__(self, folder):
            folders.append(folder)

    monkeypatch.setattr("xlt.bundle.transcribe.Transcriber", Listed)
    return folders


def test_a_bundle_of_one_language_is_loaded_once_and_when_it_is_asked_for(loaded):
    bundle = open_bundle(ONE)
    assert bundle.languages == ("eng_Latn",) and loaded == []
    assert bundle.head() is bundle.head("eng") is bundle.head("eng_Latn") and loaded == [ONE]


@pytest.mark.parametrize("lang", ["ron", "", "eng_Cyrl", "en"])
def test_a_language_that_is_not_there_is_refused_with_those_that_are(loaded, lang):
    with raises(ConfigError, "eng_Latn", where=f"--lang {lang}" if lang else None):
        open_bundle(ONE).head(lang)
    assert loaded == []


def test_what_is_no_bundle_is_refused_at_once(tmp_path):
    with raises(DataError, where="bundle.json"):
        open_bundle(tmp_path)


def test_a_language_that_is_no_text_is_damage(tmp_path):
    copy = shutil.copytree(ONE, tmp_path / "bundle")
    manifest = json.loads((ONE / "bundle.json").read_text())
    (copy / "bundle.json").write_text(json.dumps(manifest | {"lang": ["eng"]}))
    with raises(DataError, where="bundle.json"):
        open_bundle(copy)
