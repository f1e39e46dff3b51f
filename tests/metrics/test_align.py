import pytest

from xlt.metrics.align import Counts, align, count_edits

CASES = [  # reference, hypothesis, (n_ref, sub, del, ins) worked out by hand
    ("the cat sat", "the cat sat", (3, 0, 0, 0)),
    ("the cat sat", "", (3, 0, 3, 0)),
    ("", "a b", (0, 0, 0, 2)),
    ("", "", (0, 0, 0, 0)),
    ("the cat sat", "a cat sat down", (3, 1, 0, 1)),
    ("the cat sat on the mat", "the cat on a mat", (6, 1, 1, 0)),
    # two substitutions cost 8; one deletion, one insertion and one match cost 6
    ("a b", "b c", (2, 0, 1, 1)),
    # plain edit distance is 5 substitutions (cost 20); sclite keeps the two matches: 3 deletions, 3
    # insertions (18)
    ("a b c x y", "x y p q r", (5, 0, 3, 3)),
    # 3 substitutions and 2 insertions of one match each cost 12 alike: the diagonal is taken
    ("a b c", "c d e", (3, 3, 0, 0)),
]


@pytest.mark.parametrize("ref, hyp, counts", CASES)
def test_counts_worked_by_hand(ref, hyp, counts):
    assert count_edits(ref.split(), hyp.split()) == Counts(*counts)


def test_errors_are_the_sum_of_all_three():
    assert Counts(10, 1, 2, 4).errors == 7


@pytest.mark.parametrize(
    "ref, hyp, path",
    [
        ("the cat sat", "a cat sat down", [(0, 0), (1, 1), (2, 2), (None, 3)]),
        ("a b", "b c", [(0, None), (1, 0), (None, 1)]),
        ("a b c", "c d e", [(0, 0), (1, 1), (2, 2)]),
        ("a a", "a a", [(0, 0), (1, 1)]),
        ("", "a", [(None, 0)]),
        ("a", "", [(0, None)]),
        ("", "", []),
    ],
)
def test_positions_worked_by_hand(ref, hyp, path):
    assert align(ref.split(), hyp.split()) == path


@pytest.mark.parametrize("ref, hyp, counts", CASES)
def test_positions_give_the_counts(ref, hyp, counts):
    ref, hyp = ref.split(), hyp.split()
    path = align(ref, hyp)
    assert [i for i, _ in path if i is not None] == list(range(len(ref)))
    assert [j for _, j in path if j is not None] == list(range(len(hyp)))
    wrong = sum(None not in (i, j) and ref[i] != hyp[j] for i, j in path)
    assert (len(ref), wrong, sum(j is None for _, j in path), sum(i is None for i, _ in path)) == counts
