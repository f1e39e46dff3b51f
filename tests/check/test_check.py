"""One thing is spoiled at a time; the place and the words of each message are written here by hand."""

import html
import importlib
import json
import os
from pathlib import Path

import pytest

from tests.check.faults import rows
from tests.errors import told
from xlt.check.families import FAMILIES
from xlt.formats.tables import read_table, write_table


def faults(recipe, severity: str = "error") -> list[dict]:
    """The faults of one severity in report.json."""
    report = json.loads((recipe.dir / "data/check/report.json").read_text(encoding="utf-8"))
    assert report["errors"] == sum(f["severity"] == "error" for f in report["faults"])
    return [fault for fault in rows(recipe) if fault["severity"] == severity]


def placed(found: list[dict]) -> list[tuple[str, str]]:
    """(rule, where) of each."""
    return [(fault["rule"], fault["where"]) for fault in found]


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
    # table, content (T is ana-train), rule, where, values (the words are in test_injection.py)
    ("text", "T0 un urs\n\nT1 o casă\nT2 un cal\n", "clean_bytes", "text:2", {}),
    ("text", b"T0 un urs\nT1 o cas\xe3\nT2 un cal\n", "clean_bytes", "text:2", {"byte": 17}),
    ("text", "T0 un urs\nT1 o\x07casă\nT2 un cal\n", "clean_bytes", "text:2", {"code": "U+0007"}),
    ("text", "T0 un urs\r\nT1 o casă\nT2 un cal\n", "clean_bytes", "text:1", {}),
    ("text", "T0 un urs\nT1 o casă\nT2 un cal", "clean_bytes", "text:3", {}),
    (
        "text",
        "T1 o casă\nT0 un urs\nT2 un cal\n",
        "sorted_and_unique",
        "text:2",
        {"id": "ana-train0", "before": "ana-train1"},
    ),
    (
        "text",
        "T0 un urs\nT1 o casă\nT1 x\nT2 un cal\n",
        "sorted_and_unique",
        "text:3",
        {"id": "ana-train1", "first_line": 2},
    ),
    ("text", "T0 un urs\nT1\nT2 un cal\n", "values_there", "text:2", {"id": "ana-train1"}),
    ("text", "T0 un urs\nT2 un cal\n", "same_utterances", "utt2spk:2", {"id": "ana-train1", "table": "text"}),
    (
        "text",
        "T0 un urs\nT1 o casă\nT2 un cal\nana-x y\n",
        "same_utterances",
        "text:4",
        {"id": "ana-x", "table": "utt2spk"},
    ),
    ("text", "T0 un <s> urs\nT1 o casă\nT2 un cal\n", "reserved_words", "text:1", {"word": "<s>"}),
    (
        "utt2spk",
        "T0 ion\nT1 ana\nT2 ana\n",
        "speakers",
        "utt2spk:2",
        {"speaker": "ana", "before": "ion"},
    ),
    ("utt2spk", "T0 ana\nT1 ana ion\nT2 ana\n", "speakers", "utt2spk:2", {"value": "ana ion"}),
    ("spk2utt", "ana T0 T2\n", "speakers", "spk2utt:1", {"speaker": "ana"}),
    ("spk2utt", "ana T0 T1 T2\nion T0\n", "speakers", "spk2utt:2", {"speaker": "ion"}),
    ("spk2utt", "", "files_there", "spk2utt", {}),
    ("utt2dur", "T0 1.0\nT1 0\nT2 1.0\n", "durations", "utt2dur:2", {"value": "0"}),
    ("utt2dur", "T0 1.0\nT1 nan\nT2 1.0\n", "durations", "utt2dur:2", {"value": "nan"}),
    (
        "utt2dur",
        "T0 1.0\nT1 2.0\nT2 1.0\n",
        "audio_files",
        "wav.scp:2",
        {},
    ),
    ("utt2num_frames", "T0 50\nT1 5.5\nT2 50\n", "durations", "utt2num_frames:2", {"value": "5.5"}),
    ("segments", "T0 rec 2 1\nT1 rec 0 1\nT2 rec 0\n", "segments", "segments:1", {"value": "rec 2 1"}),
    ("segments", "T0 rec 0 1\nT1 rec 0 1\nT2 rec 0\n", "segments", "segments:3", {"value": "rec 0"}),
    (
        "segments",
        "T0 rec 0 1\nT1 rec 0 1\nT2 rec 1 2\n",
        "segments",
        "segments:1",
        {"recording": "rec"},
    ),
    (
        "wav.scp",
        "T0 sox x |\nT1 data/all/wav/T1.wav\nT2 data/all/wav/T2.wav\n",
        "audio_files",
        "wav.scp:1",
        {},
    ),
    (
        "wav.scp",
        "T0 no.wav\nT1 data/all/wav/T1.wav\nT2 data/all/wav/T2.wav\n",
        "audio_files",
        "wav.scp:1",
        {},
    ),
]


@pytest.mark.parametrize(("table", "content", "rule", "where", "values"), SPOILED)
def test_each_breach_is_an_error_at_its_line(recipe, capsys, table, content, rule, where, values):
    raw = content if isinstance(content, bytes) else content.encode()
    put(recipe, table, raw.replace(b"T", b"ana-train"))
    assert recipe() == 2
    found = [f for f in faults(recipe) if (f["rule"], f["where"]) == (rule, f"train/{where}")]
    assert any(fault["values"].items() >= values.items() for fault in found), faults(recipe)
    shown = capsys.readouterr().err
    assert f"{len(faults(recipe))} errors in the data; all are in data/check/report.md" in shown
    markdown = html.unescape((recipe.dir / "data/check/report.md").read_text(encoding="utf-8"))
    said = [f"data/{f['where']}: {f['found']}; {f['remedy']}" for f in faults(recipe)]
    assert [one for one in said if one not in markdown] == []


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "empty file"), (20, "cut short in the header"), (9000, "cut short: 9000 bytes")],
)
def test_damaged_audio(recipe, size, words):
    os.truncate(recipe.dir / "data/all/wav/ana-test0.wav", size)
    assert recipe() == 2
    assert placed(faults(recipe)) == [("audio_files", "test/wav.scp:1")]
    assert words in faults(recipe)[0]["found"]


def test_a_file_that_is_not_wav(recipe):
    (recipe.dir / "data/all/wav/ana-test0.wav").write_bytes(b"not audio " * 100)
    assert recipe() == 2
    assert "not a wav file" in faults(recipe)[0]["found"]


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
    (error,), (warning,) = faults(recipe), faults(recipe, "warning")
    assert placed([error, warning]) == [
        ("no_shared_audio", "test/utt2audio:1"),
        ("shared_texts", "test/text:1"),
    ]
    assert error["values"] == {"id": "ana-test0", "other": "ana-train1", "set": "train"}
    assert warning["values"] == {"count": 1, "share": 100.0, "line": 1, "other": "ana-train1 of train"}


def test_an_utterance_in_two_sets(recipe):
    for path in (recipe.dir / "data/train").iterdir():
        (recipe.dir / "data/test" / path.name).write_bytes(path.read_bytes())
    assert recipe() == 2
    first = next(fault for fault in faults(recipe) if fault["rule"] == "no_shared_utterances")
    assert (first["where"], first["values"]) == ("test/utt2spk:1", {"id": "ana-train0", "other": "train"})


def test_two_equal_texts_within_a_set_are_no_leak(recipe):
    put(recipe, "text", "ana-train0 un urs\nana-train1 un urs\nana-train2 un cal\n")
    assert recipe() == 0
    assert "shared_texts" not in {fault["rule"] for fault in faults(recipe, "warning")}


def test_warnings_do_not_stop(recipe, capsys):
    put(recipe, "text", "ana-test0 Un zorz.\n", "test")
    assert recipe() == 0
    found = {fault["rule"]: fault["values"] for fault in faults(recipe, "warning")}
    assert set(found) == {"normalised", "unseen_characters", "signs_and_digits"}
    assert found["normalised"] == {"count": 1, "normaliser": "ron-v2", "text": "Un zorz."}
    characters = found["unseen_characters"].pop("characters")
    # 4 of the 8 characters of "Un zorz."
    assert found["unseen_characters"] == {"train": "train", "count": 3, "times": 4, "floor": 50.0}
    assert characters.startswith(". (U+002E FULL STOP) 1 times, U (U+0055 LATIN")
    assert "warning: data/test/text:1: 1 texts" in capsys.readouterr().out


def test_words_of_strangers_are_text_on_the_page(recipe):
    evil = "<img src=x> un ![x](http://evil) | urs"
    put(recipe, "text", f"ana-train0 {evil}\nana-train1 un urs\nana-train2 un cal\n")
    put(recipe, "text_raw", f"ana-train0 {evil}\nana-train1 un urs\nana-train2 un cal\n")
    recipe()
    page = (recipe.dir / "data/check/report.md").read_text(encoding="utf-8")
    assert "&lt;img src=x>" in page and "<img" not in page and "](http" not in page


def test_the_budget_is_what_is_checked(recipe, capsys):
    assert recipe("data.train_minutes=10") == 2
    told(capsys.readouterr().err, "stage 1 (data)", where="data/train_10min")


def test_every_rule_is_tested():
    source = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    rules = [
        rule.__name__ for family in FAMILIES for rule in importlib.import_module(f"xlt.check.{family}").CHECKS
    ]
    assert len(rules) == len(set(rules))
    assert [rule for rule in rules if f'"{rule}"' not in source] == []


def test_a_model_to_start_from_is_asked_what_it_heard(recipe, capsys):
    """The rule "unheard_by_the_source"; its cases are in tests/train/test_transfer.py."""
    assert recipe("train.init=nowhere/exp/main") == 2
    told(capsys.readouterr().err, "nowhere/exp/main", where="train.init")


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
    assert recipe() == 0 and {fault["rule"] for fault in faults(recipe, "warning")} >= set(rules)
    assert recipe("tokens.type=phone") == 0
    assert [fault for fault in faults(recipe, "warning") if fault["rule"] in rules] == []


def test_a_language_without_phones_is_an_error(recipe, capsys):
    put(recipe, "utt2lang", "ana-dev0 xyz_Latn\n", "dev")
    assert recipe("tokens.type=phone") == 2
    told(capsys.readouterr().err, "xyz_Latn")
