"""Smaller n-gram models (Stolcke 1998, Entropy-based Pruning of Backoff Language Models)."""

from __future__ import annotations

import numpy as np

from xlt.lm.ngram import BOS, EOS, Level, NGram

_LEAST = 1e-9  # mass that is left to symbols that did not follow a context, against division by 0


def prune(ngram: NGram, max_ngrams: int) -> NGram:
    """The model without the n-grams whose loss changes its probabilities least.

    What is left is ``max_ngrams``, but for single symbols, which all stay. N-grams that longer ones begin
    with stay as well; those that longer ones end with may go. Back-off weights are such that the
    probabilities in every context sum to one.
    """
    if sum(ngram.counts) <= max_ngrams:
        return ngram
    trie = _Trie(ngram)
    worth = _worth(trie)
    single = trie.starts[1]
    by_worth = np.argsort(-worth[single:], kind="stable")  # of equal ones the shorter come first
    keep = np.arange(len(worth)) < single
    keep[single + by_worth[: max(0, max_ngrams - ngram.counts[0])]] = True
    trie.take_out(keep)
    levels = []
    for n in range(trie.order):
        here = np.arange(trie.starts[n], trie.starts[n + 1])[keep[trie.starts[n] : trie.starts[n + 1]]]
        base = trie.starts[n - 1] if n else 0
        rank = np.cumsum(keep[base:]) - 1
        prefix = rank[trie.parent[here] - base]
        levels.append(Level(prefix, trie.symbol[here], trie.logp[here], trie.backoff[here]))
    while not len(levels[-1].symbol):
        levels.pop()
    return NGram(ngram.symbols, levels, ngram.fallback_orders)


class _Trie:
    """All n-grams in one numbering, as in NGram; 0 is the empty one."""

    def __init__(self, ngram: NGram):
        self.order = ngram.order
        self.starts = np.cumsum([1, *ngram.counts])
        self.suffix = ngram.suffixes()
        levels = ngram.levels()
        none = np.zeros(1)
        bases = [0, *self.starts[:-1]]
        parents = [level.prefix + base for level, base in zip(levels, bases, strict=False)]
        self.parent = np.concatenate([none, *parents]).astype(np.int64)
        self.symbol = np.concatenate([none, *(level.symbol for level in levels)]).astype(np.int64)
        self.logp = np.concatenate([none, *(level.logp for level in levels)]).astype(float)
        self.backoff = np.concatenate([none, *(level.backoff for level in levels)]).astype(float)

    def level(self, n: int) -> slice:
        """The n-grams of ``n`` symbols."""
        return slice(int(self.starts[n - 1]), int(self.starts[n]))

    def shorter(self, nodes: np.ndarray) -> np.ndarray:
        """Of n-grams the natural log p of their last symbol in the context without its first one."""
        found = self.logp[self.suffix[nodes]]
        context, end = self.suffix[self.parent[nodes]], self.parent[self.suffix[nodes]]
        while len(rest := np.flatnonzero(context != end)):  # only where a file lacks suffixes
            found[rest] += self.backoff[context[rest]]
            context[rest] = self.suffix[context[rest]]
        return found

    def take_out(self, keep: np.ndarray) -> None:
        """Let what stays back off past what does not, with weights that make each context sum to one."""
        for n in range(2, self.order + 1):
            here = self.level(n)
            suffix = self.suffix[here]  # whose own suffix stays already
            self.suffix[here] = np.where(keep[suffix], suffix, self.suffix[suffix])
        for n in range(2, self.order + 1):
            contexts, nodes = self.level(n - 1), np.flatnonzero(keep[self.level(n)]) + self.starts[n - 1]
            size, rows = contexts.stop - contexts.start, self.parent[nodes] - contexts.start
            above = 1 - np.bincount(rows, np.exp(self.logp[nodes]), size)
            below = 1 - np.bincount(rows, np.exp(self.shorter(nodes)), size)
            renewed = np.log(np.maximum(above, _LEAST) / np.maximum(below, _LEAST))
            self.backoff[contexts] = np.where(np.bincount(rows, minlength=size) > 0, renewed, 0)


def _worth(trie: _Trie) -> np.ndarray:
    """Of each n-gram the relative entropy that its loss adds, or that of those that it begins, if more."""
    worth = np.zeros(len(trie.logp))
    p_context = np.ones(len(trie.logp))
    for n in range(1, trie.order + 1):
        here = trie.level(n)
        p_context[here] = p_context[trie.parent[here]] * np.exp(trie.logp[here])
        if n == 1:
            p_context[1 + BOS] = p_context[1 + EOS]  # there are as many
            continue
        nodes = np.arange(here.start, here.stop)
        base, size = trie.starts[n - 2], trie.starts[n - 1] - trie.starts[n - 2]
        rows, shorter = trie.parent[nodes] - base, trie.shorter(nodes)
        p, p_shorter = np.exp(trie.logp[nodes]), np.exp(shorter)
        left = np.maximum(1 - np.bincount(rows, p, size), 0)[rows]
        left_shorter = np.maximum(1 - np.bincount(rows, p_shorter, size), 0)[rows]
        backoff = np.log((left + p) / (left_shorter + p_shorter))
        context = trie.parent[nodes]
        change = p * (shorter + backoff - trie.logp[nodes]) + (backoff - trie.backoff[context]) * left
        worth[nodes] = -p_context[context] * change
    for n in range(trie.order, 2, -1):
        here = trie.level(n)
        np.maximum.at(worth, trie.parent[here], worth[here])
    return worth
