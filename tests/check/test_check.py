"""One thing is spoiled at a time; the place and the words of each message are written here by hand."""

import importlib
import json
import os
from pathlib import Path

import pytest

from xlt.check import FAMILIES
from xlt.formats.tables import read_table, write_table


def faults(recipe, level: str = "error") -> list[tuple[str, str, str]]:
    """(rule, where, what) of the report."""
    report = json.loads((recipe.dir / "data/check/report.json").read_text(encoding="utf-8"))
    assert report["errors"] == sum(f["level"] == "error" for f in report["faults"])
    return [(f["rule"], f["where"], f["what"]) for f in report["faults"] if f["level"] == level]


def put(recipe, table: str, content: str | bytes, name: str = "train") -> None:
    raw = content.encode() if isinstance(content, str) else content
    (recipe.dir / "data" / name / table).write_bytes(raw)


def test_right_data_pass_and_are_not_checked_twice(recipe, capsys):
    assert recipe() == 0
    assert faults(recipe) == faults(recipe, "warning") == []
    assert "train 3, dev 1, test 1 utterances: 0 errors, 0 warnings" in capsys.readouterr().out
    assert recipe() == 0
    assert "up to date" in capsys.readouterr().out


SPOILED = [
    # table, content (T stands for ana-train), rule, where, words
    ("text", "T0 un urs\n\nT1 o casă\nT2 un cal\n", "clean_bytes", "text:2", "an empty line"),
    ("text", b"T0 un urs\nT1 o cas\xe3\nT2 un cal\n", "clean_bytes", "text:2", "not UTF-8 at byte 17"),
    ("text", "T0 un urs\nT1 o\x07casă\nT2 un cal\n", "clean_bytes", "text:2", "control character U+0007"),
    ("text", "T0 un urs\r\nT1 o casă\nT2 un cal\n", "clean_bytes", "text:1", "ends as on Windows"),
    ("text", "T0 un urs\nT1 o casă\nT2 un cal", "clean_bytes", "text:3", "not ended"),
    (
        "text",
        "T1 o casă\nT0 un urs\nT2 un cal\n",
        "sorted_and_unique",
        "text:2",
        "'ana-train0' after 'ana-train1': not in C order",
    ),
    (
        "text",
        "T0 un urs\nT1 o casă\nT1 x\nT2 un cal\n",
        "sorted_and_unique",
        "text:3",
        "'ana-train1' stands twice, first in line 2",
    ),
    ("text", "T0 un urs\nT1\nT2 un cal\n", "values_there", "text:2", "nothing behind it"),
    ("text", "T0 un urs\nT2 un cal\n", "same_utterances", "utt2spk:2", "'ana-train1' is not in text"),
    (
        "text",
        "T0 un urs\nT1 o casă\nT2 un cal\nana-x y\n",
        "same_utterances",
        "text:4",
        "'ana-x' is not in utt2spk",
    ),
    ("text", "T0 un <s> urs\nT1 o casă\nT2 un cal\n", "reserved_words", "text:1", "the reserved word <s>"),
    (
        "utt2spk",
        "T0 ion\nT1 ana\nT2 ana\n",
        "speakers",
        "utt2spk:2",
        "speaker 'ana' after 'ion': not sorted by speaker",
    ),
    ("utt2spk", "T0 ana\nT1 ana ion\nT2 ana\n", "speakers", "utt2spk:2", "expected one speaker"),
    ("spk2utt", "ana T0 T2\n", "speakers", "spk2utt:1", "utterances of 'ana' are not those of utt2spk"),
    ("spk2utt", "ana T0 T1 T2\nion T0\n", "speakers", "spk2utt:2", "speaker 'ion' is not in utt2spk"),
    ("spk2utt", "", "files_there", "spk2utt", "is empty"),
    ("utt2dur", "T0 1.0\nT1 0\nT2 1.0\n", "durations", "utt2dur:2", "found '0'"),
    ("utt2dur", "T0 1.0\nT1 nan\nT2 1.0\n", "durations", "utt2dur:2", "found 'nan'"),
    (
        "utt2dur",
        "T0 1.0\nT1 2.0\nT2 1.0\n",
        "audio_files",
        "wav.scp:2",
        "1.00 s long, but utt2dur says 2.00 s",
    ),
    ("utt2num_frames", "T0 50\nT1 5.5\nT2 50\n", "durations", "utt2num_frames:2", "found '5.5'"),
    ("segments", "T0 rec 2 1\nT1 rec 0 1\nT2 rec 0\n", "segments", "segments:1", "found 'rec 2 1'"),
    ("segments", "T0 rec 0 1\nT1 rec 0 1\nT2 rec 0\n", "segments", "segments:3", "found 'rec 0'"),
    (
        "segments",
        "T0 rec 0 1\nT1 rec 0 1\nT2 rec 1 2\n",
        "segments",
        "segments:1",
        "recording 'rec' is not in wav.scp",
    ),
    (
        "wav.scp",
        "T0 sox x |\nT1 data/all/wav/T1.wav\nT2 data/all/wav/T2.wav\n",
        "audio_files",
        "wav.scp:1",
        "is a command",
    ),
    (
        "wav.scp",
        "T0 no.wav\nT1 data/all/wav/T1.wav\nT2 data/all/wav/T2.wav\n",
        "audio_files",
        "wav.scp:1",
        "no.wav: no such file",
    ),
]


@pytest.mark.parametrize(("table", "content", "rule", "where", "words"), SPOILED)
def test_each_breach_is_an_error_at_its_line(recipe, capsys, table, content, rule, where, words):
    raw = content if isinstance(content, bytes) else content.encode()
    put(recipe, table, raw.replace(b"T", b"ana-train"))
    assert recipe() == 2
    found = [(place, what) for name, place, what in faults(recipe) if name == rule]
    assert any(place == f"data/train/{where}" and words in what for place, what in found), faults(recipe)
    shown = capsys.readouterr().err
    assert f"{len(faults(recipe))} errors in the data; all are in data/check/report.md" in shown
    markdown = (recipe.dir / "data/check/report.md").read_text(encoding="utf-8")
    assert all(f"{place}: {what}" in markdown for _, place, what in faults(recipe))


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "an empty file"), (20, "cut short in its header"), (9000, "cut short: 9000 bytes")],
)
def test_damaged_audio(recipe, size, words):
    os.truncate(recipe.dir / "data/all/wav/ana-test0.wav", size)
    assert recipe() == 2
    assert [(rule, where) for rule, where, _ in faults(recipe)] == [("audio_files", "data/test/wav.scp:1")]
    assert words in faults(recipe)[0][2]


def test_a_file_that_is_not_wav(recipe):
    (recipe.dir / "data/all/wav/ana-test0.wav").write_bytes(b"not audio " * 100)
    assert recipe() == 2
    assert "not a wav file" in faults(recipe)[0][2]


def test_audio_lost_after_a_good_check_is_seen_and_mending_it_too(recipe):
    assert recipe() == 0
    path = recipe.dir / "data/all/wav/ana-dev0.wav"
    raw = path.read_bytes()
    path.unlink()
    assert recipe() == 2
    path.write_bytes(raw)
    assert recipe() == 0


def test_leaks(recipe):
    put(recipe, "utt2audio", "ana-test0 hash-of-ana-train1\n", "test")
    put(recipe, "text", "ana-test0 o casă\n", "test")
    assert recipe() == 2
    assert faults(recipe) == [(
        "no_shared_audio",
        "data/test/utt2audio:1",
        "'ana-test0' is the same recording as ana-train1 of train",
    )]
    ((rule, where, what),) = faults(recipe, "warning")
    assert (rule, where) == ("shared_texts", "data/test/text:1")
    assert what == "1 (100%) texts are in another set, too (first: line 1 is the text of ana-train1 of train)"


def test_an_utterance_in_two_sets(recipe):
    for path in (recipe.dir / "data/train").iterdir():
        (recipe.dir / "data/test" / path.name).write_bytes(path.read_bytes())
    assert recipe() == 2
    assert ("no_shared_utterances", "data/test/utt2spk:1", "'ana-train0' is in train, too") in faults(recipe)


def test_two_equal_texts_within_a_set_are_no_leak(recipe):
    put(recipe, "text", "ana-train0 un urs\nana-train1 un urs\nana-train2 un cal\n")
    assert recipe() == 0
    assert "shared_texts" not in {rule for rule, _, _ in faults(recipe, "warning")}


def test_warnings_do_not_stop(recipe, capsys):
    put(recipe, "text", "ana-test0 Un zorz.\n", "test")
    assert recipe() == 0
    found = {rule: what for rule, _, what in faults(recipe, "warning")}
    assert set(found) == {"normalised", "unseen_characters", "signs_and_digits"}
    assert found["normalised"].startswith("1 texts are not normalised by ron-v1 (here: 'Un zorz.')")
    assert found["unseen_characters"].startswith(
        # 4 of the 8 characters of "Un zorz."
        "3 characters that train never has, 4 times, so CER is at least 50%: . (U+002E FULL STOP) 1 times, U"
        " (U+0055 LATIN"
    )
    assert "warning: data/test/text:1: 1 texts" in capsys.readouterr().out


def test_the_budget_is_what_is_checked(recipe, capsys):
    assert recipe("data.train_minutes=10") == 2
    assert "data/train_10min: not there; stage 1 (data) makes it" in capsys.readouterr().err


def test_every_rule_is_tested():
    source = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    rules = [
        rule.__name__ for family in FAMILIES for rule in importlib.import_module(f"xlt.check.{family}").CHECKS
    ]
    assert len(rules) == len(set(rules))
    assert [rule for rule in rules if f'"{rule}"' not in source] == []


def test_a_model_to_start_from_is_asked_what_it_heard(recipe, capsys):
    """The rule "unheard_by_the_source"; its cases stand in tests/train/test_transfer.py."""
    assert recipe("train.init=nowhere/exp/main") == 2
    assert "no such folder; name a trained experiment" in capsys.readouterr().err


def test_thousands_of_faults_are_counted_and_ten_are_printed(recipe, capsys):
    text = {f"bob-{i:05}": "x" for i in range(5000)}
    write_table(recipe.dir / "data/train/text", read_table(recipe.dir / "data/train/text") | text)
    assert recipe() == 2
    err = capsys.readouterr().err
    assert "5000 errors in the data" in err
    assert err.count("is not in utt2spk") == 10
    assert len(faults(recipe)) == 5000


def test_characters_are_not_counted_where_phones_are_learned(recipe):
    put(recipe, "text", f"ana-train0 un urs\nana-train1 {'o' * 26}\nana-train2 casă l{'o' * 10}\n")
    put(recipe, "text", "ana-test0 un zorz\n", "test")
    rules = ("too_long_for_ctc", "unseen_characters")
    assert recipe() == 0 and {rule for rule, *_ in faults(recipe, "warning")} >= set(rules)
    assert recipe("tokens.type=phone") == 0
    assert [rule for rule, *_ in faults(recipe, "warning") if rule in rules] == []


def test_a_language_without_phones_is_an_error(recipe, capsys):
    put(recipe, "utt2lang", "ana-dev0 xyz_Latn\n", "dev")
    assert recipe("tokens.type=phone") == 2
    assert "no way is known to turn text of xyz_Latn into phones" in capsys.readouterr().err
