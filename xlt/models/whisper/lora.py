"""Low-rank changes of transformers' own linear layers (Hu et al. 2021, arXiv:2106.09685; alpha = R)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "out_proj")


class LowRank(nn.Module):
    """W (O, D) → W + B A, with A (R, D), and B (O, R) zero at first."""

    def __init__(self, weight: Tensor, rank: int):
        super().__init__()
        self.a = nn.Parameter(
            nn.init.kaiming_uniform_(torch.empty(rank, weight.shape[1]), a=5**0.5).to(weight)
        )
        self.b = nn.Parameter(torch.zeros(weight.shape[0], rank).to(weight))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + self.b @ self.a


def add(model: nn.Module, rank: int) -> None:
    """Give every attention projection of ``model`` such a change, the only thing of it that is trained."""
    for part in list(model.modules()):
        for name in PROJECTIONS:
            layer = getattr(part, name, None)
            if isinstance(layer, nn.Linear):
                parametrize.register_parametrization(
                    layer, "weight", LowRank(layer.weight, rank), unsafe=True
                )


def merge(model: nn.Module) -> None:
    """Add the changes to the weights themselves."""
    for part in list(model.modules()):
        if parametrize.is_parametrized(part, "weight") and isinstance(
            part.parametrizations.weight[0], LowRank
        ):
            parametrize.remove_parametrizations(part, "weight", leave_parametrized=True)
