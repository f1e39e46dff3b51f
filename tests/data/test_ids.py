"""Ids of strangers: one rule for all readers."""

import pytest

from tests.data.corpus import tone
from tests.errors import told
from xlt.data.corpora.names import clean, fault_of_id, speaker_ids

TURNING = "\u202e"


@pytest.mark.parametrize(
    "name",
    [
        "a b",
        "a/b",
        "a\0b",
        "a\x1b[31m",
        f"a{TURNING}b",
        "a\u2066b",
        "a\u200fb",
        "a\udc80",
        "n" * 241,
        "",
        "..",
    ],
)
def test_what_cannot_be_an_id(name):
    assert fault_of_id(name)
    if name.strip("."):
        assert fault_of_id(clean(name)) is None and clean(name) != name


@pytest.mark.parametrize("name", ["ana-1", "მანქანა_2", "n" * 240, "می‌خواهم", "a.b", "-1"])
def test_what_can(name):
    assert fault_of_id(name) is None


def test_speakers_that_look_alike_stay_two():
    first, second = speaker_ids(["ana", f"ana{TURNING}"]).values()
    assert first != second and TURNING not in second


def test_two_spellings_of_a_speaker_are_one(capsys):
    names = ["Rosa Quispe", "Rosa Quispe", "rosa  quispe ", "ROSA QUISPE", "Ana", "a", "A"]
    ids = speaker_ids(names)
    assert [ids[name] for name in names] == ["Rosa_Quispe"] * 4 + ["Ana", "a", "A"]
    out = capsys.readouterr().out
    assert "count as one: 'ROSA QUISPE' is 'Rosa Quispe', 'rosa  quispe' is 'Rosa Quispe'" in out
    speaker_ids(["Ana", "Ion", " Ion"])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("utt", ["a\0b", "a" * 300, f"a{TURNING}b", "a\x07"])
@pytest.mark.parametrize("where", ["utterance", "speaker"])
def test_kaldi_ids(recipe, tmp_path, capsys, utt, where):
    tone(tmp_path / "kaldi" / "a.wav", 200.0)
    id_, speaker = (utt, "a") if where == "utterance" else (f"{utt}-1", utt)
    for table, value in {"wav.scp": "a.wav", "text": "unu doi", "utt2spk": speaker}.items():
        (tmp_path / "kaldi" / table).write_text(f"{id_} {value}\n", encoding="utf-8")
    assert recipe("data.reader=kaldi", f"data.dir={tmp_path / 'kaldi'}") == 2
    told(capsys.readouterr().err, "id", where="kaldi")


@pytest.mark.parametrize("tag", ["<img src=x>", "a b", f"a{TURNING}", "", ".a", "a/b", "`rm`"])
def test_tags_that_cannot_name_a_folder(recipe, capsys, tag):
    assert recipe(f"tag={tag!r}") == 2
    told(capsys.readouterr().err, where="tag")
