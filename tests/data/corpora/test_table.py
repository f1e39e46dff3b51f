"""The reader table: three clips, and every way in which somebody may have written them down."""

import codecs
import json
import unicodedata

import numpy as np
import pytest
import soundfile

from tests.audio.media_files import film, noise
from tests.audio.media_files import write as write_media
from tests.data.corpus import of, tone
from tests.errors import raises
from xlt.audio.files import read_wav
from xlt.core.errors import ConfigError, DataError
from xlt.data.corpora.table import recognise, seconds
from xlt.data.corpora.tags import kinds
from xlt.formats.tables import read_table

RATE = 16000
TEXTS = ["O pisică, un câine.", "Trei mere", '"Luna" plină']


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def short(corpus):
    return [(utt.audio.name, utt.text, utt.speaker) for utt in corpus.utterances]


WANTED = [("a.wav", TEXTS[0], "Ana"), ("b.wav", TEXTS[1], "Ion"), ("c.wav", TEXTS[2], "Ana")]


@pytest.mark.parametrize(
    ("name", "text", "encoding"),
    [
        (
            "t.csv",
            (
                'path,sentence,speaker\nclips/a.wav,"O pisică, un câine.",Ana\nclips/b.wav,Trei mere,Ion\n'
                'clips/c.wav,"""Luna"" plină",Ana\n'
            ),
            "utf-8",
        ),
        (
            "t.csv",
            (
                "Datei;Satz;Sprecherin\r\nclips/a.wav;O pisică, un câine.;Ana\r\nclips/b.wav;Trei"
                ' mere;Ion\r\nclips/c.wav;"""Luna"" plină";Ana\r\n'
            ),
            "utf-8-sig",
        ),
        (
            "t.tsv",
            (
                "Audio File\tTranscript\tSpeaker ID\na.wav\tO pisică, un câine.\tAna\nb.wav\tTrei mere\tIon\n"
                'c.wav\t"Luna" plină\tAna\n'
            ),
            "utf-16",
        ),
        (
            "t.tsv",
            '文件名\t文本\t说话人\na\tO pisică, un câine.\tAna\nb\tTrei mere\tIon\nc\t"Luna" plină\tAna',
            "utf-8",
        ),
        (
            "t.tsv",
            (
                "archivo\toración\thablante\r\n\r\na\tO pisică, un câine.\tAna\r\nb\tTrei mere\tIon\r\n"
                'c\t"Luna" plină\tAna\r\n'
            ),
            "utf-8",
        ),
        (
            "t.csv",
            (
                "sep=;\r\nDatei;Satz;Sprecherin\r\nclips/a.wav;O pisică, un câine.;Ana\r\nb;Trei mere;Ion\r\n"
                'c;"""Luna"" plină";Ana;\r\n'
            ),
            "utf-8-sig",
        ),
        (
            "t.jsonl",
            (
                '{"audio_filepath": "clips/a.wav", "text": "O pisică, un câine.", "duration": 1.0, "speaker":'
                ' "Ana"}\n{"audio_filepath": "clips/b.wav", "text": "Trei mere", "duration": 1.0, "speaker":'
                ' "Ion"}\n{"audio_filepath": "clips/c.wav", "text": "\\"Luna\\" plină", "duration": 1.0,'
                ' "speaker": "Ana"}\n'
            ),
            "utf-8",
        ),
        (
            "t.tsv",
            (
                "ملف\tنص\tالمتحدث\nC:\\x\\a.wav\tO pisică, un câine.\tAna\nC:\\x\\B.WAV\tTrei mere\tIon\n"
                '/home/y/c.wav\t"Luna" plină\tAna\n'
            ),
            "utf-8",
        ),
    ],
)
def test_forms(recipe, folder, name, text, encoding):
    write(folder / name, text, encoding)
    assert short(of(recipe, folder)) == WANTED
    assert short(of(recipe, folder / name)) == WANTED
    assert recognise(folder) and recognise(folder / name)


def test_what_was_guessed_is_said_and_reported(recipe, folder, capsys):
    rows = "".join(
        f"{name},text {name},Ana,{accent},note {name}\n" for name, accent in zip("abca", "xxyy", strict=True)
    )
    write(folder / "t.csv", "wav,transcript,spk,Accent (region),remark\n" + rows)
    corpus = of(recipe, folder)
    assert (
        "columns taken as path='wav', text='transcript', speaker='spk'; tags accent_region; not used: remark"
        in (capsys.readouterr().out)
    )
    assert corpus.facts["tables"]["t.csv"]["columns"] == {
        "path": "wav",
        "text": "transcript",
        "speaker": "spk",
        "accent_region": "Accent (region)",
    }
    assert [utt.tags["accent_region"] for utt in corpus.utterances] == ["x", "x", "y", "y"]
    assert [utt.id for utt in corpus.utterances] == [
        "Ana-clips_a-2",
        "Ana-clips_b",
        "Ana-clips_c",
        "Ana-clips_a-5",
    ]


def test_columns_that_are_named(recipe, folder):
    write(folder / "t.csv", "x,y,z\na.wav,unu doi,s1\nb.wav,trei,s1\n")
    corpus = of(recipe, folder, "data.columns={path: x, text: Y, speaker: null}")
    assert [u.text for u in corpus.utterances] == ["unu doi", "trei"]
    write(folder / "t.csv", "a.wav|unu doi|s1\nb.wav|trei|s1\n")
    corpus = of(recipe, folder, "data.columns={path: 1, text: 2, speaker: 3}")
    assert short(corpus) == [("a.wav", "unu doi", "s1"), ("b.wav", "trei", "s1")]


@pytest.mark.parametrize(
    ("header", "settings", "said"),
    [
        (
            "x,text",
            ["data.columns={path: null}"],
            (
                r"no column looks like the path; its columns are 'x', 'text'; say which: data.columns:"
                r" \{path: COLUMN"
            ),
        ),
        ("path,x", ["data.columns={text: null}"], r"t.csv: .* text; .* 'path', 'x'"),
        (
            "path,text,sentence",
            [],
            r"which column is the text: 'text' or 'sentence'\? Set data.columns: \{text: text\}",
        ),
        (
            "path,text",
            ["data.columns={text: txet}"],
            r"has no column 'txet' \(data.columns: text\); its columns are 'path', 'text'",
        ),
        ("path,text,text", [], r"t.csv:1: two columns are called 'text'; rename one"),
    ],
)
def test_columns_that_cannot_be_told(recipe, folder, header, settings, said):
    write(
        folder / "t.csv",
        header
        + "\na.wav,unu,doi\nb.wav,doi,trei\n"[: None if header.count(",") == 2 else 0]
        + ("\na.wav,unu\nb.wav,doi\n" if header.count(",") == 1 else ""),
    )
    with pytest.raises(DataError, match=said):
        of(recipe, folder, *settings)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("{pth: x}", r"there is no 'pth'; there are path, text.*did you mean path\?"),
        ("{path: [1]}", r"path: found \[1\], expected a column's name, its number from 1"),
        ("{path: 1, text: Satz}", "has names and numbers"),
    ],
)
def test_a_wrong_setting(recipe, folder, setting, said):
    write(folder / "t.csv", "path,text\na.wav,unu\n")
    with pytest.raises(ConfigError, match=said):
        of(recipe, folder, f"data.columns={setting}")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty, expected a table"),
        (b"PK\x03\x04xxxx", "is a workbook or an archive"),
        (b"one\ntwo\n", "t.csv:1: found one column, 'one'"),
        (b'path,text\na.wav,"x" y\n', "t.csv:2: not valid CSV from here on"),
        (b'path,text\na.wav,fine\nb.wav,"never closed\nc.wav,x\n', "t.csv:3: "),
        (b'path,text\na.wav,fine\nb.wav,"never closed\n' + b"c.wav,x\n" * 50_000, "t.csv:3: not valid CSV"),
        (b"path,text\na.wav,fine\n" + b"b.wav,x\n" * 1000 + b"c.wav,\0\n", "t.csv:1003: has zero bytes"),
        (
            b"path,text\nq.wav,unu\nr.wav,doi\n",
            r"t.csv:2: q.wav: no such file, and none of the 2 others .* has 3 sound files",
        ),
        (
            b"path,text\na.wav,\n,doi\n",
            r"no row can be used: audio without text \(1, first t.csv:2\), row without a path \(1, first",
        ),
    ],
)
def test_tables_that_cannot_be_read(recipe, folder, content, said):
    (folder / "t.csv").write_bytes(content)
    with pytest.raises(DataError, match=said):
        of(recipe, folder)


def test_a_setting_of_another_reader(recipe, folder, capsys):
    assert recipe("data.reader=kaldi", f"data.dir={folder}", "data.columns={path: x}") == 2
    assert (
        "data.columns: only data.reader=table knows it, and data.reader is kaldi" in capsys.readouterr().err
    )


def test_recordings_of_phones(recipe, tmp_path):
    """The table keeps the names of before: a.wav is now a.m4a; one a.wav is such a file in truth."""
    rows = ["path,text,speaker"]
    for number in range(12):
        path = tmp_path / f"corpus/{number}.{'m4a' if number % 2 else 'wav'}"
        path.parent.mkdir(exist_ok=True)
        write_media(path, "aac", noise(number), form="ipod")
        rows.append(f"{number}.wav,text {'abcdefghijkl'[number]},s{number % 6}")
    write(tmp_path / "corpus/list.csv", "\n".join(rows))
    assert recipe("data.reader=table", f"data.dir={tmp_path / 'corpus'}") == 0
    tables = recipe.dir / "data/all"
    assert list(read_table(tables / "utt2format").values()) == 12 * ["16000 1 aac"]
    assert list(read_table(tables / "utt2dur").values()) == 12 * ["1.0000"]


def test_only_damage_makes_a_damaged_corpus(recipe, folder, capsys):
    """Files that are locked, or of a form that nothing reads, are whole: each says what to do."""
    write(folder / "t.csv", "path,text\na,unu\nb,doi\nc,trei\n")
    for name in "abc":
        (folder / f"clips/{name}.wav").unlink()
        path = write_media(folder / f"clips/{name}.m4a", "aac", noise(), form="ipod")
        path.write_bytes(path.read_bytes().replace(b"mp4a", b"drms", 1))
    assert recipe("data.reader=table", f"data.dir={folder}") == 2
    error = capsys.readouterr().err
    assert "DRM" in error and "damaged" not in error
    for name in "abc":
        (folder / f"clips/{name}.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(100))
    assert recipe("data.reader=table", f"data.dir={folder}") == 2
    assert "the corpus is damaged" in capsys.readouterr().err


def test_the_sound_of_a_film_that_lies_beside_it(recipe, folder):
    film(folder / "clips/a.mp4", noise())
    write(folder / "t.csv", "path,text\na,unu\nb,doi\nclips/c.wav,trei\n")
    corpus = of(recipe, folder)
    assert [utt.audio.name for utt in corpus.utterances] == ["a.wav", "b.wav", "c.wav"]
    assert not corpus.left_out.get("sound without a row")
    write(folder / "t.csv", "path,text\na.mp4,unu\nb,doi\nclips/c.wav,trei\n")
    assert of(recipe, folder).utterances[0].audio.name == "a.mp4"


def test_json_faults_name_the_line(recipe, folder):
    write(folder / "t.jsonl", '{"path": "a.wav", "text": "x"}\n["b.wav"]\n')
    with pytest.raises(DataError, match=r"t.jsonl:2: found \"\['b.wav'\]\", expected an object a line"):
        of(recipe, folder)
    write(folder / "t.jsonl", '{"path": "a.wav", "text": "x"}\n{"path": \n')
    with pytest.raises(DataError, match="t.jsonl:2: not valid JSON"):
        of(recipe, folder)


@pytest.mark.parametrize("value", ["[" * 100_000, r'"half \ud800"'])
def test_json_that_no_table_has(recipe, folder, value):
    write(folder / "t.jsonl", f'{{"path": "a.wav", "text": "x"}}\n{{"path": "b.wav", "text": {value}}}\n')
    with raises(DataError, where="t.jsonl:2"):
        of(recipe, folder)


def test_a_value_of_a_megabyte_is_a_value(recipe, folder):
    write(folder / "t.csv", f"path,text\na.wav,{'x' * 1_000_000}\nb.wav,doi\n")
    assert [len(utt.text) for utt in of(recipe, folder).utterances] == [1_000_000, 3]


def test_rows_left_out_are_listed_by_reason_and_line(recipe, folder):
    tone(folder / "other/b.wav")
    write(
        folder / "t.csv",
        "path,text,split,start,end\nclips/a.wav,unu,train,0,0.5\nclips/a.wav,doi,train,0.5,0.2\nclips/c.wav,trei,,0,1\nb.wav,patru,train,0,1\nmissing.wav,cinci,dev,0,1\nclips/a.wav,,test,0,1\n,x,dev,0,1\nclips/a.wav,opt,test,0,\nclips/a.wav,nouă,test,x,1\nclips/a.wav,zece,train,0,1,zu"
        " viel\n",
    )
    corpus = of(recipe, folder)
    assert [(u.text, u.split, u.start_s, u.end_s) for u in corpus.utterances] == [("unu", "train", 0.0, 0.5)]
    assert corpus.left_out == {
        "row with more values than columns": ["t.csv:11"],
        "the end is not behind the start": ["t.csv:3"],
        "row without a set": ["t.csv:4"],
        "several files of that name": ["t.csv:5"],
        "text without audio": ["t.csv:6"],
        "audio without text": ["t.csv:7"],
        "row without a path": ["t.csv:8"],
        "start without end, or end without start": ["t.csv:9"],
        "start or end is not a time": ["t.csv:10"],
    }


@pytest.mark.parametrize(
    ("value", "column", "expected"),
    [
        ("1.25", "start", 1.25),
        ("1,25", "Beginn", 1.25),
        ("00:01:02.5", "start", 62.5),
        ("1250", "start_ms", 1.25),
        ("2:03", "end", 123.0),
    ],
)
def test_times(value, column, expected):
    assert seconds(value, column) == expected


def test_offset_and_duration_are_a_segment(recipe, folder):
    write(folder / "t.jsonl", '{"audio": "clips/a.wav", "text": "unu", "offset": 0.25, "duration": 0.5}\n')
    (utt,) = of(recipe, folder).utterances
    assert (utt.start_s, utt.end_s, utt.id) == (0.25, 0.75, "table_ron-clips_a-0000250-0000750")


def test_ids_and_contents_of_ones_own(recipe, folder):
    write(
        folder / "t.csv",
        "path,text,speaker,utt_id,prompt_id\na.wav,unu,s1,s1-x,p 1\nb.wav,doi,s1,y,p 1\nc.wav,trei,s1,z,\n",
    )
    utts = of(recipe, folder).utterances
    assert [(u.id, u.content) for u in utts] == [("s1-x", "p 1"), ("s1-y", "p 1"), ("s1-z", "s1-z")]


def test_languages(recipe, folder):
    write(folder / "t.csv", "path,text,lang\na.wav,unu,ro\nb.wav,deux,fr\nc.wav,trei,ron_Latn\n")
    corpus = of(recipe, folder)
    assert [u.text for u in corpus.utterances] == ["unu", "trei"]
    assert corpus.left_out["another language"] == ["t.csv:3"]
    with pytest.raises(
        DataError,
        match=r"no row is in swh_Latn: the column 'lang' has ro \(1 rows\), fr \(1 rows\), ron_Latn",
    ):
        of(recipe, folder, "lang=swh_Latn")
    assert len(of(recipe, folder, "lang=swh_Latn", "data.columns={language: null}").utterances) == 3


def test_sets(recipe, folder):
    write(folder / "t.csv", "path,text,Set\na.wav,unu,Training\nb.wav,doi,validation\nc.wav,trei,TEST\n")
    assert [u.split for u in of(recipe, folder).utterances] == ["train", "dev", "test"]
    write(folder / "t.csv", "path,text,Set\na.wav,unu,red\nb.wav,doi,blue\n")
    with pytest.raises(
        DataError, match=r"the column 'Set' has red \(1 rows\), blue \(1 rows\), expected train, dev and test"
    ):
        of(recipe, folder)
    (folder / "t.csv").unlink()
    for name, clip in (("train", "a"), ("validation", "b"), ("test", "c")):
        write(folder / f"{name}.csv", f"file_name,transcription\nclips/{clip}.wav,text {clip}\n")
    found = [(u.text, u.split) for u in of(recipe, folder).utterances]
    assert found == [("text c", "test"), ("text a", "train"), ("text b", "dev")]


def test_which_table(recipe, folder):
    with pytest.raises(DataError, match="has no tables"):
        of(recipe, folder)
    (folder / "list.xlsx").write_bytes(b"PK\x03\x04")
    with raises(DataError, "no workbook", where="list.xlsx"):
        of(recipe, folder)
    (folder / "list.xlsx").unlink()
    for name in ("one.csv", "two.csv"):
        write(folder / name, f"path,text\na.wav,{name}\n")
    with raises(DataError, "one.csv", "two.csv", "a.wav", where="data.dir"):
        of(recipe, folder)
    assert len(of(recipe, folder / "two.csv").utterances) == 1


def test_file_names_in_other_unicode_forms(recipe, folder):
    tone(folder / unicodedata.normalize("NFD", "clips/pisică.wav"))
    tone(folder / "clips/መኪና 1.wav")
    write(folder / "t.tsv", unicodedata.normalize("NFC", "path\ttext\npisică.wav\tunu\nመኪና 1\tdoi\n"))
    assert [u.id for u in of(recipe, folder).utterances] == [
        "table_ron-clips_pisică",
        "table_ron-clips_መኪና_1",
    ]


def test_speakers_sort_as_kaldi_needs_it(recipe, folder):
    write(folder / "t.csv", "path,text,speaker\na.wav,unu,An-a B\nb.wav,doi,An\nc.wav,trei,an a/b\n")
    utts = of(recipe, folder).utterances
    assert [u.speaker for u in utts] == ["An_a_B", "An", "an_a_b"]
    write(folder / "t.csv", "path,text,speaker\na.wav,unu,a b\nb.wav,doi,a_b\nc.wav,trei,\n")
    speakers = [u.speaker for u in of(recipe, folder).utterances]
    assert len(set(speakers)) == 3 and "unnamed" in speakers


def test_utf16_and_bom_are_told_from_the_bytes(recipe, folder):
    (folder / "t.csv").write_bytes(codecs.BOM_UTF16_BE + "path,text\na.wav,ă\n".encode("utf-16-be"))
    assert [u.text for u in of(recipe, folder).utterances] == ["ă"]


def test_a_long_name_still_names_a_file(recipe, folder):
    name = "ვ" * 60  # 180 bytes
    tone(folder / f"clips/{name}.wav")
    write(folder / "t.csv", f"path,text\n{name},unu\n")
    assert len(of(recipe, folder).utterances[0].id.encode()) < 200


@pytest.mark.parametrize("pack", ["zip", "gztar"])
def test_through_stage_1_from_an_archive(recipe, tmp_path, pack, capsys):
    import shutil

    root = tmp_path / "mine"
    rows = ["path,text,speaker,accent"]
    for number in range(12):
        tone(root / f"mine/{number}.wav", hz=300.0 + 20 * number, rate=8000)
        rows.append(f"{number}.wav,text {'abcdefghijkl'[number]},s{number % 6},{'ns'[number % 2]}")
    write(root / "mine/list.csv", "\n".join(rows))
    archive = shutil.make_archive(str(tmp_path / "mine"), pack, root)
    assert recognise(type(root)(archive))
    assert recipe("data.reader=table", f"data.dir={archive}") == 0
    assert "split by speaker: 6 speakers" in capsys.readouterr().out
    data = recipe.dir / "data"
    assert set(read_table(data / "all/utt2accent").values()) == {"n", "s"}
    assert set(read_table(data / "all/utt2format").values()) == {"8000 1 wav"}
    for part in ("train", "dev", "test"):
        assert read_table(data / part / "utt2accent") == {
            utt: read_table(data / "all/utt2accent")[utt] for utt in read_table(data / part / "text")
        }


CALLS = """audio\tchannel\ttext\tspeaker\tstart\tend
a.wav\t1\tO pisică\tAna\t0.1\t0.4
a.wav\t2\tun câine\tIon\t0.1\t0.4
"""


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (("1", "2"), [0, 1]),
        (("0", "1"), [0, 1]),
        (("A", "B"), [0, 1]),
        (("l", "R"), [0, 1]),
        (("Left", "right"), [0, 1]),
        (("ch1", "ch2"), [0, 1]),
        (("Kanal 2", "Kanal 1"), [1, 0]),
        (("2.0", ""), [1, None]),
        (("both", "1"), [None, 0]),
    ],
)
def test_the_channel_of_a_row(recipe, folder, values, expected):
    text = CALLS.replace("\t1\t", f"\t{values[0]}\t").replace("\t2\t", f"\t{values[1]}\t")
    utts = of(recipe, write(folder / "t.tsv", text)).utterances
    assert [utt.channel for utt in utts] == expected


def test_a_column_of_other_channels_is_a_tag(recipe, folder):
    rows = "".join(f"{name}.wav\tx\t{kind}\n" for name, kind in zip("abcabc", "ntnntt", strict=True))
    text = "path\ttext\tchannel\n" + rows.replace("\tn\n", "\tnews\n").replace("\tt\n", "\ttalk\n")
    utts = of(recipe, write(folder / "t.tsv", text)).utterances
    assert {utt.channel for utt in utts} == {None} and utts[0].tags == {"channel": "news"}
    with raises(DataError, "news", where="t.tsv"):
        of(recipe, folder / "t.tsv", "data.columns={channel: channel}")


def test_a_channel_that_is_none_is_a_reason(recipe, folder):
    text = CALLS + "a.wav\tfront\ttrei\tAna\t0.5\t0.9\n"
    found = of(recipe, write(folder / "t.tsv", text))
    assert found.left_out["channel not understood"] == ["t.tsv:4"] and len(found.utterances) == 2


def test_each_channel_has_its_own_voice(recipe, tmp_path):
    quiet, loud = (np.random.default_rng(1).normal(0, level, 3 * RATE) for level in (0.02, 0.2))
    (tmp_path / "c").mkdir()
    soundfile.write(tmp_path / "c/a.wav", np.stack((quiet, loud), axis=1), RATE)
    rows = CALLS.replace("0.4", "1.1") + "a.wav\t1\ttrei\tAna\t1.5\t2.5\n"
    write(tmp_path / "c/t.tsv", rows)
    assert recipe("data.reader=table", f"data.dir={tmp_path / 'c'}") == 0
    wavs = recipe.dir / "data/all/wav"
    levels = {path.name[:3]: read_wav(path).std() for path in wavs.iterdir()}
    assert abs(levels["Ana"] - 0.02) < 0.002 and abs(levels["Ion"] - 0.2) < 0.02
    spans = read_table(recipe.dir / "data/all/utt2span")
    assert sorted(row.split()[2] for row in spans.values()) == ["0", "0", "1"]  # no overlap: two channels
    groups = read_table(recipe.dir / "data/all/utt2group")
    assert len(set(groups.values())) == 3


def test_sound_files_that_no_row_names_are_listed(recipe, folder):
    tone(folder / "more/d.wav", hz=700.0)
    found = of(recipe, write(folder / "t.tsv", "path\ttext\na.wav\tunu\nb.wav\t\n"))
    assert found.left_out["sound without a row"] == ["clips/c.wav", "more/d.wav"]
    assert found.left_out["audio without text"] == ["t.tsv:3"]


def test_rows_of_other_languages_name_their_files(recipe, folder):
    text = "path\ttext\tlang\na.wav\tunu\tro\nb.wav\tun\tfr\nc.wav\tdeux\tfr\n"
    found = of(recipe, write(folder / "t.tsv", text))
    assert "sound without a row" not in found.left_out


@pytest.mark.parametrize("wrong", ["clips/interveiw_01.wav", "Interview01.mp3", "interview-01"])
def test_a_wrong_path_gets_a_proposal(recipe, folder, capsys, wrong):
    tone(folder / "clips/interview_01.wav", hz=700.0)
    found = of(recipe, write(folder / "t.tsv", f"path\ttext\na.wav\tunu\n{wrong}\tdoi\n"))
    assert "t.tsv:3: no such file; did you mean clips/interview_01.wav?" in capsys.readouterr().out
    assert found.facts["tables"]["t.tsv"]["did you mean"] == {"t.tsv:3": f"{wrong} → clips/interview_01.wav"}
    with raises(DataError, "clips/interview_01.wav", where="t.tsv:2"):
        of(recipe, write(folder / "t.tsv", f"path\ttext\n{wrong}\tdoi\n"))


def test_utterances_keep_their_row(recipe, folder):
    write(folder / "t.tsv", "path\ttext\na.wav\tunu\nb.wav\tAre 3 mere\nc.wav\tdoi\n")
    assert recipe("data.reader=table", f"data.dir={folder}", "data.split=text") in (0, 2)
    report = json.loads((recipe.dir / "data/all/report.json").read_text(encoding="utf-8"))
    assert report["rows"] == {"table_ron-clips_b": "t.tsv:3"}
    assert set(read_table(recipe.dir / "data/all/utt2row").values()) == {"t.tsv:2", "t.tsv:4"}
    paths = {
        utt.rpartition("-")[2]: path for utt, path in read_table(recipe.dir / "data/all/utt2path").items()
    }
    assert paths == {"clips_a": "clips/a.wav", "clips_c": "clips/c.wav"}


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("accent", ["north", "south"] * 4, True),
        ("Dialekt", ["a", "b", ""] * 4, True),
        ("Poznámka", ["šum", "v pořádku"] * 4, False),
        ("Note 2", ["ok", "noisy"] * 4, False),
        ("internal_comment", ["x", "y"] * 4, False),
        ("Bemerkung", ["x", "y"] * 4, False),
        ("transcribed_by", ["Ana Pop", "Ion Rus"] * 4, False),
        ("age", ["23", "47"] * 4, False),
        ("score", ["0,5", "1.0"] * 4, False),
        ("age group", ["20-29 years", "30-39 years"] * 4, True),
        ("village", [f"v{i}" for i in range(10)] * 2, True),
        ("village", [f"v{i}" for i in range(11)] * 2, False),
        ("what", ["a long remark about the recording of this day", "x"] * 4, False),
        ("one", ["x"] * 8, False),
    ],
)
def test_columns_that_sort_rows_into_kinds(column, values, expected):
    assert kinds(column, [value for value in values if value]) is expected


def test_private_notes_are_in_no_table(recipe, folder):
    """A note of whoever transcribed was once published as a table of scores."""
    rows = [f"{name}.wav\tcuvânt {name}{i}\tm{i % 2}\tplânge {i % 2}\n" for i in range(2) for name in "abc"]
    found = of(recipe, write(folder / "t.tsv", "path\ttext\tmic\tPoznámka\n" + "".join(rows)))
    assert {tag for utt in found.utterances for tag in utt.tags} == {"mic"}


def test_drafts_are_read_when_a_person_has_confirmed_them(recipe, folder):
    rows = "path\ttext\tconfirmed\nclips/a.wav\tO\tyes\nclips/b.wav\tTrei\t\nclips/c.wav\tLuna\tnot yet\n"
    write(folder / "t.tsv", rows)
    corpus = of(recipe, folder)
    assert [name for name, *_ in short(corpus)] == ["a.wav"] and corpus.utterances[0].tags == {}
    assert corpus.left_out == {"unconfirmed draft": ["t.tsv:3", "t.tsv:4"]}
    assert len(of(recipe, folder, "data.columns={confirmed: null}").utterances) == 3
    write(folder / "t.tsv", rows.replace("yes", ""))
    with raises(DataError, "unconfirmed draft (3, first t.tsv:2)", "'confirmed'", where="corpus"):
        of(recipe, folder)


def test_web_addresses_name_files_that_have_been_downloaded(recipe, folder):
    """As survey apps and sites export them."""
    rows = [
        f"https://example.org/media/{name}.wav?token=x%20{name}\t{text}"
        for name, text, _ in (("a", TEXTS[0], ""), ("%62", TEXTS[1], ""))
    ]
    write(folder / "t.tsv", "\n".join(["audio_url\ttext", *rows]) + "\n")
    assert short(of(recipe, folder))[0][:2] == ("a.wav", TEXTS[0])
    corpus = of(recipe, folder, "data.columns={path: audio_url, text: text}")
    assert [utt.audio.name for utt in corpus.utterances] == ["a.wav", "b.wav"]


def test_web_addresses_of_files_that_are_not_there(recipe, folder):
    write(folder / "t.tsv", "link\ttext\nhttps://example.org/x.wav\tun urs\nhttps://example.org/y.wav\tdoi\n")
    with raises(DataError, "'link' has web addresses: download the files into this folder"):
        of(recipe, folder)


def test_bars_are_told_from_the_commas_of_sentences(recipe, folder):
    """As LJSpeech's metadata.csv: no header, no quoting, quotes that do not close."""
    write(folder / "metadata.csv", 'a|un, "urs|un, urs\nb|doi, trei|doi, trei\nc|"da, nu|da, nu\n')
    corpus = of(recipe, folder, "data.columns={path: 1, text: 2}")
    assert [utt.text for utt in corpus.utterances] == ['un, "urs', "doi, trei", '"da, nu']


def test_a_part_of_a_web_address(recipe, folder):
    tone(folder / "clips/rec 1.wav", hz=700.0)
    write(folder / "t.tsv", "audio\ttext\n/data/upload/3/rec%201.wav\tun urs\n")
    assert short(of(recipe, folder))[0][:2] == ("rec 1.wav", "un urs")


def test_dates_of_an_interview_are_no_times_of_a_clip(recipe, folder, capsys):
    """As KoboToolbox exports a survey: when the form was opened and sent, and questions in groups."""
    rows = [
        f"2024-05-01T10:0{k}:00.000-05:00\t2024-05-01T10:0{k}:30.000-05:00\t{who}\t{text}\t{name}.wav"
        for k, (name, text, who) in enumerate((("a", TEXTS[0], "Ana"), ("b", TEXTS[1], "Ion")))
    ]
    write(folder / "t.tsv", "\n".join(["start\tend\tgrp/speaker\tgrp/text\tgrp/recording", *rows]) + "\n")
    corpus = of(recipe, folder)
    assert short(corpus) == WANTED[:2] and {utt.start_s for utt in corpus.utterances} <= {None, 0.0}
    assert "not used: start, end" in capsys.readouterr().out
    with raises(DataError, "start or end is not a time"):
        of(recipe, folder, "data.columns={start: start, end: end}")
