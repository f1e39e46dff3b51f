"""Scripts: of characters, by Unicode's property Script (UAX 24), and of languages, by ISO 15924."""

from __future__ import annotations

import unicodedata
from functools import cache

_PARTS = {  # codes of ISO 15924 that stand for several of Unicode's scripts, or for a variant of one
    "Jpan": "Hani Hira Kana",
    "Hrkt": "Hira Kana",
    "Kore": "Hang Hani",
    "Jamo": "Hang",
    "Hans": "Hani",
    "Hant": "Hani",
    "Hanb": "Bopo Hani",
    "Aran": "Arab",
    "Latf": "Latn",
    "Latg": "Latn",
    "Cyrs": "Cyrl",
    "Geok": "Geor",
    "Syre": "Syrc",
    "Syrj": "Syrc",
    "Syrn": "Syrc",
}
TOGETHER = tuple(frozenset(_PARTS[code].split()) for code in ("Jpan", "Kore", "Hanb"))  # written in one word
COMMON, INHERITED, UNKNOWN = (
    "Zyyy",
    "Zinh",
    "Zzzz",
)  # of several scripts; of the neighbour's; such as private use
UNDETERMINED = {COMMON, INHERITED, UNKNOWN, "Zxxx"}

# of languages that part no words, unless somebody has
UNSPACED = {"Hani", "Hans", "Hant", "Jpan", "Khmr", "Laoo", "Mymr", "Thai"}
_UNSPACED_CHARACTERS = {"Bopo", "Hani", "Hira", "Kana", "Khmr", "Laoo", "Mymr", "Thai"}
_LONG_VOWEL = "ー"  # of hiragana and katakana, so that its script is "common"


@cache
def script(char: str) -> str:
    """The ISO 15924 code of a character, e.g. ``Cyrl``, ``Zyyy`` of a digit, ``Zinh`` of most combining
    marks.
    """
    from fontTools import unicodedata

    return unicodedata.script(char)


def parts(code: str) -> tuple[str, ...]:
    """The Unicode scripts of an ISO 15924 code; none if it is undetermined or Unicode has none.

    >>> parts("Jpan")
    ('Hani', 'Hira', 'Kana')
    """
    from fontTools.unicodedata import Scripts

    names = [] if code in UNDETERMINED else _PARTS.get(code, code).split()
    return tuple(name for name in names if name in Scripts.NAMES)


def foreign(text: str, code: str) -> set[str]:
    """The scripts of ``text`` that are not of ``code``, an ISO 15924 code; none if that is undetermined.

    >>> foreign("Красный свет. Červená.", "Latn")
    {'Cyrl'}
    """
    own = parts(code)
    return {script(char) for char in text} - {*own, *UNDETERMINED} if own else set()


def is_unspaced(char: str) -> bool:
    """Whether a character is of a script without spaces between words, in which any two characters may be of
    two words.
    """
    return char == _LONG_VOWEL or script(char) in _UNSPACED_CHARACTERS


def word_spans(text: str) -> list[tuple[int, int]]:
    """Where the words of a text are: what stands between spaces, and in scripts without spaces each character
    with its marks.

    >>> text = "ana 你好b"
    >>> [text[start:end] for start, end in word_spans(text)]
    ['ana', '你', '好', 'b']
    """
    found: list[tuple[int, int]] = []
    inside = False  # whether the next character may go on with the last word
    for place, char in enumerate(text):
        mark = unicodedata.category(char).startswith("M")
        if char == " ":
            inside = False
        elif found and found[-1][1] == place and (mark or (inside and not is_unspaced(char))):
            found[-1] = found[-1][0], place + 1
        else:
            found.append((place, place + 1))
            inside = not is_unspaced(char)
    return found


def writes_spaces(lang: str | None) -> bool:
    """Whether a language, e.g. ``tha_Thai``, is written with spaces between its words.

    >>> writes_spaces("tha_Thai"), writes_spaces("kor_Kore"), writes_spaces("mul_Zyyy")
    (False, True, True)
    """
    return (lang or "").partition("_")[2] not in UNSPACED
