"""Number words of a language, as num2words writes them, and where they stand in a text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xlt.text.languages import Language
from xlt.text.normalise import has_digits
from xlt.text.scripts import parts, script

# where num2words does not use the two letters that xlt/text/languages.py has, or that table lacks the
# language
_NAMES = {
    "amh": "am",
    "che": "ce",
    "kan": "kn",
    "kaz": "kz",
    "nno": "no",
    "nob": "no",
    "tet": "tet",
    "tgk": "tg",
}
_POWERS = (100, 1000, 1_000_000)
# through 2100: years, and languages that write a number as one word
_CARDINALS = (
    *range(2101),
    *range(3000, 20001, 1000),
    100_000,
    1_000_000,
    2_000_000,
    5_000_000,
    1_000_000_000,
    2_000_000_000,
)
_ORDINALS = range(1, 101)
_FAULTS = (
    NotImplementedError,
    ArithmeticError,
    LookupError,
    TypeError,
    ValueError,
)  # what num2words raises for what it lacks


@dataclass(frozen=True)
class NumberWords:
    """``sure``: words that always say a number. ``ones``: the words for one, which many languages use as an
    article, too (``un``, and the ``o`` of ``o sută``): they count beside sure words. ``joins``: what stands
    only inside a number.
    """

    sure: frozenset[str]
    ones: frozenset[str]
    joins: frozenset[str]

    def places(self, words: Sequence[str]) -> set[int]:
        """Positions of the number words: of each run with a sure word or a digit, all between the first and
        the last that does not join.

        >>> french = NumberWords(frozenset({"vingt"}), frozenset({"un"}), frozenset({"et"}))
        >>> french.places("et vingt et un et un chat".split())
        {1, 2, 3, 4, 5}
        """
        found: set[int] = set()
        run: list[int] = []
        for i, word in enumerate([*words, ""]):
            if word in self.sure or word in self.ones or word in self.joins or has_digits(word):
                run.append(i)
                continue
            if any(words[k] not in self.ones and words[k] not in self.joins for k in run):
                ends = [k for k in run if words[k] not in self.joins]
                found |= set(range(ends[0], ends[-1] + 1))
            run = []
        return found


def number_words(language: Language, normalise: Callable[[str], str]) -> NumberWords | str:
    """The number words of a language, normalised; or why there are none."""
    import num2words

    name = _NAMES.get(language.iso, language.iso1)
    if name not in num2words.CONVERTER_CLASSES:
        return f"num2words does not know {language.name}"
    cardinals = {n: forms for n in _CARDINALS if (forms := _forms(n, name, "cardinal", normalise))}
    scripts = parts(language.code[4:])
    written = {char for forms in cardinals.values() for words in forms for word in words for char in word}
    if scripts and not any(script(char) in scripts for char in written):
        return f"num2words writes {language.name} in another script"
    every = [words for forms in cardinals.values() for words in forms]
    ends = {words[k] for words in every for k in (0, -1)}
    joins = {word for words in every for word in words} - ends
    # what begins 100 but not 200 says how many; what says a number from 2 to 99 alone is no word for one
    first = {words[0] for n in _POWERS for words in cardinals.get(n, []) if len(words) > 1}
    first -= {words[0] for n in _POWERS for words in cardinals.get(2 * n, [])}
    first |= {words[0] for words in cardinals.get(1, []) if len(words) == 1}
    ones = first - {words[0] for n in range(2, 100) for words in cardinals.get(n, []) if len(words) == 1}
    # of an ordinal the last word: others may be articles (Romanian al doilea)
    ordinals = {words[-1] for n in _ORDINALS for words in _forms(n, name, "ordinal", normalise)}
    return NumberWords(frozenset((ends | ordinals) - ones - joins), frozenset(ones), frozenset(joins))


def _forms(number: int, name: str, to: str, normalise: Callable[[str], str]) -> list[list[str]]:
    """How a number is written: as num2words does, and with spaces for hyphens (vint-i-un); none if num2words
    cannot.
    """
    import num2words

    try:
        text = num2words.num2words(number, lang=name, to=to)
    except _FAULTS:
        return []
    found = [normalise(form).split() for form in dict.fromkeys((text, text.replace("-", " ")))]
    return [words for words in found if words and not any(map(has_digits, words))]
