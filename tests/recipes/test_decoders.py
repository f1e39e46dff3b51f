"""Two decoders of a made-up model from stage 7 to the last lines of a run and to RESULTS.md."""

import json

import pytest

from tests.decode.toy_writer import NEVER
from tests.report.test_decoders import rows, section
from tests.toy import make_toy_recipe
from xlt.cli import main
from xlt.core.registry import FAMILIES
from xlt.formats.tables import read_table

SETTINGS = ["train.family=writers", "score.bootstrap=50"]


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    monkeypatch.setitem(FAMILIES.entries, "writers", "tests.decode.toy_writer:WRITERS")
    recipe = make_toy_recipe(tmp_path)
    monkeypatch.chdir(recipe)
    return recipe


@pytest.mark.trains
def test_the_ladder_of_a_run(recipe, capsys):
    for stage in ("tokens", "train", "decode", "score", "report"):
        assert main([stage, "--recipe", str(recipe), *SETTINGS]) == 0
    capsys.readouterr()
    words = ["run", "--recipe", str(recipe), "--stage", "bundle", "bundle.with_upstream=false"]
    assert main([*words, *SETTINGS]) == 0
    said = " ".join(read_table(recipe / "data/test/text").values()).split()
    # CTC never writes ș, and so not the word și; the attention decoder writes mere for pere
    ctc, attention = (f"{100 * said.count(word) / len(said):.1f}%" for word in ("și", NEVER))
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert {
        line.rsplit(" ", 2)[0]: line.rsplit(" ", 1)[1]
        for line in lines[lines.index("wrong on test characters words") + 1 :][:4]
    } == {
        "greedy CTC": ctc,
        "CTC beam search": ctc,
        "attention decoder alone": attention,
        "combined": "0.0%",
    }
    found = json.loads((recipe / "exp/main/score.json").read_text(encoding="utf-8"))
    assert found["decoding"]["test"]["method"] == "combined"
    assert found["decoding"]["test"]["cpu_s_per_s"].keys() == {"ctc", "beam", "attention", "scoring"}
    assert found["combination"]["weights"]["attention"] > 0
    for part in ("beam", "attention"):
        change = found["parts"]["test"][part]["wer"]
        assert change["after"]["value"] == 0.0 and change["relative"] == -100.0
    page = section((recipe / "RESULTS.md").read_text(encoding="utf-8"), "Decoders and their combination")
    assert rows(page, "main | test | WER")[0][3:7] == [ctc[:-1], ctc[:-1], attention[:-1], "0.0"]
