"""The search against all ways there are, and a narrow band against a wide one."""

import itertools

import numpy as np
import pytest

from xlt.align.search import Costs, Text, best_way, spot

BLANK, A, B, C = range(4)


def ways(labels):
    """All sequences of states of CTC with a star in the place of the first and the last blank, by hand: each
    frame is a place of ``* a - b … *``; it stays, goes on by one, or over a blank between labels that differ.
    """
    states = ["*"]
    for label in labels:
        states += [label, BLANK]
    states[-1] = "*"
    return states


def best_by_hand(values, labels, reward):
    """The best score of one unit in all frames, the star or its last label at the end, or nothing of it."""
    states = ways(labels)
    best = 0.0
    for path in itertools.product(range(len(states)), repeat=len(values)):
        full = (0, *path)
        fits = full[-1] >= len(states) - 2
        score = 0.0
        for before, now in itertools.pairwise(full):
            step = now - before
            skip = step == 2 and states[now] not in ("*", BLANK) and states[now] != states[before]
            fits = fits and (step in (0, 1) or (skip and before % 2 == 1))
            score += reward if step and now % 2 else 0.0
        if fits:
            score += sum(0.0 if states[s] == "*" else values[t, states[s]] for t, s in enumerate(path))
            best = max(best, score)
    return best


def score_of(values, way, labels, reward):
    used = way.starts[0] >= 0
    return float(reward * len(labels) - way.costs.sum()) if used else 0.0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("labels", [[A], [A, B], [A, A], [B, A, C]])
def test_the_way_is_the_best_of_all(seed, labels):
    rng = np.random.default_rng(seed)
    values = -rng.exponential(2.0, (6, 4))
    reward = 1.5
    way = best_way(values.astype(np.float32), Text([labels]), Costs(reward, 0.0))
    assert score_of(values, way, labels, reward) == pytest.approx(
        best_by_hand(values, labels, reward), abs=1e-4
    )


def heard(labels, silence=2, noise=0):
    """(T, 4): each label for a frame, with blanks between, and ``silence`` frames of blank around."""
    path = [BLANK] * silence
    for label in labels:
        path += [label, BLANK]
    path += [BLANK] * silence
    values = np.full((len(path), 4), -8.0, np.float32)
    values[np.arange(len(path)), path] = 0.0
    return values


def test_speech_without_text_goes_to_the_star():
    rng = np.random.default_rng(0)
    texts = [rng.integers(1, 4, 30).tolist() for _ in range(5)]
    text = Text([texts[0], texts[1], texts[3], texts[4]])  # the third is not written
    parts = [heard(one) for one in texts]
    way = best_way(np.concatenate(parts), text, Costs(4.0, 8.0))
    edges = np.cumsum([0, *map(len, parts)])
    for unit, place in enumerate([0, 1, 3, 4]):
        first, last = text.firsts[unit], text.firsts[unit + 1] - 1
        assert (way.starts[first], way.ends[last]) == (edges[place] + 2, edges[place + 1] - 3)
    assert way.costs.sum() == 0


def test_a_text_that_is_not_said_is_left_out_and_its_neighbours_stay():
    rng = np.random.default_rng(1)
    texts = [rng.integers(1, 4, 40).tolist() for _ in range(4)]
    parts = [heard(texts[0]), heard(texts[1]), heard(texts[3])]
    text = Text(texts)
    way = best_way(np.concatenate(parts), text, Costs(4.0, 8.0))
    said = [way.starts[first] >= 0 for first in text.firsts[:-1]]
    assert said == [True, True, False, True]
    assert way.costs[way.starts >= 0].sum() == 0


def test_a_narrow_band_finds_what_a_wide_one_does():
    rng = np.random.default_rng(2)
    texts = [rng.integers(1, 4, 40).tolist() for _ in range(15)]
    values = np.concatenate([heard(one, 10) for one in texts]) - rng.exponential(0.3, (1500, 4)).astype(
        np.float32
    )
    text = Text(texts)
    wide, narrow = (best_way(values, text, Costs(4.0, 8.0), width) for width in (5000, 400))
    assert (wide.starts == narrow.starts).all() and (wide.ends == narrow.ends).all()
    assert (wide.starts >= 0).all()


def test_spot_finds_the_place_and_what_it_costs():
    sought, other = [A, B, B, C], [C, A, C, A]
    values = np.concatenate([heard(other), heard(sought), heard(other)])
    start = len(heard(other)) + 2
    found, lost = spot(values, [sought, [B, B, B, B, B]])
    assert found == (start, start + 7, 0.0)
    assert lost.cost >= 3 * 8 / 5  # at most two of its five labels are heard in a row


def test_what_does_not_fit_costs_infinitely():
    assert spot(heard([A])[:2], [[A, A, A]])[0].cost == float("inf")
