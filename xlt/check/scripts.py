"""Letters in the scripts of a language and in others, and those that look alike across scripts."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from functools import cache

from xlt.text.scripts import COMMON, TOGETHER, UNDETERMINED, parts, script


def written_in(codes: Collection[str]) -> frozenset[str] | None:
    """Unicode's scripts of languages such as ``jpn_Jpan``; None if any is possible."""
    names = {code.partition("_")[2] for code in codes}
    if names & UNDETERMINED:
        return None
    return frozenset(part for name in names for part in parts(name) or (name,))


@cache
def script_of(char: str) -> str:
    """The ISO 15924 code of a letter's or a mark's script, ``Zyyy`` of what many scripts share."""
    from fontTools import unicodedata as scripts

    found = script(char)
    if (
        found in UNDETERMINED
        and unicodedata.category(char)[0] == "L"
        and "Latn" not in (wider := scripts.script_extension(char))
    ):
        return min(
            wider - UNDETERMINED, default=COMMON
        )  # such as the long vowel of kana; what Latin has borrowed is anyone's
    return COMMON if found in UNDETERMINED else found


def script_name(code: str) -> str:
    """``Cyrl`` → ``Cyrillic``."""
    from fontTools import unicodedata as scripts

    return scripts.script_name(code, default=code).replace("_", " ")


def scripts_of(word: str) -> set[str]:
    """The scripts of a word's letters and marks."""
    return {
        code for char in word if unicodedata.category(char)[0] in "LM" and (code := script_of(char)) != COMMON
    }


def foreign(word: str, own: frozenset[str] | None) -> list[str]:
    """The letters and marks of ``word`` in other scripts than ``own``; where any is possible, those of a word
    in two that are never written together, without its most frequent script."""
    found = scripts_of(word)
    if own is None:
        if len(found) < 2 or any(found <= group for group in TOGETHER):
            return []
        most = max(sorted(found), key=lambda code: sum(script_of(char) == code for char in word))
        own = frozenset({most})
    return (
        [
            char
            for char in word
            if unicodedata.category(char)[0] in "LM" and script_of(char) not in own | {COMMON}
        ]
        if found - own
        else []
    )


@cache
def _alike(char: str) -> frozenset[str]:
    """Single characters that Unicode's table says look like ``char``."""
    from confusable_homoglyphs import confusables

    return frozenset(
        h["c"]
        for row in confusables.is_confusable(char, greedy=True) or []
        for h in row["homoglyphs"]
        if len(h["c"]) == 1
    )


def own_form(char: str, own: frozenset[str], counts: dict[str, int]) -> str | None:
    """The letter of the scripts ``own`` that ``char``, of another, looks like, in its small or its capital
    form; None without.

    Of several the one that looks so in both forms, then the most frequent one by ``counts``, then the first
    of Unicode.
    """
    small = _of(own, _alike(char))
    capital = (
        {form.lower() for form in _of(own, _alike(char.upper())) if len(form.lower()) == 1}
        if char.islower()
        else set()
    )
    found = {form for form in small | capital if unicodedata.category(form) == unicodedata.category(char)}
    return max(
        sorted(found),
        key=lambda form: (form in small and form in capital, counts.get(form, 0), -ord(form)),
        default=None,
    )


def _of(own: frozenset[str], chars: Collection[str]) -> set[str]:
    return {char for char in chars if script_of(char) in own and unicodedata.normalize("NFKC", char) == char}


def repaired(word: str, own: frozenset[str] | None, counts: dict[str, int]) -> str | None:
    """``word`` with its own script's letters in the place of look-alikes; None unless the word is otherwise
    of that script and all strangers have one."""
    odd = foreign(word, own)
    if not odd or not (rest := scripts_of("".join(char for char in word if char not in odd))):
        return None
    forms = {char: own_form(char, own or frozenset(rest), counts) for char in odd}
    return "".join(forms.get(char) or char for char in word) if all(forms.values()) else None
