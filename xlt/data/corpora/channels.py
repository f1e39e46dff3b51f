"""Which channel of a recording a row means: 1 or 2, A or B, L or R, left or right; counted from 0 here."""

from __future__ import annotations

import re
from collections.abc import Iterable

_ALL = {"", "-", "all", "both", "mono", "mix", "mixed", "stereo", "1+2", "1,2", "a+b", "l+r"}
_LEFT = """l left links gauche izquierdo izquierda esquerdo esquerda sinistro sinistra vänster venstre
    lewy levý левый""".split()
_RIGHT = """r right rechts droite droit derecho derecha direito direita destro destra höger højre høyre prawy
    pravý правый""".split()
_SIDES = {**dict.fromkeys(_LEFT, 0), **dict.fromkeys(_RIGHT, 1)}
_NUMBER = re.compile(r"(?:ch|chan|channel|kanal|canal|track|spur|piste|audio)?[\s._-]*0*(\d{1,2})(?:\.0)?")
_LETTER = re.compile(r"(?:ch|chan|channel|kanal|canal|side)?[\s._-]*([a-h])")


def understood(values: Iterable[str]) -> dict[str, int | None] | None:
    """``{value: channel}`` of what a column's values say, counted from 0; None = all of them.

    Numbers count from 0 if one of them is 0, else from 1. None if most values say no channel: then the column
    is about something else.

    >>> understood(["1", "2"]), understood(["A", "B", ""]), understood(["news", "sports"])
    ({'1': 0, '2': 1}, {'A': 0, 'B': 1, '': None}, None)
    """
    kinds = dict.fromkeys(values)
    numbers = {value: int(hit[1]) for value in kinds if (hit := _NUMBER.fullmatch(value.strip().casefold()))}
    first = 0 if 0 in numbers.values() else 1
    found: dict[str, int | None] = {}
    for value in kinds:
        word = value.strip().casefold()
        if value in numbers:
            found[value] = numbers[value] - first
        elif word in _ALL:
            found[value] = None
        elif word in _SIDES:
            found[value] = _SIDES[word]
        elif hit := _LETTER.fullmatch(word):
            found[value] = ord(hit[1]) - ord("a")
    named = [value for value in found if value.strip()]
    return found if 2 * len(named) > len([value for value in kinds if value.strip()]) else None
