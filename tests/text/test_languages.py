import pytest

from tests.errors import raises
from xlt.core.errors import ConfigError
from xlt.text import languages


@pytest.mark.parametrize(
    "code",
    [
        "ron_Latn",
        "cat_Latn",
        "bel_Cyrl",
        "ell_Grek",
        "spa_Latn",
        "fra_Latn",
        "rus_Cyrl",
        "bul_Cyrl",
        "dan_Latn",
        "swh_Latn",
        "tur_Latn",
        "mar_Deva",
        "quy_Latn",
        "por_Latn",
        "fin_Latn",
        "cmn_Hans",
        "eng_Latn",
    ],
)
def test_languages_of_the_recipes_are_known(code):
    assert languages.get(code).code == code
    assert languages.get(code).iso == code[:3]
    assert languages.get(code).family != "unknown"


def test_no_two_letter_code_stands_for_two_languages():
    codes = [lang.iso1 for lang in languages.LANGUAGES.values() if lang.iso1]
    assert len(codes) == len(set(codes))


def test_own_and_generic_normalisers():
    assert languages.get("ron_Latn").normaliser == "ron-v2"
    assert languages.get("spa_Latn").normaliser == "generic-v2"
    assert [languages.get(code).normaliser for code in ("cmn_Hans", "yue_Hant", "jpn_Jpan")] == [
        "han-v2",
        "han-v2",
        "jpan-v2",
    ]


def test_every_normaliser_exists():
    from xlt.text.normalise import names

    newest = {name for name in names() if name.endswith("-v2")}
    assert {lang.normaliser for lang in languages.LANGUAGES.values()} == newest


def test_an_unknown_language_needs_no_code():
    lang = languages.get("gsw_Latn")
    assert (lang.iso, lang.normaliser, lang.family) == ("gsw", "generic-v2", "unknown")


@pytest.mark.parametrize(
    ("code", "iso1", "normaliser", "name"),
    [
        ("fao_Latn", "fo", "generic-v2", "fao_Latn"),
        ("azj_Latn", "az", "aze-v2", "Azerbaijani"),
        ("azb_Arab", "", "generic-v2", "azb_Arab"),
        ("ara_Arab", "ar", "generic-v2", "Arabic"),
        ("zho_Hant", "zh", "han-v2", "zho_Hant"),
        ("tgl_Latn", "tl", "generic-v2", "tgl_Latn"),
    ],
)
def test_other_codes_of_a_language(code, iso1, normaliser, name):
    lang = languages.get(code)
    assert (lang.code, lang.iso1, lang.normaliser, lang.name) == (code, iso1, normaliser, name)


def test_iso():
    assert languages.iso("ron_Latn") == "ron"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("ro", "ron_Latn"),
        ("ron", "ron_Latn"),
        ("ron-Latn", "ron_Latn"),
        ("Romanian", "ron_Latn"),
        ("swahili", "swh_Latn"),
        ("", "such as"),
        (None, "such as"),
        ("ron_latn", "did you mean ron_Latn"),
        ("cs_Latn", "did you mean ces_Latn"),
        ("ces-Latn", "did you mean ces_Latn"),
        ("czech", "did you mean ces_Latn"),
        ("Czech", "did you mean ces_Latn"),
        ("czech_Latn", "did you mean ces_Latn"),
        ("čeština", "did you mean ces_Latn"),
        ("cz", "did you mean ces_Latn"),
        ("cs-CZ", "did you mean ces_Latn"),
        ("dk", "did you mean dan_Latn"),
        ("sr-Latn", "did you mean srp_Latn"),
        ("zh-Hant", "did you mean cmn_Hant"),
        ("wolof", "did you mean wol_Latn"),
        ("old talk of ours", "such as"),
    ],
)
def test_a_malformed_code_is_refused_with_an_example(code, said):
    with raises(ConfigError, repr(code), said, where="lang"):
        languages.get(code)
