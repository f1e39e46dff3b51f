"""Characters outside the scripts that a text should be in: code-switching, look-alikes, an output layer gone
astray.

What all scripts share (Common: digits, punctuation) and what
takes the script of its neighbour (Inherited: combining marks) is left out on both sides of the share.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable

from xlt.text.scripts import COMMON, INHERITED, script


def shares(texts: Iterable[str], scripts: Collection[str]) -> tuple[int, Counter[str]]:
    """(characters that have a script of their own, those outside ``scripts`` with how often each occurs)."""
    chars = Counter(char for text in texts for char in text)
    own = {char: n for char, n in chars.items() if script(char) not in (COMMON, INHERITED)}
    return sum(own.values()), Counter({char: n for char, n in own.items() if script(char) not in scripts})


def describe(char: str) -> str:
    """``U+0430 CYRILLIC SMALL LETTER A``."""
    return f"U+{ord(char):04X} {unicodedata.name(char, 'without a name')}"
