"""Training utterances left out by name; the corpus of twelve clips of one second."""

import pytest

from xlt.core.stage import read_stamp
from xlt.formats.tables import read_table, write_table


@pytest.fixture
def made(recipe, stamps):
    def run(*settings):
        return recipe(f"data.dir={stamps}", *settings)

    assert run() == 0
    run.dir = recipe.dir
    return run


def ids(made, name: str) -> list[str]:
    return list(read_table(made.dir / "data" / name / "text"))


def test_what_the_table_names_is_left_out_of_train_alone(made, capsys):
    before = {name: ids(made, name) for name in ("train", "dev", "test")}
    gone = before["train"][1]
    write_table(made.dir / "drop.txt", {gone: "says something else", "nobody": "is not there"})
    capsys.readouterr()
    assert made(f"data.drop={made.dir / 'drop.txt'}") == 0
    said = capsys.readouterr().out
    assert f"train: 1 of {len(before['train'])} utterances are left out" in said and "first 'nobody'" in said
    assert (
        "data/all is up to date" in said
        and "data/dev is up to date" in said
        and "data/test is up to date" in said
    )
    assert ids(made, "train") == [utt for utt in before["train"] if utt != gone]
    assert gone not in (made.dir / "data/train/spk2utt").read_text(encoding="utf-8").split()
    assert read_table(made.dir / "data/train/dropped") == {gone: "says something else"}
    assert read_stamp(made.dir / "data/train")["dropped"] == 1
    assert {name: ids(made, name) for name in ("dev", "test")} == {
        name: before[name] for name in ("dev", "test")
    }
    assert made(f"data.drop={made.dir / 'drop.txt'}") == 0
    assert capsys.readouterr().out.count("is up to date") == 4
    write_table(made.dir / "drop.txt", {before["train"][0]: "another"})  # the table is an input
    assert made(f"data.drop={made.dir / 'drop.txt'}") == 0
    assert gone in ids(made, "train") and before["train"][0] not in ids(made, "train")
    assert made() == 0
    assert ids(made, "train") == before["train"] and not (made.dir / "data/train/dropped").exists()


def test_others_do_not_take_their_place_in_a_budget(made):
    assert made("data.train_minutes=0.1") == 0
    before = ids(made, "train_0.1min")
    write_table(made.dir / "drop.txt", {before[0]: "x"})
    assert made("data.train_minutes=0.1", f"data.drop={made.dir / 'drop.txt'}") == 0
    assert ids(made, "train_0.1min") == before[1:]


@pytest.mark.parametrize("name", ["dev", "test"])
def test_held_out_speech_stays(made, capsys, name):
    utt = ids(made, name)[0]
    (made.dir / "drop.txt").write_text(f"{utt} too hard\n", encoding="utf-8")
    assert made(f"data.drop={made.dir / 'drop.txt'}") == 2
    assert (
        f"drop.txt:1: {utt!r} is in {name}; only training utterances can be left out"
        in capsys.readouterr().err
    )


def test_the_table_must_be_there_and_outside_data(made, capsys):
    assert made("data.drop=none.txt") == 2
    assert "none.txt: no such file" in capsys.readouterr().err
    (made.dir / "data/drop.txt").write_text("x y\n", encoding="utf-8")
    assert made(f"data.drop={made.dir / 'data/drop.txt'}") == 2
    assert "go round in a circle; copy it beside recipe.yaml" in capsys.readouterr().err


def test_nothing_left(made, capsys):
    write_table(made.dir / "drop.txt", dict.fromkeys(ids(made, "train"), "x"))
    assert made(f"data.drop={made.dir / 'drop.txt'}") == 2
    assert "no utterance of train is left; keep some" in capsys.readouterr().err
