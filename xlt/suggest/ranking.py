"""Which pieces of speech a model would learn most from, once a person has written what is said.

A piece is worth the letters that the model probably has wrong, and what its words add to the training texts:
letters, sounds and words that these lack, and recordings of which little is chosen yet. What is added counts
by the square root of how often it is there, so that the second time is worth less than the first (the feature
functions of Wei et al. 2014, doi 10.1109/ICASSP.2014.6854213), and a word that is doubtful counts by its
confidence. The gain by second is greatest first; the sum is submodular, so a gain that was computed earlier
is never too small, and only the best one must be computed anew (Minoux 1978).

U units of a kind.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from xlt.core.config import Config

UNSURE, LETTERS, SOUNDS, WORDS, RECORDINGS = "unsure", "letters", "sounds", "words", "recordings"
WEIGHTS = {UNSURE: 1.0, LETTERS: 0.25, SOUNDS: 0.5, WORDS: 0.25, RECORDINGS: 0.25}
EXTRA_S = 1.0  # that a piece costs a person beside its length, so that the shortest ones do not always win

Sounds = Callable[[str], list[str]]  # a word → phones, or what stands for them


class Candidate(NamedTuple):
    """``words``: with the probability that each is right; ``recording``: any name of it."""

    seconds: float
    recording: str
    words: Sequence[tuple[str, float]]


def trigrams(word: str) -> list[str]:
    """What stands for the sounds of a word where phones are not asked for.

    >>> trigrams("dub")
    ['‹du', 'dub', 'ub›']
    """
    whole = f"‹{word}›"
    return [whole[at : at + 3] for at in range(max(1, len(whole) - 2))]


def sounds_of(words: Iterable[str], cfg: Config, phones: bool = False) -> tuple[dict[str, list[str]], str]:
    """What stands for the sounds of each word, and what that is: trigrams of letters, or with ``phones`` its
    phones and the pairs of them, by the converter of the language. ConfigError where there is none.
    """
    every = sorted(set(words))
    if not phones:
        return {word: trigrams(word) for word in every}, "letter trigrams"
    from xlt.phones.choice import choose
    from xlt.phones.g2p import G2p

    choice = choose(cfg.language, cfg.phones)
    found = {}
    for word, own in zip(every, G2p(choice)(every), strict=True):
        found[word] = [*own, *map(" ".join, zip(own, own[1:], strict=False))]
    return found, f"phones and pairs of them ({choice})"


def units(candidate: Candidate, sounds: Sounds) -> dict[str, Counter[str]]:
    """What a piece adds, by kind, each unit as often as it is said, times the confidence of its word;
    seconds of its recording.
    """
    found: dict[str, Counter[str]] = {LETTERS: Counter(), SOUNDS: Counter(), WORDS: Counter()}
    for word, sure in candidate.words:
        found[WORDS][word] += sure  # type: ignore[assignment]
        for kind, own in ((LETTERS, word), (SOUNDS, sounds(word))):
            for unit in own:
                found[kind][unit] += sure  # type: ignore[assignment]
    found[RECORDINGS] = Counter({candidate.recording: candidate.seconds})  # type: ignore[dict-item]
    return found


def of_texts(texts: Iterable[str], sounds: Sounds) -> dict[str, Counter[str]]:
    """The same of the training texts, all of whose words are right."""
    found: dict[str, Counter[str]] = {LETTERS: Counter(), SOUNDS: Counter(), WORDS: Counter()}
    for word, count in Counter(word for text in texts for word in text.split()).items():
        found[WORDS][word] = count
        for kind, own in ((LETTERS, word), (SOUNDS, sounds(word))):
            for unit in own:
                found[kind][unit] += count
    return found


class _Kind:
    """One kind of unit: how often each is there, (U,), and for each piece the places of its own units and
    what it adds to them."""

    def __init__(self, before: Mapping[str, float], pieces: Sequence[Mapping[str, float]]):
        names = {unit: place for place, unit in enumerate({unit for own in pieces for unit in own})}
        self.there = np.array([float(before.get(unit, 0)) for unit in names])
        self.places = [np.array([names[unit] for unit in own], int) for own in pieces]
        self.adds = [np.array(list(own.values()), float) for own in pieces]
        mean = float(np.mean([self.gain(number) for number in range(len(pieces))])) if pieces else 0.0
        self.scale = 1 / mean if mean > 0 else 0.0

    def gain(self, number: int) -> float:
        there = self.there[self.places[number]]
        return float((np.sqrt(there + self.adds[number]) - np.sqrt(there)).sum())

    def take(self, number: int) -> None:
        np.add.at(self.there, self.places[number], self.adds[number])


def choose(
    candidates: Sequence[Candidate],
    trained: Mapping[str, Mapping[str, float]],
    sounds: Sounds,
    budget_s: float,
) -> list[int]:
    """The numbers of the pieces to transcribe, the best first, together at most ``budget_s`` seconds.

    ``trained``: :func:`of_texts` of the training. Each part of the gain is divided by its mean over all
    pieces before WEIGHTS weigh it.
    """
    wrong = np.array([sum(len(word) * (1 - sure) for word, sure in one.words) for one in candidates])
    wrong = wrong / wrong.mean() if len(wrong) and wrong.any() else wrong
    added = [units(one, sounds) for one in candidates]
    kinds = {
        kind: _Kind(trained.get(kind, {}), [own[kind] for own in added])
        for kind in (LETTERS, SOUNDS, WORDS, RECORDINGS)
    }

    def rate(number: int) -> float:
        new = sum(WEIGHTS[name] * kind.scale * kind.gain(number) for name, kind in kinds.items())
        return (WEIGHTS[UNSURE] * wrong[number] + new) / (candidates[number].seconds + EXTRA_S)

    waiting = [(-rate(number), number) for number in range(len(candidates))]
    heapq.heapify(waiting)
    chosen: list[int] = []
    left_s = budget_s
    while waiting:
        _, number = heapq.heappop(waiting)
        if candidates[number].seconds > left_s:
            continue
        now = (-rate(number), number)
        if waiting and now > waiting[0]:
            heapq.heappush(waiting, now)
            continue
        chosen.append(number)
        left_s -= candidates[number].seconds
        for kind in kinds.values():
            kind.take(number)
    return chosen
