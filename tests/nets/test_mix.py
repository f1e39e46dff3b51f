"""Sums of layers and their variance, worked out by hand."""

import torch

from xlt.nets.mix import frame_norm, sum_variance, weighted_sum


def test_weighted_sum():
    states = [torch.ones(1, 2, 2), 2 * torch.ones(1, 2, 2)]
    assert weighted_sum(torch.zeros(1, 2, 2), [0.5, 0.25], states).tolist() == [[[1.0, 1.0], [1.0, 1.0]]]
    factors = torch.tensor([[1.0, 0.0], [0.0, 3.0]])  # (L, D)
    assert weighted_sum(torch.tensor([1.0, -1.0]), factors, states)[0, 0].tolist() == [2.0, 5.0]


def test_variance_of_a_sum_of_layers_that_go_together():
    together = torch.tensor([[[1.0], [2.0]], [[2.0], [4.0]]])  # (L, L, D): the second is twice the first
    assert sum_variance(torch.tensor([[1.0], [1.0]]), together).tolist() == [9.0]
    assert sum_variance(torch.tensor([[2.0], [-1.0]]), together).tolist() == [0.0]


def test_frame_norm_is_of_each_frame():
    found = frame_norm(torch.tensor([[1.0, 3.0], [10.0, 30.0]]))
    assert torch.allclose(found, torch.tensor([[-1.0, 1.0], [-1.0, 1.0]]), atol=1e-4)
