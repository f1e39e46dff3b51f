"""Masks of chunks: worked out by hand, and against a definition frame by frame."""

from itertools import product

import numpy as np
import pytest

from tests.errors import raises
from xlt.core.errors import ConfigError
from xlt.nets.chunks import ALL, Chunks, Span

CASES = [
    (Chunks(*sizes), t) for *sizes, t in product((0, 1, 2, 5), (ALL, 0, 1, 4, 6), (0, 1, 4), (0, 1, 4, 13))
]


def test_by_hand():
    assert list(Chunks(3, left=2, ahead=1).spans(7)) == [Span(0, 0, 3, 4), Span(1, 3, 6, 7), Span(4, 6, 7, 7)]
    assert Chunks(3).mask(4).astype(int).tolist() == [[1, 1, 1, 0]] * 3 + [[1, 1, 1, 1]]
    assert Chunks(0, left=1).mask(3).all()


def may_see(chunks: Chunks, i: int, j: int) -> bool:
    if chunks.chunk == 0:
        return True
    start = i // chunks.chunk * chunks.chunk
    far = start if chunks.left == ALL else chunks.left
    return start - far <= j < start + chunks.chunk + chunks.ahead


def test_a_frame_sees_its_chunk_and_what_is_near_it():
    for chunks, t in CASES:
        assert chunks.mask(t).tolist() == [[may_see(chunks, i, j) for j in range(t)] for i in range(t)]


def test_a_layout_is_the_mask_with_its_look_ahead_in_copies():
    for chunks, t in CASES:
        frames, seen = chunks.layout(t)
        assert frames[:t].tolist() == list(range(t))
        folded = np.zeros((t, t), bool)
        for row in range(t):
            assert len(set(frames[seen[row]])) == seen[row].sum()  # nothing is seen twice
            folded[row, frames[seen[row]]] = True
        assert (folded == chunks.mask(t)).all()


def test_look_ahead_does_not_grow_with_layers():
    for chunks, t in CASES:
        frames, seen = chunks.layout(t)
        reach = np.linalg.matrix_power(seen.astype(int), 4) > 0
        for span in chunks.spans(t):
            for row in range(span.start, span.stop):
                assert frames[reach[row]].max() < span.ahead


def test_what_is_ready_needs_nothing_that_is_to_come():
    for chunks, t in CASES:
        ready = chunks.ready(t)
        seen = chunks.mask(t + 10)[:ready]
        assert not seen[:, t:].any()
        assert chunks.ready(t, last=True) == t


def test_of_seconds():
    assert Chunks.of_seconds(0.32, -1, 0.08, 25.0) == Chunks(8, ALL, 2)
    assert Chunks.of_seconds(0.0, 5.0, 0.0, 50.0) == Chunks(0, 250, 0)


@pytest.mark.parametrize(
    ("given_s", "where", "near"),
    [
        ((0.33, 5.0, 0.0), "features.chunk_s=0.33", "0.32"),
        ((0.32, 5.01, 0.0), "features.left_s=5.01", "5"),
        ((0.32, 5.0, 0.015), "features.look_ahead_s=0.015", "0.02"),
        ((-1.0, 5.0, 0.0), "features.chunk_s=-1", "0.02"),
    ],
)
def test_no_multiple_of_a_frame(given_s, where, near):
    with raises(ConfigError, where=where) as caught:
        Chunks.of_seconds(*given_s, 50.0)
    assert str(caught.value).endswith(f"give {near}")


def test_no_size():
    with raises(ConfigError, where="ahead=-1"):
        Chunks(2, ahead=-1)
