"""The peer script without Whisper: what it does with the texts."""

import json
import sys

import pytest

from tests.bench import peer_whisper
from xlt.formats.tables import write_table
from xlt.report.markdown import render
from xlt.report.results import load


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """A recipe ``ron`` with a test set of two clips, and a Whisper that has heard one of them wrongly."""
    root = tmp_path / "ron"
    (root / "data/test").mkdir(parents=True)
    (root / "recipe.yaml").write_text("lang: ron_Latn\nscore: {bootstrap: 20}\n")
    for name, values in {
        "text": ("o broască", "unu"),
        "wav.scp": ("1.wav", "2.wav"),
        "utt2audio": ("aa", "bb"),
        "utt2dur": ("3", "3"),
    }.items():
        write_table(root / "data/test" / name, dict(zip(("s-1", "s-2"), values, strict=True)))
    calls = []

    def recognise(data, language, args, out):
        calls.append(language)
        write_table(out / "text", {"s-1": "O broască.", "s-2": "Un."})

    monkeypatch.setattr(peer_whisper, "recognise", recognise)
    monkeypatch.setattr(sys, "argv", ["peer_whisper.py", str(root)])
    return root, calls


def test_result_has_the_form_of_ours(recipe):
    root, calls = recipe
    assert peer_whisper.main() == 0
    (result,) = load(root / "results")
    # 12 characters, one lost; capitals and full stops are normalised away
    assert result.score("test", "cer") == {
        **result.score("test", "cer"),
        "value": 8.333,
        "n_ref": 12,
        "del": 1,
    }
    assert result.peer and "norm:ron-v2" in result.document["signature"]["test"]["cer"]
    assert (root / "RESULTS.md").read_text(encoding="utf-8") == render(load(root / "results"))
    assert calls == ["ro"]


def test_texts_are_not_made_twice(recipe):
    root, calls = recipe
    peer_whisper.main()
    before = json.loads((root / f"results/{peer_whisper.TAG}.json").read_text())
    peer_whisper.main()
    assert json.loads((root / f"results/{peer_whisper.TAG}.json").read_text()) == before
    assert calls == ["ro"]


def test_language_that_whisper_cannot_name(recipe, capsys):
    root, calls = recipe
    (root / "recipe.yaml").write_text("lang: ast_Latn\n")
    assert peer_whisper.main() == 2
    assert "ast_Latn" in capsys.readouterr().err and calls == []
