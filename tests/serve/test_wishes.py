"""What clients may write into a form."""

import pytest

from tests.errors import raises
from xlt.serve.problems import Problem
from xlt.serve.wishes import hotwords, language, models, read_form

BOTH = ("ron_Latn", "ell_Grek")


@pytest.mark.parametrize("word", ["ron_Latn", "ro", "ron", "ro-RO", "RO", "Romanian", "română", "ro_Latn"])
def test_names_of_a_language(word):
    assert language(word, "whisper-1", BOTH) == "ron_Latn"


def test_scripts_are_told_apart():
    assert language("sr-Latn", None, ("srp_Cyrl", "srp_Latn")) == "srp_Latn"
    assert language("sr", None, ("srp_Cyrl", "srp_Latn")) == "srp_Cyrl"  # the usual one
    with raises(Problem, "srp_Latn", where="language"):
        language("srp_Latn", None, ("srp_Cyrl",))
    with raises(Problem, "ron_Latn", where="language"):
        language("ro-Cyrl-MD", None, ("ron_Latn",))


@pytest.mark.parametrize("word", ["auto", "AUTO", "Auto"])
def test_any_language(word):
    assert language(word, None, BOTH, tells=True) == "auto"
    with raises(Problem, "cannot tell", where="language"):
        language(word, None, BOTH)


def test_a_language_without_short_code():
    assert language("qqq", None, ("qqq_Latn", "ron_Latn")) == "qqq_Latn"


@pytest.mark.parametrize("word", ["de", "xx", "deu_Latn", "", "\n", "x" * 10_000, "auto"])
def test_an_unknown_language_lists_the_known_ones(word):
    with raises(Problem, "ron_Latn", "ell_Grek", where="language") as caught:
        language(word or None, None, BOTH)
    assert caught.value.status == 400 and len(str(caught.value)) < 300


def test_one_language_need_not_be_said_but_another_one_is_refused():
    assert language(None, None, ("ron_Latn",)) == "ron_Latn"
    with raises(Problem, "ron_Latn", where="language"):
        language("el", None, ("ron_Latn",))


def test_models_name_languages():
    assert models(BOTH) == ["xlt", "xlt-ron_Latn", "xlt-ell_Grek"]
    assert language(None, "xlt-ell_Grek", BOTH) == "ell_Grek"
    with raises(Problem, "ell_Grek", where="language"):
        language("ro", "xlt-ell_Grek", BOTH)
    with raises(Problem, "xlt-ron_Latn", where="model") as caught:
        language("ro", "gpt-4o-transcribe", BOTH)
    assert caught.value.status == 404


def test_a_whole_form():
    wish = read_form(
        {
            "model": ["xlt"],
            "language": ["el"],
            "prompt": ["Αθήνα, Πάτρα\n"],
            "hotwords": ["Βόλος;Πάτρα"],
            "response_format": ["verbose_json"],
            "timestamp_granularities[]": ["segment", "word"],
            "temperature": ["0.0"],
            "stream": ["false"],
            "file": [""],
        },
        BOTH,
    )
    assert (wish.lang, wish.form, wish.words) == ("ell_Grek", "verbose_json", True)
    assert wish.hotwords == ("Αθήνα", "Πάτρα", "Βόλος")


def test_ctm_needs_words_and_subtitles_do_not():
    assert read_form({"response_format": ["ctm"]}, ["ron_Latn"]).words
    assert not read_form({"response_format": ["srt"]}, ["ron_Latn"]).words


@pytest.mark.parametrize(
    ("name", "value", "facts"),
    [
        ("langauge", "ro", ["language"]),
        ("response_format", "docx", ["verbose_json", "vtt"]),
        ("temperature", "0.7", ["0"]),
        ("temperature", "warm", ["0"]),
        ("timestamp_granularities[]", "phone", ["word", "segment"]),
        ("x" * 500, "1", ["file"]),
    ],
)
def test_wrong_fields_are_named(name, value, facts):
    with raises(Problem, *facts) as caught:
        read_form({name: [value]}, ["ron_Latn"])
    assert caught.value.status == 400 and name.removesuffix("[]")[:80] in str(caught.value)


def test_hotwords_are_parted_by_commas_and_lines():
    assert hotwords(["a b, c", "c\r\nd;;"]) == ("a b", "c", "d")
