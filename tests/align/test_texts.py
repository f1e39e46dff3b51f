"""Transcripts as people have them, in the letters that a model has."""

import zipfile

import pytest

from tests.errors import raises
from xlt.align.spelling import Spelling
from xlt.align.texts import UNIT, paragraphs, transcript
from xlt.core.errors import DataError
from xlt.text.normalise import normalise
from xlt.tokens.tokenizer import Tokenizer, train_tokenizer

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def tokenizer(tmp_path, *texts):
    folder = tmp_path / "tokens"
    folder.mkdir()
    train_tokenizer(list(texts), "char", 0, folder, "texts")
    return Tokenizer(folder)


@pytest.fixture
def latin(tmp_path):
    return Spelling(tokenizer(tmp_path, "abcdefghijklmnoprstuvz ășț"))


def write(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode(encoding))
    return path


def units(spell, path):
    return transcript(path, paragraphs(path), spell, lambda text: normalise(text, "generic-v2"))


def test_lines_are_paragraphs_but_for_those_that_go_on(tmp_path):
    wrapped = "A line that is longer than forty characters goes"
    path = write(tmp_path, f"Title\n\n{wrapped}\non in the next one.\nAnd so\non\n", "utf-16")
    assert paragraphs(path) == [
        ("Title", 1),
        (f"{wrapped} on in the next one.", 3),
        ("And so", 5),  # too short to have been wrapped
        ("on", 6),
    ]


def test_units_are_sentences_and_long_ones_are_parted(latin, tmp_path):
    clause = "a b c d e f g h i j k l m n o p, "
    words = "abcd " * 60
    path = write(tmp_path, f"“Da.” Nu! {clause * 6}.\n{words}\n")
    found = units(latin, path).units
    assert [one.text for one in found[:2]] == ["“Da.”", "Nu!"]
    assert all(len(one.text) <= UNIT for one in found)
    assert " ".join(one.text for one in found) == path.read_text().replace("\n", " ").strip()
    assert [one.line for one in found] == [1, 1, 1, 1, 2, 2] and found[0].ends and not found[2].ends
    assert [one.paragraph for one in found] == [0, 0, 0, 0, 1, 1]


def test_words_keep_their_place_and_their_signs(latin, tmp_path):
    (unit,) = units(latin, write(tmp_path, "– Bună  ziua, Ana!")).units
    assert [unit.text[one.start : one.end] for one in unit.tokens] == ["– Bună", "ziua,", "Ana!"]
    spelled = latin.tokenizer.decode(list(unit.labels))
    assert spelled == "bună ziua ana"
    assert [spelled[one.first : one.last] for one in unit.tokens] == ["bună", "ziua", "ana"]


def test_digits_are_told_and_what_is_beside_them_stays(latin, tmp_path):
    found = units(latin, write(tmp_path, "Da\nAnul 1990 a fost bun.\n"))
    assert found.digits == [(2, "1990")]
    assert [one.text for one in found.units] == ["Da", "Anul", "a fost bun."]


def test_digits_that_are_tones_stay(latin, tmp_path):
    found = units(latin, write(tmp_path, "tai5 uan5\n"))
    assert found.digits == [] and [one.text for one in found.units] == ["tai5 uan5"]


def test_a_script_without_spaces_has_its_characters_for_words(tmp_path):
    spell = Spelling(tokenizer(tmp_path, "你好世界"))
    first, second = units(spell, write(tmp_path, "你好。世界！")).units
    assert [first.text[one.start : one.end] for one in first.tokens] == ["你", "好。"]
    assert second.text == "世界！" and len(second.labels) == 2


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("他说：“好！？”然后走了。", ["他说：“好！？”", "然后走了。"]),
        ("वह घर है।मैं यहाँ हूँ॥ हाँ", ["वह घर है।", "मैं यहाँ हूँ॥", "हाँ"]),
        ("هل أنت هنا؟ نعم.", ["هل أنت هنا؟", "نعم."]),
        ("מי שם? ”אני.“ שלום", ["מי שם?", "”אני.“ שלום"]),  # “ opens in other languages
        ("他在2025年来。好。", ["好。"]),  # a number, not a tone
    ],
)
def test_sentences_end_by_the_signs_of_any_script(latin, tmp_path, text, parts):
    assert [one.text for one in units(latin, write(tmp_path, text)).units] == parts


@pytest.mark.parametrize("text", ["你好，" * 80 + "。", "สวัสดี ครับ" * 40, "你" * 400])
def test_long_sentences_without_spaces_stay_as_they_are_written(latin, tmp_path, text):
    found = units(latin, write(tmp_path, text)).units
    assert "".join(("" if one.glued or not n else " ") + one.text for n, one in enumerate(found)) == text
    assert len(found) > 1 and all(len(one.text) <= UNIT for one in found)
    assert not any(one.glued for one in found if "ส" in text)  # cut at spaces where there are any


def test_word_documents(tmp_path, latin):
    body = "".join(f"<w:p><w:r><w:t>{t}</w:t></w:r><w:r><w:tab/><w:t>da</w:t></w:r></w:p>" for t in "ab")
    path = tmp_path / "a.docx"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr(
            "word/document.xml", f'<w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>'
        )
    assert paragraphs(path) == [("a da", 1), ("b da", 2)]
    path.write_bytes(b"no zip")
    with raises(DataError, where="a.docx"):
        paragraphs(path)


def test_text_boxes_of_word_are_read_once(tmp_path):
    """A box lies in a paragraph, twice: for new programs, and as Fallback for old ones."""
    compatible = "http://schemas.openxmlformats.org/markup-compatibility/2006"
    box = "<w:txbxContent><w:p><w:r><w:t>box</w:t></w:r></w:p></w:txbxContent>"
    choice = f"<mc:Choice>{box}</mc:Choice><mc:Fallback>{box}</mc:Fallback>"
    run = f"<w:r><mc:AlternateContent>{choice}</mc:AlternateContent><w:t>beside</w:t></w:r>"
    path = tmp_path / "a.docx"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr(
            "word/document.xml",
            f'<w:document xmlns:w="{WORD}" xmlns:mc="{compatible}"><w:p>{run}</w:p></w:document>',
        )
    assert paragraphs(path) == [("beside", 1), ("box", 2)]


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        (b"", "a.txt:1"),
        (b" \n\n", "a.txt:1"),
        (b"Dob\xf8e\nr\xe1no p\xf8\xedli\xb9 \xbelu\xbbou\xe8k\xfd\n", "a.txt:1"),
        (b"{\\rtf1 ana}", "a.txt:1"),
        (b"ana\0\0", "a.txt:1"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path, raw, where):
    path = tmp_path / "a.txt"
    path.write_bytes(raw)
    with raises(DataError, where=where):
        paragraphs(path)


def test_an_encoding_can_be_named(tmp_path):
    path = write(tmp_path, "Dobře ráno", "cp1250")
    assert paragraphs(path, "cp1250") == [("Dobře ráno", 1)]
    with raises(DataError, where="--encoding cp9999"):
        paragraphs(path, "cp9999")


def test_a_text_that_the_model_cannot_write(tmp_path, latin):
    with raises(DataError, where="a.txt:2"):
        units(latin, write(tmp_path, "\n12 13\n"))
    with raises(DataError, where="a.txt:1"):
        units(latin, write(tmp_path, "… !\n"))


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("čeština", "cestina"),
        ("щука", "shchuka"),
        ("ήλιος", "ilios"),
        ("wax", "vaks"),
        ("ţară", "tară"),
        ("ș", "ș"),
    ],
)
def test_letters_of_other_languages_in_latin_ones(latin, text, spelled):
    assert latin.respelled(text) == spelled


def test_a_cyrillic_model_writes_latin(tmp_path):
    spell = Spelling(tokenizer(tmp_path, "абвгдежзийклмнопрстуфхцчшщыьэюя "))
    assert spell.respelled("shchuka") == "щука"
    assert spell.respelled("ana ma") == "ана ма"
    assert spell.strange["a"] == 4 and not spell.lost  # of both texts
    assert spell.respelled("ʼ") == "" and spell.lost == {"ʼ"}
    assert spell.foreign(["ana"]) and not spell.foreign(["ана ма"])
