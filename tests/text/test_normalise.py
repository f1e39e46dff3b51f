"""Expected texts are written by hand from the languages' spelling rules."""

import random

import pytest

from tests.data.corpus import PHRASES
from xlt.core.errors import ConfigError
from xlt.text.normalise import has_digits, names, normalise, put_together, sigma


@pytest.mark.parametrize(
    ("normaliser", "text", "expected"),
    [
        ("ron-v1", "Într-o zi, Ştefan şi Ţiriac…", "într-o zi ștefan și țiriac"),
        ("ron-v1", "S\u0327arpe", "șarpe"),  # a cedilla as a mark of its own
        ("ron-v1", "„Bună!” – zise", "bună zise"),
        ("cat-v1", "Una COL·LECCIÓ, paraŀlela; l’avi", "una col·lecció paral·lela l'avi"),
        ("cat-v1", "intel•ligent a·b", "intel·ligent a b"),
        ("tur-v1", "IŞIK İstanbul'da", "ışık istanbul'da"),
        ("tur-v1", "I\u0307zmir", "izmir"),
        ("aze-v1", "QIZIL İt", "qızıl it"),
        ("generic-v1", "IŞIK", "işik"),
        ("generic-v1", "ΟΔΟΣ. Ο ΣΑΣ", "οδος ο σας"),
        ("generic-v1", "Д’Артаньян: «сям’я»!", "д'артаньян сям'я"),
        ("generic-v1", "сямʼя сям'я", "сям'я сям'я"),
        ("generic-v1", "Ałkʼidą́ą́ʼ ʼéí", "ałkʼidą́ą́ʼ ʼéí"),  # Navajo: a letter at either end of a word too
        ("generic-v1", "L'été d´Anna 'quoted' rock 'n' roll", "l'été d'anna quoted rock n roll"),
        ("generic-v1", "F-22 – well-known - x", "f-22 well-known x"),
        ("generic-v1", "cafe\u0301", "café"),
        ("generic-v1", "एक मेंढक| क्ष।", "एक मेंढक क्ष"),
        ("generic-v1", "می\u200cخواهم \u200cب", "می\u200cخواهم ب"),
        ("generic-v1", "ന\u0d4d\u200d x", "ന\u0d4d\u200d x"),
        ("generic-v1", "soft\u00adware\ufeff", "software"),
        ("generic-v1", "សេក\u200bអូស្ដ្រាលី", "សេក អូស្ដ្រាលី"),
        ("generic-v1", "  a\t\n b\u00a0c  ", "a b c"),
        ("generic-v1", "?!… — ♥", ""),
        ("generic-v1", "青蛙。", "青蛙"),
        ("han-v1", "你好，世界！ 「青蛙」", "你好世界青蛙"),
        ("han-v1", "这 并 不 是 告 别", "这并不是告别"),  # FLEURS writes it so
        ("han-v1", "二〇二〇年 唱卡拉 ＯＫ hello world 了", "二零二零年唱卡拉ok hello world了"),
        ("han-v1", "𠮷 𠮟", "𠮷𠮟"),  # beyond the basic plane
        ("jpan-v1", "これは、ﾃｽﾄ です。ラーメン 人々", "これはテストですラーメン人々"),
        ("generic-v1", "你好，世界", "你好 世界"),
    ],
)
def test_normalise(normaliser, text, expected):
    assert normalise(text, normaliser) == expected


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["good", "", "day"], "good day"),
        (["你好", "世界"], "你好世界"),
        (["ok", "你好"], "ok你好"),
        ([], ""),
        (["", "é"], "é"),
        (["이것은", "말"], "이것은 말"),
    ],
)
def test_pieces_of_a_recording(texts, expected):
    assert put_together(texts) == expected


@pytest.mark.parametrize("normaliser", names())
def test_normalising_twice_changes_nothing(normaliser):
    rng = random.Random(0)
    signs = (
        "ʼaAİIıiΣσς'’-‐·•lL.,"
        " \t\u200c\u200d\u200b\u00ad\u0301\u0307\u0327ŞţŀéРеक\u094dന1½\u0640ſßẞK\ufb01가ᄀ你〇，ﾊﾟＯ"
    )
    texts = ["".join(rng.choices(signs, k=rng.randint(1, 9))) for _ in range(4000)] + PHRASES
    again = [
        (text, once) for text in texts if normalise(once := normalise(text, normaliser), normaliser) != once
    ]
    assert again == []


def test_normalised_text_has_only_letters_marks_numbers_and_inner_signs():
    import unicodedata

    text = normalise("".join(map(chr, range(32, 0x3000))), "generic-v1")
    assert {unicodedata.category(c)[0] for c in text if c not in " '-\u200c\u200d"} == {"L", "M", "N"}


@pytest.mark.parametrize(
    ("text", "expected"), [("a 1", True), ("½", True), ("Ⅷ", True), ("٣", True), ("opt", False)]
)
def test_digits_of_any_script(text, expected):
    assert has_digits(text) is expected


def test_an_unknown_normaliser_is_refused():
    with pytest.raises(ConfigError, match="no normaliser 'ron-v9'.*did you mean ron-v1"):
        normalise("a", "ron-v9")


def test_sigma():
    assert [sigma(word) for word in ("λόγοσ", "ςτο", "σ", "σοφός", "σ-")] == [
        "λόγος",
        "στο",
        "σ",
        "σοφός",
        "σ-",
    ]
