"""What texts teach an encoder that learns from its own whole clips, too: CTC on its hidden states.

T frames of a clip, D dimensions, L layers, V characters and the blank.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

_BLANK = 0


class Letters(nn.Module):
    """A linear CTC head on a mix of layers, whose weights are learned: it is needed for the training alone.
    ``alphabet``: the characters that it writes, a space among them.
    """

    def __init__(self, dim: int, layers: int, alphabet: Iterable[str]):
        super().__init__()
        self.ids = {letter: number for number, letter in enumerate(sorted({*alphabet, " "}), start=1)}
        self.weights = nn.Parameter(torch.zeros(layers))
        self.norm = nn.LayerNorm(dim, elementwise_affine=False)
        self.output = nn.Linear(dim, len(self.ids) + 1)

    def loss(self, states: Sequence[Tensor], text: str) -> Tensor:
        """Of a clip, L states (T, D): minus the natural log probability of its text; 0 for one that does not
        fit into its frames.
        """
        mixed = sum(
            weight * self.norm(state) for weight, state in zip(self.weights.softmax(0), states, strict=True)
        )
        log_probs = self.output(mixed).log_softmax(-1)
        labels = torch.tensor([self.ids[one] for one in text if one in self.ids], device=log_probs.device)
        lengths = torch.tensor(len(log_probs)), torch.tensor(len(labels))
        return functional.ctc_loss(
            log_probs[:, None], labels[None], *lengths, _BLANK, reduction="sum", zero_infinity=True
        )
