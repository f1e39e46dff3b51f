"""Which tables of a folder are the corpus, where they begin, and what columns without known names mean."""

import openpyxl
import pytest

from tests.data.corpus import of, said, tone
from tests.errors import raises
from xlt.core.errors import DataError
from xlt.data.corpora.choose import set_named
from xlt.data.corpora.recognise import recognise
from xlt.data.corpora.table import read

TEXTS = ["O pisică și un câine", "Trei mere roșii", "Luna plină de pe cer"]
SAID = dict(zip("abc", TEXTS, strict=True))


def write(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_two_voices_in_two_folders_are_one_corpus(recipe, tmp_path, capsys):
    """As OpenSLR has them: no header, ids without an ending."""
    place = tmp_path / "corpus"
    for number, name in enumerate(("jvf_01", "jvf_02", "jvm_01", "jvm_02")):
        tone(place / f"jv_id_{'fe' * (name[2] == 'f')}male/wavs/{name}.wav", hz=300.0 + 50 * number)
    write(place / "jv_id_female/line_index.tsv", "jvf_01\tSiji loro telu", "jvf_02\tPapat lima")
    write(place / "jv_id_male/line_index.tsv", "jvm_01\tEnem pitu", "jvm_02\tWolu sanga sepuluh")
    assert recognise(place) == "table"
    corpus = of(recipe, place, "lang=jav_Latn")
    assert {(utt.audio.stem, utt.text, utt.speaker, utt.where) for utt in corpus.utterances} == {
        ("jvf_01", "Siji loro telu", "jv_id_female", "jv_id_female/line_index.tsv:1"),
        ("jvf_02", "Papat lima", "jv_id_female", "jv_id_female/line_index.tsv:2"),
        ("jvm_01", "Enem pitu", "jv_id_male", "jv_id_male/line_index.tsv:1"),
        ("jvm_02", "Wolu sanga sepuluh", "jv_id_male", "jv_id_male/line_index.tsv:2"),
    }
    assert "each folder counts as one: jv_id_female, jv_id_male" in capsys.readouterr().out


def test_ids_that_two_tables_share_stay_apart(recipe, tmp_path):
    place = tmp_path / "corpus"
    for voice in ("one", "two"):
        tone(place / f"{voice}/1.wav", hz=300.0 if voice == "one" else 400.0)
        write(place / f"{voice}/list.csv", "id,path,text,speaker", f"x,{voice}/1.wav,text of {voice},ana")
    found = of(recipe, place).utterances
    assert len({utt.id for utt in found}) == 2


def test_spontaneous_speech_of_common_voice(recipe, folder, capsys):
    """Reports of clips beside the table; the column of prompts has questions, so their ids are no content."""
    columns = "client_id audio_id audio_file duration_ms prompt_id prompt transcription language split"
    head = columns.replace(" ", "\t")
    lines = [
        f"c{n}\t{n}\t{name}.wav\t1000\t1\tCe ai făcut azi?\t{text if name != 'c' else ''}\tro\t{split}"
        for n, (name, text, split) in enumerate(zip("abc", TEXTS, ("train", "dev", "test"), strict=True))
    ]
    write(folder / "ss-corpus-ro.tsv", head, *lines)
    write(
        folder / "ss-reported-audios-ro.tsv",
        "client_id\taudio_id\taudio_file\treason",
        "c9\t0\ta.wav\twrong language heard",
        "c8\t1\tb.wav\ttoo much noise in it",
    )
    corpus = of(recipe, folder)
    assert {(utt.audio.stem, utt.text, utt.split) for utt in corpus.utterances} == {
        ("a", TEXTS[0], "train"),
        ("b", TEXTS[1], "dev"),
    }
    assert corpus.left_out["audio without text"] == ["ss-corpus-ro.tsv:4"]
    assert len({utt.content for utt in corpus.utterances}) == 2
    assert "ss-reported-audios-ro.tsv: not used: " in capsys.readouterr().out


def test_a_language_that_all_rows_name_in_another_way(recipe, folder, capsys):
    write(folder / "t.csv", "path,text,language", *(f"{n}.wav,{t},dialect of Oaș" for n, t in SAID.items()))
    assert said(of(recipe, folder)) == SAID
    assert "column 'language' has dialect of Oaș (3 rows), taken as ron_Latn" in capsys.readouterr().out


def test_a_copy_and_notes_are_not_used(recipe, folder):
    rows = [f"{name}.wav,{text}" for name, text in SAID.items()]
    write(folder / "all.csv", "path,text", *rows)
    write(folder / "all.tsv", "path\ttext", *(row.replace(",", "\t") for row in rows))
    write(folder / "notes.csv", "who,when", "Ana,Monday")
    corpus = of(recipe, folder)
    assert said(corpus) == SAID
    assert corpus.facts["tables not used"] == {
        "all.tsv": "a copy of rows of all.csv",
        "notes.csv": "names no sound files that are there",
    }


def test_tables_that_say_other_things_of_the_same_sound(recipe, folder):
    write(folder / "one.csv", "path,text", "a.wav,unu", "b.wav,doi")
    write(folder / "two.csv", "path,text", "a.wav,trei", "c.wav,patru")
    with raises(DataError, "one.csv", "two.csv", "a.wav", where="data.dir"):
        of(recipe, folder)


def test_folders_that_are_sets(recipe, tmp_path):
    """The datasets library's audiofolder: a table in each, and the same names of files in both."""
    place = tmp_path / "corpus"
    for number, name in enumerate(("train", "test")):
        tone(place / f"data/{name}/1.wav", hz=300.0 + 50 * number)
        write(place / f"data/{name}/metadata.csv", "file_name,transcription", f"1.wav,text of {name}")
    found = of(recipe, place).utterances
    assert {(utt.text, utt.split, utt.audio.parent.name) for utt in found} == {
        ("text of train", "train", "train"),
        ("text of test", "test", "test"),
    }


def test_parts_of_recordings_without_a_header(recipe, folder, capsys):
    tone(folder / "clips/a.wav", dur_s=5.0)
    write(folder / "t.csv", "a;0,5;1,25;un urs", "a;1,5;3;doi lupi", "b;0;0,75;trei mere")
    spans = [(utt.text, utt.start_s, utt.end_s) for utt in of(recipe, folder).utterances]
    assert spans == [("un urs", 0.5, 1.25), ("doi lupi", 1.5, 3.0), ("trei mere", 0.0, 0.75)]
    assert "start='2', end='3' (path and text and start and end by the contents" in capsys.readouterr().out


def test_a_table_beside_one_called_test_is_train(recipe, folder):
    write(folder / "words.csv", "path,text", "a.wav,unu", "b.wav,doi")
    write(folder / "words_test.csv", "path,text", "c.wav,patru")
    assert {utt.audio.stem: utt.split for utt in of(recipe, folder).utterances} == {
        "a": "train",
        "b": "train",
        "c": "test",
    }


def test_tables_of_which_none_can_be_used(recipe, folder):
    write(folder / "one.csv", "who,when", "Ana,Monday")
    write(folder / "two.csv", "path,text")
    with raises(DataError, "one.csv", "two.csv", where="data.dir"):
        of(recipe, folder)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("train", "train"),
        ("train_manifest", "train"),
        ("manifest-dev", "dev"),
        ("validation-00000-of-00002", "dev"),
        ("mycorpus_test", "test"),
        ("metadata", None),
        ("corpus_tr", None),  # Turkish
        ("train_and_test", None),
        ("phone", None),
    ],
)
def test_sets_by_names(name, expected):
    assert set_named(name) == expected


def test_the_sound_may_lie_elsewhere(recipe, folder, tmp_path):
    place = tmp_path / "tables"
    write(place / "t.tsv", "path\ttext", *(f"../corpus/clips/{n}.wav\t{t}" for n, t in SAID.items()))
    assert recognise(place) == "table"
    assert said(of(recipe, place)) == SAID


@pytest.mark.parametrize(
    ("lines", "noted"),
    [
        (["a.wav;{a}", "b.wav;{b}", "c.wav;{c}"], "has no header, since line 1 names a sound file"),
        (["a|{a}|{a}", "b|{b}|{b}", "c|{c}|{c}"], "has no header"),  # LJSpeech's three columns
        (["gone.wav\t{a}", "a.wav\t{a}", "b.wav\t{b}", "c.wav\t{c}"], "has no header"),
        (
            ["Corpus of 2024;;", "made by us;;", ";;", "Xyz;Uvw;Qrs", ";a;{a}", ";b;{b}", ";c;{c}"],
            "lines 1 to 2 not used: titles above the table",
        ),
        (["sep=;", ";a.wav;{a}", ";b.wav;{b}", ";c.wav;{c}"], "has no header"),
        (["Xx;Nr.;Y", "{a};1;a.wav", "{b};2;b.wav", "{c};3;c.wav"], "path and text by the contents"),
        (["Audio;;Text;", "P;Q;R;S", "a;1;{a};x", "b;1;{b};y", "c;1;{c};z"], "path='P', text='R'"),
        (["Datei;Text", "a.wav;{a}", "b.wav;{b}", "c.wav;{c}"], "path='Datei', text='Text'"),
        (["archivo,oración", "a.wav,{a}", "b.wav,{b}", "c.wav,{c}"], "path='archivo', text='oración'"),
        (["файл\tтекст", "a\t{a}", "b\t{b}", "c\t{c}"], "path='файл', text='текст'"),
        (["Nahrávka,Přepis", "a,{a}", "b,{b}", "c,{c}"], "path='Nahrávka', text='Přepis'"),
        (["Súbor,Čo povedal", "a,{a}", "b,{b}", "c,{c}"], "path='Súbor', text='Čo povedal'"),
    ],
)
def test_where_a_table_begins_and_what_is_in_it(recipe, folder, capsys, lines, noted):
    write(folder / "t.csv", *(line.format(**SAID) for line in lines))
    corpus = of(recipe, folder)
    assert said(corpus) == SAID
    assert noted in capsys.readouterr().out
    assert corpus.utterances[-1].where == f"t.csv:{len(lines)}"


def test_columns_by_their_contents_follow_the_script(recipe, folder):
    """A translation beside the text, longer than it."""
    russian = ["кошка и собака", "три яблока", "полная луна"]
    lines = [f"{n}.wav;{r};{t} and so on and on" for (n, t), r in zip(SAID.items(), russian, strict=True)]
    write(folder / "t.csv", "S;T;U", *lines)
    assert list(said(of(recipe, folder, "lang=rus_Cyrl")).values()) == russian


def test_of_two_columns_that_say_the_same_the_one_without_digits(recipe, folder):
    write(
        folder / "t.csv", "a|Am 3 mere|Am trei mere", "b|Vin 2 lupi|Vin doi lupi", "c|La revedere|La revedere"
    )
    assert said(of(recipe, folder))["a"] == "Am trei mere"


def test_a_translation_is_no_text(recipe, folder):
    write(
        folder / "t.csv",
        "S;T;U",
        "a;this is a very big bear;un urs foarte mare",
        "b;these are two small wolves;doi lupi mici",
    )
    assert said(of(recipe, folder))["a"] == "un urs foarte mare"


def test_two_columns_of_texts_are_asked_for(recipe, folder):
    write(folder / "t.csv", "S;T;U", "a;un urs mare;trei mere roșii", "b;doi lupi mici;o lună plină")
    with raises(DataError, "'T'", "'U'", "data.columns", where="t.csv"):
        of(recipe, folder)
    assert said(of(recipe, folder, "data.columns={text: T}"))["a"] == "un urs mare"


def test_notes_are_no_texts(recipe, folder):
    lines = [f"{n};{t};a long remark about the weather of that day" for n, t in SAID.items()]
    write(folder / "t.csv", "Fájl;Elhangzott;Megjegyzés", *lines)
    assert said(of(recipe, folder)) == SAID


def test_a_column_of_ids_names_files(recipe, folder):
    write(folder / "t.csv", "id,text", *(f"{n},{t}" for n, t in SAID.items()))
    assert said(of(recipe, folder)) == SAID


def test_a_sheet_of_codes_beside_sheets_of_clips(recipe, tmp_path, capsys):
    """Its numbers lead to 01.wav, as if a spreadsheet had taken their zeros."""
    folder = tmp_path / "survey"
    book = openpyxl.Workbook()
    book.remove(book.active)
    for at, name in enumerate(("Women", "Men")):
        sheet = book.create_sheet(name)
        sheet.append(["Clip", "Română"])
        for number in (1, 2):
            tone(folder / f"{name}/0{number}.wav", hz=300.0 + 100 * at + 30 * number)
            sheet.append([f"{name}/0{number}.wav", f"un urs și {name} {'ab'[number - 1]}"])
    sheet = book.create_sheet("Codebook")
    sheet.append(["Code", "Meaning"])
    sheet.append(["1", "yes"])
    book.save(folder / "survey.xlsx")
    corpus = read(recipe.cfg("data.reader=table", f"data.dir={folder}"))
    assert sorted(utt.audio.parent.name for utt in corpus.utterances) == ["Men", "Men", "Women", "Women"]
    assert "survey.xlsx/Codebook: not used: has numbers or ids" in capsys.readouterr().out
