"""Hotwords: words and phrases that a decoder is to prefer, as one more language model.

Contextual biasing with an Aho–Corasick automaton over characters, as icefall's ``ContextGraph``
(icefall/context_graph.py) and Zhao et al. 2019, "Shallow-fusion end-to-end contextual biasing", do it over
tokens: every character of an open match earns the word's weight at once, so that the beam keeps the match
while it grows, and gives it back when the match breaks. What remains at the end of a text is exactly the
weight of its leftmost, longest, non-overlapping matches that begin and end where words do.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.core.errors import ConfigError, DataError
from xlt.formats.text_file import numbered_lines
from xlt.lm.spelled import spelling
from xlt.text.normalise import normalise
from xlt.text.scripts import is_unspaced
from xlt.tokens.tokenizer import Tokenizer

if TYPE_CHECKING:
    from xlt.core.config import Config

Spell = Callable[[str], Collection[str]]  # an entry → how texts of the model spell it
MOST_WORDS, LONGEST_CHARS = 10_000, 100  # a longer list is a vocabulary, a longer entry is a sentence
_OPEN, _INSIDE = 0, 1  # states without a match: a word may begin here; inside a word
_END = ""  # the symbol that ends a text


class Hotwords:
    """A :class:`~xlt.lm.model.LanguageModel` of bonuses; states are numbers.

    ``words``: each word or phrase, normalised, with its factor, most often 1; ``weight``: natural log
    probability for each of its characters (for a model of phones, each of its phones), times the factor.

    A match begins and ends where words do: at a space, at an end of the text, and in scripts without spaces
    anywhere. Spaces inside a phrase are characters. Of a phone model, a match begins and ends at any phone.
    """

    def __init__(self, words: Mapping[str, float], tokenizer: Tokenizer, weight: float):
        self._phones = tokenizer.type == "phone"
        self._symbols = spelling(tokenizer, "token" if self._phones else "char")
        self._next: list[dict[str, int]] = [{}, {}]  # of each node: symbol → node
        self._parent, self._last = [_OPEN, _INSIDE], [" ", "x"]  # of each node, and the symbol to it
        self._depth, self._best = [0, 0], [0.0, 0.0]  # symbols from the root; highest factor of a word behind
        self._word: list[float | None] = [None, None]  # the factor of the word that ends at a node
        self.weight = weight
        for word, factor in words.items():
            self._add(word.split() if self._phones else word, factor)
        self._steps: dict[tuple[int, str], tuple[float, int]] = {}
        self._scores: dict[tuple[int, int], tuple[float, int]] = {}

    def start(self) -> int:
        return _OPEN

    def score(self, state: int, token: int) -> tuple[float, int]:
        """What the token earns, or gives back, and the state behind it."""
        found = self._scores.get((state, token))
        if found is None:
            before, kept, node = self._held(state), 0.0, state
            for symbol in self._symbols[token]:
                earned, node = self._step(node, symbol)
                kept += earned
            found = self._scores[state, token] = kept + self._held(node) - before, node
        return found

    def end(self, state: int) -> float:
        """What is earned or given back where the text ends."""
        return self._step(state, _END)[0] - self._held(state)

    def _add(self, word: str | list[str], factor: float) -> None:
        node = _OPEN
        for symbol in word:
            if symbol not in self._next[node]:
                self._next[node][symbol] = len(self._next)
                self._next.append({})
                self._parent.append(node)
                self._last.append(symbol)
                self._depth.append(self._depth[node] + 1)
                self._best.append(factor)
                self._word.append(None)
            node = self._next[node][symbol]
            self._best[node] = max(self._best[node], factor)
        self._word[node] = factor

    def _held(self, node: int) -> float:
        """What an open match has been given in advance: as if the best word that it may become were whole."""
        return self.weight * self._best[node] * self._depth[node]

    def _step(self, node: int, symbol: str) -> tuple[float, int]:
        """What matches that are whole earn when ``symbol`` follows, and the node behind it."""
        found = self._steps.get((node, symbol))
        if found is None:
            found = self._steps[node, symbol] = self._follow(node, symbol)
        return found

    def _follow(self, node: int, symbol: str) -> tuple[float, int]:
        if node == _INSIDE and not self._boundary("x", symbol):
            return 0.0, _INSIDE
        child = self._next[_OPEN if node == _INSIDE else node].get(symbol)
        if child is not None:
            return 0.0, child
        if node in (_OPEN, _INSIDE):
            return 0.0, self._root_behind(symbol)
        # the match breaks: its longest whole word is kept, what follows that is read again; without one,
        # a match may begin from the second symbol on
        behind, rest = symbol, [symbol]
        while node != _OPEN:
            factor = self._word[node]
            if factor is not None and self._boundary(self._last[node], behind):
                kept, state = self.weight * factor * self._depth[node], self._root_behind(self._last[node])
                break
            behind, node = self._last[node], self._parent[node]
            rest.append(behind)
        else:
            kept, state = 0.0, self._root_behind(rest.pop())
        for one in reversed(rest):
            earned, state = self._step(state, one)
            kept += earned
        return kept, state

    def _root_behind(self, symbol: str) -> int:
        anywhere = self._phones or symbol in (" ", _END) or _unspaced(symbol)
        return _OPEN if anywhere else _INSIDE

    def _boundary(self, before: str, behind: str) -> bool:
        """Whether a word may end between two symbols, and the next one begin."""
        if self._phones or " " in (before, behind) or behind == _END:
            return True
        return (_unspaced(before) or _unspaced(behind)) and not unicodedata.category(behind[0]).startswith(
            "M"
        )


def _unspaced(symbol: str) -> bool:
    return len(symbol) == 1 and is_unspaced(symbol)


def spell_by(normalisers: str) -> Spell:
    """The spellings of an entry by a model's normaliser, as ``xlt.json`` names it: ``ron-v1``, or several,
    ``generic-v1+ron-v1``.
    """
    return lambda entry: list(dict.fromkeys(normalise(entry, name) for name in normalisers.split("+")))


def read_hotwords(
    path: Path, spell: Spell, tokenizer: Tokenizer, setting: str = "decode.hotwords"
) -> dict[str, float]:
    """The words and phrases of a file, one a line, optionally a tab and a factor: ``{spelling: factor}``.

    ``spell`` normalises them (:func:`spell_by`); phones are taken as they are. ``setting``: what named the
    file. ConfigError if it is not there; DataError if it is empty, not UTF-8 or too long, and for an entry
    that the model's tokens cannot write.
    """
    found = _collect(_rows(path, setting), spell, tokenizer)
    if not found:
        raise DataError(f"{path}: empty; write one word or phrase a line")
    if len(found) > MOST_WORDS:
        raise DataError(
            f"{path}: {len(found)} words, at most {MOST_WORDS} are of use as hotwords; give a list of this"
            " length to the language model: lm.words"
        )
    return found


def check_hotwords(cfg: Config, tokens: Path, normalisers: str) -> None:
    """ConfigError or DataError for decode.hotwords that a model with the tokens in a folder cannot use."""
    if cfg.decode.hotwords is None:
        return
    if cfg.lm.spell:
        raise ConfigError(
            "decode.hotwords: with lm.spell only words of the lexicon are written; put them into a word list"
            " and give it in lm.words"
        )
    read_hotwords(Path(cfg.decode.hotwords), spell_by(normalisers), Tokenizer(tokens))


def spelled_hotwords(
    words: Mapping[str, float] | Iterable[str], spell: Spell, tokenizer: Tokenizer
) -> dict[str, float]:
    """The same of words that a program gives, without factors or with; DataError begins with ``words:``."""
    factors = words.items() if isinstance(words, Mapping) else ((word, 1.0) for word in words)
    return _collect((("words", word, factor) for word, factor in factors), spell, tokenizer)


def _rows(path: Path, setting: str) -> Iterator[tuple[str, str, float]]:
    for number, line in numbered_lines(path, setting):
        entry, tab, given = line.partition("\t")
        try:
            factor = float(given) if tab else 1.0
        except ValueError:
            raise DataError(
                f"{path}:{number}: found {given!r} behind the tab, expected a number, by which the weight of"
                " each character is multiplied; correct it or take it out"
            ) from None
        if line:
            yield f"{path}:{number}", entry, factor


def _collect(rows: Iterable[tuple[str, str, float]], spell: Spell, tokenizer: Tokenizer) -> dict[str, float]:
    known, phones = tokenizer.symbols(), tokenizer.type == "phone"
    found: dict[str, float] = {}
    first: dict[str, str] = {}
    for where, entry, factor in rows:
        if not (math.isfinite(factor) and factor > 0):
            raise DataError(f"{where}: {entry!r} has the weight {factor:g}; give a number above 0")
        spellings = [" ".join(entry.split())] if phones else [one for one in spell(entry) if one]
        if not any(spellings):
            raise DataError(f"{where}: {entry!r} has no text once it is normalised; take it out")
        if len(max(spellings, key=len)) > LONGEST_CHARS:
            raise DataError(
                f"{where}: {len(entry)} characters, at most {LONGEST_CHARS} make a hotword; give words or"
                " short phrases, one a line, and sentences to the language model: lm.text"
            )
        written = [one for one in spellings if not _unknown(one, known, phones)]
        if not written:
            strange = " ".join(_unknown(spellings[0], known, phones))
            what = "phones, which hotwords of a phone model must be" if phones else "characters"
            raise DataError(
                f"{where}: the model cannot write {entry!r}: {strange} not among its {what}; spell it with"
                " other letters, as it is heard, or take it out"
            )
        for one in written:
            if found.setdefault(one, factor) != factor:
                raise DataError(
                    f"{where}: {one!r} has the weight {factor:g}, but {found[one]:g} in {first[one]};"
                    " keep one"
                )
            first.setdefault(one, where)
    return found


def _unknown(spelling: str, known: set[str], phones: bool) -> list[str]:
    """The symbols of a spelling, each once, that the tokens cannot write."""
    symbols = dict.fromkeys(spelling.split() if phones else spelling)
    return ["(space)" if one == " " else one for one in symbols if one not in known]
