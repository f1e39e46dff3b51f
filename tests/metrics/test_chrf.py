import numpy as np
import pytest
from sacrebleu.metrics import CHRF

from xlt.metrics.chrf import chrf, f_scores

PAIRS = [("o broască verde", "o brosca verde"), ("un papagal", "un papagal"), ("ο δρόμος", ""), ("а", "я")]


def run(pairs, resamples=20):
    return chrf(pairs, resamples, np.random.default_rng(0))


def test_worked_by_hand():
    # 1-grams 2 of 3, 2-grams 1 of 2 (ab of ab, bc / bd), 3-grams 0 of 1; no longer ones: precision = recall
    score = run([("abc", "abd")])
    assert score.value == pytest.approx(100 * (2 / 3 + 1 / 2 + 0) / 3)
    assert score.n_ref == 3


def test_vectorised_score_is_sacrebleus_own():
    metric = CHRF()
    hyps, refs = [h for _, h in PAIRS], [r for r, _ in PAIRS]
    for chosen in ([0, 1, 2, 3], [2], [3, 3], [0, 0, 2]):
        stats = np.array(
            metric._extract_corpus_statistics([hyps[k] for k in chosen], [[refs[k] for k in chosen]])
        )
        own = metric.corpus_score([hyps[k] for k in chosen], [[refs[k] for k in chosen]]).score
        assert f_scores(stats.sum(axis=0, keepdims=True))[0] == pytest.approx(own)


def test_interval_holds_the_value_and_signature_is_sacrebleus():
    score = run(PAIRS * 10, 200)
    assert score.ci95[0] < score.value < score.ci95[1]
    assert "nc:6 | nw:0 | space:no | sacrebleu:" in score.signature("ron-v1", 200, 0, "0.1.0")
