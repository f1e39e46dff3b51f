"""Who has heard a speaker, and what is written for a training without."""

import pytest

from tests.errors import told
from xlt.cli import main
from xlt.data.drop import left_out
from xlt.formats.tables import read_table, write_table

CLIPS = {"ana-1": "aaa", "ana-2": "bbb", "ana-3": "ccc", "ion-1": "ddd", "ion-2": "eee"}


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A recipe with three clips of Ana, one in test; models of it and of another recipe."""
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "egs/ron/data/all"
    data.mkdir(parents=True)
    write_table(data / "utt2spk", {utt: utt.split("-")[0] for utt in CLIPS})
    write_table(data / "utt2audio", CLIPS)
    write_table(data / "utt2split", dict.fromkeys(CLIPS, "train") | {"ana-3": "test", "ion-2": "test"})
    for recipe in ("ron", "multi", "none"):
        (tmp_path / "egs" / recipe).mkdir(exist_ok=True)
        (tmp_path / "egs" / recipe / "recipe.yaml").write_text("lang: ron_Latn\n")
    model("egs/ron/exp/main", {"ana-1": "aaa x", "ana-2": "bbb y", "ion-1": "ddd z"})
    model("egs/ron/exp/main/bundle", {"ana-1": "aaa x", "ana-2": "bbb y", "ion-1": "ddd z"})
    model("egs/ron/exp/other", {"ion-1": "ddd z"})
    model("egs/multi/exp/all", {"ron_ana-1": "aaa x", "fra_x-1": "fff x"})  # ids of its own
    model("egs/ron/exp/old", None)
    model("away/many/heads/ron_Latn", {"clip0000001": "bbb -"})  # as published ones are
    return tmp_path


def model(folder, heard):
    from pathlib import Path

    Path(folder).mkdir(parents=True)
    (Path(folder) / "xlt.json").write_text("{}")
    if heard is not None:
        write_table(Path(folder) / "heard", heard)


def test_models_are_found_and_nothing_is_changed_but_the_list(root, capsys):
    assert main(["forget", "egs/ron", "--speaker", "ana", "--also", "away"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ana: 3 utterances, 2 in train, 1 in test"
    assert set(lines[1:5]) == {
        "egs/ron/exp/main: was trained on 2 of them",
        "egs/multi/exp/all: was trained on 1 of them",
        "away/many/heads/ron_Latn: was trained on 1 of them",
        "egs/ron/exp/old: does not say what it was trained on",
    }
    assert "  egs/ron/run.sh tag=TAG data.drop=egs/ron/forget.txt" in lines
    assert not any("exp/other" in line or "bundle: " in line for line in lines)
    assert lines[-1].startswith("test: ")
    drop = root / "egs/ron/forget.txt"
    assert read_table(drop) == {"ana-1": "withdrawn: ana", "ana-2": "withdrawn: ana"}
    splits = read_table(root / "egs/ron/data/all/utt2split")
    assert left_out(drop, ["ana-1", "ana-2", "ion-1"], splits, "train").keys() == {"ana-1", "ana-2"}


def test_a_second_speaker_and_what_was_dropped_before(root, capsys):
    (root / "egs/ron/drop.txt").write_text("ana-2 noise\n")
    (root / "egs/ron/recipe.yaml").write_text("lang: ron_Latn\ndata: {drop: drop.txt}\n")
    for speaker in ("ion", "ana"):
        assert main(["forget", "egs/ron", "--speaker", speaker]) == 0
    assert read_table(root / "egs/ron/forget.txt") == {
        "ana-1": "withdrawn: ana",
        "ana-2": "withdrawn: ana",
        "ion-1": "withdrawn: ion",
    }
    assert (root / "egs/ron/drop.txt").read_text() == "ana-2 noise\n"


@pytest.mark.parametrize(
    "words, where, fact",
    [
        (["egs/ron", "--speaker", "eva"], "--speaker=eva", "ion"),
        (["egs/multi", "--speaker", "ana"], "egs/multi/data/all/utt2spk", "data"),
        (["egs/ron", "--speaker", "ana", "--also", "nowhere"], "--also nowhere", "bundles"),
    ],
    ids=["speaker", "no data", "no folder"],
)
def test_what_is_refused(root, capsys, words, where, fact):
    assert main(["forget", *words]) == 2
    told(capsys.readouterr().err, fact, where=where)
    assert not (root / "egs/ron/forget.txt").exists()
