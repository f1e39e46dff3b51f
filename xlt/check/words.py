"""The words and characters of texts: how often they occur, and where first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xlt.check.faults import Line

SHOWN = 3  # places that are kept of each


class Seen:
    """``count``, and ``places``: line number and utterance of the first three lines."""

    __slots__ = ("count", "places")

    def __init__(self, count: int, places: list[tuple[int, str]]):
        self.count, self.places = count, places

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(utt for _, utt in self.places)


def count(words: dict[str, Seen]) -> int:
    """How often any of them occurs."""
    return sum(seen.count for seen in words.values())


def words_of(lines: Iterable[Line]) -> dict[str, Seen]:
    """Words by white space, in the order of their first line."""
    found: dict[str, Seen] = {}
    for number, key, value in lines:
        for word in value.split():
            seen = found.get(word)
            if seen is None:
                found[word] = Seen(1, [(number, key)])
            else:
                seen.count += 1
                if len(seen.places) < SHOWN and seen.places[-1][0] != number:
                    seen.places.append((number, key))
    return found


def characters_of(words: dict[str, Seen]) -> dict[str, Seen]:
    """The characters of words, without the spaces between them."""
    found: dict[str, Seen] = {}
    for word, seen in words.items():
        for char in word:
            own = found.get(char)
            if own is None:
                found[char] = Seen(seen.count, list(seen.places))
            else:
                own.count += seen.count
                if len(own.places) < SHOWN or seen.places[0] < own.places[-1]:
                    own.places = sorted({*own.places, *seen.places})[:SHOWN]
    return found
