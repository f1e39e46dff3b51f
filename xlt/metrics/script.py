"""Characters outside the scripts that a text should be in: code-switching, look-alikes, an output layer gone astray.

A character's script is its Unicode property Script (UAX 24). What all scripts share (Common: digits, punctuation) and what
takes the script of its neighbour (Inherited: combining marks) is left out on both sides of the share.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable
from functools import cache

# ISO 15924 codes that Unicode has no property value of: variants and mixtures
_OF_CODE = {"Hans": "Hani", "Hant": "Hani", "Hanb": "Hani Bopo", "Jpan": "Hani Hira Kana", "Hrkt": "Hira Kana",
            "Kore": "Hang Hani", "Jamo": "Hang", "Latf": "Latn", "Latg": "Latn", "Cyrs": "Cyrl", "Aran": "Arab",
            "Geok": "Geor", "Syre": "Syrc", "Syrj": "Syrc", "Syrn": "Syrc"}
UNDETERMINED = {"Zyyy", "Zzzz", "Zinh", "Zxxx"}


def unicode_scripts(code: str) -> tuple[str, ...]:
    """The Unicode scripts of an ISO 15924 code, ``Jpan`` → Hani, Hira, Kana; none if it is undetermined or Unicode has none.

    >>> unicode_scripts("Latn")
    ('Latn',)
    """
    names = [] if code in UNDETERMINED else _OF_CODE.get(code, code).split()
    return tuple(name for name in names if _known(name))


@cache
def _known(name: str) -> bool:
    import regex

    try:
        regex.compile(rf"\p{{Script={name}}}")
    except regex.error:
        return False
    return True


@cache
def is_of(char: str, script: str) -> bool:
    """Whether the character is of the Unicode script, e.g. ``Latn``, ``Common``, ``Inherited``."""
    import regex

    return regex.match(rf"\p{{Script={script}}}", char) is not None


def shares(texts: Iterable[str], scripts: Collection[str]) -> tuple[int, Counter[str]]:
    """(characters that have a script of their own, those outside ``scripts`` with how often each occurs)."""
    chars = Counter(char for text in texts for char in text)
    own = {char: n for char, n in chars.items() if not (is_of(char, "Common") or is_of(char, "Inherited"))}
    return sum(own.values()), Counter({char: n for char, n in own.items() if not any(is_of(char, s) for s in scripts)})


def describe(char: str) -> str:
    """``U+0430 CYRILLIC SMALL LETTER A``."""
    return f"U+{ord(char):04X} {unicodedata.name(char, 'without a name')}"
