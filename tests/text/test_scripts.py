import pytest

from xlt.text.scripts import parts, script


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
