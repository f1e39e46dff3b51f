"""A model of symbols whose probabilities are written down: by the symbol before, for tests."""

from __future__ import annotations

import math

from xlt.lm.ngram import EOS, SPECIAL, UNK, Stepwise


class Bigrams(Stepwise):
    """``Bigrams({"<s>": {"a": 0.5, "</s>": 0.5}, "a": {"</s>": 1.0}})``: p of the next symbol; what is not
    written down has 0.
    """

    order = 2

    def __init__(self, table: dict[str, dict[str, float]]):
        found = {symbol for row in table.values() for symbol in row} | set(table)
        self.symbols = (*SPECIAL, *sorted(found - set(SPECIAL)))
        self.table = table
        self._ids = {symbol: i for i, symbol in enumerate(self.symbols)}
        self.states, self.look_up = len(self.symbols), self.step

    def id(self, symbol):
        return self._ids.get(symbol, UNK)

    def start(self):
        return self._ids["<s>"]

    def step(self, state, symbol):
        p = self.table[self.symbols[state]].get(self.symbols[symbol], 0.0)
        return math.log(p) if p else -math.inf, state if symbol == EOS else symbol
