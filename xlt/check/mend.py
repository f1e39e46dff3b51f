"""Repairs of one text, one after the other; what each takes away or changes is said in words."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

from xlt.check.encoding import ODD_SPACES, lone_marks_in, unseen_in
from xlt.check.kaldi import CONTROL, RESERVED
from xlt.check.scripts import repaired
from xlt.text.normalise import sigma


def mended(text: str, own: frozenset[str] | None, counts: dict[str, int]) -> tuple[str, list[str]]:
    """The repaired text, and what was done.

    ``own``: the scripts of its language (None: any); ``counts``: how often each character stands in the set.
    """
    done: list[str] = []
    for what, repair in _repairs(own, counts):
        better = repair(text)
        if better != text:
            done.append(what)
            text = better
    return text, done


def _repairs(own: frozenset[str] | None, counts: dict[str, int]) -> list[tuple[str, Callable[[str], str]]]:
    def without(text: str, find: Callable[[str], list[str]]) -> str:
        return " ".join(_drop(word, find) for word in text.split())

    return [
        ("control characters removed", lambda text: CONTROL.sub("", text)),
        (
            "one plain space between words",
            lambda text: " ".join(text.split()) if ODD_SPACES.search(text) else text,
        ),
        ("composed form (NFC)", lambda text: unicodedata.normalize("NFC", text)),
        ("invisible characters removed", lambda text: without(text, unseen_in)),
        ("marks without a letter removed", lambda text: without(text, lone_marks_in)),
        (
            "look-alikes to the word's own script",
            lambda text: " ".join(repaired(w, own, counts) or w for w in text.split()),
        ),
        ("final sigma", lambda text: " ".join(map(sigma, text.split())) if set("σς") & set(text) else text),
        (
            "reserved words removed",
            lambda text: " ".join(word for word in text.split() if word not in RESERVED),
        ),
    ]


def _drop(word: str, find: Callable[[str], list[str]]) -> str:
    """``word`` without what ``find`` finds in it, one after the other: what is left may bring two
    together.
    """
    while word and (bad := find(word)):
        place = next(
            place
            for place in range(len(word))
            if word[place] == bad[0] and (len(find(word[:place] + word[place + 1 :])) < len(bad))
        )
        word = word[:place] + word[place + 1 :]
    return word
