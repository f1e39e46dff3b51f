"""Repetitions in tokens, by hand."""

import pytest

from xlt.models.whisper.loops import cut, loop_at_end


@pytest.mark.parametrize(
    ("ids", "period"),
    [
        ([], 0),
        ([7] * 9, 0),  # ha ha ha …: nine times may be said
        ([7] * 10, 1),
        ([1, 2] * 4, 0),
        ([1, 2] * 5, 2),
        ([9, 8, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3], 3),
        ([1, 2, 3, 4, 5, 6, 7, 8] * 3, 0),  # a refrain
        (list(range(12)) * 3, 12),
        ([*([7] * 10), 5], 0),  # not at the end
        (list(range(100)), 0),
    ],
)
def test_loop_at_end(ids, period):
    assert loop_at_end(ids) == period


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([], []),
        ([1, 2, 3], [1, 2, 3]),
        ([4, *([7] * 12)], [4, 7]),
        ([4, *([7] * 12), 5], [4, 7, 5]),
        ([4, *([1, 2, 3] * 5), 1], [4, 1, 2, 3]),
        ([7] * 9, [7] * 9),
        ([*([7] * 10), *([1, 2] * 5)], [7, 1, 2]),
    ],
)
def test_cut(ids, expected):
    assert cut(ids) == expected
    assert not loop_at_end(cut(ids))
