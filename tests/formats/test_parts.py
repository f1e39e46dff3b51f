"""Kaldi directories cut into parts, by rows that are counted by hand."""

import pytest

from tests.errors import raises
from xlt.core.errors import ConfigError, DataError
from xlt.formats.parts import INDEX, split_directory
from xlt.formats.tables import read_table, write_table

HOURS = {"a-1": 0.5, "a-2": 0.75, "b-1": 0.25, "b-2": 1.5, "c-1": 0.1}


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    write_table(folder / "utt2dur", {utt: str(3600 * hours) for utt, hours in HOURS.items()})
    write_table(folder / "wav.scp", {utt: f"wav/{utt}.wav" for utt in HOURS})
    write_table(folder / "utt2spk", {utt: utt[0] for utt in HOURS})
    write_table(folder / "spk2utt", {"a": "a-1 a-2", "b": "b-1 b-2", "c": "c-1"})
    (folder / "report.json").write_text("{}")
    return folder


def test_parts_are_cut_behind_their_hours(data, tmp_path):
    """0.5 + 0.75 hours are the first to reach 1; then 0.25 + 1.5; the rest is the last."""
    parts = split_directory(data, tmp_path / "parts", 1.0)
    assert [(p.first, p.last, p.utterances, round(p.hours, 3)) for p in parts] == [
        ("a-1", "a-2", 2, 1.25),
        ("b-1", "b-2", 2, 1.75),
        ("c-1", "c-1", 1, 0.1),
    ]
    folder = tmp_path / "parts" / "00002"
    assert sorted(p.name for p in folder.iterdir()) == ["spk2utt", "utt2dur", "utt2spk", "wav.scp"]
    assert read_table(folder / "wav.scp") == {"b-1": "wav/b-1.wav", "b-2": "wav/b-2.wav"}
    assert read_table(folder / "spk2utt") == {"b": "b-1 b-2"}
    lines = (tmp_path / "parts" / INDEX).read_text().splitlines()
    assert lines[1] == "00002\tb-1\tb-2\t2\t1.750" and len(lines) == 3


def test_parts_that_are_there_stay(data, tmp_path):
    first = split_directory(data, tmp_path / "parts", 1.0)
    (tmp_path / "parts/00001/wav.scp").write_text("kept\n")
    assert split_directory(data, tmp_path / "parts", 1.0) == first
    assert (tmp_path / "parts/00001/wav.scp").read_text() == "kept\n"


def test_parts_of_another_cut_are_refused(data, tmp_path):
    """By half an hour, the first part is a-1 alone; by two, it goes on to b-2."""
    split_directory(data, tmp_path / "parts", 1.0)
    for hours in (0.5, 2.0):
        with raises(DataError, "another cut", "remove", where="parts/00001/utt2dur"):
            split_directory(data, tmp_path / "parts", hours)
    with raises(ConfigError, where="hours=0"):
        split_directory(data, tmp_path / "parts", 0.0)


def test_tables_that_do_not_agree_are_named_with_the_line(data, tmp_path):
    table = read_table(data / "wav.scp")
    del table["b-1"]
    write_table(data / "wav.scp", table)
    with raises(DataError, "b-2", "b-1", where="data/wav.scp:3"):
        split_directory(data, tmp_path / "parts", 1.0)
    assert not (tmp_path / "parts/00002").exists()


def test_rows_out_of_order_and_odd_times(data, tmp_path):
    rows = (data / "utt2dur").read_text().splitlines(keepends=True)
    for name in ("wav.scp", "utt2spk", "spk2utt"):
        (data / name).unlink()
    (data / "utt2dur").write_text("".join(reversed(rows)))
    with raises(DataError, "C order", where="data/utt2dur:2"):
        split_directory(data, tmp_path / "parts", 9.0)
    (data / "utt2dur").write_bytes(b"\xe9-1 2.0\n")
    with raises(DataError, "UTF-8", where="data/utt2dur:1"):
        split_directory(data, tmp_path / "parts", 9.0)
    for odd in ("long", "nan", "-1"):
        (data / "utt2dur").write_text(f"a-1 {odd}\n")
        with raises(DataError, "seconds", where="data/utt2dur:1"):
            split_directory(data, tmp_path / "parts", 9.0)
    (data / "utt2dur").unlink()
    with raises(DataError, where="data/utt2dur"):
        split_directory(data, tmp_path / "parts", 9.0)
