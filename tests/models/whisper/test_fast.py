"""Packed linear layers: the same numbers, also after the weights have changed."""

import copy

import torch
from torch import nn

from xlt.models.whisper.fast import Fast


def test_packed_layers_give_what_the_module_gives():
    fast, layer, x = Fast(), nn.Linear(48, 100), torch.randn(2, 5, 48)
    bare = nn.Linear(48, 100, bias=False)
    with torch.no_grad():
        for module in (layer, bare):
            torch.testing.assert_close(fast(module)(x), module(x))
            assert fast(module) is fast(module)


def test_changed_weights_are_packed_again():
    fast, layer, x = Fast(), nn.Linear(48, 100), torch.randn(5, 48)
    with torch.no_grad():
        before = fast(layer)(x)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.1)
    fast(layer)(x).sum().backward()
    assert layer.weight.grad is not None  # with gradients the module itself is called
    optimizer.step()
    with torch.no_grad():
        torch.testing.assert_close(fast(layer)(x), layer(x))
        assert not torch.allclose(fast(layer)(x), before)
        layer.load_state_dict({"weight": torch.ones(100, 48), "bias": torch.zeros(100)}, assign=True)
        torch.testing.assert_close(fast(layer)(x), x.sum(1, keepdim=True).expand(5, 100))


def test_other_modules_are_called_themselves():
    class Scaled(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    fast, scaled, double = Fast(), Scaled(4, 4), nn.Linear(4, 4).double()
    with torch.no_grad():
        assert fast(scaled) is scaled and fast(double) is double
        fast(nn.Linear(4, 4))
    assert isinstance(copy.deepcopy(fast), Fast)
