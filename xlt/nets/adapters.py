"""Adapters: small trained parts in a frozen layer, which at first change nothing.

Our own few lines: ESPnet's need loralib or s3prl's copy of the upstream and save no head, peft brings
accelerate and goes by module names of one library; these work in every :class:`~xlt.upstreams.tunable.Block`.
N rows, D dimensions, R rank or width.

A new adapter is a class here or in a file of its own and one line of ADAPTERS in :mod:`xlt.core.registry`. It
is built as ``Class(dim, width)`` for each layer and has two hooks; this one scales what attention gives::

    class Scale(nn.Module):
        def __init__(self, dim: int, width: int):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(dim))  # at first nothing changes

        def linear(self, name, x, y):
            return y

        def behind(self, name, x):
            return x * self.scale if name == "attention" else x
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

PROJECTIONS = ("q", "k", "v", "out")


class Lora(nn.Module):
    """W x + B A x at the attention's projections, B zero at first (Hu et al. 2021, arXiv:2106.09685; alpha =
    R).
    """

    def __init__(self, dim: int, rank: int):
        super().__init__()
        self.a = nn.ParameterDict(
            {
                name: nn.Parameter(nn.init.kaiming_uniform_(torch.empty(rank, dim), a=5**0.5))
                for name in PROJECTIONS
            }
        )
        self.b = nn.ParameterDict({name: nn.Parameter(torch.zeros(dim, rank)) for name in PROJECTIONS})

    def linear(self, name: str, x: Tensor, y: Tensor) -> Tensor:
        """Input (N, D) and output (N, D) of the layer's linear ``name`` → what it gives now."""
        return (
            y + functional.linear(functional.linear(x, self.a[name]), self.b[name])
            if name in PROJECTIONS
            else y
        )

    def behind(self, name: str, x: Tensor) -> Tensor:
        """Output (N, D) of the sublayer ``name`` (attention, feed_forward), before it is added to the layer's
        path; of ``layer``, what the whole layer gives.
        """
        return x


class Houlsby(nn.Module):
    """A bottleneck behind attention and one behind feed-forward (Houlsby et al. 2019, arXiv:1902.00751), zero
    at first.
    """

    def __init__(self, dim: int, width: int):
        super().__init__()
        self.down = nn.ModuleDict({name: nn.Linear(dim, width) for name in ("attention", "feed_forward")})
        self.up = nn.ModuleDict({name: nn.Linear(width, dim) for name in self.down})
        for up in self.up.values():
            nn.init.zeros_(up.weight)
            nn.init.zeros_(up.bias)

    def linear(self, name: str, x: Tensor, y: Tensor) -> Tensor:
        """As in :class:`Lora`."""
        return y

    def behind(self, name: str, x: Tensor) -> Tensor:
        """As in :class:`Lora`."""
        return x + self.up[name](functional.gelu(self.down[name](x))) if name in self.up else x


class Mms(nn.Module):
    """A bottleneck behind each layer, with a norm before it (Pratap et al. 2023, arXiv:2305.13516): that of
    the adapters of MMS, with transformers' names of its parts; zero at first.
    """

    def __init__(self, dim: int, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.linear_1 = nn.Linear(dim, width)
        self.linear_2 = nn.Linear(width, dim)
        nn.init.zeros_(self.linear_2.weight)
        nn.init.zeros_(self.linear_2.bias)

    def linear(self, name: str, x: Tensor, y: Tensor) -> Tensor:
        """As in :class:`Lora`."""
        return y

    def behind(self, name: str, x: Tensor) -> Tensor:
        """As in :class:`Lora`."""
        return x + self.linear_2(functional.relu(self.linear_1(self.norm(x)))) if name == "layer" else x
