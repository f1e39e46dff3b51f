"""Mixtures of two tables, with figures worked out by hand."""

import math

import numpy as np
import pytest

from tests.lm.tables import Bigrams
from xlt.lm.estimate import estimate
from xlt.lm.mixture import Mixture, Part, learn_weights

# of texts: goes on over spaces
TEXTS = Bigrams(
    {
        "<s>": {"a": 0.6, "b": 0.2, "</s>": 0.1, "<unk>": 0.1},
        "a": {"a": 0.1, "b": 0.2, " ": 0.3, "</s>": 0.3, "<unk>": 0.1},
        "b": {"a": 0.3, "b": 0.1, " ": 0.2, "</s>": 0.3, "<unk>": 0.1},
        " ": {"a": 0.1, "b": 0.8, "<unk>": 0.1},
        "<unk>": {"a": 0.5, "</s>": 0.5},
    }
)
# of single words; it knows c, which TEXTS does not
WORDS = Bigrams(
    {
        "<s>": {"a": 0.5, "b": 0.25, "c": 0.2, "<unk>": 0.05},
        "a": {"b": 0.5, "</s>": 0.5},
        "b": {"</s>": 1.0},
        "c": {"a": 0.4, "</s>": 0.6},
        "<unk>": {"</s>": 1.0},
    }
)


@pytest.fixture
def mixture():
    parts = [Part("texts", TEXTS), Part("words", WORDS, restart=True)]
    return Mixture(parts, [0.75, 0.25], [" ", "a", "b", "c"], end_share=0.2)


def walk(mixture, text):
    """p of each symbol of a text, and of the end."""
    found, state = [], mixture.start()
    for symbol in text:
        logp, state = mixture.step(state, mixture.ids.get(symbol, 0))
        found.append(math.exp(logp))
    return [*found, math.exp(mixture.end(state))]


def test_parts_are_weighted_and_words_begin_anew_behind_a_space(mixture):
    a = 0.75 * 0.6 + 0.25 * 0.5
    space = 0.75 * 0.3 + 0.25 * 0.5 * 0.8  # the word ends, and four of five do so before another one
    b = 0.75 * 0.8 + 0.25 * 0.25  # of WORDS the first letter, not the one behind "a"
    end = 0.75 * 0.3 + 0.25 * 1.0 * 0.2
    assert walk(mixture, "a b") == pytest.approx([a, space, b, end], abs=1e-9)
    assert mixture.logp("a b") == pytest.approx(math.log(a * space * b * end))


def test_what_it_remembers_is_bounded_and_changes_nothing(mixture, monkeypatch):
    whole = walk(mixture, "ab ba ab a bab cab")
    monkeypatch.setattr("xlt.lm.mixture._MEMO", 2)
    parts = [Part("texts", TEXTS), Part("words", WORDS, restart=True)]
    small = Mixture(parts, [0.75, 0.25], [" ", "a", "b", "c"], end_share=0.2)
    assert walk(small, "ab ba ab a bab cab") == whole and len(small._steps) <= 2
    assert len(mixture._steps) > 2


def test_symbols_that_a_part_does_not_know_share_its_unknown(mixture):
    """TEXTS knows neither c nor what is in none; WORDS has nothing but the latter."""
    c, unknown = walk(mixture, "c")[0], walk(mixture, "ж")[0]
    assert c == pytest.approx(0.75 * 0.1 / 2 + 0.25 * 0.2)
    assert unknown == pytest.approx(0.75 * 0.1 / 2 + 0.25 * 0.05)
    assert walk(mixture, "ж") == walk(mixture, "☃")


@pytest.mark.parametrize("text", ["", "a", "a b", "c", "b a"])
def test_what_may_come_next_sums_to_one(mixture, text):
    state = mixture.start()
    for symbol in text:
        _, state = mixture.step(state, mixture.ids.get(symbol, 0))
    total = math.exp(mixture.end(state)) + sum(
        math.exp(mixture.step(state, symbol)[0]) for symbol in mixture.ids.values()
    )
    assert total == pytest.approx(1.0, abs=1e-6)


def test_estimated_parts_sum_to_one_too():
    parts = [
        Part("texts", estimate(map(list, ["ana are", "are mere", "ana"]), 4)),
        Part("words", estimate(["mere", "pere", "cd"], 5, [3.0, 2.5, 1.0]), restart=True),
    ]
    mixture = Mixture(parts, [0.4, 0.6], sorted(set("ana are mere pere cd x")), end_share=0.3)
    for text in ("", "an", "mere ", "ana x"):
        state = mixture.start()
        for symbol in text:
            state = mixture.step(state, mixture.ids[symbol])[1]
        logps = [mixture.end(state), *(mixture.step(state, s)[0] for s in mixture.ids.values())]
        assert sum(map(math.exp, logps)) == pytest.approx(1.0, abs=1e-5)


def test_equal_states_are_one(mixture):
    """A search asks for less where histories that matter no more are one state: both tables forget."""
    ends = []
    for text in ("a b", "b b"):
        state = mixture.start()
        for symbol in text:
            _, state = mixture.step(state, mixture.ids[symbol])
        ends.append(state)
    assert ends[0] == ends[1]


def test_probabilities_of_parts_are_those_of_the_weighted_sum(mixture):
    alone = mixture.probabilities(["a b", "c"])
    assert alone.shape == (2, 4 + 2)
    assert alone[0] == pytest.approx([0.6, 0.3, 0.8, 0.3, 0.05, 0.5])
    assert alone[1] == pytest.approx([0.5, 0.4, 0.25, 0.2, 0.2, 0.6 * 0.2])
    total = np.log([0.75, 0.25] @ alone).sum()
    assert total == pytest.approx(mixture.logp("a b") + mixture.logp("c"))


def test_weights_of_two_models_that_exclude_each_other_are_their_shares():
    """Where the one has p and the other 0, the likelihood is Π wᵢ^nᵢ: largest at wᵢ = nᵢ / n."""
    probabilities = np.array([[0.3, 0.2, 0.9, 0.0], [0.0, 0.0, 0.0, 0.5]])
    assert learn_weights(probabilities) == pytest.approx([0.75, 0.25])


def test_weights_are_the_likeliest():
    """(0.9 w + 0.1 (1 - w))² (0.1 w + 0.9 (1 - w)): the derivative is 0 at w = 17/24."""
    found = learn_weights(np.array([[0.9, 0.1, 0.9], [0.1, 0.9, 0.1]]))
    assert found == pytest.approx([17 / 24, 7 / 24], abs=1e-6)


def test_equal_models_keep_equal_weights():
    assert learn_weights(np.full((3, 5), 0.25)) == pytest.approx([1 / 3] * 3)
