"""A text in the letters that a model can write: its own language's as they are, others through Latin letters.

anyascii (ISC) gives the Latin letters of a character of any script: щ is shch. The model's letters are
romanised in the same way, and those that cover a Latin spelling stand for it: for shch, щ of a Russian model,
and s, h, c, h of a Romanian one.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import cache
from itertools import groupby

from xlt.tokens.tokenizer import SPACE, UNK, Tokenizer

_NEAR = {  # Latin letters that a model may lack → what else is tried, in order
    "a": "e o", "b": "p v", "c": "k ts s", "d": "t", "e": "i a", "f": "v p", "g": "k h", "h": "x g",
    "i": "y e", "j": "y i z g", "k": "c q g", "l": "r", "m": "n", "n": "m", "o": "u a", "p": "b",
    "q": "k c g", "r": "l", "s": "z c", "t": "d", "u": "o w v", "v": "w u b f", "w": "v u", "x": "ks s",
    "y": "i j", "z": "s",
}  # fmt: skip


@cache
def _latin(char: str) -> str:
    """The Latin letters of a character, in lower case; nothing for signs."""
    from anyascii import anyascii

    return "".join(c for c in anyascii(unicodedata.normalize("NFC", char)).lower() if c.isalpha())


class Spelling:
    """``strange``: how often each character was met that the model cannot write; ``lost``: those of them that
    nothing stands for."""

    def __init__(self, tokenizer: Tokenizer):
        self.tokenizer = tokenizer
        self.symbols = {c for c in tokenizer.symbols() if len(c) == 1}
        self.strange: Counter[str] = Counter()
        self.lost: set[str] = set()
        by_latin: dict[str, str] = {}
        for symbol in sorted(self.symbols, key=lambda c: (c != _latin(c), c)):
            if latin := _latin(symbol):
                by_latin.setdefault(latin, symbol)
        self._by_latin = by_latin
        self._longest = max(map(len, by_latin), default=0)
        self._known: dict[str, str] = {}
        self.space = [tokenizer.ids[SPACE]] if SPACE in tokenizer.ids else []  # between words; bpe has none

    def __call__(self, text: str) -> list[int]:
        """The labels of a normalised text; of characters that the model can write in no way, none."""
        unk = self.tokenizer.ids[UNK]
        return [i for i in self.tokenizer.encode(self.respelled(text)) if i != unk]

    def respelled(self, text: str) -> str:
        """``text`` in the model's letters."""
        parts = []
        for known, run in groupby(text, key=lambda char: char in self.symbols or char == " "):
            own = "".join(run)
            parts.append(own if known else self._of(own))
        return "".join(parts)

    def _of(self, run: str) -> str:
        """What stands for characters that the model lacks."""
        self.strange.update(run)
        if run not in self._known:
            self._known[run] = self._stand_in("".join(map(_latin, run)))
            self.lost |= {char for char in run if not self._stand_in(_latin(char))}
        return self._known[run]

    def _stand_in(self, latin: str) -> str:
        found, at = "", 0
        while at < len(latin):
            for size in range(min(self._longest, len(latin) - at), 0, -1):
                if symbol := self._by_latin.get(latin[at : at + size]):
                    found, at = found + symbol, at + size
                    break
            else:
                found, at = found + self._near(latin[at]), at + 1
        return found

    def _near(self, letter: str) -> str:
        for other in _NEAR.get(letter, "").split():
            if all(one in self._by_latin for one in other):
                return "".join(self._by_latin[one] for one in other)
        return ""

    def foreign(self, texts: Iterable[str]) -> bool:
        """Whether the model lacks letters of these texts: more than one in a hundred."""
        count = Counter(c for text in texts for c in text if c != " ")
        unknown = sum(n for c, n in count.items() if c not in self.symbols)
        return unknown > 0.01 * max(1, count.total())
