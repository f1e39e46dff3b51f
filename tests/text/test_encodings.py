"""Encodings are told from texts of two lines: whatever spreadsheets and old systems have written."""

import pytest

from tests.errors import raises
from xlt.core.errors import ConfigError
from xlt.text.encodings import check_name, guess

TEXTS = {  # and the encodings that they are tried in
    "ces_Latn": (
        "Nahrávka;Přepis\n"
        "veta1.wav;Příliš žluťoučký kůň úpěl ďábelské ódy.\n"
        "veta2.wav;Šťastný člověk ještě žije.\n",
        "cp1250 iso8859_2 mac_latin2 cp852 utf_16_le",
    ),
    "slk_Latn": (
        "nahrávka;text\na.wav;Dnes je pekný deň, ľudia idú von.\nb.wav;Môj žiak číta veľkú knihu.\n",
        "cp1250 iso8859_2 mac_latin2",
    ),
    "pol_Latn": (
        "plik;tekst\na.wav;Zażółć gęślą jaźń.\nb.wav;Jutro będzie padał śnieg.\n",
        "cp1250 iso8859_2",
    ),
    "hrv_Latn": ("datoteka;tekst\na.wav;Sutra će biti kiša, a đaci idu u školu.\n", "cp1250 iso8859_2"),
    "hun_Latn": ("fájl;szöveg\na.wav;Az időjárás szép, és mi őrült jókedvűek vagyunk.\n", "cp1250"),
    "dsb_Latn": (
        "dataja;tekst\na.wav;Źinsa jo rědny dźeń a my źomy do góle.\nb.wav;Witśe buźo dešć.\n",
        "cp1250 iso8859_2 cp852",
    ),
    "deu_Latn": (
        "Datei;Text\na.wav;Übermäßig schöne Häuser.\nb.wav;Über die Brücke fährt ein müder Mönch.\n",
        "cp1252 mac_roman cp850",
    ),
    "fra_Latn": ("fichier;texte\na.wav;Où est l’été, mon cœur ?\n", "cp1252"),
    "spa_Latn": (
        "archivo;texto\na.wav;El niño comió una piña.\nb.wav;¿Dónde está el camión?\n",
        "cp1252 mac_roman",
    ),
    "quy_Latn": (
        "archivo;texto\na.wav;Ñuqaqa wasiyman ripusaq, ñañay.\nb.wav;Ñawpa pacha.\n",
        "cp1252 mac_roman cp850",
    ),
    "isl_Latn": ("skrá;texti\na.wav;Það er gott veður í dag, við förum út.\n", "cp1252"),
    "lav_Latn": ("fails;teksts\na.wav;Šodien ir ļoti jauks laiks un mēs ejam ārā.\n", "cp1257 cp775"),
    "est_Latn": ("fail;tekst\na.wav;Täna on ilus ilm, šokolaad ja žürii.\n", "cp1257"),
    "tur_Latn": (
        "dosya;metin\na.wav;Bugün hava çok güzel, dışarı çıkıyoruz.\nb.wav;Yarın yağmur yağacak mı?\n",
        "cp1254 cp857",
    ),
    "rus_Cyrl": (
        "файл;текст\na.wav;Сегодня хорошая погода и мы идём гулять.\n",
        "cp1251 koi8_r mac_cyrillic cp866 iso8859_5 utf_16_be",
    ),
    "ukr_Cyrl": (
        "файл;текст\na.wav;Сьогодні гарна погода, і ми йдемо гуляти.\nb.wav;Її немає.\n",
        "cp1251 koi8_u",
    ),
    "kaz_Cyrl": ("файл;текст\na.wav;Бүгін ауа райы өте жақсы, біз қыдырамыз.\n", "kz1048"),
    "tat_Cyrl": ("файл;текст\na.wav;Бүген һава бик яхшы, без урамга чыгабыз.\n", "utf_16_le"),
    "ell_Grek": ("αρχείο;κείμενο\na.wav;Καλημέρα σας, τι κάνετε σήμερα;\n", "cp1253 mac_greek cp737"),
    "heb_Hebr": ("קובץ,טקסט\na.wav,שלום מה שלומך היום\n", "cp1255 cp862"),
    "arb_Arab": ("ملف,نص\na.wav,صباح الخير كيف حالك اليوم\n", "cp1256 iso8859_6"),
    "jpn_Jpan": ("ファイル,テキスト\na.wav,今日はとても良い天気です\n", "cp932 euc_jp"),
    "cmn_Hans": ("文件,文本\na.wav,今天天气很好我们去散步\n", "gb18030"),
    "cmn_Hant": ("檔案,文本\na.wav,今天天氣很好我們去散步\n", "big5hkscs"),
    "kor_Kore": ("파일,텍스트\na.wav,오늘은 날씨가 아주 좋습니다\n", "cp949"),
}
CASES = [(code, encoding) for code, (_, encodings) in TEXTS.items() for encoding in encodings.split()]


@pytest.mark.parametrize(("code", "encoding"), CASES)
def test_a_table_of_two_lines(code, encoding):
    raw = TEXTS[code][0].encode(encoding)
    found = guess(raw, code)
    assert found is not None and raw.decode(found.encoding) == TEXTS[code][0]


def test_how_sure_is_told_with_a_word_of_the_next_best():
    found = guess("Šťastný člověk a kůň".encode("cp1250"), "ces_Latn")
    assert found.sure and str(found).startswith("cp1250 (sure: 'Šťastný', as ")
    found = guess("féràn".encode("cp1252"), "yor_Latn")  # férŕn in cp1250, and who knows
    assert found.encoding == "cp1252" and not found.sure and "'féràn', as cp1250 'férŕn'" in str(found)


def test_what_is_no_text():
    assert guess(bytes(range(256)) * 20, "ces_Latn") is None
    assert guess(b"\xff\xfe\xff" * 20, "kor_Kore") is None


def test_names_of_encodings():
    for name in (None, "utf-8", "windows-1250", "KOI8-R", "mac_roman"):
        check_name(name)
    with raises(ConfigError, "'cp12'", "cp1250", where="data.encoding"):
        check_name("cp12")
