"""Number words; the languages' own are checked by what a grammar says, not by what num2words prints."""

import pytest

from xlt.score.numbers import NumberWords, number_words
from xlt.text.languages import get
from xlt.text.normalise import normalise


def words_of(code):
    language = get(code)
    return number_words(language, lambda text: normalise(text, language.normaliser))


@pytest.mark.parametrize(
    "code, text, found",
    [
        ("eng_Latn", "one of the twenty one cats", "twenty one"),
        ("eng_Latn", "one hundred and five and a half", "one hundred and five"),
        ("eng_Latn", "the twenty-first second", "twenty-first second"),  # second is an ordinal, too
        ("fra_Latn", "un chat et vingt et un chiens", "vingt et un"),
        ("ron_Latn", "un om și o sută douăzeci și unu de oi", "o sută douăzeci și unu"),
        ("ron_Latn", "al doilea om", "doilea"),
        ("cat_Latn", "un gat i vint-i-dos gossos", "vint-i-dos"),
        ("deu_Latn", "eine Katze kostet eine Million", "eine million"),
        ("rus_Cyrl", "один раз две тысячи двадцать один", "две тысячи двадцать один"),
        ("arb_Arab", "عندي خمسة و عشرون كتابا", "خمسة و عشرون"),
        ("tur_Latn", "yirmibir kedi", "yirmibir"),
        ("amh_Ethi", "ሁለት ድመት", "ሁለት"),
        ("spa_Latn", "una casa y dos mil diez", "dos mil diez"),
    ],
)
def test_numbers_in_texts(code, text, found):
    number = words_of(code)
    words = normalise(text, get(code).normaliser).split()
    assert " ".join(words[i] for i in sorted(number.places(words))) == found


def test_runs():
    number = NumberWords(frozenset({"ten", "two"}), frozenset({"a"}), frozenset({"and"}))
    assert number.places("a ten and a and b two".split()) == {0, 1, 2, 3, 6}
    assert number.places("a and a".split()) == set()
    assert number.places("and 15 cats".split()) == {1}  # a digit says a number in any language
    assert number.places([]) == set()


@pytest.mark.parametrize(
    "code, why",
    [
        ("swh_Latn", "num2words does not know Swahili"),
        ("qaa_Latn", "num2words does not know qaa_Latn"),
        ("srp_Cyrl", "num2words writes Serbian in another script"),
    ],
)
def test_a_language_without_number_words_says_why(code, why):
    assert words_of(code) == why
