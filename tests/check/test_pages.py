"""report.html and listen.html of stage 2, read by Python's own parser."""

import json
import math
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest
import soundfile

from tests.pages import Reader
from xlt.audio.players import Sounds
from xlt.check import html, listen
from xlt.check.datadir import Sets
from xlt.check.faults import Fault, Place
from xlt.check.named import in_fault, named
from xlt.core.config import load
from xlt.core.context import Context
from xlt.data.drop import left_out
from xlt.decode.align import Fit
from xlt.formats.tables import read_table, write_table

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u202etxt"
SHOWN = EVIL.replace("\u202e", "U+202E")


def put(recipe, table: str, rows: dict[str, str], name: str = "train") -> None:
    write_table(recipe.dir / "data" / name / table, rows)


def sets_of(recipe) -> Sets:
    return Sets(recipe.dir / "data", {name: recipe.dir / "data" / name for name in ("train", "dev", "test")})


def sounds_of(recipe) -> Sounds:
    folder = recipe.dir / "data/check"
    folder.mkdir(exist_ok=True)
    return Sounds(folder, folder)


def read(path: Path) -> Reader:
    reader = Reader(path.read_text(encoding="utf-8"))
    assert reader.open == []
    ids = [attrs["id"] for _, attrs in reader.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert not [name for _, attrs in reader.elements for name in attrs if name.startswith("on")]
    assert [tag for tag, _ in reader.elements].count("script") == 1
    assert not {"img", "iframe", "object"} & {tag for tag, _ in reader.elements}
    return reader


def links(reader: Reader) -> list[str]:
    return [attrs["href"] for tag, attrs in reader.elements if tag == "a"]


def cells(reader: Reader, name: str) -> list[dict]:
    """Attributes of the elements of a class."""
    return [attrs for _, attrs in reader.elements if name in attrs.get("class", "").split()]


@pytest.fixture
def spoiled(recipe):
    """A recipe with an empty text, a hostile one, a clip in two sets, and rows of the user's own table."""
    put(recipe, "text", {"ana-train0": "un urs", "ana-train1": "", "ana-train2": f"un cal {EVIL}"})
    put(recipe, "text_raw", {"ana-train0": "Un urs", "ana-train1": "", "ana-train2": f"Un cal {EVIL}"})
    put(recipe, "utt2row", {f"ana-train{i}": f"corpus.tsv:{i + 2}" for i in range(3)})
    put(recipe, "utt2path", {f"ana-train{i}": f"clips/{i}.mp3" for i in range(3)})
    put(recipe, "utt2audio", {"ana-test0": "hash-of-ana-train0"}, "test")
    return recipe


def test_the_report_has_rows_paths_and_a_player_for_each_named_utterance(spoiled, capsys, monkeypatch):
    monkeypatch.chdir(spoiled.dir)
    assert spoiled() == 2
    out = capsys.readouterr()
    assert "open in a browser: data/check/report.html" in out.out and "listen.html" not in out.out
    page = spoiled.dir / "data/check/report.html"
    reader = read(page)
    named_ = [attrs for tag, attrs in reader.elements if tag == "li"]
    own = {attrs["data-id"]: attrs for attrs in named_}
    assert {"ana-train0", "ana-train1", "ana-train2", "ana-test0"} <= set(own)
    assert own["ana-train1"]["data-row"] == "corpus.tsv:3" and own["ana-train1"]["data-path"] == "clips/1.mp3"
    assert (
        own["ana-test0"]["data-row"] == "" and own["ana-test0"]["data-path"] == "data/all/wav/ana-test0.wav"
    )
    plays = cells(reader, "play")
    assert len(plays) == len(named_)
    assert all((page.parent / unquote(attrs["href"])).resolve().is_file() for attrs in plays)
    assert set(links(reader)) - {attrs["href"] for attrs in plays} == {"report.md"}


def test_texts_of_strangers_are_text_on_the_report(spoiled):
    assert spoiled() == 2
    page = spoiled.dir / "data/check/report.html"
    reader = read(page)
    assert f"Un cal {SHOWN}" in "".join(reader.text) and "\u202e" not in page.read_text(encoding="utf-8")
    (policy,) = [attrs["content"] for _, attrs in reader.elements if "http-equiv" in attrs]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'" and rules["media-src"] == "'self' file:"
    assert all("unsafe" not in rule and "http" not in rule for rule in rules.values())


def test_errors_stand_before_warnings_and_those_before_notes(spoiled):
    assert spoiled() == 2
    report = json.loads((spoiled.dir / "data/check/report.json").read_text(encoding="utf-8"))
    reader = read(spoiled.dir / "data/check/report.html")
    order = [
        name
        for name in ("error", "warning", "note")
        for fault in report["faults"]
        if fault["severity"] == name
    ]
    assert [a["class"] for _, a in reader.elements if a.get("class") in ("error", "warning", "note")] == order
    assert report["errors"] > 1 and report["warnings"] > 1


def test_sound_that_browsers_do_not_play_lies_beside_the_report(recipe):
    path = recipe.dir / "data/all/wav/ana-test0.wav"
    samples, rate = soundfile.read(path)
    soundfile.write(path, samples, rate, format="AIFF")
    put(recipe, "text", {"ana-test0": "un nor."}, "test")
    recipe()
    reader = read(recipe.dir / "data/check/report.html")
    assert {attrs["href"] for attrs in cells(reader, "play")} >= {"sound/1.flac"}
    heard, _ = soundfile.read(recipe.dir / "data/check/sound/1.flac")
    assert len(heard) == len(samples) and abs(heard - samples).max() < 1e-4
    assert "cannot play the originals: 1 " in " ".join(reader.text)


def test_a_check_of_an_older_version_gets_its_page(recipe, capsys):
    assert recipe() == 0
    out = recipe.dir / "data/check"
    (out / "report.html").unlink()
    stamp = json.loads((out / "stage.json").read_text(encoding="utf-8"))
    for known in ("outputs", "digests"):
        del stamp[known]["report.html"]
    (out / "stage.json").write_text(json.dumps(stamp), encoding="utf-8")
    assert recipe() == 0
    assert "again (report.html is new)" in capsys.readouterr().out and (out / "report.html").exists()
    assert recipe() == 0
    assert "up to date" in capsys.readouterr().out


def fault(severity: str, rule: str, line: int | None = 1, ids: int = 0, **values) -> Fault:
    names = tuple(f"u{i}" for i in range(ids))
    return Fault(severity, Place("data/train/text", line), rule, "mend it", names, values, rule=rule)


def test_what_concerns_most_is_mended_first():
    found = [
        fault("note", "a", ids=9),
        fault("warning", "b", count=3),
        fault("warning", "small set", None, count=500),  # that many are there, not at fault
        fault("warning", "c", count=2),
        fault("warning", "c", count=4),
        fault("error", "d"),
        fault("error", "e"),
        fault("error", "e"),
    ]
    # errors: e twice, d once; warnings: c has 6, b 3, the set as a whole none
    assert html.mending(found) == [6, 7, 5, 4, 3, 1, 2, 0]


def test_the_report_is_bounded_and_says_so(recipe, monkeypatch):
    monkeypatch.setattr(html, "MOST", 2)
    found = [
        Fault(
            "error", Place("data/train/text", i + 1), "{id!r} is bad", "mend", values={"id": f"ana-train{i}"}
        )
        for i in range(3)
    ]
    sets, sounds = sets_of(recipe), sounds_of(recipe)
    made = html.with_utterances(sets, found, found, sounds)
    assert [len(utts) for _, utts in made] == [1, 1, 0]
    text = html.page(sets, recipe.cfg(), made, sounds, listen=True)
    assert "The first 2 of 3 faults are here; report.json has all." in text and "'ana-train2'" not in text
    assert "3 errors, 0 warnings, 0 notes" in text and 'href="listen.html"' in text


def test_right_data_make_a_page_too(recipe):
    text = html.page(sets_of(recipe), recipe.cfg(), [], sounds_of(recipe), listen=False)
    assert "Nothing to mend." in text and "train (3 utterances), dev (1 utterance)" in text
    reader = Reader(text)
    assert reader.open == [] and "table" not in {tag for tag, _ in reader.elements}


def test_utterances_that_a_fault_names_in_other_ways(recipe):
    sets, sounds = sets_of(recipe), sounds_of(recipe)
    twice = Fault(
        "error",
        Place("data/test/utt2audio", 1),
        "{id!r} is {other!r} of {set}",
        "remove it",
        values={"id": "ana-test0", "other": "ana-train1", "set": "train"},
    )
    assert [(utt.id, utt.set) for utt in in_fault(sets, twice, sounds)] == [
        ("ana-test0", "test"),
        ("ana-train1", "train"),
    ]
    listed = replace(twice, where=Place("data/train/text"), ids=("ana-dev0", "nobody"), values={})
    assert [utt.id for utt in in_fault(sets, listed, sounds)] == ["ana-dev0"]
    assert in_fault(sets, Fault("note", Place("exp/main"), "none", "train"), sounds) == []


def test_parts_of_recordings_are_parts_on_the_page(recipe):
    put(recipe, "wav.scp", {"tape": "data/all/wav/ana-train0.wav", "pipe": "sox x |"})
    put(
        recipe,
        "segments",
        {"ana-train0": "tape 0.25 0.75", "ana-train1": "tape 0.5 -1", "ana-train2": "pipe 0 1"},
    )
    sets, sounds = sets_of(recipe), sounds_of(recipe)
    found = {utt: named(sets["train"], utt, sounds) for utt in read_table(recipe.dir / "data/train/text")}
    assert found["ana-train0"].sound == ("../all/wav/ana-train0.wav#t=0.25,0.75", 0.5)
    assert found["ana-train1"].sound.href == "../all/wav/ana-train0.wav#t=0.5"
    assert found["ana-train2"].sound is None and "a command makes them: 1" in sounds.told
    assert found["ana-train0"].path == "data/all/wav/ana-train0.wav"
    broken = Fault("error", Place("data/train/wav.scp", 1), "broken", "copy it")
    assert [utt.id for utt in in_fault(sets, broken, sounds)] == ["ana-train2"]  # line 1, of pipe


def fit(utt: str, score: float, text: str, hypothesis: str, known: bool = False) -> Fit:
    return Fit(utt, score, 1.0, text, hypothesis, 0, known, "exp/main")


def listening(recipe, *settings: str, proposed: dict[str, str] | None = None, **fits: list[Fit]) -> str:
    ctx = Context(recipe.dir, load(recipe.dir, list(settings)), cwd=recipe.dir.parent)
    return listen.page(ctx, sets_of(recipe), fits, proposed or {}, sounds_of(recipe))


@pytest.fixture
def heard(recipe) -> Path:
    """listen.html of three training utterances, one of which drop.txt has, and one of dev and of test."""
    put(recipe, "utt2row", {"ana-train1": "corpus.tsv:3"})
    put(recipe, "dropped", {"ana-gone": "too loud"})
    text = listening(
        recipe,
        proposed={"ana-train1": "CTC needs 9 frames and has 3"},
        train=[
            fit("ana-train0", 0.5, "un urs", "un urs"),
            fit("ana-train1", 2.25, "o casă", "o masă"),
            fit("ana-train2", math.inf, "un cal", "", known=True),
        ],
        dev=[fit("ana-dev0", 3.0, "o sursă", "o sură")],
        test=[fit("ana-test0", 0.0, "un nor", EVIL)],
    )
    path = recipe.dir / "data/check/listen.html"
    path.write_text(text, encoding="utf-8")
    return path


def test_listening_ranks_all_sets_and_marks_what_differs(heard):
    reader = read(heard)
    rows = [attrs for tag, attrs in reader.elements if tag == "tr" and "data-id" in attrs]
    assert [attrs["data-id"] for attrs in rows] == [
        "ana-train2",
        "ana-dev0",
        "ana-train1",
        "ana-train0",
        "ana-test0",
    ]
    text = heard.read_text(encoding="utf-8")
    assert 'o sur<mark>s</mark>ă</p><p class="heard">o sură</p>' in text
    assert "o <mark>c</mark>asă" in text and "(nothing)" in text and ">∞</td>" in text
    assert SHOWN in "".join(reader.text)
    assert "All 5 utterances are here" in text and "1 utterance was in the model's own training" in text
    assert len(cells(reader, "play")) == 5


def test_only_training_utterances_can_be_ticked(heard):
    boxes = {a["aria-label"]: "checked" in a for tag, a in read(heard).elements if tag == "input"}
    assert boxes == {
        "leave out ana-train0": False,
        "leave out corpus.tsv:3": True,
        "leave out ana-train2": False,
    }


def test_the_list_is_one_that_data_drop_reads(heard, tmp_path):
    text = heard.read_text(encoding="utf-8")
    assert "<code>recipe/drop.txt</code>" in text
    assert "<code>recipe/run.sh data.drop=recipe/drop.txt tag=dropped</code>" in text
    lines = text.split('aria-label="drop.txt">\n')[1].split("</textarea>")[0]
    assert lines == "ana-gone too loud\nana-train1 CTC needs 9 frames and has 3\n"
    (tmp_path / "drop.txt").write_text(lines, encoding="utf-8")
    sets = {"ana-train0": "train", "ana-train1": "train"}
    assert set(left_out(tmp_path / "drop.txt", list(sets), sets, "train")) == {"ana-train1"}


def test_listening_is_bounded_and_proposals_are_always_there(recipe, monkeypatch):
    monkeypatch.setattr(listen, "MOST", 1)
    train = [fit(f"ana-train{i}", 3.0 - i, "un urs", "un cal") for i in range(3)]
    text = listening(recipe, proposed={"ana-train2": "x"}, train=train)
    assert "The worst 2 of 3 utterances are here" in text
    assert [name in text for name in ("ana-train0", "ana-train1", "ana-train2")] == [True, False, True]


def test_phones_are_compared_as_phones(recipe):
    text = listening(recipe, "tokens.type=phone", train=[fit("ana-train0", 1.0, "tʃ a", "ʃ a")])
    assert '<mark>tʃ </mark>a</p><p class="heard"><mark>ʃ </mark>a' in text
