"""Language models in ESPnet's beam search: its scores are our natural logarithms."""

import itertools
import math
import types

import numpy as np
import pytest

from tests.lazy import Lazy

torch = Lazy("torch")
fusion = Lazy("xlt.models.espnet.fusion")

pytestmark = pytest.mark.slow
V, END, SAID = 64, 63, 3  # tokens; the last one is <sos/eos>; only the first ones are said
LONGEST, FRAMES = 3, 8  # ESPnet ends texts that are as long as the speech without the cost of the end


class Bigrams:
    """Log p of each token by the one before it, and of the end; there are at most ``LONGEST`` tokens."""

    def __init__(self, seed):
        found = np.full((V, V), -1e3)
        told = np.random.default_rng(seed).dirichlet(np.ones(SAID + 1), size=V)
        found[:, [*range(SAID), END]] = np.log(told)
        self.rows = found.tolist()

    def start(self):
        return 0, 0

    def score(self, state, token):
        last, count = state
        return (self.rows[last][token] if count < LONGEST else -1e3), (token, count + 1)

    def end(self, state):
        return self.rows[state[0]][END]


def total(model, ids):
    state, logp = model.start(), 0.0
    for token in ids:
        more, state = model.score(state, token)
        logp += more
    return logp + model.end(state)


def plain():
    """A search without decoder and CTC, as ESPnet builds it for a model."""
    return types.SimpleNamespace(full_scorers={}, part_scorers={}, n_vocab=V, sos=END, eos=END)


def test_a_scorer_gives_the_log_probabilities_of_the_model():
    model = Bigrams(0)
    scorer, state, found = fusion.Scorer(model, V, END), None, 0.0
    ids, frames = [END, 1, 2, 2, END], torch.zeros(5, 2)  # ESPnet's hypotheses begin with <sos>
    for place in range(1, len(ids)):
        scores, state = scorer.score(torch.tensor(ids[:place]), state, frames)
        assert scores.shape == (V,)
        found += float(scores[ids[place]])
    assert found == pytest.approx(total(model, [1, 2, 2]), abs=1e-5)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("bonus", [0.0, 0.7])
def test_the_search_finds_the_best_of_all_with_its_score(seed, bonus):
    """ESPnet gives the end a bonus, too."""
    models = [(Bigrams(seed), 0.8), (Bigrams(seed + 50), 0.4)]
    search = fusion.beam_search(plain(), V, 1.0, models, bonus)
    best = search(torch.zeros(FRAMES, 2))[0]

    def score(ids):
        return sum(weight * total(model, ids) for model, weight in models) + bonus * (len(ids) + 1)

    every = [ids for n in range(LONGEST + 1) for ids in itertools.product(range(SAID), repeat=n)]
    right = max(every, key=score)
    assert tuple(best.yseq.tolist()[1:-1]) == right
    assert float(best.score) == pytest.approx(score(right), abs=1e-4)


def test_without_models_and_bonus_the_search_is_the_plain_one():
    search = plain()
    assert fusion.beam_search(search, 5, 0.3, [], 0.0) is search


def test_forbidden_tokens_do_not_break_the_search():
    class Only1(Bigrams):
        def score(self, state, token):
            return (math.log(0.9) if token == 1 else -math.inf), (token, 0)

    search = fusion.beam_search(plain(), 4, 1.0, [(Only1(0), 1.0)], 0.0)
    best = search(torch.zeros(FRAMES, 2))[0]
    assert set(best.yseq.tolist()[1:-1]) <= {1}


def test_a_beam_may_be_wider_than_there_are_tokens():
    search = fusion.beam_search(plain(), 10 * V, 1.0, [(Bigrams(0), 1.0)], 0.0)
    narrow = fusion.beam_search(plain(), V, 1.0, [(Bigrams(0), 1.0)], 0.0)
    found = [one(torch.zeros(FRAMES, 2))[0] for one in (search, narrow)]
    assert found[0].yseq.tolist() == found[1].yseq.tolist()
