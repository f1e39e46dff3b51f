"""One letter that is written in several forms: each would be a token of its own, learned from a part of the
speech.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator

from xlt.check.datadir import Sets
from xlt.check.encoding import FIX, Finding
from xlt.check.faults import Fault
from xlt.check.words import Seen, count
from xlt.core.config import Config

_QUOTES = "'’‘`´′‛"  # typed for an apostrophe, and one sign to the normaliser
_LETTERS = "ʻʼʽꞌʹ"  # that look like one
_PAIRS = (  # letters that are one letter in every language that has either
    "كک",
    "هہ",
    "يی",
    "şș",
    "ţț",
    "əǝ",
    "ː꞉",
    "gɡ",
)
_BOTH = {"يی": ("pus", "pst", "pbt", "pbu")}  # languages in which the two are two letters: Pashto
# Uzbek has two letters: ʻ is a part of oʻ and gʻ, ʼ the glottal stop
_UZBEK = ("uzb", "uzn", "uzs")
_IN_WORD = re.compile(f"(?<=[^\\W\\d_])[{_QUOTES}{_LETTERS}](?=[^\\W\\d_])")
_AT_EDGE = re.compile(
    f"(?<=[^\\W\\d_])[{_QUOTES}{_LETTERS}](?!\\w)|(?<!\\w)[{_QUOTES}{_LETTERS}](?=[^\\W\\d_])"
)
# ẹ, ọ, ṣ of Yoruba, Igbo and their neighbours, also typed with a line below; a syllabic n̩ is another sign
_BELOW = re.compile("([eiosu])([\u0323\u0329])", re.IGNORECASE)
_BALANCED = 0.7  # quotation marks open about as often as they close


class Forms:
    """How a set of texts should write its letters: ``fold`` gives each letter of a word its most frequent
    form.
    """

    def __init__(self, words: dict[str, Seen], lang: str):
        self._lang = lang[:3]
        self._edges = not _quoted(words)
        found: Counter[str] = Counter()
        for word, seen in words.items():
            for char in self._apostrophes(word):
                found["'" if char in _QUOTES else char] += seen.count
        self._several = len(found) > 1
        letters = {char: times for char, times in found.items() if char in _LETTERS}
        self._best = max(sorted(letters or found), key=found.__getitem__, default="'")
        counts: Counter[str] = Counter()
        for word, seen in words.items():
            counts.update({char: seen.count * word.count(char) for char in set(word)})
        self._map: dict[int, str] = {}
        for pair in _PAIRS:
            if all(counts[char] for char in pair) and self._lang not in _BOTH.get(pair, ()):
                best = max(pair, key=counts.__getitem__)
                self._map |= {ord(char): best for char in pair}
        below: Counter[str] = Counter()
        for word, seen in words.items():
            below.update({mark: seen.count * times for mark, times in _marks_below(word).items()})
        self._below = max(sorted(below), key=below.__getitem__) if len(below) > 1 else ""

    def _apostrophes(self, word: str) -> list[str]:
        return _IN_WORD.findall(word) + (_AT_EDGE.findall(word) if self._edges else [])

    def fold(self, word: str) -> str:
        """``word`` with one form of each letter."""
        word = word.translate(self._map)
        if self._below and _marks_below(word).keys() - self._below:
            word = _BELOW.sub(rf"\1{self._below}", unicodedata.normalize("NFD", word))
            word = unicodedata.normalize("NFC", word)
        if not self._several:
            return word
        word = _IN_WORD.sub(self._one, word)
        return _AT_EDGE.sub(self._one, word) if self._edges else word

    def _one(self, hit: re.Match) -> str:
        if self._lang not in _UZBEK:
            return self._best
        return "ʻ" if hit.string[: hit.start()][-1:].lower() in ("o", "g") else "ʼ"


def _marks_below(word: str) -> Counter[str]:
    """How often each form of the sign below a letter is in a word."""
    return Counter(mark for _, mark in _BELOW.findall(unicodedata.normalize("NFD", word)))


def _quoted(words: dict[str, Seen]) -> bool:
    """Whether apostrophes at the edges of words are quotation marks: as many open as close, or nearly."""
    first = sum(seen.count for word, seen in words.items() if word[0] in _QUOTES)
    last = sum(seen.count for word, seen in words.items() if re.search(f"[{_QUOTES}][.,;:!?…]*$", word))
    return min(first, last) > _BALANCED * max(first, last)


def forms_of(sets: Sets, cfg: Config) -> Forms:
    """The forms of letters in all sets together, by the texts as they were before they were normalised, where
    these are known; nothing is folded in several languages.
    """

    def found() -> Forms:
        langs = {lang for data in sets.values() for lang in data.table("utt2lang").values()} or {
            cfg.lang or ""
        }
        words: dict[str, Seen] = {}
        for data in sets.values() if len(langs) == 1 else ():
            for word, seen in (data.raw_words or data.words).items():
                words[word] = Seen(seen.count + (words[word].count if word in words else 0), seen.places)
        return Forms(words, min(langs))

    return sets.once("forms", found)


def several_forms(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Letters that are written in several forms, with how often each."""
    for data in sets.values():
        table, words = ("text_raw", data.raw_words) if data.raw_words else ("text", data.words)
        forms = forms_of(sets, cfg)
        odd = {word: seen for word, seen in words.items() if forms.fold(word) != word}
        if odd:
            finding = Finding(data, odd, table)
            yield finding.fault(
                "warning",
                "one letter in several forms: {forms}; {count} words would change, first {first!r} to"
                " {right!r}",
                FIX,
                forms=_counts(words),
                count=count(odd),
                first=finding.first,
                right=forms.fold(finding.first),
            )


def _counts(words: dict[str, Seen]) -> str:
    """``' 12 times, ʻ 5 times``, of the signs that may be one letter."""
    found: Counter[str] = Counter()
    for word, seen in words.items():
        for char in word:
            if char in _QUOTES or char in _LETTERS or (char != "g" and any(char in pair for pair in _PAIRS)):
                found[char] += seen.count
        for mark, times in _marks_below(word).items():
            found[f"\N{DOTTED CIRCLE}{mark}"] += seen.count * times
    return ", ".join(f"{sign} (U+{ord(sign[-1]):04X}) {times} times" for sign, times in found.most_common(8))


CHECKS = (several_forms,)
