"""Faults planted one at a time into a good table of clips: stage 1 counts each for what it is, tells where it
is, and leaves out nothing else."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import soundfile

from tests.data.corpus import PHRASES, melody
from xlt.cli import main
from xlt.formats.tables import read_table

RATE, COUNT, AT = 16000, 24, 5  # the faulty clip is the sixth, line 7 of the table
HEAD = ["path", "text", "speaker", "start", "end", "channel", "note"]
Rows = list[list[str]]


class Case(NamedTuple):
    """``left_out``: ``{reason: how many}``; ``kept``: utterances; ``told``: words of what stage 1 prints."""

    plant: Callable[[Path, Rows], Any]
    left_out: dict[str, int]
    kept: int = COUNT
    told: str = ""
    settings: tuple[str, ...] = ()


def wave(n: int = AT) -> np.ndarray:
    return melody(n)


def text(new: str) -> Callable[[Path, Rows], Any]:
    return lambda folder, rows: rows[AT].__setitem__(1, new)


def sound(samples: np.ndarray) -> Callable[[Path, Rows], Any]:
    return lambda folder, rows: soundfile.write(folder / rows[AT][0], samples, RATE)


def size_in_header(change: Callable[[int], int]) -> Callable[[Path, Rows], Any]:
    """The length of the chunk "data", which follows the 36 bytes of a plain header."""

    def plant(folder: Path, rows: Rows) -> None:
        path = folder / rows[AT][0]
        data = bytearray(path.read_bytes())
        assert data[36:40] == b"data"
        data[40:44] = struct.pack("<I", change(struct.unpack("<I", data[40:44])[0]))
        path.write_bytes(data)

    return plant


def half_a_file(folder: Path, rows: Rows) -> None:
    path = folder / rows[AT][0]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def misspelt(folder: Path, rows: Rows) -> None:
    rows[AT][0] = "c005.wav"


def no_row(folder: Path, rows: Rows) -> None:
    soundfile.write(folder / "left_over.wav", melody(99), RATE)


def copied(folder: Path, rows: Rows, says: str | None = None) -> None:
    (folder / "copy.wav").write_bytes((folder / rows[AT][0]).read_bytes())
    rows.append(["copy.wav", says or rows[AT][1], *rows[AT][2:]])


def spans(folder: Path, rows: Rows) -> None:
    """Two clips of one recording that share a second."""
    soundfile.write(folder / "long.wav", np.concatenate([melody(90), melody(91)]), RATE)
    rows[AT][0], rows[AT][3:5] = "long.wav", ["0", "2.5"]
    rows[AT + 1][0], rows[AT + 1][3:5] = "long.wav", ["1.5", "4"]


def one_channel(folder: Path, rows: Rows) -> None:
    stereo = np.stack([0.001 * melody(92), wave()], axis=1)
    soundfile.write(folder / rows[AT][0], stereo, RATE)
    rows[AT][5] = "2"


CASES = {
    "nothing": Case(lambda folder, rows: None, {}),
    "no text": Case(text(""), {"audio without text": 1}),
    "signs alone": Case(text("… !"), {"empty text": 1}),
    "a number": Case(text("3 mere"), {"digits": 1}),
    "tone numbers": Case(text("tai5 uan5"), {"digits": 1}),
    "tone numbers, kept": Case(text("tai5 uan5"), {}, settings=("data.digits=keep",)),
    "too much text": Case(text("o casă mare " * 20), {"too fast": 1}),
    "too short": Case(sound(melody(AT)[:1600]), {"too short": 1}),
    "no such file": Case(lambda folder, rows: (folder / rows[AT][0]).unlink(), {"text without audio": 1}),
    "misspelt path": Case(
        misspelt,
        {"text without audio": 1, "sound without a row": 1},
        COUNT + 1,
        "corpus.tsv:7: no such file; did you mean c05.wav?",
    ),
    "no row": Case(no_row, {"sound without a row": 1}, COUNT + 1, "left_over.wav"),
    "cut short": Case(half_a_file, {"cut short": 1}),
    "no sound in it": Case(
        lambda folder, rows: (folder / rows[AT][0]).write_bytes(b"\0" * 4000), {"unreadable": 1}
    ),
    "no length in the header": Case(size_in_header(lambda size: 0), {}, told="read to their end"),
    "a length that is too small": Case(size_in_header(lambda size: size // 2), {}, told="read to their end"),
    "the same clip again": Case(copied, {"duplicate": 1}, COUNT + 1),
    "the same sound, another text": Case(
        lambda folder, rows: copied(folder, rows, "altceva"), {"one clip, several texts": 2}, COUNT + 1
    ),
    "clips that overlap": Case(spans, {"sound without a row": 2}, COUNT + 2, "2 clips share speech"),
    "a channel of its own": Case(one_channel, {}),
    "channels that cancel": Case(
        lambda folder, rows: soundfile.write(folder / rows[AT][0], np.stack([wave(), -wave()], axis=1), RATE),
        {},
    ),
    "private notes": Case(lambda folder, rows: rows[AT].__setitem__(6, "SECRET: call 0722"), {}),
}


@pytest.fixture
def planted(tmp_path, monkeypatch, capsys):
    """Stage 1 on a corpus with one fault: the recipe, its report, and what was printed."""
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))

    def run(case: Case) -> tuple[Path, dict[str, Any], str]:
        folder, recipe = tmp_path / "corpus", tmp_path / "recipe"
        folder.mkdir()
        recipe.mkdir()
        rows = []
        for n in range(COUNT):
            soundfile.write(folder / f"c{n:02}.wav", melody(n), RATE)
            said = PHRASES[n % 12] + (f" {PHRASES[(n * 5 + 1) % 12]}" if n >= 12 else "")
            rows.append([f"c{n:02}.wav", said, "ab"[n % 2], "", "", "", f"heard {n} times" if n % 2 else ""])
        case.plant(folder, rows)
        table = "".join("\t".join(row) + "\n" for row in [HEAD, *rows])
        (folder / "corpus.tsv").write_text(table, encoding="utf-8")
        (recipe / "recipe.yaml").write_text("lang: ron_Latn\ndata: {reader: table, dir: ../corpus}\nnj: 1\n")
        assert main(["data", "--recipe", str(recipe), *case.settings]) == 0
        report = json.loads((recipe / "data/all/report.json").read_text(encoding="utf-8"))
        return recipe, report, capsys.readouterr().out

    return run


@pytest.mark.parametrize("name", CASES)
def test_a_fault_is_counted_for_what_it_is_and_nothing_else_is(name, planted):
    case = CASES[name]
    recipe, report, said = planted(case)
    assert {reason: len(ids) for reason, ids in report["left_out"].items()} == case.left_out
    gone = sum(case.left_out.values())
    assert report["kept"] == case.kept - gone and report["seen"] == case.kept
    assert case.told in said
    if gone and name != "no row":
        assert all(
            "corpus.tsv:" in report["rows"].get(utt, "corpus.tsv:")
            for ids in report["left_out"].values()
            for utt in ids
        )


def test_overlapping_clips_are_in_one_set(planted):
    recipe, _, _ = planted(CASES["clips that overlap"])
    sets = read_table(recipe / "data/all/utt2split")
    long = {utt: part for utt, part in sets.items() if "long" in utt}
    assert len(long) == 2 and len(set(long.values())) == 1


def test_the_channel_is_the_one_that_is_named(planted):
    recipe, _, _ = planted(CASES["a channel of its own"])
    (utt,) = (utt for utt in read_table(recipe / "data/all/text") if "c05" in utt)
    samples, _ = soundfile.read(recipe / f"data/all/wav/{utt}.wav")
    assert np.abs(samples - wave()).max() < 2 / 32768


def test_channels_that_cancel_keep_their_sound(planted):
    recipe, _, _ = planted(CASES["channels that cancel"])
    (utt,) = (utt for utt in read_table(recipe / "data/all/text") if "c05" in utt)
    samples, _ = soundfile.read(recipe / f"data/all/wav/{utt}.wav")
    assert np.abs(samples).max() > 0.9 * np.abs(wave()).max()


def test_notes_are_nowhere_in_what_stage_1_writes(planted):
    recipe, _, said = planted(CASES["private notes"])
    assert not list((recipe / "data/all").glob("utt2note"))
    for path in (path for path in recipe.rglob("*") if path.is_file()):
        assert b"SECRET" not in path.read_bytes(), path
    assert "SECRET" not in said
