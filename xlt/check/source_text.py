"""What the normaliser removes from the source's text (``text_raw``, where stage 1 has kept it), though it may
be spoken.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import NamedTuple

from xlt.check.characters import name_of, visible
from xlt.check.datadir import DataDir, Sets
from xlt.check.encoding import Finding, labels
from xlt.check.faults import Fault
from xlt.check.words import SHOWN, Seen, count
from xlt.core.config import Config
from xlt.data.normalisers import normalise_utterance
from xlt.formats.markdown import table

SAID = frozenset("%‰&@#+=×÷±°№")  # and all signs of currencies
_APOSTROPHES = "'’‘`´ʹ′"
_EDGE_SHARE = 0.01  # of the words; fewer may be quotation marks, or clipped words as in any text
_UTF8_AS_LATIN = re.compile(
    "[\u00c2-\u00f4][\u0080-\u00bf\u0152-\u0192\u02c6-\u02dc\u2013-\u203a\u20ac\u2122]+"
)
TATWEEL = "\u0640"


class Change(NamedTuple):
    """What becomes of a character: ``what`` (``out``, or what replaces it), and where."""

    what: str
    seen: Seen


def normalisers_of(data: DataDir, cfg: Config) -> Callable[[str, Seen], str]:
    """A function of a word of ``text_raw`` and its places: the word as the language's normaliser has it."""
    of = normalise_utterance(cfg, data.table("utt2lang"), str(data.where("utt2lang")))
    return lambda word, seen: of(seen.places[0][1], word)


def changes(sets: Sets, data: DataDir, cfg: Config) -> dict[str, Change]:
    """The characters of ``text_raw`` that are not in ``text``, but for capitals."""
    return sets.once(f"changes {data.name}", lambda: _changes(data, cfg))


def _changes(data: DataDir, cfg: Config) -> dict[str, Change]:
    of = normalisers_of(data, cfg)
    found: dict[str, Change] = {}
    for word, seen in data.raw_words.items():
        plain = unicodedata.normalize("NFC", word)
        left = of(word, seen)
        if left in (plain, plain.lower()):
            continue
        new = [char for char in left if char not in plain.lower() and char != " "]
        for char in set(plain):
            if char not in left and not set(char.lower()) <= set(left):
                what = " ".join(new) if unicodedata.category(char)[0] in "LM" and new else "out"
                old = found.setdefault(char, Change(what, Seen(0, list(seen.places)))).seen
                old.count += seen.count * plain.count(char)
                old.places = sorted({*old.places, *seen.places})[:SHOWN]
    return found


def _lost(data: DataDir, chars: dict[str, Change], what: str, remedy: str) -> Fault:
    seen = {char: change.seen for char, change in chars.items()}
    return Finding(data, seen, "text_raw").fault(
        "warning",
        "the normaliser removes {what}: {characters}",
        remedy,
        what=what,
        characters=labels(seen),
    )


def taken_out(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Symbols that speakers read aloud (%, &, €); letters and marks, such as vowel signs; private use, which
    parts words.
    """
    for data in sets.values():
        out = {
            char: change
            for char, change in changes(sets, data, cfg).items()
            if change.what == "out" and char != TATWEEL
        }
        kinds = {char: unicodedata.category(char) for char in out}
        if said := {char: out[char] for char in out if char in SAID or kinds[char] == "Sc"}:
            remedy = "write them as words in the source, or set data.keep if they spell sounds"
            yield _lost(data, said, "symbols that are spoken", remedy)
        if lost := {char: out[char] for char in out if kinds[char][0] in "LM" or kinds[char] in ("Co", "Cn")}:
            yield _lost(
                data,
                lost,
                "letters or marks",
                "a score without them is too good: write them as the language does, or set "
                "data.normaliser to one that keeps them",
            )


def edge_apostrophes(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Apostrophes at the edge of a word fall to the normaliser as quotation marks do; in some languages they
    are letters.
    """
    for data in sets.values():
        words = {word: seen for word, seen in data.raw_words.items() if _edge(word)}
        if count(words) > _EDGE_SHARE * count(data.raw_words) and not _quotations(data):
            finding = Finding(data, words, "text_raw")
            yield finding.fault(
                "warning",
                "{count} words ({share:.3g}%) begin or end with an apostrophe, which the normaliser removes,"
                " first {first!r}",
                "if it is a letter, write U+02BC (ʼ), or U+02BB (ʻ) for an okina, which stay",
                count=count(words),
                share=100 * count(words) / count(data.raw_words),
                first=finding.first,
            )


def _edge(word: str) -> bool:
    core = word.strip('.,;:!?…"“”„«»()-–—')
    return len(core) > 1 and (core[0] in _APOSTROPHES) != (core[-1] in _APOSTROPHES)


def _quotations(data: DataDir) -> bool:
    """Whether words begin with apostrophes about as often as they end with them, as those in quotation marks
    do.
    """
    first, last = 0, 0
    for word, seen in data.raw_words.items():
        core = word.strip(".,;:!?…")
        first += seen.count * (core[:1] in _APOSTROPHES)
        last += seen.count * (core[-1:] in _APOSTROPHES)
    return min(first, last) > 0.7 * max(first, last)


def misread_encoding(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """UTF-8 that a program has read as Latin-1 or Windows-1252: Ã© for é."""
    for data in sets.values():
        table, words = ("text_raw", data.raw_words) if data.raw_words else ("text", data.words)
        bad = {word: seen for word, seen in words.items() if not word.isascii() and reread(word)}
        if bad:
            finding = Finding(data, bad, table)
            yield finding.fault(
                "warning",
                "{count} words look like UTF-8 read as Latin-1, first {first!r} for {right!r}",
                "save the source as UTF-8 and read it as UTF-8",
                count=count(bad),
                first=finding.first,
                right=reread(finding.first),
            )


def reread(word: str) -> str | None:
    """What a misread word was before; None if it is none."""
    if not _UTF8_AS_LATIN.search(word):
        return None
    for wrong in ("cp1252", "latin-1"):
        try:
            return word.encode(wrong).decode("utf-8")
        except UnicodeError:
            continue
    return None


def section(sets: Sets, cfg: Config) -> str:
    """A table of what the normaliser removes or changes; empty without ``text_raw``."""
    found = {name: changes(sets, data, cfg) for name, data in sets.items() if data.raw_words}
    if not found:
        return ""
    lines = []
    for char in sorted(set().union(*found.values())):
        rows = [own[char] for own in found.values() if char in own]
        cells = [
            visible(char),
            f"U+{ord(char):04X}",
            name_of(char),
            rows[0].what,
            str(sum(row.seen.count for row in rows)),
            " ".join(rows[0].seen.ids),
        ]
        lines.append(cells)
    return (
        f"\nWhat the normaliser removes from the source's text, or changes (of {', '.join(found)}):\n\n"
        f"{table(['', 'code', 'name', 'becomes', 'times', 'first in'], lines)}\n"
    )


CHECKS = (taken_out, edge_apostrophes, misread_encoding)
