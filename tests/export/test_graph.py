"""Networks that tracing gets wrong are refused, and those that are not what they were made of."""

import pytest
import torch

from tests.errors import raises
from xlt.core.errors import ConfigError
from xlt.export import graph

pytestmark = pytest.mark.trains

AXES = {"x": {1: "frames"}, "y": {1: "frames"}}


class Constant(torch.nn.Module):
    """Has taken the length of the example for a constant once it is traced."""

    def forward(self, x):
        return x * int(x.new_full((), x.shape[1]))


class Cut(torch.nn.Module):
    def forward(self, x):
        return x[:, : int(x.new_full((), x.shape[1]))]


@pytest.mark.parametrize("module", [Constant(), Cut()])
def test_a_length_that_became_a_constant_is_seen(module, tmp_path):
    graph.write(module, torch.ones(1, 4, 2), tmp_path / "head.onnx", AXES)
    assert graph.proven(module, tmp_path / "head.onnx", [torch.ones(1, 4, 2)]) == 0
    with raises(ConfigError, where="head"):
        graph.proven(module, tmp_path / "head.onnx", [torch.ones(1, 9, 2)])


def test_what_onnx_does_not_have_is_refused(tmp_path):
    class Strange(torch.nn.Module):
        def forward(self, x):
            return torch.linalg.svd(x)[0]

    with raises(ConfigError, where="head"):
        graph.write(Strange(), torch.ones(1, 4, 2), tmp_path / "head.onnx", AXES)
