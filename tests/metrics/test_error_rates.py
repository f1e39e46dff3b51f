"""Hand-worked rates. RNG and number of resamples do not matter for the values."""

import jiwer
import numpy as np
import pytest
from sacrebleu.metrics import CHRF

from xlt.metrics.cer import cer
from xlt.metrics.chrf import chrf
from xlt.metrics.per import per
from xlt.metrics.ser import ser
from xlt.metrics.wer import wer


def run(metric, pairs):
    return metric(pairs, 50, np.random.default_rng(0))


def test_wer_sums_before_it_divides():
    score = run(wer, [("the cat sat", "a cat sat down"), ("hello", "hello")])  # 1 sub and 1 ins in 4 words
    assert score.value == 50.0
    assert (score.n, score.n_ref, score.counts.sub, score.counts.dels, score.counts.ins) == (2, 4, 1, 0, 1)


def test_wer_ignores_the_amount_of_white_space():
    assert run(wer, [("a  b", " a b ")]).value == 0.0


def test_cer_counts_a_space_as_a_character():
    score = run(cer, [("ab cd", "abcd")])  # a b <space> c d: one deletion in 5
    assert (score.value, score.n_ref, score.counts.dels) == (20.0, 5, 1)


def test_cer_counts_code_points_of_any_script():
    assert run(cer, [("șț", "st")]).value == 100.0
    assert run(cer, [("οδός", "οδος")]).value == 25.0
    assert run(cer, [("कि", "क")]).value == 50.0  # a vowel sign is a code point of its own


def test_error_rate_can_exceed_100():
    assert run(wer, [("a", "x y z")]).value == 300.0


def test_per_takes_phones_apart_at_spaces():
    assert run(per, [("k a tʃ", "k a d")]).value == pytest.approx(100 / 3)


def test_ser_counts_utterances_with_any_error():
    score = run(ser, [("a b", "a  b"), ("a", "b"), ("c", "c"), ("d", "")])
    assert (score.value, score.n_ref) == (50.0, 4)


@pytest.mark.parametrize("metric", [wer, cer, per])
@pytest.mark.parametrize("pairs", [[], [("", "a")], [("a", "a"), (" ", "")]])
def test_a_rate_over_nothing_is_refused(metric, pairs):
    with pytest.raises(ValueError, match="empty reference"):
        run(metric, pairs)


def test_as_dict_is_the_stable_form():
    score = run(wer, [("the cat sat", "a cat sat down")])
    assert score.as_dict() == {
        "value": 66.667,
        "ci95": [66.667, 66.667],
        "n_ref": 3,
        "sub": 1,
        "del": 0,
        "ins": 1,
    }
    assert run(ser, [("a", "a")]).as_dict()["sub"] is None


def test_signature_says_how_the_score_was_made():
    line = run(cer, [("ab cd", "abcd")]).signature("ron-v1", 50, 7, "0.1.0")
    assert (
        line
        == "CER 20.0 ±0.0 | norm:ron-v1 | n:1 | tok:char | space:yes | align:sclite | boot:50 | xlt:0.1.0 "
        "| seed:7"
    )


def mean(metric, pairs):
    return run(metric, pairs).mean(50, np.random.default_rng(0))


def test_mean_of_the_utterances_rates():
    # 1 of 1 and 0 of 3 words: as a sum 25%, as a mean 50%
    pairs = [("a", "b"), ("a b c", "a b c")]
    assert run(wer, pairs).value == 25.0 and mean(wer, pairs)["value"] == 50.0
    assert mean(ser, pairs)["value"] == run(ser, pairs).value == 50.0
    assert mean(wer, pairs)["ci95"] == [0.0, 100.0]  # of two utterances


def test_mean_agrees_with_jiwer():
    pairs = [("the cat sat", "a cat sat"), ("hello", "hello you"), ("one two", ""), ("x y z", "x z")]
    theirs = [jiwer.wer(ref, hyp) for ref, hyp in pairs]
    assert mean(wer, pairs)["value"] == pytest.approx(100 * sum(theirs) / len(theirs), abs=1e-3)


def test_mean_of_chrf_is_that_of_sentences():
    pairs = [("the cat sat", "the cat sit"), ("hello there", "hello")]
    theirs = [CHRF().sentence_score(hyp, [ref]).score for ref, hyp in pairs]
    assert mean(chrf, pairs)["value"] == pytest.approx(sum(theirs) / 2, abs=1e-3)
