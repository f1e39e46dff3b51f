"""N-gram models from sentences, by one of two ways of smoothing.

``kneser_ney``: interpolated modified Kneser-Ney as KenLM's lmplz computes it (Chen & Goodman 1998, An
Empirical Study of Smoothing Techniques for Language Modeling, equations 24 to 26; Heafield, Pouzyrevsky,
Clark & Koehn 2013, Scalable Modified Kneser-Ney Language Model Estimation). Counts of the highest order, and
of n-grams that begin with ``<s>``, are how often they occur; others how many different symbols come before
them. Single symbols are interpolated with 1 / V; V counts ``</s>`` and ``<unk>``.

``power_law``: for word lists, whose frequencies span six decades and come from other texts than those to be
recognised. A count c loses 0.6 c^0.75, and adds c^0.4 to the n-gram without its first symbol (1 with
Kneser-Ney); below 1, both are proportional to c. As in Huang & Renals 2010 (Power Law Discounting for N-gram
Language Models), but for the two exponents. Weights are to be frequencies per million.

A sentence may have a weight, which need not be whole: a sentence of weight 2 is the same as two sentences.
Between whole counts, the discounts and counts of counts of Kneser-Ney are interpolated linearly: a count of
1.25 loses 0.75 D1 + 0.25 D2, and is three quarters of an n-gram that occurs once and a quarter of one that
occurs twice. D(0) is 0, so that something rare loses a fixed part of its count and never all of it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from xlt.core.errors import DataError
from xlt.lm.ngram import BOS, EOS, SPECIAL, Level, NGram

Smoothing = Literal["kneser_ney", "power_law"]
FALLBACK = (0.5, 1.0, 1.5)  # lmplz --discount_fallback
LOST, EXPONENT, ADDED = 0.6, 0.75, 0.4  # chosen on Romanian and Catalan; they serve 12 others as well


def estimate(
    sentences: Iterable[Sequence[str]],
    order: int,
    weights: Sequence[float] | None = None,
    smoothing: Smoothing = "kneser_ney",
) -> NGram:
    """The model of ``order`` of ``sentences``, which are lists of symbols, or strings for characters.

    Where counts of 1, 2, 3 or 4 are too few to estimate Kneser-Ney's discounts, as in small texts, an order
    gets those of lmplz's --discount_fallback and is in the model's ``fallback_orders``. DataError if there is
    no sentence, for ``<s>``, ``</s>`` or ``<unk>`` in one, and for weights that are negative or not finite.
    A sentence of weight 0 counts as absent.
    """
    symbols, ids, place, weight = _numbered(sentences, weights)
    grams = _adjusted(_count(ids, place, weight, order, len(symbols)), smoothing)
    levels: list[Level] = []
    fallback_orders = []
    lower = np.full(1, 1 / (len(symbols) - 1))  # <s> is never predicted
    for n, gram in enumerate(grams, start=1):
        lost = _lost(gram.counts, smoothing)
        if lost is None:
            fallback_orders.append(n)
            lost = np.interp(gram.counts, [0, 1, 2, 3], [0, *FALLBACK])
        contexts = len(levels[-1].symbol) if levels else 1
        total = np.bincount(gram.prefix, gram.counts, contexts)
        with np.errstate(invalid="ignore"):  # 0 / 0: nothing follows </s>
            share = np.bincount(gram.prefix, lost, contexts) / total
        prob = (gram.counts - lost) / total[gram.prefix] + share[gram.prefix] * lower[gram.suffix]
        if n == 1:
            prob[BOS] = 1  # as lmplz writes it; nothing asks for it
        else:
            levels[-1] = levels[-1]._replace(backoff=np.log(np.where(total > 0, share, 1)))
        levels.append(Level(gram.prefix, gram.symbol, np.log(prob), np.zeros(len(prob)), gram.suffix))
        lower = prob
    return NGram(symbols, levels, fallback_orders)


class _Grams(NamedTuple):
    """The n-grams of one order, sorted by prefix, then symbol."""

    prefix: np.ndarray
    symbol: np.ndarray
    suffix: np.ndarray
    counts: np.ndarray


def _numbered(
    sentences: Iterable[Sequence[str]], weights: Sequence[float] | None
) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
    """The symbols; ids, places in their sentence and weights of all symbols, with ``<s>`` and ``</s>``."""
    texts = list(sentences)
    weight = np.ones(len(texts)) if weights is None else np.asarray(weights, float)
    if weight.shape != (len(texts),):
        raise DataError(f"weights: {weight.size} weights for {len(texts)} sentences; give one for each")
    if not (np.isfinite(weight) & (weight >= 0)).all():
        worst = int(np.flatnonzero(~(np.isfinite(weight) & (weight >= 0)))[0])
        raise DataError(
            f"weights: {weight[worst]} for sentence {worst + 1}; give numbers from 0, such as frequencies"
        )
    if not weight.all():
        texts = [text for text, w in zip(texts, weight, strict=True) if w]
        weight = weight[weight > 0]
    if not texts:
        raise DataError("sentences: none to estimate a language model from; give at least one")
    known = set().union(*texts)
    if taken := sorted(known.intersection(SPECIAL)):
        raise DataError(f"sentences: {taken[0]} is a word of one; take it out, it has a meaning of its own")
    symbols = [*SPECIAL, *sorted(known)]
    number = {symbol: i for i, symbol in enumerate(symbols)}
    flat = array("i")  # a list would take nine times as much
    for text in texts:
        flat.append(BOS)
        flat.extend(map(number.__getitem__, text))
        flat.append(EOS)
    ids = np.frombuffer(flat, np.int32).astype(np.int64)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts)) + 2
    ends = np.cumsum(lengths)
    place = np.arange(len(ids)) - np.repeat(ends - lengths, lengths)
    return symbols, ids, place, np.repeat(weight, lengths)


def _count(ids: np.ndarray, place: np.ndarray, weight: np.ndarray, order: int, width: int) -> list[_Grams]:
    """The n-grams of each order and how often they occur."""
    none = np.zeros(width, np.int64)
    counts = np.bincount(ids[place > 0], weight[place > 0], width)
    grams = [_Grams(none, np.arange(width), none, counts)]
    rows = ids  # at each symbol the row of the n-gram that ends there
    for n in range(2, order + 1):
        ends = np.flatnonzero(place >= n - 1)
        keys, inverse = np.unique(rows[ends - 1] * width + ids[ends], return_inverse=True)
        suffix = np.empty(len(keys), np.int64)
        suffix[inverse] = rows[ends]
        counts = np.bincount(inverse, weight[ends], len(keys))
        grams.append(_Grams(keys // width, keys % width, suffix, counts))
        rows = np.full(len(ids), -1)
        rows[ends] = inverse
    return grams


def _adjusted(grams: list[_Grams], smoothing: Smoothing) -> list[_Grams]:
    """With counts of lower orders that say in how many contexts an n-gram is to be expected."""
    begins = [grams[0].symbol == BOS]
    for gram in grams[1:]:
        begins.append(begins[-1][gram.prefix])
    adjusted = [grams[-1]]
    for gram, begin in zip(grams[-2::-1], begins[-2::-1], strict=True):
        longer = adjusted[-1]
        adds = np.ones(len(longer.counts)) if smoothing == "kneser_ney" else _power(longer.counts, ADDED)
        different = np.bincount(longer.suffix, adds, len(gram.counts))
        adjusted.append(gram._replace(counts=np.where(begin, gram.counts, different)))
    return adjusted[::-1]


def _power(counts: np.ndarray, exponent: float) -> np.ndarray:
    return np.minimum(counts, counts**exponent)


def _lost(counts: np.ndarray, smoothing: Smoothing) -> np.ndarray | None:
    """What each count gives to symbols unseen behind its context; None where it cannot be estimated."""
    if smoothing == "power_law":
        return LOST * _power(counts, EXPONENT)
    discounts = _discounts(counts)
    return None if discounts is None else np.interp(counts, [0, 1, 2, 3], [0, *discounts])


def _discounts(counts: np.ndarray) -> tuple[float, float, float] | None:
    """D1, D2 and D3+ of Chen & Goodman's equation 26; None where counts of counts leave them undefined."""
    n1, n2, n3, n4 = (float(np.maximum(0, 1 - np.abs(counts - n)).sum()) for n in (1, 2, 3, 4))
    if not (n1 and n2 and n3):
        return None
    y = n1 / (n1 + 2 * n2)
    found = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    # lmplz keeps a discount of exactly 0, and may write a back-off weight of log 0
    return found if all(0 < d <= n for n, d in enumerate(found, start=1)) else None
