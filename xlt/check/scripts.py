"""Letters in the scripts of a language and in others, and those that look alike across scripts."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from functools import cache

from xlt.text.scripts import COMMON, TOGETHER, UNDETERMINED, parts, script

# of the Caucasus: they write the letter ӏ, for which keyboards have I, l or 1
PALOCHKA = frozenset(
    "abq ady agx akv ani aqc ava bph ce che dar ddo inh kap kbd khv kpt kva lbe lez rut tab tkr uby".split()
)
PALOCHKA_LETTER = "ӏ"
_DIGITS = {  # letters that a digit looks like, where Unicode's table has none in this script
    "0": "оοօס",
    "1": PALOCHKA_LETTER,
    "3": "з",
    "4": "ч",
    "6": "б",
}
# one digit behind a letter and before another, or as the first of a longer word
_DIGIT_WITHIN = re.compile(r"(?<=[^\W\d_])\d(?=[^\W\d_])|(?<!\w)\d(?=[^\W\d_]{3})")
_PALOCHKA_DIGIT = re.compile(r"(?<=[\u0430-\u0458])1(?!\d)|(?<!\w)1(?=[\u0430-\u0458]{2})")


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


def digits_within(word: str) -> list[tuple[int, str]]:
    """Places and digits of a word that may stand for letters of a script other than Latin; tones are spelled
    with digits in Latin.
    """
    if word.isascii() or "Latn" in scripts_of(word):
        return []
    hits = [*_DIGIT_WITHIN.finditer(word), *_PALOCHKA_DIGIT.finditer(word)]
    return sorted({(hit.start(), hit[0]) for hit in hits})


def _digit_form(digit: str, own: frozenset[str], counts: dict[str, int]) -> str | None:
    """The letter of the scripts ``own``, known to the texts, that a digit looks like."""
    found = [char for char in _DIGITS.get(digit, "") if script_of(char) in own and counts.get(char)]
    return found[0] if found else None


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
    if char in "iIl" and counts.get(PALOCHKA_LETTER):
        return PALOCHKA_LETTER
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
    if within := digits_within(word):
        for place, digit in within:
            letter = _digit_form(digit, own or frozenset(scripts_of(word)), counts)
            word = word[:place] + (letter or digit) + word[place + 1 :]
        if not odd:
            return word if not digits_within(word) else None
    if not odd or not (rest := scripts_of("".join(char for char in word if char not in odd))):
        return None
    forms = {char: own_form(char, own or frozenset(rest), counts) for char in odd}
    return "".join(forms.get(char) or char for char in word) if all(forms.values()) else None
