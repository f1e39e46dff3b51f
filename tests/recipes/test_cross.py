"""data.split=cross through all stages: three small models, their texts as one test set, the final model."""

import json
import re

import pytest
import soundfile

from tests.data.corpus import PHRASES, melody
from xlt.cli import main
from xlt.formats.tables import read_table


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "corpus").mkdir()
    rows = ["path\ttext\tspeaker"]
    for n in range(30):
        text = f"{PHRASES[n % 12]} {PHRASES[(n * 5 + 1) % 12]}"
        soundfile.write(tmp_path / f"corpus/c{n:02}.wav", melody(n), 16000)
        rows.append(f"c{n:02}.wav\t{text}\t{'ab'[n % 2]}")
    (tmp_path / "corpus/corpus.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (tmp_path / "recipe").mkdir()
    (tmp_path / "recipe/recipe.yaml").write_text(
        "lang: ron_Latn\ndata: {reader: table, dir: ../corpus, split: cross, folds: 3}\n"
        "features: {upstream: fbank}\nlm: {type: none}\nscore: {bootstrap: 20}\nnj: 1\n"
        "train: {max_epochs: 1, min_updates: 0, projection: 16, encoder_conf: {hidden_size: 16}}\n"
    )
    return tmp_path / "recipe"


@pytest.mark.trains
def test_all_stages(recipe, capsys):
    run = ["run", "--recipe", str(recipe)]
    assert main(run) == 0
    last = capsys.readouterr().out.rpartition("\n\n")[2]
    assert re.match(r"Romanian, test \(3-fold cross-validation, [a-z ]+ voices\): \d", last)
    assert "the final one has learned from all clips but those of dev" in last
    exp = recipe / "exp/main"
    scores = json.loads((exp / "score.json").read_text())
    assert scores["data"]["test"]["folds"] == 3 and scores["data"]["test"]["utterances"] == 30
    assert set(scores["slices"]["test"]["test_fold"]["slices"]) == {"1", "2", "3"}
    final = read_table(exp / "heard")
    for fold in (1, 2, 3):
        heard = read_table(recipe / f"exp/main_fold{fold}/heard")
        tested = read_table(recipe / f"exp/main_fold{fold}/decode_test/text")
        assert (
            tested
            and not heard.keys() & tested.keys()
            and heard.keys() < read_table(recipe / "data/all/text").keys()
        )
        assert {utt: read_table(exp / "decode_test/text")[utt] for utt in tested} == tested
        assert len(heard) < len(final) == 30 - len(read_table(recipe / "data/dev/text"))
    assert "3-fold cross-validation" in (recipe / "RESULTS.md").read_text()
    assert sorted(path.name for path in (recipe / "results").glob("*.json")) == ["main.json"]
    assert (exp / "bundle/bundle.json").exists() and not (recipe / "exp/main_fold1/bundle").exists()

    assert main(run) == 0
    assert "making" not in capsys.readouterr().out
