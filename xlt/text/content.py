"""What a text says, whatever its spelling: to find the same sentence in two places."""

from __future__ import annotations

import unicodedata

from xlt.text.normalise import is_part_of_word


def core(word: str) -> str:
    """What spells a word, its letters, marks, numbers and tone letters, in one case and one form."""
    return "".join(filter(is_part_of_word, unicodedata.normalize("NFKC", word.casefold())))


def without_accents(word: str) -> str:
    """``word`` without the accents of Latin, Greek and Cyrillic letters (U+0300 to U+036F), which many people
    do not type; vowel signs of other scripts stay.

    >>> without_accents("țară"), without_accents("कि") == "कि"
    ('tara', True)
    """
    parts = unicodedata.normalize("NFD", word)
    return unicodedata.normalize("NFC", "".join(char for char in parts if not "\u0300" <= char <= "\u036f"))
