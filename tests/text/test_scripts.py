import pytest

from xlt.text.scripts import UNSPACED, is_unspaced, parts, script


@pytest.mark.parametrize(
    "code, found",
    [
        ("Latn", ("Latn",)),
        ("Jpan", ("Hani", "Hira", "Kana")),
        ("Hans", ("Hani",)),
        ("Kore", ("Hang", "Hani")),
        ("Ethi", ("Ethi",)),
        ("Aran", ("Arab",)),
        ("Zyyy", ()),
        ("Qaax", ()),
    ],
)
def test_scripts_of_a_code(code, found):
    assert parts(code) == found


@pytest.mark.parametrize(
    "char, found",
    [
        ("a", "Latn"),
        ("а", "Cyrl"),
        ("1", "Zyyy"),
        ("\u0301", "Zinh"),
        ("\ue000", "Zzzz"),
        ("ა", "Geor"),
        ("क", "Deva"),
    ],
)
def test_script_of_a_character(char, found):
    assert script(char) == found


@pytest.mark.parametrize(
    "char, found",
    [
        ("你", True),
        ("ひ", True),
        ("ー", True),
        ("ก", True),
        ("ិ", True),
        ("a", False),
        ("한", False),
        (" ", False),
    ],
)
def test_characters_of_scripts_without_spaces(char, found):
    assert is_unspaced(char) is found
    assert not found or char == "ー" or any(script(char) in parts(code) for code in UNSPACED)
