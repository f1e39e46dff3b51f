import pytest

from xlt.metrics.align import Counts, count_edits

CASES = [  # reference, hypothesis, (n_ref, sub, del, ins) worked out by hand
    ("the cat sat", "the cat sat", (3, 0, 0, 0)),
    ("the cat sat", "", (3, 0, 3, 0)),
    ("", "a b", (0, 0, 0, 2)),
    ("", "", (0, 0, 0, 0)),
    ("the cat sat", "a cat sat down", (3, 1, 0, 1)),
    ("the cat sat on the mat", "the cat on a mat", (6, 1, 1, 0)),
    # two substitutions cost 8; one deletion, one insertion and one match cost 6
    ("a b", "b c", (2, 0, 1, 1)),
    # plain edit distance is 5 substitutions (cost 20); sclite keeps the two matches: 3 deletions, 3 insertions (18)
    ("a b c x y", "x y p q r", (5, 0, 3, 3)),
    # 3 substitutions and 2 insertions of one match each cost 12 alike: the diagonal is taken
    ("a b c", "c d e", (3, 3, 0, 0)),
]


@pytest.mark.parametrize("ref, hyp, counts", CASES)
def test_counts_worked_by_hand(ref, hyp, counts):
    assert count_edits(ref.split(), hyp.split()) == Counts(*counts)


def test_errors_are_the_sum_of_all_three():
    assert Counts(10, 1, 2, 4).errors == 7
