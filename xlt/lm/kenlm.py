"""Language models that a user brings: ARPA files, and KenLM's binaries, which stay on disk.

Binaries are asked by ufal-kenlm, which maps them into memory: only the pages that are asked for are loaded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from xlt.core.errors import DataError
from xlt.lm.arpa import read_arpa
from xlt.lm.ngram import LN10, SPECIAL, UNK, NGram, Stepwise

if TYPE_CHECKING:
    from kenlm import State

MAX_ORDER = 6  # of binaries, as ufal-kenlm is compiled
SPACES = (" ", "<space>", "▁", "|")  # how models of characters spell a space
_MAGIC = b"mmap lm http://kheafield.com/code format version"
_MEMO = 500_000


class KenLM(Stepwise):
    """A KenLM binary, asked like an :class:`xlt.lm.ngram.NGram`; its states are KenLM's, and hashable."""

    def __init__(self, path: Path):
        import kenlm

        config = kenlm.Config()
        config.load_method = kenlm.LoadMethod.LAZY
        config.show_progress = False
        try:
            self._model = kenlm.Model(str(path), config)
        except OSError as err:
            raise DataError(f"{path}: {_reason(str(err))}") from err
        self._new_state = kenlm.State
        self.path = path
        self.order = self._model.order
        self._space = next((space for space in SPACES if space in self._model), " ")
        self._ids = {symbol: i for i, symbol in enumerate(SPECIAL)}
        self._names = list(SPECIAL)
        self._memo: dict[tuple[State, int], tuple[float, State]] = {}

    def id(self, symbol: str) -> int:
        """A number for ``symbol``, that of ``<unk>`` if the model does not know it."""
        found = self._ids.get(symbol)
        if found is None:
            name = self._space if symbol == " " else symbol
            found = self._ids[symbol] = len(self._names) if name in self._model else UNK
            if found != UNK:
                self._names.append(name)
        return found

    def start(self) -> State:
        """The state at the beginning of a sentence, after ``<s>``."""
        state = self._new_state()
        self._model.BeginSentenceWrite(state)
        return state

    def empty(self) -> State:
        """The state without any context."""
        state = self._new_state()
        self._model.NullContextWrite(state)
        return state

    def step(self, state: State, symbol: int) -> tuple[float, State]:
        """Natural log p(symbol | state), and the state behind it."""
        found = self._memo.get((state, symbol))
        if found is None:
            after = self._new_state()
            logp = LN10 * self._model.BaseScore(state, self._names[symbol], after)
            if len(self._memo) >= _MEMO:
                self._memo.clear()
            self._memo[state, symbol] = found = (logp, after)
        return found


def open_lm(path: Path) -> NGram | KenLM:
    """The model in ``path``: ARPA, gzipped ARPA or a KenLM binary, which its first bytes tell.

    A symbol that stands for a space, as in :data:`SPACES`, is ``" "`` for those who ask. DataError if the
    file is missing, damaged or none of these.
    """
    try:
        with path.open("rb") as file:
            head = file.read(len(_MAGIC))
    except OSError as err:
        raise DataError(f"{path}: cannot be read ({err.strerror}); give a language model's file") from err
    if head == _MAGIC:
        return KenLM(path)
    model = read_arpa(path)
    if not model.knows(" ") and (space := next(filter(model.knows, SPACES), None)):
        return NGram([" " if s == space else s for s in model.symbols], model.levels())
    return model


def unit_of(model: Stepwise, sample_texts: Iterable[str]) -> Literal["char", "word"]:
    """Whether a user's model is of characters or of words, by which of them it knows in these texts.

    DataError if it knows neither a tenth of the words nor half of the characters, or characters but no space.
    """
    words = Counter(word for text in sample_texts for word in text.split())
    chars: Counter[str] = Counter()
    for word, n in words.items():
        for char in word:
            chars[char] += n
    long = Counter({word: n for word, n in words.items() if len(word) > 1})
    if _share(model, long) >= 0.1:
        return "word"
    if _share(model, chars) < 0.5:
        examples = ", ".join(word for word, _ in words.most_common(3))
        raise DataError(
            f"lm.model: knows {_share(model, words):.0%} of the words of the training texts ({examples}) and"
            f" {_share(model, chars):.0%} of their characters; give a model of words or of characters, of"
            " texts that are normalised as these are"
        )
    if not model.knows(" ") and words.total() > 1:
        raise DataError(
            f"lm.model: has characters but no space; estimate it from texts that spell spaces {SPACES[1]}"
        )
    return "char"


def _share(model: Stepwise, tokens: Counter[str]) -> float:
    return sum(n for token, n in tokens.items() if model.knows(token)) / max(1, tokens.total())


def _reason(message: str) -> str:
    """What KenLM found wrong with a binary, and what to do."""
    if "compiled to support up to" in message:
        return (
            f"the order is above {MAX_ORDER}, the highest that ufal-kenlm reads; give the ARPA file, or a"
            f" binary of order {MAX_ORDER}"
        )
    if "test values don't match" in message:
        return "a KenLM binary of another version or kind of processor; make it again with build_binary"
    what = message.rpartition("). ")[2] or message
    return f"a damaged KenLM binary ({what}); copy it again, or make it again with build_binary"
