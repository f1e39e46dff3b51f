"""Batches worked out by hand, of each kind that a caller asks for."""

from xlt.nets.batching import batches, espnet_batches


def test_with_padding_each_counts_as_the_longest():
    assert list(batches([2, 2, 3, 3, 4], float, 6)) == [[2, 2], [3, 3], [4]]
    assert list(batches([7, 8], float, 6)) == [[7], [8]]  # too large for any batch: alone
    assert list(batches([], float, 6)) == []


def test_without_padding_the_sum_counts():
    assert list(batches([4, 3, 2, 1], float, 6, padded=False)) == [[4], [3, 2, 1]]


def test_only_what_is_alike_shares_a_batch():
    words = ["aa", "ab", "ba", "bb"]
    found = batches(words, len, 100, padded=False, alike=lambda word: word[0])
    assert list(found) == [["aa", "ab"], ["ba", "bb"]]


def test_espnets_batches_end_behind_what_passes_the_budget():
    assert espnet_batches([2, 2, 3, 3, 4], float, 6) == [[2, 2, 3], [3, 4]]
    assert espnet_batches([5, 5, 5], float, 6, at_least=2) == [[5, 5, 5]]  # one is left over
    assert espnet_batches([5], float, 6, at_least=2) == [[5]]
