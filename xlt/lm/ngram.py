"""Back-off n-gram models in memory: asked symbol by symbol, kept in one .npz file."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from xlt.core.errors import DataError
from xlt.formats.arrays import read_arrays

BOS, EOS, UNK = 0, 1, 2
SPECIAL = ("<s>", "</s>", "<unk>")
LN10 = math.log(10)
FORMAT = 1
_MEMO = 200_000  # answers that step() keeps, about 45 MB
_AT_ONCE = 100_000  # nodes whose suffixes are looked for


class Level(NamedTuple):
    """The n-grams of one order, sorted by ``prefix``, then ``symbol``; arrays of one length."""

    prefix: np.ndarray  # row of the first n - 1 symbols in the level below; 0 for single symbols
    symbol: np.ndarray  # id of the last symbol; single symbols are all ids in order
    logp: np.ndarray  # natural
    backoff: np.ndarray  # natural; 0 where nothing follows, and all of the highest order
    suffix: np.ndarray | None = None  # row of the last n - 1 symbols in the level below, if all are there


class Stepwise:
    """What can be said of sentences by any model that has ``start``, ``step`` and ``id``."""

    def id(self, symbol: str) -> int:
        raise NotImplementedError

    def start(self) -> Any:
        raise NotImplementedError

    def step(self, state: Any, symbol: int) -> tuple[float, Any]:
        raise NotImplementedError

    def knows(self, symbol: str) -> bool:
        """Whether ``symbol`` is one of the model's own."""
        return self.id(symbol) != UNK

    def logp(self, sentence: Sequence[str]) -> float:
        """Natural log p of a whole sentence, with ``</s>``."""
        state, total = self.start(), 0.0
        for symbol in sentence:
            logp, state = self.step(state, self.id(symbol))
            total += logp
        return total + self.step(state, EOS)[0]

    def perplexity(self, sentences: Iterable[Sequence[str]]) -> float:
        """Per symbol, with ``</s>`` and unknown symbols (lmplz's "including OOVs"); nan without sentences."""
        total, n = 0.0, 0
        for sentence in sentences:
            total += self.logp(sentence)
            n += len(sentence) + 1
        return math.exp(-total / n) if n else math.nan


class NGram(Stepwise):
    """p(symbol | the symbols before), with backing off to shorter contexts.

    The n-grams are nodes of a trie, numbered level by level: 0 is the empty one, then come single symbols,
    then pairs. The children of a node are consecutive and sorted by symbol. A state is the node of the
    longest context that something depends on.

    ``fallback_orders``: orders whose discounts :func:`xlt.lm.estimate.estimate` could not estimate.
    """

    def __init__(self, symbols: Sequence[str], levels: Sequence[Level], fallback_orders: Sequence[int] = ()):
        symbol = np.concatenate([np.zeros(1), *(level.symbol for level in levels)])
        logp = np.concatenate([np.zeros(1), *(level.logp for level in levels)])
        backoff = np.concatenate([np.zeros(1), *(level.backoff for level in levels[:-1])])
        counts = [len(level.symbol) for level in levels]
        bases = [0, *_starts(counts)]
        parent = np.concatenate([base + level.prefix for base, level in zip(bases, levels, strict=False)])
        children = np.bincount(parent, minlength=len(backoff))
        suffixes = [level.suffix for level in levels]
        self._set(symbols, counts, children, symbol, logp, backoff, suffixes, fallback_orders)

    def _set(
        self,
        symbols: Sequence[str],
        counts: Sequence[int],
        children: np.ndarray,
        symbol: np.ndarray,
        logp: np.ndarray,
        backoff: np.ndarray,
        suffixes: Sequence[np.ndarray | None],
        fallback_orders: Sequence[int],
    ) -> None:
        """``children`` and ``backoff``: of the inner nodes, which are all but those of the highest order;
        ``symbol`` and ``logp``: of all; ``suffixes``: by level, as :class:`Level` has them.
        """
        self.symbols, self.counts, self.order = tuple(symbols), tuple(counts), len(counts)
        self.fallback_orders = tuple(fallback_orders)
        self._ids = {symbol: i for i, symbol in enumerate(self.symbols)}
        self._symbol = symbol.astype(np.min_scalar_type(max(1, len(symbols) - 1)), copy=False)
        self._logp = logp.astype(np.float32, copy=False)
        self._backoff = backoff.astype(np.float32, copy=False)
        self._first = np.ones(len(children) + 1, np.int32)
        np.cumsum(children, out=self._first[1:])
        self._first[1:] += 1
        self._next = np.arange(len(symbol), dtype=np.int32)
        self._shorter = np.zeros(len(children), np.int32)
        live = (children > 0) | (self._backoff != 0)
        for here, suffix in self._suffixes(suffixes):
            # what has no continuation and no back-off weight is to the future as its suffix
            shorter = self._next[suffix]
            if here.stop <= len(children):
                self._next[here] = np.where(live[here], self._next[here], shorter)
                self._shorter[here] = shorter
            else:
                self._next[here] = shorter
        self._views()

    def _suffixes(self, known: Sequence[np.ndarray | None]) -> Iterator[tuple[slice, np.ndarray]]:
        """Of each level its nodes, and the node of the longest shorter n-gram that ends as each of them."""
        starts, width, inner = _starts(self.counts), len(self.symbols), len(self._first) - 1
        suffix, keys = np.zeros(inner, np.int32), np.zeros(inner - 1, np.int64)  # of all nodes but the first
        for n, (low, high) in enumerate(zip(starts, starts[1:], strict=False)):
            given, here = known[n], self._symbol[low:high]
            above = self._parents(starts[n - 1] if n else 0, low)
            if not n:
                found = np.zeros(high - low, np.int32)
            elif given is not None:
                found = (starts[n - 1] + given).astype(np.int32)
            else:
                found = np.zeros(high - low, np.int32)
                for at in range(0, high - low, _AT_ONCE):
                    part = slice(at, at + _AT_ONCE)
                    found[part] = _suffixes(keys[: low - 1], suffix, above[part], here[part], width)
            if high <= inner:
                suffix[low:high] = found
                keys[low - 1 : high - 1] = above.astype(np.int64) * width + here
            yield slice(low, high), found

    def _parents(self, low: int, high: int) -> np.ndarray:
        """Each of the inner nodes ``low`` to ``high`` as often as it has children."""
        return np.repeat(np.arange(low, high, dtype=np.int32), np.diff(self._first[low : high + 1]))

    def _views(self) -> None:
        # items of a memoryview are Python's own numbers, which numpy's scalars are five times slower than
        self._v_symbol, self._v_logp = memoryview(self._symbol), memoryview(self._logp)
        self._v_backoff, self._v_first = memoryview(self._backoff), memoryview(self._first)
        self._v_shorter, self._v_next = memoryview(self._shorter), memoryview(self._next)
        self._memo: dict[int, tuple[float, int]] = {}
        self._width = len(self.symbols)

    def __reduce__(self):  # memoryviews cannot be pickled
        return NGram, (self.symbols, self.levels(), self.fallback_orders)

    @property
    def states(self) -> int:
        """A number that is larger than each state."""
        return len(self._shorter)

    def id(self, symbol: str) -> int:
        """The id of ``symbol``, that of ``<unk>`` if the model does not know it."""
        return self._ids.get(symbol, UNK)

    def start(self) -> int:
        """The state at the beginning of a sentence, after ``<s>``."""
        return self._v_next[1 + BOS]

    def empty(self) -> int:
        """The state without any context."""
        return 0

    def step(self, state: int, symbol: int) -> tuple[float, int]:
        """Natural log p(symbol | state), and the state behind it."""
        key = state * self._width + symbol
        found = self._memo.get(key)
        if found is None:
            if len(self._memo) >= _MEMO:
                self._memo.clear()
            found = self._memo[key] = self.look_up(state, symbol)
        return found

    def look_up(self, state: int, symbol: int) -> tuple[float, int]:
        """As :meth:`step`, which remembers its answers."""
        logp = 0.0
        node = state
        while node:
            end = self._v_first[node + 1]
            child = bisect_left(self._v_symbol, symbol, self._v_first[node], end)
            if child < end and self._v_symbol[child] == symbol:
                break
            logp += self._v_backoff[node]
            node = self._v_shorter[node]
        else:
            child = 1 + symbol
        return logp + self._v_logp[child], self._v_next[child]

    def levels(self) -> list[Level]:
        """The n-grams by order, as the constructor takes them, without suffixes."""
        starts = _starts(self.counts)
        backoff = np.concatenate([self._backoff, np.zeros(self.counts[-1], np.float32)])
        found = []
        for n, (low, high) in enumerate(zip(starts, starts[1:], strict=False)):
            base = starts[n - 1] if n else 0
            symbol = self._symbol[low:high].astype(np.int32)
            prefix = self._parents(base, low).astype(np.int64) - base
            found.append(Level(prefix, symbol, self._logp[low:high], backoff[low:high]))
        return found

    def suffixes(self) -> np.ndarray:
        """Of each node, 0 included, the node of the longest shorter n-gram that ends alike."""
        levels = [suffix for _, suffix in self._suffixes([None] * self.order)]
        return np.concatenate([np.zeros(1, np.int64), *levels]).astype(np.int64)

    def save(self, path: Path) -> None:
        """Write the model to ``path``, an .npz file; equal models are equal to the byte."""
        with path.open("wb") as file:
            np.savez_compressed(
                file,
                format=np.array([FORMAT]),
                symbols=np.frombuffer("\n".join(self.symbols).encode(), np.uint8),
                counts=np.array(self.counts, np.int64),
                children=_small(np.diff(self._first)),
                symbol=_small(self._symbol[1:]),
                logp=self._logp[1:],
                backoff=self._backoff[1:],
                fallback_orders=np.array(self.fallback_orders, np.int64),
            )

    @classmethod
    def load(cls, path: Path) -> NGram:
        """The model that :meth:`save` wrote; DataError if it is missing, damaged or from a newer xlt."""
        remedy = "run stage 5 again with --force, or copy the file again"
        try:
            stored = read_arrays(path)
            if (version := int(stored["format"][0])) > FORMAT:
                raise DataError(f"{path}: a model of format {version}, from a newer xlt; update xlt")
            return _from_arrays(stored)
        except FileNotFoundError:
            raise DataError(f"{path}: no such file; {remedy}") from None
        except (OSError, EOFError, ValueError, KeyError, IndexError, AttributeError) as err:
            raise DataError(f"{path}: damaged ({type(err).__name__}: {err}); {remedy}") from err


def _from_arrays(stored: dict[str, np.ndarray]) -> NGram:
    """ValueError if the arrays contradict each other."""
    symbols = bytes(stored["symbols"]).decode().split("\n")
    counts = [int(n) for n in stored["counts"]]
    children, symbol = stored["children"], stored["symbol"]
    logp, backoff = stored["logp"], stored["backoff"]
    inner = 1 + sum(counts[:-1])
    if not (
        counts
        and min(counts) >= 0
        and tuple(symbols[:3]) == SPECIAL
        and len(set(symbols)) == len(symbols) == counts[0]
        and len(children) == inner == len(backoff) + 1
        and len(symbol) == len(logp) == sum(counts) == children.sum(dtype=np.int64)
        and np.array_equal(symbol[: counts[0]], np.arange(counts[0]))
        and not (np.isnan(logp).any() or np.isnan(backoff).any())
    ):
        raise ValueError("its arrays do not fit each other")
    starts = _starts(counts)
    for n, (low, high) in enumerate(zip(starts, starts[1:], strict=False)):
        base = starts[n - 1] if n else 0
        here, own = children[base:low], symbol[low - 1 : high - 1]
        if here.sum(dtype=np.int64) != high - low:
            raise ValueError("its orders are mixed up")
        keys = np.repeat(np.arange(len(here)), here) * len(symbols) + own
        if (own >= len(symbols)).any() or (np.diff(keys) <= 0).any():
            raise ValueError("its n-grams are not sorted")
    made = NGram.__new__(NGram)
    none, orders = np.zeros(1, np.uint8), [int(n) for n in stored["fallback_orders"]]
    stored.clear()  # what is copied is given back at once
    symbol, logp, backoff = (np.concatenate([none, part]) for part in (symbol, logp, backoff))
    made._set(symbols, counts, children, symbol, logp, backoff, [None] * len(counts), orders)
    return made


def _small(numbers: np.ndarray) -> np.ndarray:
    """Whole numbers from 0 as the smallest type that holds them."""
    return numbers.astype(np.min_scalar_type(int(numbers.max(initial=0))))


def _starts(counts: Sequence[int]) -> list[int]:
    """The first node of each level, and behind the last one; node 0 is the empty n-gram."""
    return [1, *(1 + np.cumsum(counts)).tolist()]


def _suffixes(
    keys: np.ndarray, suffix: np.ndarray, parent: np.ndarray, symbol: np.ndarray, width: int
) -> np.ndarray:
    """Of each n-gram the node of the longest shorter one that ends alike, which must be there.

    Files of other programs may lack some n-grams: then it is the next shorter one. ``keys``: of all nodes
    parent * width + symbol, sorted; ``suffix``: that of all shorter nodes.
    """
    found = np.zeros(len(symbol), np.int64)
    missing = np.arange(len(symbol))
    context = suffix[parent].astype(np.int64)
    while len(missing):
        wanted = context[missing] * width + symbol[missing]
        at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        hit = keys[at] == wanted
        found[missing[hit]] = 1 + at[hit]
        missing = missing[~hit]
        context[missing] = suffix[context[missing]]
    return found
