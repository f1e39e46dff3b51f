"""Pruning: sizes, sums, and what goes first."""

import numpy as np
import pytest

from tests.lm.test_estimate import POEM, TEXT, sums
from xlt.lm.arpa import read_arpa, write_arpa
from xlt.lm.estimate import estimate
from xlt.lm.ngram import Level, NGram
from xlt.lm.prune import prune

MODELS = [
    estimate(TEXT, 6),
    estimate([text.split() for text in TEXT], 3),
    estimate(POEM, 4, [0.5, 100, 3, 1], "power_law"),
]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("share", [0.9, 0.5, 0.3])
def test_probabilities_sum_to_one_at_the_size_asked_for(model, share):
    size = int(share * sum(model.counts))
    small = prune(model, size)
    assert sum(small.counts) == max(size, model.counts[0])
    assert sums(small) == pytest.approx(1, abs=1e-6)
    assert small.symbols == model.symbols


def test_small_enough_models_stay_as_they_are():
    assert prune(MODELS[0], sum(MODELS[0].counts)) is MODELS[0]


def test_single_symbols_all_stay():
    small = prune(MODELS[0], 1)
    assert small.counts == MODELS[0].counts[:1]
    symbols = range(1, len(small.symbols))
    assert sum(np.exp(small.step(small.start(), symbol)[0]) for symbol in symbols) == pytest.approx(1)


def test_pruned_models_are_files_that_kenlm_reads(tmp_path):
    import kenlm

    small = prune(MODELS[0], int(0.8 * sum(MODELS[0].counts)))
    write_arpa(small, tmp_path / "lm.arpa")
    config = kenlm.Config()
    config.show_progress, config.arpa_complain = False, kenlm.ARPALoadComplain.NONE
    other = kenlm.Model(str(tmp_path / "lm.arpa"), config)
    for text in [*TEXT, "qxq the"]:
        line = " ".join("<space>" if char == " " else char for char in text)
        assert small.logp(text) / np.log(10) == pytest.approx(other.score(line), abs=1e-4)


def entropy_lost(model: NGram, row: int) -> float:
    """By the definition: the relative entropy of a bigram model's next symbols and those without ``row``."""
    single, pairs = model.levels()
    symbols = range(1, len(model.symbols))
    p = np.exp(single.logp)
    context = pairs.prefix[row]
    rest = [r for r in np.flatnonzero(pairs.prefix == context) if r != row]
    used = pairs.symbol[rest]
    backoff = (1 - np.exp(pairs.logp[rest]).sum()) / (1 - p[used].sum())
    before = {w: np.exp(model.step(1 + context, w)[0]) for w in symbols}
    after = {w: before[w] if w in used else backoff * p[w] for w in symbols}
    p_context = p[1] if context == 0 else p[context]
    return p_context * sum(before[w] * np.log(before[w] / after[w]) for w in symbols)


def test_the_least_loss_goes_first():
    model = estimate([text.split() for text in TEXT], 2)
    single, pairs = model.levels()
    losses = np.array([entropy_lost(model, row) for row in range(len(pairs.symbol))])
    for left in (len(losses) - 1, len(losses) // 2, 3):
        kept = prune(model, len(single.symbol) + left).levels()[1]
        rows = {pair: row for row, pair in enumerate(zip(pairs.prefix, pairs.symbol, strict=True))}
        found = [losses[rows[pair]] for pair in zip(kept.prefix, kept.symbol, strict=True)]
        assert sorted(found) == pytest.approx(np.sort(losses)[-left:], abs=1e-7)  # some are equal


def test_models_that_lack_suffixes(tmp_path):
    """ "b c" is missing: the weight of "a b" backs off to that of "b", and then to "c"."""
    zero = np.zeros
    shares = np.log([1, 0.2, 0.1, 0.3, 0.25, 0.15])
    ones = Level(zero(6, int), np.arange(6), shares, np.log([1, 1, 1, (1 - 0.5) / 0.75, 1, 1]))
    twos = Level(np.array([3]), np.array([4]), np.log([0.5]), np.log([(1 - 0.6 - 0.1) / (1 - 0.15 - 0.3)]))
    threes = Level(np.array([0, 0]), np.array([3, 5]), np.log([0.1, 0.6]), zero(2))
    model = NGram(["<s>", "</s>", "<unk>", "a", "b", "c"], [ones, twos, threes])
    assert sums(model) == pytest.approx(1, abs=1e-6)
    for size in (8, 7, 6):
        assert sums(prune(model, size)) == pytest.approx(1, abs=1e-6)
    write_arpa(prune(model, 8), tmp_path / "lm.arpa")
    assert read_arpa(tmp_path / "lm.arpa").counts == (6, 1, 1)
