import pytest

from xlt.metrics.script import describe, shares


@pytest.mark.parametrize(
    "text, scripts, chars, outside",
    [
        ("ab cd", ["Latn"], 4, {}),
        ("a-b 12 c'd", ["Latn"], 4, {}),  # digits and punctuation have no script of their own
        ("bаc", ["Latn"], 3, {"а": 1}),  # the middle one is Cyrillic
        ("cafe\u0301", ["Latn"], 4, {}),  # a combining mark takes the script of its letter
        ("नमस्ते abc", ["Deva"], 9, {"a": 1, "b": 1, "c": 1}),
        ("日本ご ー", ["Hani", "Hira", "Kana"], 3, {}),  # the long vowel mark is common to two scripts
        ("ሰላም", ["Ethi"], 3, {}),
        ("გამარჯობა", ["Geor"], 9, {}),
        ("a\ue000", ["Latn"], 2, {"\ue000": 1}),  # private use is in no script
    ],
)
def test_shares(text, scripts, chars, outside):
    assert shares([text], scripts) == (chars, outside)


def test_a_character_is_named():
    assert describe("а") == "U+0430 CYRILLIC SMALL LETTER A"
    assert describe("\ue000") == "U+E000 without a name"
