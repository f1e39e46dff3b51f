"""Forms of tables: workbooks, JSON, Parquet, fairseq's manifests; whatever else people keep their rows in."""

import datetime as dt
import io
import json
import sys
import zipfile

import numpy as np
import pytest
import soundfile

from tests.data.corpus import of, said, tone
from tests.errors import raises
from xlt.core.errors import ConfigError, DataError
from xlt.data.corpora.forms.shown import shown
from xlt.data.corpora.recognise import recognise

TEXTS = ["O pisică, un câine.", "Trei mere", "Luna plină"]
SAID = dict(zip("abc", TEXTS, strict=True))


def rows(corpus):
    return {utt.audio.stem: utt.where for utt in corpus.utterances}


def workbook(path, **sheets):
    """Sheets of rows; a value may be a cell's value with its number format, a pair."""
    from openpyxl import Workbook

    book = Workbook()
    book.remove(book.active)
    for name, lines in sheets.items():
        sheet = book.create_sheet(name)
        for number, line in enumerate(lines, 1):
            for column, value in enumerate(line, 1):
                cell = sheet.cell(number, column)
                cell.value, cell.number_format = value if isinstance(value, tuple) else (value, "General")
    book.save(path)
    return path


def test_a_workbook_with_a_merged_title_an_empty_column_and_names_of_ones_own(recipe, folder, capsys):
    path = workbook(
        folder / "zoznam.xlsx",
        Hárok1=[
            ["Nahrávky z Oravy, leto 2024"],
            [],
            [None, "Nahrávka", "Prepísaná veta", "Mluvčí"],
            *([None, f"{name}.wav", text, "Jana"] for name, text in SAID.items()),
        ],
    )
    corpus = of(recipe, folder)
    assert said(corpus) == SAID and {utt.speaker for utt in corpus.utterances} == {"Jana"}
    assert rows(corpus) == {"a": "zoznam.xlsx:4", "b": "zoznam.xlsx:5", "c": "zoznam.xlsx:6"}
    printed = capsys.readouterr().out
    assert "zoznam.xlsx: line 1 not used: titles above the table" in printed
    assert "path='Nahrávka', text='Prepísaná veta'" in printed and "text by the contents" in printed
    assert recognise(folder) == recognise(path) == "table"


def test_a_speaker_in_merged_cells_speaks_all_their_rows(recipe, folder, capsys):
    from openpyxl import load_workbook

    tone(folder / "clips/d.wav", hz=600.0)
    rows = [["a", "unu", "Ana"], ["b", "doi"], ["c", "trei"], ["d", "patru"]]
    path = workbook(folder / "t.xlsx", S=[["path", "text", "speaker"], *rows])
    book = load_workbook(path)
    book["S"].merge_cells("C2:C4")
    book.save(path)
    speakers = {utt.audio.stem: utt.speaker for utt in of(recipe, folder).utterances}
    assert speakers == {"a": "Ana", "b": "Ana", "c": "Ana", "d": "unnamed"}
    assert "1 rows name no speaker and count as one, 'unnamed' (first: t.xlsx:5)" in capsys.readouterr().out


def test_sheets_are_sets_and_others_are_named(recipe, folder, capsys):
    head = ["path", "text"]
    workbook(
        folder / "t.xlsx",
        train=[head, ["a", TEXTS[0]]],
        dev=[head, ["b", TEXTS[1]]],
        test=[head, ["c", TEXTS[2]]],
        Plan=[["Wer", "Wann"], ["Ana", "montags"]],
    )
    corpus = of(recipe, folder)
    assert {utt.audio.stem: utt.split for utt in corpus.utterances} == {"a": "train", "b": "dev", "c": "test"}
    assert rows(corpus)["b"] == "t.xlsx/dev:2"
    assert corpus.facts["tables not used"] == {"t.xlsx/Plan": "names no sound files that are there"}
    assert "t.xlsx/Plan: not used" in capsys.readouterr().out


def test_names_that_lost_their_zeros_in_a_spreadsheet(recipe, tmp_path, capsys):
    for number in range(1, 4):
        tone(tmp_path / f"corpus/00{number}.wav", hz=300.0 + 50 * number)
    lines = [[1, "unu"], ["2.0", "doi"], [(3, "000"), "trei"]]
    workbook(tmp_path / "corpus/t.xlsx", S=[["file", "text"], *lines])
    corpus = of(recipe, tmp_path / "corpus")
    assert said(corpus) == {"001": "unu", "002": "doi", "003": "trei"}
    assert corpus.facts["lost zeros"] == {"1": "001.wav", "2.0": "002.wav"}  # 003 is shown with its zeros
    assert "2 paths have lost zeros, such as 1 for 001.wav" in capsys.readouterr().out


def test_times_of_a_workbook(recipe, folder):
    tone(folder / "clips/a.wav", dur_s=5.0)
    line = ["a", TEXTS[0], (dt.time(0, 0, 1, 500000), "mm:ss.0"), (dt.timedelta(seconds=4), "[h]:mm:ss")]
    workbook(folder / "t.xlsx", S=[["path", "text", "start", "end"], line, ["b", "doi", 0.25, 0.75]])
    spans = {utt.audio.stem: (utt.start_s, utt.end_s) for utt in of(recipe, folder).utterances}
    assert spans == {"a": (1.5, 4.0), "b": (0.25, 0.75)}


@pytest.mark.parametrize(
    ("value", "number_format", "expected"),
    [
        (12.0, "General", "12"),
        (0.1 + 0.2, "General", "0.3"),
        (7, "0000", "0007"),
        (0.25, "0%", "25%"),
        (True, "General", "TRUE"),
        (None, "General", ""),
        (dt.datetime(2024, 3, 9), "dd.mm.yyyy", "09.03.2024"),
        (dt.datetime(2024, 3, 9), "yyyy\\-mm\\-dd", "2024-03-09"),
        (dt.datetime(2024, 3, 9, 14, 5), "d/m/yy h:mm", "9/3/24 14:05"),
        (dt.time(14, 5), "h:mm AM/PM", "2:05 PM"),
        (dt.time(1, 23), "h:mm", "1:23"),
        (dt.timedelta(hours=25, minutes=1), "[h]:mm", "25:01"),
        (dt.time(0, 1, 2, 500000), "mm:ss.0", "01:02.5"),
        (dt.time(0, 1, 2, 417000), "h:mm:ss", "0:01:02.417"),  # Excel keeps what it does not show
        (dt.timedelta(seconds=5.25), "[h]:mm:ss", "0:00:05.25"),
    ],
)
def test_values_are_shown_as_in_the_spreadsheet(value, number_format, expected):
    assert shown(value, number_format) == expected


def test_formulas_are_not_computed_and_told(recipe, folder, capsys):
    lines = [["a", TEXTS[0]], ["b", '="Trei"&" mere"'], ["c", "#N/A"]]
    workbook(folder / "t.xlsx", S=[["path", "text"], *lines])
    corpus = of(recipe, folder)
    assert said(corpus) == {"a": TEXTS[0]}
    assert corpus.left_out["audio without text"] == ["t.xlsx:3", "t.xlsx:4"]
    printed = capsys.readouterr().out
    assert "1 cells of t.xlsx/S have formulas without a value (first B3)" in printed
    assert "1 cells of t.xlsx/S show an error, such as B4 #N/A" in printed


def packed(path, **parts):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as pack:
        for name, content in parts.items():
            pack.writestr(name.replace("__", "/").replace("_xml", ".xml"), content)
    return path


def test_a_workbook_that_would_fill_the_memory(recipe, folder):
    whole = io.BytesIO()
    workbook(whole, S=[["path", "text"], ["a", "unu"]])
    path = folder / "t.xlsx"
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
        new.writestr("xl/worksheets/sheet2.xml", b" " * (80 << 20))
    with raises(DataError, "CSV", where="t.xlsx"):
        of(recipe, folder)


@pytest.mark.parametrize(
    "made",
    [
        lambda path: path.write_bytes(b"PK\x03\x04xxxx"),
        lambda path: path.write_bytes(b"\xd0\xcf\x11\xe0" + bytes(600)),
        lambda path: packed(path, word__document_xml="<a/>"),
        lambda path: packed(path, xl__workbook_xml="<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"),
        lambda path: packed(path, xl__workbook_xml="<workbook", **{"[Content_Types]_xml": "<Types/>"}),
        lambda path: path.write_bytes(b""),
        lambda path: workbook(path, S=[]),
    ],
)
def test_what_is_no_workbook(recipe, folder, made):
    made(folder / "t.xlsx")
    with raises(DataError, where="t.xlsx"):
        of(recipe, folder)


@pytest.mark.parametrize("name", ["t.xls", "t.ods", "t.xlsb", "t.numbers"])
def test_spreadsheets_that_are_not_read_are_named(recipe, folder, name):
    (folder / name).write_bytes(b"\xd0\xcf\x11\xe0")
    assert recognise(folder) == recognise(folder / name) == "table"
    with raises(DataError, ".xlsx", "libreoffice", where=name):
        of(recipe, folder)


NEMO = [
    {
        "audio_filepath": f"/data/corpus/{name}.wav",
        "duration": 0.5,
        "offset": 0.25,
        "text": text,
        "speaker": "s",
    }
    for name, text in SAID.items()
]


def test_manifests_of_nemo_keep_their_sets_and_spans(recipe, folder):
    for name, entries in (("train_manifest", NEMO[:2]), ("test_manifest", NEMO[2:])):
        lines = "".join(json.dumps(entry) + "\n" for entry in entries)
        (folder / f"{name}.json").write_text(lines, encoding="utf-8")
    (folder / "config.json").write_text('{"model": "x"}', encoding="utf-8")  # not a table
    assert recognise(folder) == "table"
    found = of(recipe, folder).utterances
    assert {(utt.audio.stem, utt.split, utt.start_s, utt.end_s, utt.where) for utt in found} == {
        ("a", "train", 0.25, 0.75, "train_manifest.json:1"),
        ("b", "train", 0.25, 0.75, "train_manifest.json:2"),
        ("c", "test", 0.25, 0.75, "test_manifest.json:1"),
    }


@pytest.mark.parametrize(
    "value",
    [
        NEMO,
        {"data": NEMO, "version": 1},
        {f"{name}.wav": text for name, text in SAID.items()},
        {f"{name}.wav": {"text": text} for name, text in SAID.items()},
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_json_of_other_shapes(recipe, folder, value, indent):
    (folder / "t.json").write_text(json.dumps(value, indent=indent, ensure_ascii=False), encoding="utf-8")
    assert said(of(recipe, folder)) == SAID


def fairseq(folder, name, files, labels):
    (folder / f"{name}.tsv").write_text(
        "\n".join(["/gone/clips", *(f"{f}.wav\t16000" for f in files)]) + "\n"
    )
    for ending, lines in labels.items():
        (folder / f"{name}.{ending}").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_manifests_of_fairseq(recipe, folder):
    fairseq(folder, "train", "ab", {"wrd": TEXTS[:2]})
    fairseq(folder, "valid", "c", {"ltr": ["L u n a | p l i n ă |"]})
    found = of(recipe, folder).utterances
    assert {(utt.audio.stem, utt.text, utt.split, utt.where) for utt in found} == {
        ("a", TEXTS[0], "train", "train.tsv:2"),
        ("b", TEXTS[1], "train", "train.tsv:3"),
        ("c", "Luna plină", "dev", "valid.tsv:2"),
    }


def test_manifests_of_fairseq_without_texts_are_named(recipe, folder):
    fairseq(folder, "train", "abc", {"km": ["1 2", "3", "4"]})
    with raises(DataError, "fairseq", "train.km", "train.wrd", where="train.tsv"):
        of(recipe, folder)
    fairseq(folder, "train", "abc", {"wrd": TEXTS[:2]})
    with raises(DataError, 2, 3, where="train.wrd:3"):
        of(recipe, folder)


def parquet(path, table, **metadata):
    import pyarrow.parquet

    found = pyarrow.table(table)
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(found.replace_schema_metadata(metadata or None), path)
    return path


def sound(hz, ending="WAV"):
    file = io.BytesIO()
    wave = 0.3 * np.sin(2 * np.pi * hz * np.arange(16000) / 16000)
    soundfile.write(file, wave, 16000, format=ending)
    return file.getvalue()


def test_parquet_with_the_sound_in_it(recipe, tmp_path):
    """As the datasets library saves it: sound as bytes with a path, classes as numbers."""
    place = tmp_path / "corpus"
    features = {"info": {"features": {"sex": {"names": ["m", "f"], "_type": "ClassLabel"}}}}
    for part, numbers in (("train", (1, 2, 3, 4)), ("test", (5,))):
        parquet(
            place / f"data/{part}-00000-of-00001.parquet",
            {
                "audio": [{"bytes": sound(200 + 20 * n, "FLAC"), "path": f"x/{n}.flac"} for n in numbers],
                "sentence": [f"text {n}" for n in numbers],
                "sex": [n % 2 for n in numbers],
            },
            huggingface=json.dumps(features),
        )
    assert recognise(place) == "table"
    found = of(recipe, place).utterances
    assert {(utt.text, utt.split, utt.where.rpartition("/")[2]) for utt in found} == {
        *((f"text {n}", "train", f"train-00000-of-00001.parquet:{n}") for n in (1, 2, 3, 4)),
        ("text 5", "test", "test-00000-of-00001.parquet:1"),
    }
    assert [utt.tags.get("sex") for utt in found if utt.split == "train"] == ["f", "m", "f", "m"]
    for utt in found:
        assert utt.audio.read_bytes()[:4] == b"fLaC" and utt.audio.suffix == ".flac"
    again = of(recipe, place).utterances  # the sound is there
    assert [utt.audio for utt in again] == [utt.audio for utt in found]


def test_parquet_with_paths_needs_no_copies(recipe, folder):
    parquet(folder / "t.parquet", {"audio": [f"clips/{n}.wav" for n in "abc"], "text": TEXTS})
    corpus = of(recipe, folder)
    assert said(corpus) == SAID and {utt.audio.parent for utt in corpus.utterances} == {folder / "clips"}


def test_parquet_that_cannot_be_read_is_named(recipe, folder, monkeypatch):
    (folder / "t.parquet").write_bytes(b"PAR1" + bytes(200) + b"PAR1")
    with raises(DataError, "Parquet", where="t.parquet"):
        of(recipe, folder)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with raises(DataError, "Parquet", "pyarrow", where="t.parquet"):
        of(recipe, folder)


def test_a_table_of_text_from_excel(recipe, folder):
    """'Unicode text': UTF-16, tabs, quotes around values with line breaks, the ending .txt."""
    text = 'path\ttext\r\na.wav\t"O pisică,\nun câine."\r\nb.wav\tTrei mere\r\nc.wav\tLuna plină\r\n'
    (folder / "list.txt").write_text(text, encoding="utf-16", newline="")
    (folder / "readme.txt").write_text("a\tb")
    assert recognise(folder) == "table"
    corpus = of(recipe, folder)
    assert said(corpus) == SAID | {"a": "O pisică,\nun câine."}
    assert rows(corpus)["b"] == "list.txt:4"


def test_the_encoding_is_told_and_can_be_set(recipe, folder, capsys):
    text = "path;text;start;end\r\na.wav;Příliš žluťoučký kůň;0,25;0,75\r\nb.wav;Šťastný člověk;0;0,5\r\n"
    (folder / "t.csv").write_bytes(text.encode("cp1250"))
    corpus = of(recipe, folder, "lang=ces_Latn")
    assert said(corpus) == {"a": "Příliš žluťoučký kůň", "b": "Šťastný člověk"}
    assert [utt.start_s for utt in corpus.utterances] == [0.25, 0.0]
    printed = capsys.readouterr().out
    assert "t.csv is not UTF-8; taken as cp1250 (sure" in printed and "data.encoding=NAME" in printed
    corpus = of(recipe, folder, "lang=ces_Latn", "data.encoding=latin-1")
    assert said(corpus)["b"] == "Šťastný člověk".encode("cp1250").decode("latin-1")
    with raises(DataError, "data.encoding", where="t.csv:2"):
        of(recipe, folder, "data.encoding=ascii")
    with raises(ConfigError, "'cp12'", where="data.encoding"):
        of(recipe, folder, "data.encoding=cp12")


def test_zero_bytes_without_a_mark_are_utf_16(recipe, folder):
    (folder / "t.csv").write_bytes("path,text\na.wav,pisică\n".encode("utf-16-le"))
    assert said(of(recipe, folder)) == {"a": "pisică"}


def test_a_line_of_another_encoding_is_named(recipe, folder):
    """Most of the file is UTF-8: no other encoding is tried."""
    lines = ["path;text", *(f"{n}.wav;{t} și șase țări" for n, t in SAID.items())]
    (folder / "t.csv").write_bytes("\n".join(lines).encode() + "\na.wav;pâine".encode("cp1250"))
    with raises(DataError, "UTF-8", where="t.csv:5"):
        of(recipe, folder)


def test_numbered_columns_below_titles(recipe, folder):
    rows = [["Corpus"], ["made by us", "in 2024"], *([text, name] for name, text in SAID.items())]
    workbook(folder / "t.xlsx", S=rows)
    assert said(of(recipe, folder, "data.columns={path: 2, text: 1}")) == SAID
