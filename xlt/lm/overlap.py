"""Sentences of held-out sets in the texts of language models: a model that has read the test gives scores
that say nothing about other speech.

A line counts if it is, or has between two signs such as full stops, the whole sentence of an utterance, or a
long part of one, whatever capitals, accents, spaces and punctuation. A sentence of one word says nothing by
itself, since any list has it, and counts only in a text that has longer ones, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from xlt.core.errors import DataError
from xlt.formats.tables import read_table
from xlt.text.content import core, without_accents
from xlt.text.scripts import is_unspaced, word_spans

if TYPE_CHECKING:
    from xlt.core.context import Context

REMEDY = "delete these lines, or set lm.exclude_overlap=true, which leaves them out"
_ENDS = re.compile(r"[.!?…。！？।॥۔؟]+")  # between sentences of a line


class Lengths(NamedTuple):
    """How many words are enough: a whole line, a whole sentence within a line, a part of a sentence."""

    line: int
    within: int
    part: int


SPACED = Lengths(2, 5, 8)
UNSPACED = Lengths(4, 10, 20)  # characters, of scripts without spaces


class Sentence(NamedTuple):
    """The text of an utterance of a held-out set."""

    set: str
    utt: str
    text: str


class Overlap(NamedTuple):
    """Line ``number`` of a text has ``words`` of the utterance ``utt`` of ``set``: its ``whole`` sentence, or
    a part."""

    number: int
    set: str
    utt: str
    words: str
    whole: bool


class HeldOut:
    """The sentences of held-out sets, to be looked for."""

    def __init__(self, sentences: Iterable[Sentence]):
        self.lines: dict[str, Sentence] = {}
        self.short: dict[str, Sentence] = {}
        self.runs: dict[str, Sentence] = {}
        self.sizes: set[int] = set()
        for sentence in sentences:
            words = _words(sentence.text)
            if not words:
                continue
            enough = UNSPACED if _without_spaces(words) else SPACED
            lines = self.lines if len(words) >= enough.line else self.short
            lines.setdefault("".join(words), sentence)
            if len(words) >= enough.within:
                size = min(len(words), enough.part)
                self.sizes.add(size)
                for run in _runs(words, size):
                    self.runs.setdefault(run, sentence)

    def find(self, line: str) -> tuple[Sentence, str, bool] | None:
        """The sentence that a line has, the words that both have, and whether they are the whole sentence."""
        pieces = list(map(_words, _ENDS.split(line)))
        words = [word for piece in pieces for word in piece]
        for piece in [words, *pieces] if len(pieces) > 1 else [words]:
            if sentence := self.lines.get("".join(piece)):
                return sentence, sentence.text, True
        for size in sorted(self.sizes, reverse=True):
            for place, run in enumerate(_runs(words, size)):
                if sentence := self.runs.get(run):
                    whole = len(_words(sentence.text)) == size
                    shared = sentence.text if whole else _joined(words[place : place + size])
                    return sentence, shared, whole
        return None

    def overlaps(self, lines: Iterable[tuple[int, str]]) -> Iterator[Overlap]:
        """The lines, given with their numbers, that have a sentence or a long part of one."""
        for number, line in lines:
            if found := self.find(line):
                sentence, words, whole = found
                yield Overlap(number, sentence.set, sentence.utt, words, whole)

    def short_overlaps(self, lines: Iterable[tuple[int, str]]) -> Iterator[Overlap]:
        """The lines that are a sentence of one word."""
        for number, line in lines:
            if sentence := self.short.get("".join(_words(line))):
                yield Overlap(number, sentence.set, sentence.utt, sentence.text, True)


def held_out(ctx: Context) -> HeldOut:
    """The sentences of dev, test, the further sets of ``decode.sets`` and the test sets of recipes mixed in,
    as far as stage 1 has made them.
    """
    names = [*ctx.cfg.checked_sets[1:], *(test for _, test in ctx.cfg.mixed.values())]
    places = {name: ctx.data / name / "text" for name in dict.fromkeys(names)}
    return HeldOut(
        Sentence(name, utt, text)
        for name, path in places.items()
        if path.exists()
        for utt, text in read_table(path).items()
    )


def refuse(overlaps: list[Overlap], where: str) -> None:
    """DataError, which names the first of them, if there are any; ``where``: the file."""
    if overlaps:
        first = overlaps[0]
        raise DataError(f"{where}:{first.number}: {described(overlaps)}; {REMEDY}")


def described(overlaps: list[Overlap]) -> str:
    """``3 lines (12, 14, 90) have sentences of held-out sets, first 'un urs alb' of test (utterance u7)``."""
    first = overlaps[0]
    numbers = ", ".join(str(one.number) for one in overlaps[:5]) + (", …" if len(overlaps) > 5 else "")
    what = "the sentence" if first.whole else "words in a row,"
    return (
        f"{len(overlaps)} lines ({numbers}) have sentences of held-out sets, first {what} {first.words!r} of"
        f" {first.set} (utterance {first.utt!r})"
    )


def _words(text: str) -> list[str]:
    """The words as they are compared; in scripts without spaces the characters."""
    return [word for part in text.split() for word in _split(part)]


@cache
def _split(part: str) -> tuple[str, ...]:
    word = without_accents(core(part))
    if word.isascii():
        return (word,) if word else ()
    return tuple(word[start:end] for start, end in word_spans(word))


def _without_spaces(words: list[str]) -> bool:
    return 2 * sum(is_unspaced(word[0]) for word in words) > len(words)


def _runs(words: list[str], size: int) -> Iterator[str]:
    """The parts of so many words in a row."""
    for start in range(len(words) - size + 1):
        yield " ".join(words[start : start + size])


def _joined(words: list[str]) -> str:
    return ("" if _without_spaces(words) else " ").join(words)
