"""Characters that are no letters of any language: damaged, invisible, without a meaning; letters in two
forms.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from xlt.check.characters import label
from xlt.check.datadir import DataDir, Sets
from xlt.check.faults import Fault
from xlt.check.scripts import script_of
from xlt.check.words import Seen, count
from xlt.core.config import Config

FIX = "`xlt check --fix NEW_FOLDER` writes a corrected copy"
ODD_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\t]|  ")
JOINERS = "\u200c\u200d"
_JOINING = frozenset(
    "Adlm Arab Balm Bali Beng Cakm Deva Gujr Guru Java Khmr Knda Laoo Lana Mand Mlym Mong Mymr Nkoo Orya Sinh"
    " Syrc Tale Taml Telu Tglg Thai Tibt".split()
)  # scripts whose words are shaped by joiners


@cache
def invisible(char: str) -> bool:
    """Whether nothing is seen of it, though it is no space: format characters, fillers, selectors of
    variants.
    """
    import regex

    return (
        unicodedata.category(char) == "Cf"
        or char == "\u2800"
        or bool(regex.match(r"\p{Default_Ignorable_Code_Point}", char))
    )


def unseen_in(word: str) -> list[str]:
    """The invisible characters of a word, without joiners beside a letter that they shape."""
    found = []
    for place, char in enumerate(word):
        if not invisible(char):
            continue
        near = word[max(0, place - 2) : place + 2]
        if char not in JOINERS or not place or _JOINING.isdisjoint(map(script_of, near)):
            found.append(char)
    return found


def lone_marks_in(word: str) -> list[str]:
    """Combining marks without a letter or number before them, and those that the letter before has
    already.
    """
    found, before = [], ""
    for char in word:
        if unicodedata.category(char)[0] == "M" and not invisible(char):
            carried = before and (unicodedata.category(before)[0] in "LMN" or before in JOINERS)
            if not carried or char in unicodedata.normalize("NFD", before):
                found.append(char)
        before = char
    return found


def words_with(data: DataDir, of: Callable[[str], list[str]]) -> tuple[dict[str, Seen], dict[str, Seen]]:
    """The words in which ``of`` finds something, and all that it finds."""
    words: dict[str, Seen] = {}
    chars: dict[str, Seen] = {}
    for word, seen in data.words.items():
        if word.isascii() and word.isalpha():
            continue
        found = of(word)
        if found:
            words[word] = seen
        for char in found:
            if char in chars:
                chars[char].count += seen.count
            else:
                chars[char] = Seen(seen.count, list(seen.places))
    return words, chars


@dataclass(frozen=True)
class Finding:
    """Words, or characters, of a table of a set, with which something is wrong."""

    data: DataDir
    found: dict[str, Seen]
    table: str = "text"

    @property
    def first(self) -> str:
        return next(iter(self.found))

    def fault(self, severity: str, problem: str, remedy: str = FIX, **values: Any) -> Fault:
        """A fault at the first line of any of them, with the first three utterances."""
        places = sorted({place for seen in self.found.values() for place in seen.places})[:3]
        where, ids = self.data.where(self.table, places[0][0]), tuple(utt for _, utt in places)
        return Fault(severity, where, problem, remedy, ids, values)


def labels(chars: dict[str, Seen]) -> str:
    """``ț (U+021B LATIN …) 3 times, …``, the first five by code point."""
    return ", ".join(f"{label(char)} {seen.count} times" for char, seen in sorted(chars.items())[:5])


def two_forms(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Letters with marks in Unicode's composed form (NFC); else one letter is two tokens, or a letter and a
    mark.
    """
    for data in sets.values():
        words = {
            word: seen for word, seen in data.words.items() if not unicodedata.is_normalized("NFC", word)
        }
        if words:
            finding = Finding(data, words)
            yield finding.fault(
                "warning",
                "{count} of {total} words are not in composed form (NFC), first {first!r}: the same letter is"
                " written in two ways",
                count=count(words),
                total=count(data.words),
                first=finding.first,
            )


def damaged(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """U+FFFD, where a program lost a character, and code points that are none."""
    for data in sets.values():
        if "\ufffd" in data.raw.get("text", b"").decode(
            "utf-8", "ignore"
        ):  # bytes that are not UTF-8 are reported by clean_bytes
            words, chars = words_with(data, lambda word: [char for char in word if char == "\ufffd"])
            yield Finding(data, words).fault(
                "error",
                "{count} times U+FFFD REPLACEMENT CHARACTER: a program read the text in a wrong encoding and"
                " lost letters",
                "make the text again from its source, as UTF-8",
                count=chars["\ufffd"].count,
            )


def without_meaning(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Private use and unassigned code points: only a special font says what they are."""
    for data in sets.values():
        words, chars = words_with(
            data, lambda word: [char for char in word if unicodedata.category(char) in ("Co", "Cn")]
        )
        if words:
            yield Finding(data, words).fault(
                "warning",
                "private or unassigned characters: {characters}",
                "write them with Unicode's letters; the font or the keyboard that they came from says which"
                " they are",
                characters=labels(chars),
            )


def invisible_characters(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """What nobody sees makes two words of one."""
    for data in sets.values():
        words, chars = words_with(data, unseen_in)
        if words:
            problem = "invisible characters: {characters}"
            yield Finding(data, words).fault("warning", problem, characters=labels(chars))


def lone_marks(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Combining marks that are on no letter, or twice on one."""
    for data in sets.values():
        words, chars = words_with(data, lone_marks_in)
        if words:
            finding = Finding(data, words)
            yield finding.fault(
                "warning",
                "combining marks without a letter: {characters}, first in {first!r}",
                characters=labels(chars),
                first=finding.first,
            )


def odd_spaces(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """One plain space between words."""
    for data in sets.values():
        if not ODD_SPACES.search(data.raw.get("text", b"").decode("utf-8", "replace")):
            continue
        lines = [line for line in data.lines["text"] if ODD_SPACES.search(line.value)]
        if lines:
            yield Fault(
                "warning",
                data.where("text", lines[0].number),
                "{count} texts have double spaces, or white space other than U+0020",
                FIX,
                tuple(line.key for line in lines[:3]),
                {"count": len(lines)},
            )


CHECKS = (two_forms, damaged, without_meaning, invisible_characters, lone_marks, odd_spaces)
