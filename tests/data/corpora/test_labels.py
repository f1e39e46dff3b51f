"""The reader labels: what belongs together, which tier has the texts, who speaks, and what else is told."""

import codecs
import shutil
import unicodedata
from pathlib import Path

import pytest

from tests.data.corpus import PHRASES, tone
from tests.errors import raises
from tests.formats.test_transcripts import SPEAKERS, rendered
from xlt.core.errors import DataError
from xlt.data.corpora.labels import read, recognise
from xlt.data.corpora.tiers import somebody
from xlt.formats.tables import read_table
from xlt.formats.transcripts import Transcript


def of(recipe, place, *settings):
    return read(recipe.cfg("data.reader=labels", f"data.dir={place}", *settings))


def put(path, text, encoding="utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


def grid(path, tiers, end_s=3.0, encoding="utf-8"):
    """Write a TextGrid in the short form: ``tiers``: {name: [(start, end, text), …]}, or [(time, text), …] of
    points.
    """
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", f"0 {end_s} <exists> {len(tiers)}"]
    for name, own in tiers.items():
        kind = "TextTier" if own and len(own[0]) == 2 else "IntervalTier"
        lines += [f'"{kind}" "{name}" 0 {end_s} {len(own)}']
        for *times, text in own:
            quoted = text.replace('"', '""')
            lines += [*map(str, times), f'"{quoted}"']
    return put(path, "\n".join(lines), encoding)


def cues(*rows):
    """Subtitles: (start, end, text) in seconds below a minute."""
    shown = [(f"00:00:{start:06.3f}", f"00:00:{end:06.3f}", text) for start, end, text in rows]
    return "".join(
        f"{number}\n{start} --> {end}\n{text}\n\n".replace(".", ",", 2)
        for number, (start, end, text) in enumerate(shown, 1)
    )


def said(corpus):
    return [(utt.speaker, utt.text, utt.start_s, utt.end_s) for utt in corpus.utterances]


LINES = [(0.0, 0.8, "O pisică."), (0.8, 1.0, ""), (1.0, 1.9, 'Un "câine"'), (2.0, 2.9, "O casă")]
GLOSSES = [(0.0, 0.8, "A cat."), (1.0, 1.9, "A dog"), (2.0, 2.9, "A house")]


@pytest.fixture
def folder(tmp_path):
    tone(tmp_path / "field/rec.wav", dur_s=3.0)
    return tmp_path / "field"


def test_textgrids_as_praat_saves_them(recipe, tmp_path, capsys):
    """In UTF-8 and UTF-16, whatever the case of the endings; tiers without text, and points, are nothing."""
    folder = tmp_path / "f"
    tone(folder / "rec0.WAV", dur_s=3.0)
    tone(folder / "Rec1.wav", dur_s=3.0)
    bells = [(0.5, "ding")]
    grid(folder / "rec0.TextGrid", {"orth": LINES, "gloss": [(0.0, 3.0, "")], "bell": bells})
    mark = codecs.BOM_UTF16_BE.decode("utf-16-be")
    grid(folder / "rec1.textgrid", {"orth": LINES})
    raw = (folder / "rec1.textgrid").read_text("utf-8")
    put(folder / "rec1.textgrid", mark + raw.replace("\n", "\r\n"), "utf-16-be")
    assert recognise(folder)
    corpus = of(recipe, folder)
    assert [(u.id, u.text, u.start_s, u.end_s, u.audio.name, u.where) for u in corpus.utterances] == [
        ("Rec1-0000000-0000800", "O pisică.", 0.0, 0.8, "Rec1.wav", "rec1.textgrid:8"),
        (
            "Rec1-0001000-0001900",
            'Un "câine"',
            1.0,
            1.9,
            "Rec1.wav",
            "rec1.textgrid:14",
        ),
        ("Rec1-0002000-0002900", "O casă", 2.0, 2.9, "Rec1.wav", "rec1.textgrid:17"),
        ("rec0-0000000-0000800", "O pisică.", 0.0, 0.8, "rec0.WAV", "rec0.TextGrid:8"),
        ("rec0-0001000-0001900", 'Un "câine"', 1.0, 1.9, "rec0.WAV", "rec0.TextGrid:14"),
        ("rec0-0002000-0002900", "O casă", 2.0, 2.9, "rec0.WAV", "rec0.TextGrid:17"),
    ]
    assert corpus.facts["tiers"] == ["orth"] and corpus.facts["empty labels"] == 2
    assert corpus.facts["encodings"] == {"utf-16": 1} and corpus.left_out == {}
    told = capsys.readouterr().out
    assert "2 Praat TextGrid" in told and "'orth'" in told and "2 empty" in told


@pytest.mark.parametrize(
    ("tiers", "taken"),
    [
        ({"ORT": LINES, "MAU": GLOSSES}, {"ORT"}),
        ({"ft": GLOSSES, "notes": GLOSSES, "A": LINES}, {"A"}),
        (
            {"tx@Ana": LINES[:1], "ft@Ana": GLOSSES[:1], "tx@Ion": LINES[2:], "ft@Ion": GLOSSES[1:]},
            {"tx@Ana", "tx@Ion"},
        ),
        (
            {"x": LINES, "y": [(start, end, "кот и дом") for start, end, _ in GLOSSES]},
            {"x"},
        ),  # another script
        ({"x": LINES, "y": [(n / 10, (n + 1) / 10, c) for n, c in enumerate("opisică")]}, {"x"}),  # sounds
        ({"x": LINES, "y": [(n / 3, (n + 1) / 3, "cuvânt") for n in range(9)]}, {"x"}),  # words of sentences
    ],
)
def test_the_tier_that_leaves_no_doubt(recipe, folder, tiers, taken, capsys):
    grid(folder / "rec.TextGrid", tiers)
    corpus = of(recipe, folder)
    texts = [text for tier in taken for *_, text in tiers[tier] if text]
    assert sorted(utt.text for utt in corpus.utterances) == sorted(texts)
    assert set(corpus.facts["tiers"]) == taken
    told = capsys.readouterr().out
    assert all(repr(tier) in told for tier in tiers) and "data.tier" in told


def test_tiers_that_may_both_be_the_text(recipe, folder):
    grid(folder / "rec.TextGrid", {"first": LINES, "second": GLOSSES})
    with raises(DataError, "'first'", "'second'", "2", where="data.tier"):
        of(recipe, folder)
    assert [u.text for u in of(recipe, folder, "data.tier=sec*").utterances] == ["A cat.", "A dog", "A house"]
    with raises(DataError, "'third'", "'first'", where="data.tier"):
        of(recipe, folder, "data.tier=third")


def test_tiers_by_turns_are_speakers(recipe, tmp_path):
    """A name is the same person everywhere, a number another in each file."""
    for name in ("one", "two"):
        tone(tmp_path / f"f/{name}.wav", dur_s=3.0)
    grid(tmp_path / "f/one.TextGrid", {"Ana": LINES[:1], "2": LINES[2:]})
    grid(tmp_path / "f/two.TextGrid", {"Ana": LINES[2:3], "2": LINES[3:]})
    corpus = of(recipe, tmp_path / "f")
    assert [utt.speaker for utt in corpus.utterances] == ["Ana", "one_2", "one_2", "Ana", "two_2"]
    assert "speakers" not in corpus.facts


def test_points_alone_and_files_without_the_tier(recipe, folder):
    grid(folder / "rec.TextGrid", {"text": [(0.5, "un urs")]})
    with raises(DataError, "a point in time 1", where="rec.TextGrid"):
        of(recipe, folder)
    tone(folder / "two.wav", dur_s=3.0)
    grid(folder / "two.TextGrid", {"orth": LINES})
    tone(folder / "three.wav", dur_s=3.0)
    grid(folder / "three.TextGrid", {"gloss": GLOSSES})
    corpus = of(recipe, folder)
    assert [u.text for u in corpus.utterances] == [text for *_, text in LINES if text]
    assert corpus.left_out == {"a point in time": ["rec.TextGrid:7"], "audio without text": ["three.wav"]}


def test_words_that_touch_are_joined(recipe, folder):
    """As MFA writes them: a tier of words and one of sounds for each speaker."""
    words = [(0.1, 0.4, "o"), (0.4, 0.9, "pisică"), (0.9, 1.5, "sil"), (1.5, 2.0, "un"), (2.03, 2.5, "câine")]
    phones = [(0.1, 0.4, "o"), (0.4, 0.5, "p"), (0.5, 0.6, "i"), (1.5, 2.0, "u")]
    grid(folder / "rec.TextGrid", {"Ana - words": words, "Ana - phones": phones})
    corpus = of(recipe, folder)
    assert [(u.text, u.start_s, u.end_s) for u in corpus.utterances] == [
        ("o pisică", 0.1, 0.9),
        ("un câine", 1.5, 2.5),
    ]
    assert corpus.facts["words"] and corpus.facts["empty labels"] == 1


def test_words_by_themselves_stay_so(recipe, folder):
    words = [(0.1, 0.4, "urs"), (0.9, 1.3, "pisică"), (1.5, 2.0, "câine")]
    grid(folder / "rec.TextGrid", {"list": words})
    assert [u.text for u in of(recipe, folder).utterances] == ["urs", "pisică", "câine"]


SOUNDS = "".join(f"{n}000000 {n + 1}000000 {c}\n" for n, c in enumerate(("sil", *"opisi")))


def test_labels_of_sounds_are_no_texts(recipe, folder):
    put(folder / "rec.lab", SOUNDS)
    with raises(DataError, "'o'", where="rec.lab"):
        of(recipe, folder)
    assert [u.text for u in of(recipe, folder, "data.tier='*'").utterances] == ["o p i s i"]
    put(folder / "rec.txt", "O pisică.")
    assert [u.text for u in of(recipe, folder).utterances] == ["O pisică."]
    grid(folder / "rec.TextGrid", {"phones": [(n / 10, (n + 1) / 10, c) for n, c in enumerate("opisi")]})
    (folder / "rec.txt").unlink()
    with raises(DataError, "'phones'", where="data.tier"):
        of(recipe, folder)


def test_subtitles(recipe, tmp_path):
    """In UTF-8 with a byte order mark; the names before texts are speakers."""
    for number in range(2):
        tone(tmp_path / f"f/rec{number}.ogg", dur_s=3.0)
    rows = [(0.1, 0.8, "<i>ANA: O pisică.</i>"), (0.9, 1.4, "- ION: Da:\nun câine"), (1.5, 1.9, "mare")]
    put(tmp_path / "f/rec0.srt", cues(*rows), "utf-8-sig")
    put(tmp_path / "f/rec1.vtt", "WEBVTT\n\n00:00.100 --> 00:00.800\n<v Maria>O casă\n")
    assert said(of(recipe, tmp_path / "f")) == [
        ("ANA", "O pisică.", 0.1, 0.8),
        ("ION", "Da:\nun câine", 0.9, 1.4),
        ("ION", "mare", 1.5, 1.9),
        ("Maria", "O casă", 0.1, 0.8),
    ]


def test_a_colon_in_a_sentence_is_no_speaker(recipe, folder):
    put(
        folder / "rec.srt",
        cues((0.1, 0.8, "Aici: o pisică"), (0.9, 1.4, "Acolo: un urs"), (1.5, 2.0, "Și: nimic")),
    )
    assert [u.text for u in of(recipe, folder).utterances] == ["Aici: o pisică", "Acolo: un urs", "Și: nimic"]


def test_a_label_track(recipe, folder):
    put(folder / "rec.txt", "0.10\t0.80\tO pisică.\n\\\t300.0\t900.0\n1.0\t1.0\tclic\n1.2\t1.9\tUn câine\n")
    corpus = of(recipe, folder)
    assert said(corpus) == [("labels_ron", "O pisică.", 0.1, 0.8), ("labels_ron", "Un câine", 1.2, 1.9)]
    assert corpus.left_out == {"a point in time": ["rec.txt:3"]}
    assert recognise(folder) and recognise(folder / "rec.txt")


def test_a_label_track_as_audacity_names_it(recipe, folder):
    put(folder / "Label Track.txt", "0.1\t0.8\tO pisică.\n")
    assert recognise(folder)
    assert [(u.text, u.audio.name) for u in of(recipe, folder).utterances] == [("O pisică.", "rec.wav")]
    put(folder / "Label Track.txt", "O pisică.\n")  # whose it is, nobody knows
    assert not recognise(folder)


def test_exports_of_elan_and_clan(recipe, tmp_path):
    for name in ("one", "two"):
        tone(tmp_path / f"f/{name}.wav", dur_s=3.0)
    rows = [
        "tx\tAna\t00:00:00.100\t0.1\t00:00:00.800\t0.8\t00:00:00.700\t0.7\tO pisică.",
        "ft\t\t00:00:00.100\t0.1\t00:00:00.800\t0.8\t00:00:00.700\t0.7\tA cat.",
    ]
    put(tmp_path / "f/one.txt", "\n".join(rows) + "\n", "utf-8-sig")
    put(
        tmp_path / "f/two.cha",
        "@UTF8\n@Begin\n*MOT:\tun câine . \x151000_1900\x15\n*CHI:\txxx . \x152000_2100\x15\n@End\n",
    )
    corpus = of(recipe, tmp_path / "f")
    assert said(corpus) == [("Ana", "O pisică.", 0.1, 0.8), ("MOT", "un câine .", 1.0, 1.9)]
    assert corpus.facts["files"] == {"tabs": 1, "chat": 1} and corpus.facts["empty labels"] == 1


def test_whole_files_in_folders_of_speakers(recipe, tmp_path):
    for number, who in enumerate(("Ana Pop", "Ana Pop", "Ion")):
        tone(tmp_path / f"f/wav/{who}/c{number}.wav")
        put(tmp_path / f"f/txt/{who}/c{number}.lab", f"  {PHRASES[number]}\n")
    tone(tmp_path / "f/wav/Ion/silent.wav")
    put(tmp_path / "f/txt/Ion/c9.lab", "un urs")
    put(tmp_path / "f/README.txt", "All rights reserved")
    put(tmp_path / "f/people.csv", "name,age\nAna,7\n")
    put(tmp_path / "f/txt/lost.txt", "un urs")
    corpus = of(recipe, tmp_path / "f")
    assert [(u.id, u.speaker, u.text, u.start_s) for u in corpus.utterances] == [
        ("Ana_Pop-c0", "Ana_Pop", "un urs", None),
        ("Ana_Pop-c1", "Ana_Pop", "o pisică", None),
        ("Ion-c2", "Ion", "un câine mare", None),
    ]
    assert corpus.left_out == {
        "text without audio": ["txt/lost.txt", "txt/Ion/c9.lab"],
        "audio without text": ["wav/Ion/silent.wav"],
    }
    assert recognise(tmp_path / "f")


def test_folders_of_sets(recipe, tmp_path):
    for number, where in enumerate(("train/ana", "Train/ion", "dev/ana", "eval/ion", "phone/ana")):
        tone(tmp_path / f"f/{where}/c{number}.wav")
        put(tmp_path / f"f/{where}/c{number}.txt", PHRASES[number])
    found = {utt.audio.stem: (utt.split, utt.speaker) for utt in of(recipe, tmp_path / "f").utterances}
    assert found == {
        "c0": ("train", "ana"),
        "c1": ("train", "ion"),
        "c2": ("dev", "ana"),
        "c3": ("test", "ion"),
        "c4": ("phone", "ana"),
    }


def test_several_label_files_of_a_recording(recipe, folder):
    grid(folder / "rec.TextGrid", {"text": LINES})
    put(folder / "rec.txt", "O pisică. Un câine. O casă.")
    put(folder / "rec.lab", SOUNDS)
    corpus = of(recipe, folder)
    assert [u.text for u in corpus.utterances] == ["O pisică.", 'Un "câine"', "O casă"]
    assert corpus.left_out == {"another label file": ["rec.txt", "rec.lab"]}
    grid(folder / "rec.TextGrid", {"text": [(0.0, 3.0, "")]})  # not filled in yet
    assert [u.text for u in of(recipe, folder).utterances] == ["O pisică. Un câine. O casă."]


def test_label_files_of_one_form_that_differ(recipe, folder):
    tone(folder / "other.wav")
    put(folder / "other.txt", "o casă")
    for name, text in (("a", "un urs"), ("b", "doi urși")):
        put(folder / name / "rec.txt", text)
    corpus = of(recipe, folder)
    assert [u.text for u in corpus.utterances] == ["o casă"]
    assert corpus.left_out == {"several label files": ["a/rec.txt", "b/rec.txt"]}
    put(folder / "b/rec.txt", "un  urs\n")
    assert sorted(u.text for u in of(recipe, folder).utterances) == ["o casă", "un urs"]
    put(folder / "rec.txt", "trei urși")  # beside it
    assert sorted(u.text for u in of(recipe, folder).utterances) == ["o casă", "trei urși"]


def test_subtitles_of_several_languages(recipe, folder):
    put(folder / "rec.ro.srt", cues((0.1, 0.8, "O pisică")))
    put(folder / "rec.en.srt", cues((0.1, 0.8, "A cat")))
    corpus = of(recipe, folder)
    assert [u.text for u in corpus.utterances] == ["O pisică"]
    assert corpus.left_out == {"another language": ["rec.en.srt"]}


@pytest.mark.parametrize("name", ["rec_transcript.txt", "REC - Labels.txt", "rec.wav.txt", "rec.ron.txt"])
def test_names_that_say_more(recipe, folder, name):
    put(folder / name, "O pisică")
    assert recognise(folder)
    assert [(u.text, u.audio.name) for u in of(recipe, folder).utterances] == [("O pisică", "rec.wav")]


def test_a_recording_that_is_there_twice(recipe, folder):
    tone(folder / "rec.flac", dur_s=3.0)
    put(folder / "rec.txt", "O pisică")
    corpus = of(recipe, folder)
    assert [u.audio.name for u in corpus.utterances] == ["rec.wav"]
    assert corpus.left_out == {"another form of a recording": ["rec.flac"]}


def test_labels_behind_the_end(recipe, folder):
    rows = [
        (0.1, 0.8, "unu"),
        (2.5, 3.4, "doi"),
        (2.9, 3.6, "trei"),
        (3.0, 3.2, "patru"),
        (1.5, 1.2, "cinci"),
    ]
    put(folder / "rec.srt", cues(*rows))
    tone(folder / "more.wav", dur_s=2.0)
    put(folder / "more.srt", cues((0.1, 0.8, "șase"), (1.0, 1.5, "șapte")))
    corpus = of(recipe, folder)
    assert [u.text for u in corpus.utterances] == ["șase", "șapte", "unu", "doi"]
    assert corpus.left_out == {
        "behind the end of the recording": ["rec.srt:10", "rec.srt:14"],
        "the end is not behind the start": ["rec.srt:18"],
    }
    put(folder / "rec.srt", cues(*((start + 10, end + 10, text) for start, end, text in rows[:4])))
    with raises(DataError, "rec.wav", "3.00", where="rec.srt:2"):
        of(recipe, folder)


@pytest.mark.parametrize(
    ("name", "text", "where"),
    [
        ("rec.srt", "1\n00:00:0x,000 --> 00:00:01,000\nun urs\n", "rec.srt:2"),
        (
            "rec.TextGrid",
            'File type = "ooTextFile"\nObject class = "TextGrid"\n0 3 <exists> 1\n"IntervalTier"',
            "rec.TextGrid:4",
        ),
        ("rec.textgrid", "un urs", "rec.textgrid:1"),
        ("rec.TextGrid", "ooBinaryFile\x08TextGrid", "rec.TextGrid"),
        ("rec.txt", "{\\rtf1 un urs}", "rec.txt:1"),
        ("rec.txt", "", "rec.txt"),
        ("rec.cha", "un urs", "rec.cha"),
    ],
)
def test_files_that_are_broken(recipe, folder, name, text, where):
    put(folder / name, text)
    with raises(DataError, where=where) as err:
        of(recipe, folder)
    assert err.value.remedy


def test_nothing_fits_together(recipe, folder):
    put(folder / "other.srt", cues((0.1, 0.8, "unu")))
    with raises(DataError, "1", where="other.srt") as err:
        of(recipe, folder)
    assert "a.TextGrid" in err.value.remedy
    (folder / "other.srt").unlink()
    with raises(DataError, ".TextGrid", where=str(folder)):
        of(recipe, folder)


def test_a_table_with_the_texts_goes_first(folder):
    put(folder / "rec.txt", "un urs")
    put(folder / "people.csv", "name,age\nAna,7\n")
    assert recognise(folder)
    for told in ("file,age\nrec.wav,7\n", "id;village\nrec;La Vale\n"):
        put(folder / "people.csv", told)
        assert recognise(folder)
    for texts in (
        "file,sentence\nrec.wav,un urs\n",
        "rec.wav\tun urs mare\n",
        "My corpus\n\nx;y\nREC;un urs mare\n",
    ):
        put(folder / "corpus.csv", texts)
        assert not recognise(folder)
    (folder / "rec.txt").unlink()
    (folder / "corpus.csv").unlink()
    put(folder / "notes.txt", "un urs")
    assert not recognise(folder) and not recognise(folder / "notes.txt") and not recognise(folder / "rec.wav")


def test_archives(tmp_path, folder):
    """Their tables are not read."""
    grid(folder / "rec.TextGrid", {"text": LINES})
    put(folder / "people.csv", "name,age\nAna,7\n")
    assert recognise(_zipped(tmp_path / "a", folder))
    (folder / "rec.TextGrid").unlink()
    put(folder / "rec.txt", "un urs")
    assert not recognise(_zipped(tmp_path / "b", folder))


def _zipped(name, folder):
    return Path(shutil.make_archive(str(name), "zip", folder.parent, folder.name))


@pytest.mark.parametrize("form", ["srt", "vtt", "textgrid"])
def test_what_transcribe_wrote_is_read_again(recipe, tmp_path, form):
    tone(tmp_path / "f/x.wav", dur_s=4.0)
    two = Transcript("x.wav", SPEAKERS, channels=True, duration_s=4.0)
    put(tmp_path / f"f/x.{form}", rendered(form, two))
    assert sorted(said(of(recipe, tmp_path / "f"))) == [
        ("x_1", "alo", 0.0, 1.0),
        ("x_2", "bine", 3.0, 4.0),
        ("x_2", "da", 0.5, 2.0),
    ]


@pytest.mark.parametrize(
    ("who", "same"),
    [
        ("Ana", True),
        ("MOT", True),
        ("CHI", True),
        ("S3", False),
        ("Speaker 2", False),
        ("B", False),
        ("SPEAKER_01", False),
    ],
)
def test_who_is_the_same_in_all_files(who, same):
    assert (somebody(who, "x") == who) is same


def test_through_stage_1(recipe, tmp_path):
    for number in range(6):
        grid(
            tmp_path / f"f/{number}.TextGrid",
            {"text": [(a, b, t and f"{t} {'abcdef'[number]}") for a, b, t in LINES]},
        )
        tone(tmp_path / f"f/{number}.wav", dur_s=3.0, hz=300.7 + 20.1 * number, rate=44100)
    assert recipe("data.reader=labels", f"data.dir={tmp_path / 'f'}") == 0
    assert read_table(recipe.dir / "data/all/utt2dur")["0-0001000-0001900"] == "0.9000"
    assert read_table(recipe.dir / "data/all/utt2row")["0-0001000-0001900"] == "0.TextGrid:14"
    assert read_table(recipe.dir / "data/all/utt2span")["0-0001000-0001900"].startswith("1.000 1.900 - ")
    assert len(read_table(recipe.dir / "data/dev/spk2utt")) == 1  # split by speaker


SAID = {
    "ces_Latn": ["Kočka leží na stole.", "Žluťoučký kůň úpěl ďábelské ódy.", "Přišel jsem pozdě večer domů."],
    "rus_Cyrl": ["Кошка лежит на столе.", "Сегодня хорошая погода.", "Я пришёл домой поздно вечером."],
    "deu_Latn": [
        "Die Katze schläft über dem Tisch.",
        "Schöne Grüße aus Köln.",
        "Müßiggang ist aller Laster Anfang.",
    ],
}


@pytest.mark.parametrize(
    ("lang", "encoding"),
    [
        ("ces_Latn", "cp1250"),
        ("rus_Cyrl", "cp1251"),
        ("rus_Cyrl", "koi8-r"),
        ("deu_Latn", "mac_roman"),
        ("deu_Latn", "cp1252"),
    ],
)
def test_texts_that_are_not_utf_8(recipe, tmp_path, lang, encoding, capsys):
    """Told from all label files together, a sentence each; one in UTF-8 among them stays what it is."""
    for number, text in enumerate(SAID[lang]):
        tone(tmp_path / f"f/{number}.wav")
        put(tmp_path / f"f/{number}.txt", text + "\n", encoding if number else "utf-8")
    corpus = of(recipe, tmp_path / "f", f"lang={lang}")
    assert [utt.text for utt in corpus.utterances] == SAID[lang]
    assert list(corpus.facts["encodings"].values()) == [2]
    assert "data.encoding" in capsys.readouterr().out
    put(tmp_path / "f/1.txt", "\x80\xa4\xff", "latin-1")
    named = of(recipe, tmp_path / "f", f"lang={lang}", "data.encoding=latin-1")
    assert [utt.text for utt in named.utterances][:2] == [SAID[lang][0], "\x80\xa4\xff"]


def test_an_export_of_elan_whose_speakers_talk_at_once(recipe, folder):
    """Its participants say that the tiers are not two layers of one; ids differ where times do not."""
    rows = [("Ana", "da"), ("Ion", "nu"), ("Ion", "ba")]
    put(
        folder / "rec.txt",
        "".join(f"tx@{who}\t{who}\t00:00:00.100\t00:00:01.000\t{text}\n" for who, text in rows),
    )
    found = {(utt.id, utt.text) for utt in of(recipe, folder).utterances}
    assert found == {
        ("Ana-rec-0000100-0001000", "da"),
        ("Ion-rec-0000100-0001000-2", "nu"),
        ("Ion-rec-0000100-0001000-3", "ba"),
    }


def test_an_export_of_elan_with_a_column_for_the_tier(recipe, folder):
    header = "Begin Time - ss.msec\tEnd Time - ss.msec\tdefault\n"
    put(folder / "rec.txt", header + "0.1\t1.0\tda bine\n1.2\t2.0\t\n")
    corpus = of(recipe, folder)
    assert [(u.text, u.where) for u in corpus.utterances] == [("da bine", "rec.txt:2")]
    assert corpus.facts["tiers"] == ["default"]


def test_names_in_two_forms_of_unicode_are_recognised(tmp_path):
    """Sound from a Mac, texts from elsewhere; upper and lower case differ, too."""
    tone(tmp_path / "Audio" / unicodedata.normalize("NFD", "Ọ̀rọ̀ 1.WAV"))
    path = tmp_path / "Text" / unicodedata.normalize("NFC", "ọ̀rọ̀ 1.txt")
    path.parent.mkdir()
    path.write_text("ọ̀rọ̀ kan", encoding="utf-8")
    assert recognise(tmp_path)
