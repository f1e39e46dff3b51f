"""Expected texts are written by hand from the languages' spelling rules."""

import random

import pytest

from tests.data.corpus import PHRASES
from tests.errors import raises
from xlt.core.errors import ConfigError
from xlt.text.normalise import has_digits, keeping, names, normalise, put_together, says_something, sigma


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
        ("generic-v1", "ᠬᠠᠷ\u180eᠠ", "ᠬᠠᠷᠠ"),
        ("generic-v2", "ᠬᠠᠷ\u180eᠠ, ᠭᠠᠷ\u180e᠃", "ᠬᠠᠷ\u180eᠠ ᠭᠠᠷ"),
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
        ("generic-v1", "dʑɯ˩ EU:n ۾", "dʑɯ eu n"),  # what version 1 loses stays lost
        # version 2: tone letters, length and stress
        ("generic-v2", "Dʑɯ˩ | ʂv̩˧ tʰi˩˥…", "dʑɯ˩ ʂv̩˧ tʰi˩˥"),
        ("generic-v2", "ma꜁ ꜀ma a꞉ aː ma˕ tʼa ˈpa", "ma꜁ ꜀ma a꞉ aː ma˕ tʼa ˈpa"),
        ("generic-v2", "^a ¨o x¸", "a o x"),  # spacing accents that no orthography has as letters
        # signs that are words
        ("generic-v2", "مان ۽ تون گهر ۾!", "مان ۽ تون گهر ۾"),
        ("generic-v2", "သူ၏ အိမ်၌၊ ၎င်း", "သူ၏ အိမ်၌ ၎င်း"),
        ("generic-v2", "௳ ௴, a & b", "௳ ௴ a b"),
        # marks inside words, one form each
        ("generic-v2", "COL‧LECCIÓ l•l l∙l a·", "col·lecció l·l l·l a"),
        ("generic-v2", "EU:n EU：n: nota: sí", "eu:n eu:n nota sí"),
        ("generic-v2", "e.g. U.S.A. x．y einde.Begin 3.5", "e.g u.s.a x.y einde begin 3 5"),
        ("generic-v2", "Ինչո՞ւ, ո՛չ։ Հա՜յ կէս֊մէկ", "ինչու ոչ հայ կէս-մէկ"),
        ("generic-v2", 'צה"ל צה״ל ג\'ירף רח\' בית־ספר "שלום"', "צה״ל צה״ל ג׳ירף רח׳ בית-ספר שלום"),
        ("generic-v2", "'שלום' אמר", "שלום אמר"),
        ("generic-v2", "λόγος·και", "λόγος και"),  # the Greek semicolon
        ("han-v2", "约翰·史密斯：你好", "约翰史密斯你好"),
        ("jpan-v2", "ジョン・スミス", "ジョンスミス"),
        ("cat-v2", "Una COL·LECCIÓ, paraŀlela", "una col·lecció paral·lela"),
        ("generic-v2", "vuõʹlǧǧ, денʹ", "vuõʹlǧǧ денʹ"),
        ("generic-v2", "♥\ufe0f a", "a"),
        # letters that data.keep names
        ("generic-v2,keep=21.3a.7c", "!Xóõ ||gui a:, Ja! ai: d !", "!xóõ ||gui a: ja ai: d"),
        ("generic-v2,keep=2d.3d", "-a =bá a-b - c-", "-a =bá a-b - c-"),
        ("ron-v1,keep=3a", "a: Ş:", "a: ș:"),
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


@pytest.mark.parametrize("normaliser", [*names(), "generic-v2,keep=2e.3a.7c"])
def test_normalising_twice_changes_nothing(normaliser):
    rng = random.Random(0)
    signs = (
        "ʼaAİIıiΣσς'’-‐·•lL.,˥۽:|\"״׳שר՞"
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
    with pytest.raises(ConfigError, match="no normaliser 'ron-v9'.*did you mean ron-v2"):
        normalise("a", "ron-v9")


CAPITALS = {  # one word of each script with capitals, and what it is in small letters (Unicode's names)
    "Latin": ("ŊGƐ", "ŋgɛ"),
    "Greek": ("ΛΌΓΟΣ", "λόγος"),
    "Cyrillic": ("ГӀАЛА", "гӏала"),
    "Armenian": ("ՀԱՅ", "հայ"),
    "Georgian Mtavruli": ("ᲛᲗᲐ", "მთა"),
    "Georgian Asomtavruli": ("ႫႧႠ", "ⴋⴇⴀ"),
    "Coptic": ("ⲘⲚ", "ⲙⲛ"),
    "Glagolitic": ("ⰀⰁ", "ⰰⰱ"),
    "Deseret": ("𐐀𐐁", "𐐨𐐩"),
    "Osage": ("𐒰𐒱", "𐓘𐓙"),
    "Old Hungarian": ("𐲀𐲁", "𐳀𐳁"),
    "Warang Citi": ("𑢠𑢡", "𑣀𑣁"),
    "Medefaidrin": ("𖹀𖹁", "𖹠𖹡"),
    "Adlam": ("𞤀𞤁", "𞤢𞤣"),
    "Vithkuqi": ("𐕰𐕱", "𐖗𐖘"),
    "Cherokee": ("ᏣᎳᎩ", "ᏣᎳᎩ"),  # its capitals are the ordinary letters
    "Cherokee, small": ("ꮳꮃꭹᏸ", "ᏣᎳᎩᏰ"),
    "Mkhedruli": ("მთა", "მთა"),
}


@pytest.mark.parametrize(("capitals", "small"), CAPITALS.values(), ids=CAPITALS)
def test_capitals_of_every_script(capitals, small):
    assert normalise(capitals, "generic-v2") == small


def test_no_script_with_capitals_is_missing_above():
    import unicodedata

    from xlt.text.scripts import script

    found = {script(c) for c in map(chr, range(0x110000)) if unicodedata.category(c) in ("Lu", "Lt")}
    assert found - {"Zyyy", "Zinh"} == {script(capitals[0]) for capitals, _ in CAPITALS.values()}


def test_letters_of_data_keep():
    assert keeping("ron-v2", "|!") == "ron-v2,keep=21.7c" and keeping("ron-v2", "") == "ron-v2"
    for wrong in ("a", " ", "5", "|a"):
        with raises(ConfigError, where=f"data.keep={wrong!r}"):
            keeping("ron-v2", wrong)
    for name in ("ron-v2,keep=", "ron-v2,keep=xy"):
        with raises(ConfigError, where=f"data.normaliser={name}"):
            normalise("a", name)
    with raises(ConfigError, where="data.normaliser"):
        normalise("a", "ron-v9,keep=21")


def test_what_says_something():
    assert [says_something(text) for text in ("a", "۽", "5", "\u0301", "-", "")] == [True] * 3 + [False] * 3


def test_sigma():
    assert [sigma(word) for word in ("λόγοσ", "ςτο", "σ", "σοφός", "σ-")] == [
        "λόγος",
        "στο",
        "σ",
        "σοφός",
        "σ-",
    ]
