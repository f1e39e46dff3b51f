"""``xlt align`` from its words to its files, with a model that hears how loud the letters are."""

import csv
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from tests.align.hearing import Hearing, record, sentences
from tests.errors import told
from xlt.audio.files import SAMPLE_RATE
from xlt.cli import main
from xlt.formats import elan
from xlt.formats.labels.textgrid import TEXTGRID
from xlt.formats.tables import read_table
from xlt.speakers.turns import Turns


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hearing = Hearing(tmp_path / "tokens")
    monkeypatch.setattr("xlt.bundle.open_bundle", lambda folder: SimpleNamespace(head=lambda lang: hearing))
    return hearing


def rows(path):
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def align(*words, status=0):
    assert main(["align", *map(str, words), "--model", "bundle"]) == status


def test_pieces_lie_where_their_sentences_are_said(here, capsys):
    said = sentences(12)
    times = record("a.wav", said)
    written = [text.capitalize() + "." for n, text in enumerate(said) if n != 4]  # one is not written down
    written.insert(8, sentences(1, seed=9)[0])  # and one is not said
    Path("a.txt").write_text("\n".join(written))
    align("a.wav", "a.txt", "-o", "out", "--format", "kaldi,textgrid,eaf", "--longest", "5")
    segments, texts = read_table(Path("out/segments")), read_table(Path("out/text"))
    assert " ".join(texts.values()) == " ".join(t for n, t in enumerate(written) if n != 8)
    place = {text.capitalize() + ".": time for text, time in zip(said, times, strict=True)}
    for utt, value in segments.items():
        recording, start, end = value.split()
        inside = [time for text, time in place.items() if text in texts[utt]]
        assert recording == "a" and float(end) - float(start) <= 5
        assert inside[0][0] - 0.4 <= float(start) <= inside[0][0] + 0.02
        assert inside[-1][1] - 0.02 <= float(end) <= inside[-1][1] + 0.4
    assert read_table(Path("out/wav.scp")) == {"a": str(Path("a.wav").resolve())}
    assert set(read_table(Path("out/utt2spk")).values()) == {"a"}
    left = rows("out/left_out.tsv")
    assert [(one["reason"], one["line"]) for one in left] == [("no text", ""), ("not said", "9")]
    assert float(left[0]["start"]) == pytest.approx(times[4][0], abs=0.5)
    assert float(left[0]["end"]) == pytest.approx(times[4][1], abs=0.5)
    assert all(0.9 < float(one["confidence"]) <= 1 for one in rows("out/pieces.tsv"))
    labels = list(TEXTGRID.parse(Path("out/a.TextGrid").read_text(), Path("a.TextGrid")))
    assert [one.text for one in labels if one.tier == "utterances" and one.text] == list(texts.values())
    assert [name for name, _ in elan.links(elan.read(Path("out/a.eaf")))]
    report = Path("out/report.md").read_text()
    assert "**not said** (1)" in report and "line 9" in report and "**no text** (1)" in report
    assert "new_recipe.sh" in capsys.readouterr().out


def test_long_sentences_are_cut_and_long_words_told(here):
    long_word = "abcdefghi" * 6
    said = [" ".join(sentences(3, seed=11)), long_word, *sentences(3, seed=12)]
    record("a.wav", said)
    Path("a.txt").write_text("\n".join(said))
    align("a.wav", "a.txt", "-o", "out", "--longest", "4")
    pieces, left = rows("out/pieces.tsv"), rows("out/left_out.tsv")
    assert all(float(one["end"]) - float(one["start"]) <= 4 for one in pieces)
    assert [one["text"] for one in left if one["reason"] == "too long"] == [long_word]
    assert " ".join(one["text"] for one in pieces) == " ".join(one for one in said if one != long_word)
    assert {one["reason"] for one in left} == {"too long"}


def test_another_order_is_told_and_used(here, capsys):
    said = sentences(12, seed=1)
    record("a.wav", said)
    Path("a.txt").write_text("\n".join([*said[8:], *said[:8]]))
    align("a.wav", "a.txt", "-o", "out")
    assert {one["reason"] for one in rows("out/left_out.tsv")} == set()
    assert " ".join(read_table(Path("out/text")).values()) == " ".join(said)
    assert "in another order: lines 1–4 of a.txt" in capsys.readouterr().out
    assert "lines 1–4" in Path("out/report.md").read_text()


def test_a_transcript_of_another_recording_is_refused(here, capsys):
    record("a.wav", sentences(10, seed=2))
    Path("b.txt").write_text("\n\n" + "\n".join(sentences(10, seed=3)))
    align("a.wav", "b.txt", "-o", "out", status=2)
    told(capsys.readouterr().err, "a.wav", where="b.txt:3")
    assert not Path("out").exists()


def test_silence_and_what_nobody_says_is_refused(here, capsys):
    soundfile.write("a.wav", np.zeros(3 * SAMPLE_RATE), SAMPLE_RATE)
    Path("a.txt").write_text("abc")
    align("a.wav", "a.txt", "-o", "out", status=2)
    told(capsys.readouterr().err, where="a.wav")


def test_digits_are_left_out_and_named(here, capsys):
    said = sentences(6, seed=4)
    record("a.wav", [*said[:3], "abcabc", *said[3:]])
    Path("a.txt").write_text("\n".join([*said[:3], "1990", *said[3:]]))
    align("a.wav", "a.txt", "-o", "out")
    left = {one["reason"]: one for one in rows("out/left_out.tsv")}
    assert (left["digits"]["line"], left["digits"]["text"]) == ("4", "1990")
    assert " ".join(read_table(Path("out/text")).values()) == " ".join(said)
    assert "write numbers as they are said" in capsys.readouterr().out


def test_a_folder_of_chapters(here, capsys):
    said = sentences(12, seed=5)
    record("book/one.wav", said[:6])
    record("book/two.wav", said[6:])
    record("book/three.wav", sentences(3, seed=6))  # no text is called so
    Path("book/one.txt").write_text("\n".join(said[:6]))
    Path("book/two.txt").write_text("\n".join(sentences(6, seed=7)))  # of another recording
    align("book", "-o", "out", status=2)
    assert set(read_table(Path("out/utt2spk")).values()) == {"one"}
    captured = capsys.readouterr()
    assert "book/two.txt:1: does not fit" in captured.err and "wrote out" in captured.out


def test_what_is_wrong_in_a_folder_is_named_and_left_out(here, capsys):
    said = sentences(6, seed=5)
    for name in ("empty", "latin", "one"):
        record(f"book/{name}.wav", said)
    Path("book/one.txt").write_text("\n".join(said))
    Path("book/empty.txt").write_text(" \n")
    Path("book/latin.txt").write_bytes("señor\nniño\n".encode("cp1252"))
    Path("book/torn.wav").write_text("no sound")
    Path("book/torn.txt").write_text("abc")
    align("book", "-o", "out", status=2)
    assert set(read_table(Path("out/utt2spk")).values()) == {"one"}
    captured = capsys.readouterr()
    for name in ("book/empty.txt:1", "book/latin.txt", "book/torn.wav"):
        assert f"xlt align: {name}" in captured.err
    assert "3 of 4 recordings" in captured.err and "wrote out" in captured.out


def test_a_folder_of_empty_texts_is_refused(here, capsys):
    record("book/a.wav", ["abc"])
    Path("book/a.txt").write_text("")
    align("book", "-o", "out", status=2)
    told(capsys.readouterr().err, where="book/a.txt:1")


def test_annotations_of_minutes_in_elan(here):
    said = sentences(8, seed=8)
    times = record("a.wav", said)
    root = elan.new(Path("a.wav"))
    half = (times[3][1] + times[4][0]) / 2
    whole = [
        elan.Annotation(0.0, half, ". ".join(said[:4])),
        elan.Annotation(half, times[-1][1], ". ".join(said[4:])),
    ]
    elan.add_tiers(root, [elan.Tier("tx", "Ana", whole)], "a.wav", "")
    Path("a.eaf").write_text(elan.written(root))
    align("a.eaf", "-o", "out", "--longest", "5")
    pieces = rows("out/pieces.tsv")
    assert " ".join(one["text"] for one in pieces).replace(".", "") == " ".join(said)
    assert {one["line"] for one in pieces} == {"1", "2"}


def test_two_texts_of_a_recording_in_a_folder_are_refused(here, capsys):
    """Their pieces would have the same names, and the same speech would have two texts."""
    record("book/a.wav", ["abc"])
    Path("book/a.txt").write_text("abc")
    root = elan.new(Path("book/a.wav"))
    elan.add_tiers(root, [elan.Tier("tx", "Ana", [elan.Annotation(0.0, 20.0, "abc")])], "a.wav", "")
    Path("book/a.eaf").write_text(elan.written(root))
    align("book", "-o", "out", status=2)
    told(capsys.readouterr().err, "a.eaf", where="book/a.txt")


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (["a.wav"], "a.wav"),
        (["a.txt", "a.wav"], "a.txt"),
        (["a.wav", "no.txt"], "no.txt"),
        (["empty"], "empty"),
        (["a.wav", "a.txt", "--longest", "40"], "--longest 40"),
        (["a.wav", "a.txt", "--min_confidence", "1"], "--min_confidence 1"),
        (["a.wav", "a.txt", "--lang", "xxx"], "lang"),
        (["a.wav", "a.txt", "--out", "empty"], "--out empty"),
    ],
)
def test_what_cannot_be_is_refused_before_a_model_is_loaded(here, capsys, words, where, monkeypatch):
    monkeypatch.delattr("xlt.bundle.open_bundle")
    record("a.wav", ["abc"])
    Path("a.txt").write_text("abc")
    Path("empty").mkdir()
    align("-o", "out", *words, status=2)
    told(capsys.readouterr().err, where=where)


def test_models_that_cannot_align_are_refused(here, capsys):
    record("a.wav", ["abc"])
    Path("a.txt").write_text("abc")
    here.recogniser.has_ctc = False
    align("a.wav", "a.txt", "-o", "out", status=2)
    told(capsys.readouterr().err, where="--model bundle")
    here.recogniser.has_ctc, here.recogniser.tokenizer.type = True, "phone"
    align("a.wav", "a.txt", "-o", "out", status=2)
    told(capsys.readouterr().err, where="--model bundle")


def test_pieces_are_of_one_speaker_each_and_told(here, monkeypatch, capsys):
    said = sentences(6, seed=21)
    times = record("a.wav", said)
    Path("a.txt").write_text("\n".join(said))
    turns = Turns(
        np.array([start for start, _ in times]),
        np.array([end for _, end in times]),
        np.array([1, 1, 2, 2, 1, 1]),
    )
    monkeypatch.setattr(
        "xlt.commands.align.teller", lambda speakers: {"2": lambda path, bar: turns}[speakers]
    )
    align("a.wav", "a.txt", "-o", "out", "--format", "kaldi,eaf", "--longest", "15", "--speakers", "2")
    texts, segments = read_table(Path("out/text")), read_table(Path("out/segments"))
    by_speaker = {}
    for utt, speaker in read_table(Path("out/utt2spk")).items():
        assert utt.startswith(f"{speaker}-") and segments[utt].split()[0] == "a"
        by_speaker.setdefault(speaker, []).extend(texts[utt].split())
    assert by_speaker == {
        "a_1": " ".join(said[:2] + said[4:]).split(),
        "a_2": " ".join(said[2:4]).split(),
    }
    assert read_table(Path("out/wav.scp")) == {"a": str(Path("a.wav").resolve())}
    assert {row["speaker"] for row in rows("out/pieces.tsv")} == {"a_1", "a_2"}
    tiers = [tier.get("PARTICIPANT") for tier in elan.read(Path("out/a.eaf")).iter("TIER")]
    assert tiers == ["a_1", "a_2"] and "of 2 speakers" in capsys.readouterr().out
