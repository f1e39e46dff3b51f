"""Errors on classes of words, worked out by hand, and against jiwer."""

import random

import jiwer
import numpy as np
import pytest

from xlt.metrics.align import Counts
from xlt.metrics.micro import micro, word_errors
from xlt.metrics.wer import wer


def errors(ref, hyp):
    return [tuple(c)[1:] for c in word_errors(ref.split(), hyp.split())]


@pytest.mark.parametrize(
    "ref, hyp, found",
    [
        ("a b c", "a b c", [(0, 0, 0)] * 3),
        ("a b c", "a x c", [(0, 0, 0), (1, 0, 0), (0, 0, 0)]),
        ("a b c", "a c", [(0, 0, 0), (0, 1, 0), (0, 0, 0)]),
        (
            "a b c",
            "a b x x c",
            [(0, 0, 0), (0, 0, 2), (0, 0, 0)],
        ),  # an insertion belongs to the word before it
        ("a b", "x a b", [(0, 0, 1), (0, 0, 0)]),  # at the beginning to the first
        ("a b", "", [(0, 1, 0)] * 2),
    ],
)
def test_each_error_belongs_to_a_word(ref, hyp, found):
    assert errors(ref, hyp) == found


def of(pairs, classes):
    utterances = [word_errors(ref.split(), hyp.split()) for ref, hyp in pairs]
    return micro("x", utterances, classes, 200, np.random.default_rng(0))


def test_rate_of_a_class():
    # the class: two, three | four | nothing; two is hit, an insertion stands behind three, four is lost: 3
    # errors in 3 words
    score = of(
        [("one two three", "one too three x"), ("go four", "go"), ("a b", "x y")], [{1, 2}, {1}, set()]
    )
    assert (score.value, score.n, score.counts) == (100.0, 2, Counts(3, 1, 1, 1))
    assert score.rates == (100.0, 100.0)
    assert of([("a b", "a b"), ("c", "d")], [{0}, set()]).value == 0.0


def test_a_class_without_words_has_no_rate():
    assert of([("a b", "a c")], [set()]) is None


def test_classes_that_part_the_words_add_up_to_the_wer():
    rng = random.Random(0)
    pairs = [
        (
            " ".join(rng.choices("abcd", k=rng.randint(1, 9))),
            " ".join(rng.choices("abcd", k=rng.randint(0, 9))),
        )
        for _ in range(200)
    ]
    places = [{i for i, word in enumerate(ref.split()) if word in "ab"} for ref, _ in pairs]
    others = [set(range(len(ref.split()))) - own for (ref, _), own in zip(pairs, places, strict=True)]
    one, two, whole = of(pairs, places), of(pairs, others), wer(pairs, 10, np.random.default_rng(0))
    assert tuple(a + b for a, b in zip(one.counts, two.counts, strict=True)) == whole.counts
    everything = of(pairs, [set(range(len(ref.split()))) for ref, _ in pairs])
    assert (everything.value, everything.ci95[0] <= everything.value <= everything.ci95[1]) == (
        whole.value,
        True,
    )


def test_hits_agree_with_jiwer_where_there_is_one_cheapest_alignment():
    # every word differs from all others and few are altered: all cheapest alignments are the same
    rng = random.Random(1)
    for number in range(100):
        ref = [f"w{k}" for k in range(12)]
        hyp = [word if rng.random() < 0.7 else f"x{k}" for k, word in enumerate(ref)]
        hyp = [word for k, word in enumerate(hyp) if word == ref[k] or rng.random() < 0.8]
        out = jiwer.process_words(" ".join(ref), " ".join(hyp or ["x"]))
        hits = {
            i
            for chunk in out.alignments[0]
            if chunk.type == "equal"
            for i in range(chunk.ref_start_idx, chunk.ref_end_idx)
        }
        mine = {i for i, c in enumerate(word_errors(ref, hyp or ["x"])) if not c.sub and not c.dels}
        assert mine == hits, number
