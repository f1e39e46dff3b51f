"""Words from the phones that CTC hears: tokens are passed through the prefix tree of a lexicon, and the best
one to each place is kept (Young et al. 1989, "Token passing").

T frames, V tokens of the model, P phones and N nodes of the lexicon, A places that have a token.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from xlt import lm
from xlt.core.context import Context
from xlt.core.errors import ConfigError
from xlt.core.settings import DecodeConfig
from xlt.decode.decoder import Decoded, Spelled, weights_of
from xlt.nets.paths import BLANK_ID, as_array, best_path

if TYPE_CHECKING:
    from xlt.lm.lexicon import Lexicon, Written
    from xlt.models.family import Model
    from xlt.tokens.tokenizer import Tokenizer

LEXICON = "lexicon"  # the method
BEAM_SIZE = 200  # what decode.beam_size=null means here
WEIGHT, BONUS = 0.5, -3.0  # where no transcript may say what is best
# chosen on dev of Greek, Belarusian, Catalan and Danish, of which the phone model had heard nothing
SHARE, WIDTH = 0.3, 0.025  # how phones are mistaken: see xlt.phones.confusion
BLANK = 1.5  # nats that the blank loses: in a language of which it knows nothing, a model leaves phones out
FLOOR = 0.001  # share of each frame that the blank and all phones have alike: for phones left out or put in
QUIET = np.log(1e-3)  # a frame in which all phones are less likely is only waited for
WIDEST = 20.0  # nats below the best token at which one is given up
REMEMBERED = 200_000  # words behind what was before them whose scores are known
ENDS = 64  # tokens at most that go on to a new word in a frame


class ByLexicon:
    """See :class:`~xlt.decode.decoder.Decoder`. ``lms``: of whole words, :class:`xlt.lm.lexicon.Written`."""

    settings: tuple[str, ...] = ("lm", "decode.beam_size", "decode.lm_weight", "decode.length_bonus")
    batched = True
    uses_lm = True

    @classmethod
    def files(cls, ctx: Context) -> list[Path]:
        return lm.files(ctx)

    def __init__(self, model: Model, decode: DecodeConfig, lms: Sequence[Written]):
        from xlt.lm.lexicon import Written

        if not lms or not all(isinstance(one, Written) for one in lms):
            raise ConfigError(
                f"decode.method={LEXICON}: the language model has no lexicon; make one by stage 5 with"
                " lm.spell=true"
            )
        self.model, self.lexicon = model, lms[0].lexicon
        weights, bonus = weights_of(decode, len(lms))
        self.search = WordSearch(lms, weights, bonus, decode.beam_size or BEAM_SIZE)
        self.spread = Spread(model.tokenizer, self.lexicon.phones)

    def __call__(self, inputs: list[np.ndarray]) -> list[Decoded]:
        probs, lengths = self.model.log_probs(inputs)  # (B, T, V), (B,)
        found = []
        for row, length in zip(as_array(probs), lengths.tolist(), strict=True):
            words, score = self.search(*self.spread(row[:length]))
            phones = [self.lexicon.pronounced(word) for word in words]
            ids = [self.spread.nearest[phone] for each in phones for phone in each]
            spelled = tuple(
                Spelled(self.lexicon.words[word], len(each)) for word, each in zip(words, phones, strict=True)
            )
            path = best_path(row[:length].argmax(axis=-1))
            found.append(Decoded(ids, score, best_path=path, spelled=spelled))
        return found


class Spread:
    """Turns the probabilities of a model's tokens into those of the lexicon's phones and of the blank, spread
    over phones that sound alike.

    ``nearest``: of each of the lexicon's phones the token that is most like it.
    """

    def __init__(self, tokenizer: Tokenizer, phones: Sequence[str]):
        from xlt.phones.confusion import confusion

        known = tokenizer.symbols()
        self.ids = [i for i, token in enumerate(tokenizer.tokens) if token in known]
        self.table = confusion([tokenizer.tokens[i] for i in self.ids], phones, SHARE, WIDTH)  # (tokens, P)
        self.nearest = [self.ids[i] for i in self.table.argmax(axis=0)]

    def __call__(self, log_probs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Natural logs (T, V) → (T, P), (T,)."""
        probs = np.exp(log_probs.astype(np.float64))
        probs[:, BLANK_ID] *= np.exp(-BLANK)
        probs /= probs.sum(axis=1, keepdims=True)
        even = FLOOR / (self.table.shape[1] + 1)
        phones = (1 - FLOOR) * probs[:, self.ids] @ self.table + even
        return np.log(phones), np.log((1 - FLOOR) * probs[:, BLANK_ID] + even)


class Tokens(NamedTuple):
    """What is passed through the tree, arrays (A,). ``state``: number of the language models' states;
    ``node``: where it is; ``blank``: whether the last frame was one; ``record``: the words before, a place in
    a list of (record before, word).
    """

    state: np.ndarray
    node: np.ndarray
    blank: np.ndarray
    score: np.ndarray
    record: np.ndarray

    def only(self, rows: np.ndarray) -> Tokens:
        return Tokens(*(column[rows] for column in self))


class WordSearch:
    """Finds the words w with the largest log p(phones of w | sound) + Σ vᵢ log pᵢ(w) + bonus · |w|, on the
    best path. Inside a word, the score has what the likeliest word that is still possible would cost.
    """

    def __init__(self, lms: Sequence[Written], weights: Sequence[float], bonus: float, size: int):
        self.lms = [(model, weight) for model, weight in zip(lms, weights, strict=True) if weight]
        self.lexicon: Lexicon = lms[0].lexicon
        self.bonus, self.size = bonus, size
        self.ahead = self.lexicon.below * sum(weights)  # (N,)
        ends = self.lexicon.here > -np.inf
        self.here = np.where(ends, np.where(ends, self.lexicon.here, 0.0) * sum(weights), -np.inf)  # (N,)
        self._states: list[tuple[Any, ...]] = []
        self._numbers: dict[tuple[Any, ...], int] = {}
        self._words: dict[tuple[int, int], tuple[float, int]] = {}

    def __call__(self, phones: np.ndarray, blank: np.ndarray) -> tuple[list[int], float]:
        """Natural log p of the lexicon's phones (T, P) and of the blank (T,) → the words, as places in the
        lexicon, and their score.
        """
        if len(self._words) > REMEMBERED:  # of all utterances so far; numbers count within one
            self._states.clear()
            self._numbers.clear()
            self._words.clear()
        records = [(-1, -1)]
        first = np.array([self._number(tuple(model.start() for model, _ in self.lms))])
        zero = np.zeros(1, np.int64)
        now = Tokens(first, zero, np.ones(1, bool), self.ahead[zero], zero)
        quiet = phones.max(axis=1) < QUIET
        for row, waiting, silent in zip(phones, blank.tolist(), quiet.tolist(), strict=True):
            now = self._step(now, row, waiting, records, silent)
        return self._finish(now, records)

    def _number(self, state: tuple[Any, ...]) -> int:
        number = self._numbers.get(state)
        if number is None:
            number = self._numbers[state] = len(self._states)
            self._states.append(state)
        return number

    def _word(self, state: int, word: int) -> tuple[float, int]:
        """Weighted log p of a word and the bonus, and the state behind it."""
        found = self._words.get((state, word))
        if found is None:
            total, behind = self.bonus, []
            for (model, weight), own in zip(self.lms, self._states[state], strict=True):
                logp, after = model.word(own, word)
                total += weight * logp
                behind.append(after)
            found = self._words[state, word] = (total, self._number(tuple(behind)))
        return found

    def _step(
        self, now: Tokens, phones: np.ndarray, blank: float, records: list[tuple[int, int]], silent: bool
    ) -> Tokens:
        waiting = now._replace(blank=np.ones(len(now.node), bool), score=now.score + blank)
        same = now.only(~now.blank)
        same = same._replace(score=same.score + phones[self.lexicon.phone[same.node]])
        parts = [waiting, same]
        if not silent:
            parts += [self._deeper(now, phones), self._anew(self._ended(now, records), phones)]
        return self._best(Tokens(*(np.concatenate(column) for column in zip(*parts, strict=True))))

    def _deeper(self, now: Tokens, phones: np.ndarray) -> Tokens:
        """From each node to its children."""
        lex = self.lexicon
        counts = lex.children[now.node]
        source = np.repeat(np.arange(len(counts)), counts)
        nth = np.arange(len(source)) - np.repeat(counts.cumsum() - counts, counts)
        child = lex.first[now.node[source]] + nth
        gain = phones[lex.phone[child]] + self.ahead[child] - self.ahead[now.node[source]]
        found = Tokens(
            now.state[source], child, np.zeros(len(child), bool), now.score[source] + gain, now.record[source]
        )
        return found.only(now.blank[source] | (lex.phone[child] != lex.phone[now.node[source]]))

    def _ended(self, now: Tokens, records: list[tuple[int, int]]) -> list[tuple[int, int, float, int]]:
        """Where words end: the state behind one, its last phone (-1 behind a blank), score and record."""
        lex = self.lexicon
        score = now.score - self.ahead[now.node] + self.here[now.node]
        at = np.nonzero(score > score.max() - WIDEST)[0]
        if len(at) > ENDS:
            at = at[np.argpartition(-score[at], ENDS)[:ENDS]]
        best: dict[tuple[int, int], tuple[float, int, int]] = {}
        for i in at.tolist():
            node, state, before = int(now.node[i]), int(now.state[i]), int(now.record[i])
            so_far = float(now.score[i] - self.ahead[node])
            last = -1 if now.blank[i] else int(lex.phone[node])
            for word in range(lex.word_first[node], lex.word_first[node + 1]):
                gain, behind = self._word(state, word)
                known = best.get((behind, last))
                if known is None or so_far + gain > known[0]:
                    best[behind, last] = (so_far + gain, before, word)
        found = []
        for (behind, last), (total, before, word) in best.items():
            found.append((behind, last, total, len(records)))
            records.append((before, word))
        return found

    def _anew(self, ended: list[tuple[int, int, float, int]], phones: np.ndarray) -> Tokens:
        """From the ends of words to the first phones of others."""
        lex = self.lexicon
        roots = np.arange(lex.first[0], lex.first[0] + lex.children[0])
        state, last, score, record = (
            np.array([row[i] for row in ended], float if i == 2 else np.int64) for i in range(4)
        )
        gain = phones[lex.phone[roots]] + self.ahead[roots]
        found = Tokens(
            np.repeat(state, len(roots)),
            np.tile(roots, len(state)),
            np.zeros(len(roots) * len(state), bool),
            (score[:, None] + gain).ravel(),
            np.repeat(record, len(roots)),
        )
        return found.only((lex.phone[roots] != last[:, None]).ravel())

    def _best(self, all_: Tokens) -> Tokens:
        """The best token at each place, of the ``size`` best places."""
        limit = all_.score.max() - WIDEST
        if len(all_.score) > 3 * self.size:  # before sorting, which takes longest
            limit = max(limit, np.partition(all_.score, -3 * self.size)[-3 * self.size])
        near = all_.only(all_.score >= limit)
        place = 2 * (near.state * len(self.lexicon.phone) + near.node) + near.blank
        order = np.lexsort((-near.score, place))
        place = place[order]
        near = near.only(order[np.concatenate([[True], place[1:] != place[:-1]])])
        if len(near.score) > self.size:
            near = near.only(np.argpartition(-near.score, self.size)[: self.size])
        return near

    def _finish(self, now: Tokens, records: list[tuple[int, int]]) -> tuple[list[int], float]:
        """The best way to say whole words; where none ends here, the last one is given up."""
        lex = self.lexicon
        best, record, last = -np.inf, 0, -1
        for i in np.nonzero((lex.here[now.node] > -np.inf) | (now.node == 0))[0].tolist():
            node, states = int(now.node[i]), self._states[int(now.state[i])]
            so_far = float(now.score[i] - self.ahead[node])
            pairs = list(zip(self.lms, states, strict=True))
            totals = [
                (self.bonus + sum(weight * model.last(own, word) for (model, weight), own in pairs), word)
                for word in range(lex.word_first[node], lex.word_first[node + 1])
            ]
            if not node:
                totals = [(sum(weight * model.empty(own) for (model, weight), own in pairs), -1)]
            for total, word in totals:
                if so_far + total > best:
                    best, record, last = so_far + total, int(now.record[i]), word
        if best == -np.inf:
            i = int(now.score.argmax())
            best, record = float(now.score[i]), int(now.record[i])
        words = [last] if last >= 0 else []
        while record > 0:
            record, word = records[record]
            words.append(word)
        return words[::-1], best
