"""Language models over symbols, as models over the tokens of an acoustic model.

A token is spelled in symbols: characters, of which a bpe piece has several, or the token itself. What writes
nothing, such as the token of a language, costs nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from xlt.tokens.tokenizer import BLANK, SOS_EOS, SPACE, Tokenizer

if TYPE_CHECKING:
    from xlt.lm.model import LanguageModel

TAKEN = 0.3  # chosen on dev of seven languages: from 0 to it, errors fell by 1 to 3%; 0.2 to 0.5 are alike


class Symbols(Protocol):
    """A model over symbols: :class:`~xlt.lm.mixture.Mixture`, or a user's own."""

    ids: Any

    def start(self) -> Any: ...

    def step(self, state: Any, symbol: int) -> tuple[float, Any]: ...

    def end(self, state: Any) -> float: ...


def spelling(tokenizer: Tokenizer, unit: str) -> list[list[str]]:
    """Of each token of a tokenizer its symbols, of ``unit`` char or token."""
    silent = {BLANK, SOS_EOS, *tokenizer.tags.values()}
    found: list[list[str]] = []
    for token in tokenizer.tokens:
        if token in silent:
            found.append([])
        elif unit == "token" or (token.startswith("<") and token.endswith(">") and token != SPACE):
            found.append([token])
        else:
            found.append(list(token.replace(SPACE, " ").replace("▁", " ")))
    return found


class Spelled:
    """See :class:`xlt.lm.model.LanguageModel`. A bpe text begins with a space that no text has: it is not
    asked for at the start.
    """

    def __init__(self, model: Symbols, tokenizer: Tokenizer, unit: str):
        self.model = model
        self._spelled = [
            [model.ids[symbol] for symbol in symbols if symbol in model.ids]
            for symbols in spelling(tokenizer, unit)
        ]
        self._single = [own[0] if len(own) == 1 else -1 for own in self._spelled]
        self._space = model.ids.get(" ", -1) if tokenizer.type == "bpe" and unit == "char" else -1
        self._first = model.start()

    def start(self) -> Any:
        return self._first

    def score(self, state: Any, token: int) -> tuple[float, Any]:
        single = self._single[token]
        if single >= 0 and single != self._space:
            return self.model.step(state, single)
        total, symbols = 0.0, self._spelled[token]
        if symbols and symbols[0] == self._space and state == self._first:
            symbols = symbols[1:]
        for symbol in symbols:
            logp, state = self.model.step(state, symbol)
            total += logp
        return total, state

    def end(self, state: Any) -> float:
        return self.model.end(state)


class Without:
    """A language model less a share of each token's log frequency: the acoustic model has learned that from
    the same texts, and would count it twice (density ratio, McDermott et al. 2019, arXiv 2002.11268).

    ``frequencies``: natural log frequencies by token; of what is not among them nothing is taken.
    """

    def __init__(self, model: LanguageModel, frequencies: Mapping[str, float], tokenizer: Tokenizer):
        self.model, self.start, self.end = model, model.start, model.end
        mean = sum(math.exp(logp) * logp for logp in frequencies.values())
        self._taken = [TAKEN * (frequencies.get(token, mean) - mean) for token in tokenizer.tokens]

    def score(self, state: Any, token: int) -> tuple[float, Any]:
        logp, after = self.model.score(state, token)
        return logp - self._taken[token], after


def frequencies(texts: Iterable[str], tokenizer: Tokenizer) -> dict[str, float]:
    """Natural log frequencies of the tokens of texts."""
    counts = Counter(token for text in texts for token in tokenizer.pieces(text))
    total = sum(counts.values())
    return {token: math.log(count / total) for token, count in sorted(counts.items())}


def asked_by(model: Any, symbols: list[str]) -> Symbols:
    """A model with numbers of its own for symbols, asked by those in ``symbols``."""
    return _Foreign(model, symbols)


class _Foreign:
    def __init__(self, model: Any, symbols: list[str]):
        self.ids = {symbol: model.id(symbol) for symbol in symbols}
        self.start, self.step, self._last = model.start, model.step, model.id("</s>")

    def end(self, state: Any) -> float:
        return self.step(state, self._last)[0]
