"""N-gram models: lmplz's numbers, sums, weights, small texts."""

import numpy as np
import pytest

from tests.errors import raises
from xlt.core.errors import DataError
from xlt.lm.estimate import estimate

TEXT = """the rain falls on the roof
the old roof leaks in the rain
rain falls and the roof leaks
an old man sits in the rain
the old man mends the roof
the rain stops and the man sits on the roof
the man mends the old roof in the rain
a man sits on the old roof
the rain falls on the man
rain on the roof
the man sits in the rain and the rain falls
an old roof leaks""".splitlines()
TIMES = [3, 1, 1, 1, 2, 1, 1, 1, 5, 1, 1, 2]
ASKED = ["the old man falls", "a dog sits on the rain"]
POEM = ["the rain is on the roof", "the roof is old", "rain is rain", "an old roof in the rain"]


def sums(model) -> np.ndarray:
    """Of each state the sum of the probabilities of all that may follow, which <s> never does."""
    symbols = range(1, len(model.symbols))
    waiting, seen = [model.start(), model.empty()], {}
    while waiting:
        state = waiting.pop()
        if state not in seen:
            steps = [model.step(state, symbol) for symbol in symbols]
            seen[state] = sum(np.exp(logp) for logp, _ in steps)
            waiting += [after for _, after in steps]
    return np.array(list(seen.values()))


# log10 p of each symbol and </s> of ASKED by `lmplz -o ORDER --discount_fallback` and `query` of kenlm 0.3.0
WORDS = [
    [-0.42129487, -0.8868497, -0.41555458, -1.8291693, -0.6505373],
    [-1.2688351, -2.1127298, -1.3943057, -0.56579113, -0.38927436, -1.4532452, -0.7000493],
]
REPEATED = [
    [-0.18484658, -1.0447204, -0.35810676, -2.0363438, -0.6388543],
    [-1.4675561, -2.1259494, -1.3943057, -0.5459883, -0.082702115, -1.0864916, -1.039432],
]
LETTERS = [
    [-0.38592735, -0.17624947, -0.107581496, -0.08416494, -0.7145739, -0.04434872, -0.0318603]
    + [-0.024512839, -0.6922694, -0.17266332, -0.1651084, -0.40449828, -1.7610873, -0.1984867]
    + [-0.15482306, -0.027581727, -0.026821839, -0.5553355],
    [-1.011512, -0.629956, -1.9532924, -1.3671713, -2.0935953, -0.95808345, -1.0207334, -0.62709004]
    + [-0.20605834, -0.14317206, -0.021189326, -0.4874475, -0.22441453, -0.15231808, -0.05724781]
    + [-0.036681432, -0.03367956, -0.017284198, -0.14308842, -0.2159057, -0.020839874, -0.012054032]
    + [-0.4658914],
]


def steps(model, sentence) -> list[float]:
    """log10 p of each symbol and of </s>."""
    state, found = model.start(), []
    for symbol in [*map(model.id, sentence), 1]:
        logp, state = model.step(state, symbol)
        found.append(logp / np.log(10))
    return found


@pytest.mark.parametrize(
    ("split", "order", "weights", "expected", "perplexity", "fallback"),
    [
        (str.split, 3, None, WORDS, 10.169580518574014, (1,)),
        (str.split, 3, TIMES, REPEATED, 10.010169514857992, (1, 2)),
        (list, 6, None, LETTERS, 2.6910214595427324, ()),
    ],
)
def test_lmplz_finds_the_same(split, order, weights, expected, perplexity, fallback):
    model = estimate([split(text) for text in TEXT], order, weights)
    asked = [split(text) for text in ASKED]
    for sentence, logps in zip(asked, expected, strict=True):
        assert steps(model, sentence) == pytest.approx(logps, abs=2e-6)
        assert model.logp(sentence) == pytest.approx(sum(logps) * np.log(10), abs=1e-5)
    assert model.perplexity(asked) == pytest.approx(perplexity, rel=1e-5)
    assert model.fallback_orders == fallback


def test_lmplz_finds_the_same_of_two_words():
    model = estimate([["rain", "falls"]], 3)
    assert model.counts == (5, 3, 2)
    assert steps(model, ["rain", "falls"]) == pytest.approx([-0.18987952, -0.08464413, -0.08464413], abs=1e-6)
    assert model.step(model.empty(), 2)[0] / np.log(10) == pytest.approx(-0.90309, abs=1e-5)


@pytest.mark.parametrize("smoothing", ["kneser_ney", "power_law"])
@pytest.mark.parametrize("order", [1, 2, 3, 6])
@pytest.mark.parametrize(
    ("sentences", "weights"),
    [
        (POEM, None),
        ([text.split() for text in POEM], None),
        (POEM, [0.01, 1.5, 120, 3]),
        (["a"], None),
        ([""], None),
        (["aaaa"], None),
        (["ab", "ba"] * 5, None),
    ],
)
def test_probabilities_sum_to_one_in_every_state(sentences, weights, order, smoothing):
    assert sums(estimate(sentences, order, weights, smoothing)) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("smoothing", ["kneser_ney", "power_law"])
def test_a_whole_weight_is_a_repetition(smoothing):
    weighted = estimate(POEM, 4, [3, 1, 2, 0], smoothing)
    repeated = estimate([POEM[0]] * 3 + [POEM[1]] + [POEM[2]] * 2, 4, None, smoothing)
    assert weighted.symbols == repeated.symbols
    assert weighted.counts == repeated.counts
    texts = ["the old rain", "xyz", ""]
    assert [weighted.logp(text) for text in texts] == [repeated.logp(text) for text in texts]


def test_power_law_by_hand():
    """Order 2 of "ab" 16 times and "b" once. Counts of a: 16^0.4, of b: 16^0.4 + 1, of </s>: 17^0.4."""
    model = estimate(["ab", "b"], 2, [16, 1], "power_law")
    a, b, end = 16**0.4, 16**0.4 + 1, 17**0.4
    lost = [0.6 * count**0.75 for count in (a, b, end)]
    p_b = (b - lost[1] + sum(lost) / 4) / (a + b + end)  # four symbols: a, b, </s>, <unk>
    assert np.exp(model.step(model.empty(), model.id("b"))[0]) == pytest.approx(p_b)
    gone = [0.6 * 16**0.75, 0.6]  # of "<s> a" and "<s> b"
    p_start_b = (1 - gone[1] + sum(gone) * p_b) / 17
    assert np.exp(model.step(model.start(), model.id("b"))[0]) == pytest.approx(p_start_b)


def test_orders_without_counts_of_counts_are_named():
    assert estimate(["a"], 3).fallback_orders == (1, 2, 3)


@pytest.mark.parametrize(
    ("sentences", "weights", "facts"),
    [
        ([], None, ()),
        (["a"], [0.0], ()),
        (["a", "b"], [1.0], (1, 2)),
        (["a", "b"], [1.0, -2.0], (-2.0, 2)),
        (["a", "b"], [float("nan"), 1.0], ("nan", 1)),
        ([["a", "<unk>"]], None, ("<unk>",)),
    ],
)
def test_sentences_that_make_no_model(sentences, weights, facts):
    with raises(DataError, *facts):
        estimate(sentences, 2, weights)
