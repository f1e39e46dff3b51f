"""Words with their phones, as a prefix tree, and what language models say of whole words.

W words, P phones of the lexicon, N nodes of the tree.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from xlt.core.errors import DataError
from xlt.core.stage import atomic_text

if TYPE_CHECKING:
    from xlt.lm.model import LanguageModel
    from xlt.tokens.tokenizer import Tokenizer

LEXICON = "lexicon.tsv"
_AGAIN = "make it again with --stage 5 --force"


class Entry(NamedTuple):
    """A word, its phones, and the natural log of its probability without context."""

    word: str
    phones: tuple[str, ...]
    logp: float


def write_entries(path: Path, entries: Iterable[Entry]) -> None:
    """A line an entry: word, tab, phones with spaces between them, tab, log p."""
    atomic_text(path, "".join(f"{e.word}\t{' '.join(e.phones)}\t{e.logp:.4f}\n" for e in entries))


def read_entries(path: Path) -> list[Entry]:
    """What :func:`write_entries` wrote; DataError if it is not there or damaged."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    except (FileNotFoundError, UnicodeDecodeError):
        raise DataError(f"{path}: not there, or not UTF-8; {_AGAIN}") from None
    found = []
    for number, line in enumerate(lines, 1):
        try:
            word, phones, logp = line.split("\t")
            entry = Entry(word, tuple(phones.split()), float(logp))
        except ValueError:
            entry = Entry("", (), math.nan)
        if not entry.word or not entry.phones or not math.isfinite(entry.logp):
            raise DataError(f"{path}:{number}: {line!r}: expected a word, its phones and log p; {_AGAIN}")
        found.append(entry)
    if not found:
        raise DataError(f"{path}: holds no words; {_AGAIN}")
    return found


class Lexicon:
    """The prefix tree of the entries' phones. Node 0 is the root; the children of a node are consecutive.

    ``phone`` (N,): place in ``phones`` of a node's last phone, -1 at the root; ``first`` (N,) and
    ``children`` (N,): its first child, and how many there are; ``here`` (N,) and ``below`` (N,): the largest
    log p of the words at the node, and of those at it and below; ``words``: in order of their nodes, those of
    node n at ``word_first[n]:word_first[n + 1]``; ``node`` (W,): the node of each.
    """

    def __init__(self, entries: Sequence[Entry]):
        self.phones = sorted({phone for entry in entries for phone in entry.phones})
        place = {phone: i for i, phone in enumerate(self.phones)}
        coded = sorted((tuple(place[p] for p in e.phones), e.word, e.logp) for e in entries)
        longest = max(len(phones) for phones, _, _ in coded)
        table = np.full((len(coded), longest), -1, np.int32)  # (W, longest), rows in lexicographic order
        for row, (phones, _, _) in zip(table, coded, strict=True):
            row[: len(phones)] = phones
        at = np.zeros(len(coded), np.int64)  # the node of each word
        parents, phones_of = [np.array([-1])], [np.array([-1])]
        nodes = 1
        for column in table.T:
            rows = np.nonzero(column >= 0)[0]
            above, last = at[rows], column[rows]
            new = np.ones(len(rows), bool)
            new[1:] = (above[1:] != above[:-1]) | (last[1:] != last[:-1])
            at[rows] = nodes - 1 + np.cumsum(new)
            parents.append(above[new])
            phones_of.append(last[new])
            nodes += int(new.sum())
        parent = np.concatenate(parents)
        self.phone = np.concatenate(phones_of).astype(np.int32)
        self.children = np.bincount(parent[1:], minlength=nodes)
        self.first = 1 + np.concatenate([[0], np.cumsum(self.children)[:-1]])
        order = np.argsort(at, kind="stable")
        self.words = [coded[i][1] for i in order]
        self.node = at[order]  # of each word
        self.logp = np.array([coded[i][2] for i in order])
        self.word_first = np.searchsorted(at[order], np.arange(nodes + 1))
        self.below = np.full(nodes, -np.inf)
        np.maximum.at(self.below, at[order], self.logp)
        self.here = self.below.copy()
        for level in reversed(parents[1:]):
            here = slice(nodes - len(level), nodes)
            np.maximum.at(self.below, level, self.below[here])
            nodes -= len(level)
        self.parent = parent

    def pronounced(self, word: int) -> list[int]:
        """The phones of a word, as places in ``phones``."""
        found, node = [], int(self.node[word])
        while node:
            found.append(int(self.phone[node]))
            node = int(self.parent[node])
        return found[::-1]


class Written:
    """A language model over characters that is asked for whole words, each with the space behind it.

    ``lexicon``: the words; ``tokenizer``: of the characters.
    """

    def __init__(self, model: LanguageModel, lexicon: Lexicon, tokenizer: Tokenizer):
        self.model, self.lexicon, self.tokenizer = model, lexicon, tokenizer
        self._space = tokenizer.encode(" ")[0]
        self._words: dict[tuple[Any, int], tuple[float, Any]] = {}
        self._last: dict[tuple[Any, int], float] = {}

    def start(self) -> Any:
        return self.model.start()

    def word(self, state: Any, word: int) -> tuple[float, Any]:
        """log p of the word at ``lexicon.words[word]`` and of a space, and the state behind them."""
        found = self._words.get((state, word))
        if found is None:
            total, after = self._spelled(state, word)
            logp, after = self.model.score(after, self._space)
            found = self._words[state, word] = (total + logp, after)
        return found

    def last(self, state: Any, word: int) -> float:
        """log p of the word and of the sentence's end."""
        found = self._last.get((state, word))
        if found is None:
            total, after = self._spelled(state, word)
            found = self._last[state, word] = total + self.model.end(after)
        return found

    def empty(self, state: Any) -> float:
        """log p that nothing was said."""
        return self.model.end(state)

    def _spelled(self, state: Any, word: int) -> tuple[float, Any]:
        total = 0.0
        for char in self.tokenizer.encode(self.lexicon.words[word]):
            logp, state = self.model.score(state, char)
            total += logp
        return total, state
