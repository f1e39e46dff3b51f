"""Test sets from other corpora: made when they are asked for, and nothing else changes."""

import json

import pytest

from tests.data.corpus import stamp, tone
from tests.errors import told
from xlt.formats.tables import read_table

FURTHER = "data.further=[{set: test_phone, reader: table, dir: %s}]"
PHONE = {"o ușă": 700.0, "trei mere roșii": 720.0, "un pod": 740.0, "o carte veche": 760.0}


@pytest.fixture
def phone(tmp_path):
    """Four sentences by telephone, one of them, as it happens, of the recipe's own corpus."""
    rows = ["path\ttext\tspeaker"]
    for number, (text, hz) in enumerate(PHONE.items()):
        tone(tmp_path / f"phone/p{number}.wav", hz=hz, rate=8000)
        rows.append(f"p{number}.wav\t{text.capitalize()}\toperator")
    (tmp_path / "phone/corpus.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return tmp_path / "phone"


def stamped(recipe, *names):
    return {name: (recipe.dir / "data" / name / "stage.json").read_bytes() for name in names}


def own_sets(recipe):
    return stamped(recipe, "all", "train", "dev", "test")


def test_a_set_of_another_corpus(recipe, stamps, phone):
    of = (f"data.dir={stamps}", FURTHER % phone)
    assert recipe(f"data.dir={stamps}") == 0
    before = own_sets(recipe)
    assert recipe(*of) == 0  # it is there, but nobody asks for it
    assert not (recipe.dir / "data/test_phone").exists() and own_sets(recipe) == before
    assert recipe(*of, "decode.sets=[dev,test,test_phone]") == 0
    assert own_sets(recipe) == before
    train = set(read_table(recipe.dir / "data/train/text").values())
    found = read_table(recipe.dir / "data/test_phone/text")
    assert sorted(found.values()) == sorted(set(PHONE) - train)
    assert set(read_table(recipe.dir / "data/test_phone/utt2spk").values()) == {"operator"}
    assert not set(found) & set(read_table(recipe.dir / "data/all/text"))
    report = json.loads((recipe.dir / "data/test_phone/report.json").read_text("utf-8"))
    assert report["utterances"] == {"test_phone": len(found)}
    assert report["left_out"].get("in train", []) == ["operator-p1"] * ("trei mere roșii" in train)
    assert all(
        (recipe.dir / wav).exists() for wav in read_table(recipe.dir / "data/test_phone/wav.scp").values()
    )


def test_what_train_has_is_left_out(recipe, stamps, phone):
    for number in range(12):  # all of them say what the operator says
        stamp(stamps, f"animals/s{number:02}", {"ro": list(PHONE)[number % 3]}, {"ro": 200.0 + 20 * number})
    of = (f"data.dir={stamps}", FURTHER % phone, "decode.sets=[dev,test,test_phone]")
    assert recipe(*of) == 0
    train = set(read_table(recipe.dir / "data/train/text").values())
    assert train and train < set(PHONE)
    assert set(read_table(recipe.dir / "data/test_phone/text").values()) == set(PHONE) - train


@pytest.mark.parametrize(
    ("given", "fact", "where"),
    [
        ("[{set: test_phone}]", "reader", "data.further"),
        ("[{set: test, reader: table}]", "test", "data.further"),
        ("[{set: check, reader: table}]", "check", "data.further"),
        ("[{set: t, reader: table}, {set: t, reader: elan}]", "t", "data.further"),
        ("[{set: t, reader: table, dri: x}]", "dir", "data.further"),
    ],
)
def test_settings_that_cannot_be(given, fact, where, recipe, stamps, capsys):
    assert recipe(f"data.dir={stamps}", f"data.further={given}", "decode.sets=[dev, test]") == 2
    assert fact in str(told(capsys.readouterr().err, where=where))


def test_a_set_that_the_corpus_has_itself(recipe, phone, capsys):
    rows = (phone / "corpus.tsv").read_text("utf-8").splitlines()
    marks = ["split", "train", "dev", "test", "test_phone"]
    (phone / "corpus.tsv").write_text(
        "\n".join(f"{r}\t{m}" for r, m in zip(rows, marks, strict=True)), "utf-8"
    )
    assert recipe("data.reader=table", f"data.dir={phone}", FURTHER % phone) == 2
    told(capsys.readouterr().err, "test_phone", where="data.further")


def test_stage_2_says_that_stage_1_makes_it(recipe, stamps, phone, capsys):
    from xlt.cli import main

    assert recipe(f"data.dir={stamps}") == 0
    settings = (f"data.dir={stamps}", FURTHER % phone, "decode.sets=[dev,test,test_phone]")
    assert main(["check", "--recipe", str(recipe.dir), *settings]) == 2
    told(capsys.readouterr().err, "data/test_phone", "data")
