"""A model of words, asked by the tokens of an acoustic model, which spell them.

Within a word a model of characters says how likely its spelling is; at its end the word's own probability
takes the place of that. A word that the model does not know has the probability of ``<unk>`` times that of
its spelling.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xlt.lm.spelled import spelling
from xlt.tokens.tokenizer import Tokenizer

if TYPE_CHECKING:
    from xlt.lm.mixture import Mixture

State = tuple[Any, int, str, float]  # of the words, of the spelling; the word so far, and its log p so far
_END = "</s>"


class Words:
    """See :class:`xlt.lm.model.LanguageModel`. ``model``: of words, as :class:`xlt.lm.ngram.NGram`."""

    def __init__(self, model: Any, spelled: Mixture, tokenizer: Tokenizer):
        self.model, self.spelled = model, spelled
        self.unk, self.last = model.id("<unk>"), model.id(_END)
        self._symbols = ["".join(symbols) for symbols in spelling(tokenizer, "char")]

    def start(self) -> State:
        return (self.model.start(), self.spelled.start(), "", 0.0)

    def score(self, state: State, token: int) -> tuple[float, State]:
        total = 0.0
        for char in self._symbols[token]:
            logp, state = self._char(state, char)
            total += logp
        return total, state

    def _char(self, state: State, char: str) -> tuple[float, State]:
        words, spelled, word, so_far = state
        if char == " ":
            if not word:
                return 0.0, state
            logp, words = self._word(words, spelled, word, so_far)
            return logp, (words, self.spelled.start(), "", 0.0)
        logp, spelled = self.spelled.step(spelled, self.spelled.ids.get(char, 0))
        return logp, (words, spelled, word + char, so_far + logp)

    def _word(self, words: Any, spelled: int, word: str, so_far: float) -> tuple[float, Any]:
        """What the whole word costs beyond what its characters did, and the state behind it."""
        number = self.model.id(word)
        logp, after = self.model.step(words, number)
        if number == self.unk:
            logp += so_far + self._ends(spelled)
        return logp - so_far, after

    def _ends(self, spelled: int) -> float:
        """log p that the word ends here: a space follows, or nothing."""
        space, _ = self.spelled.step(spelled, self.spelled.ids.get(" ", 0))
        return math.log(math.exp(space) + math.exp(self.spelled.end(spelled)))

    def end(self, state: State) -> float:
        words, spelled, word, so_far = state
        total = 0.0
        if word:
            total, words = self._word(words, spelled, word, so_far)
        return total + self.model.step(words, self.last)[0]
