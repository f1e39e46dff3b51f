"""The prefix beam search against all that can be said, counted out."""

import itertools
import math

import numpy as np
import pytest

from xlt.decode import beam
from xlt.decode.beam import PrefixSearch

T, V = 5, 4  # frames; tokens: 0 the blank, 1 and 2 letters, 3 the end of sentence, which CTC never says


class Bigrams:
    """A language model: log p of each token by the one before it, and of the end."""

    def __init__(self, seed):
        rows = np.random.default_rng(seed).dirichlet(np.ones(V), size=V)
        self.rows = np.log(rows).tolist()

    def start(self):
        return 0

    def score(self, state, token):
        return self.rows[state][token], token

    def end(self, state):
        return self.rows[state][3]


def matrix(seed, frames=T, peaked=1.0):
    probs = np.random.default_rng(seed).dirichlet(np.full(V - 1, peaked), size=frames)
    return np.log(np.concatenate([probs, np.full((frames, 1), 1e-9)], axis=1))


def counted(log_probs, lms=(), weights=(), bonus=0.0, silent=()):
    """Of each label sequence its log probabilities by the acoustic model and with the rest, by going through
    all paths.
    """
    totals = {}
    for path in itertools.product(range(V - 1), repeat=len(log_probs)):
        ids = tuple(i for i, _ in itertools.groupby(path) if i)
        p = math.exp(sum(row[i] for row, i in zip(log_probs, path, strict=True)))
        totals[ids] = totals.get(ids, 0.0) + p
    found = {}
    for ids, p in totals.items():
        rest = bonus * sum(i not in silent for i in ids)
        for model, weight in zip(lms, weights, strict=True):
            state = model.start()
            for i in ids:
                logp, state = model.score(state, i)
                rest += weight * logp
            rest += weight * model.end(state)
        found[ids] = (math.log(p), rest)
    return found


CASES = [
    ([], [], 0.0),
    ([Bigrams(1)], [1.0], 0.0),
    ([Bigrams(2)], [0.7], 1.5),
    ([Bigrams(3), Bigrams(4)], [0.5, 0.25], -0.5),
    ([Bigrams(5), Bigrams(6)], [0.0, 2.0], 0.3),
]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("lms", "weights", "bonus"), CASES)
def test_a_wide_beam_finds_the_best_of_all(seed, lms, weights, bonus, monkeypatch):
    log_probs = matrix(seed)
    every = counted(log_probs, lms, weights, bonus)
    best = max(every, key=lambda ids: sum(every[ids]))
    found = PrefixSearch(lms, weights, bonus, 1000)(log_probs)
    assert tuple(found.ids) == best
    assert found.score == pytest.approx(
        sum(every[best]), abs=0.05
    )  # paths through unlikely prefixes are lost
    monkeypatch.setattr(beam, "LEAST", 0.0)
    monkeypatch.setattr(beam, "WIDEST", math.inf)
    exact = PrefixSearch(lms, weights, bonus, 1000, 1000)(log_probs)
    assert [one.ids for one in exact.nbest] == sorted(every, key=lambda ids: -sum(every[ids]))
    for one in exact.nbest:
        assert (one.acoustic, one.lm) == pytest.approx(every[one.ids], abs=1e-6)
        assert one.score == pytest.approx(one.acoustic + one.lm)


def test_languages_earn_no_bonus():
    log_probs = matrix(0)
    every = counted(log_probs, bonus=2.0, silent={1})
    found = PrefixSearch([], [], 2.0, 1000, silent={1})(log_probs)
    assert tuple(found.ids) == max(every, key=lambda ids: sum(every[ids]))
    assert found.nbest[0].lm == 2.0 * sum(i == 2 for i in found.ids)


def sure(path):
    """Frames that are sure of a token."""
    rows = np.full((len(path), V), 1e-9)
    rows[range(len(path)), path] = 1 - 3e-9
    return np.log(rows)


@pytest.mark.parametrize("size", [1, 32])
@pytest.mark.parametrize(
    ("path", "ids"),
    [
        ([1, 1, 2], [1, 2]),
        ([1, 0, 1, 1], [1, 1]),
        ([0, 0, 0], []),
        ([2], [2]),
        ([1, 2, 1, 2], [1, 2, 1, 2]),
        ([0, 1, 0, 1, 0, 1], [1, 1, 1]),
    ],
)
def test_repeats_are_one_letter_unless_a_blank_is_between(path, ids, size):
    found = PrefixSearch([], [], 0.0, size)(sure(path))
    assert found.ids == ids
    assert found.score == pytest.approx(0.0, abs=1e-6)


def test_no_frames_say_nothing():
    lm = Bigrams(0)
    found = PrefixSearch([lm], [0.5], 3.0, 8)(np.zeros((0, V)))
    assert found.ids == [] and found.score == pytest.approx(0.5 * lm.end(lm.start()))


def test_a_beam_of_one_keeps_the_best_prefix_of_each_frame():
    """Worked out: after the first frame "1" has 0.6 and nothing 0.4; the second adds 0.4 · 0.5 to "1"."""
    log_probs = np.log([[0.4, 0.6, 1e-9, 1e-9], [0.3, 0.5, 0.2, 1e-9]])
    found = PrefixSearch([], [], 0.0, 1)(log_probs)
    assert found.ids == [1] and found.score == pytest.approx(math.log(0.6 * (0.3 + 0.5)))
    every = PrefixSearch([], [], 0.0, 8)(log_probs)
    assert every.ids == [1] and every.score == pytest.approx(math.log(0.6 * 0.8 + 0.4 * 0.5))


def test_the_end_of_sentence_is_never_said():
    log_probs = np.log([[0.1, 0.2, 0.1, 0.6], [0.1, 0.2, 0.1, 0.6]])
    assert 3 not in PrefixSearch([], [], 0.0, 8)(log_probs).ids


def test_long_speech_neither_underflows_nor_loses_its_score():
    """3,000 frames of 0.2 for what is said: p is 10^-2097, far below the smallest float."""
    frames, path = 3000, [1, 2] * 1500
    probs = np.full((frames, V), 1e-12)
    probs[range(frames), path] = 0.2
    found = PrefixSearch([], [], 0.0, 4)(np.log(probs))
    assert found.ids == path and found.score == pytest.approx(frames * math.log(0.2), rel=1e-6)


@pytest.mark.parametrize("blank", [-200.0, -800.0, -np.inf])
def test_frames_without_any_likely_token_lose_nothing(blank):
    """Only the end of sentence, which is not said, has a probability there."""
    rows = np.array([[blank, -0.0, blank, blank], [blank] * 3 + [0.0]])
    found = PrefixSearch([], [], 0.0, 4)(np.concatenate([rows] * 12))
    assert isinstance(found.ids, list) and not math.isnan(found.score)


def test_a_language_model_that_forbids_a_letter_is_obeyed():
    class No1:
        def start(self):
            return ()

        def score(self, state, token):
            return (-math.inf if token == 1 else 0.0), ()

        def end(self, state):
            return 0.0

    found = PrefixSearch([No1()], [1.0], 0.0, 8)(sure([1, 2]))
    assert 1 not in found.ids
