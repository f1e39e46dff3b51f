"""How likely CTC finds texts: the sum over all their alignments (Graves et al. 2006).

T frames, V tokens, U labels, N texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xlt.nets.paths import BLANK_ID

if TYPE_CHECKING:
    import torch


def ctc_loss(log_probs: torch.Tensor, labels: Sequence[int]) -> float:
    """(T, V), U labels → minus the log probability of all their alignments; infinite if there is none."""
    return ctc_losses(log_probs, [labels])[0]


def ctc_losses(log_probs: torch.Tensor, texts: Sequence[Sequence[int]]) -> list[float]:
    """The same of N texts at once."""
    import torch

    if not texts:
        return []
    frames = log_probs.float()[:, None].expand(-1, len(texts), -1).contiguous()  # (T, N, V)
    losses = torch.nn.functional.ctc_loss(
        frames,
        torch.tensor([i for labels in texts for i in labels], dtype=torch.long),
        torch.full((len(texts),), len(log_probs)),
        torch.tensor([len(labels) for labels in texts]),
        blank=BLANK_ID,
        reduction="none",
    )
    return losses.tolist()
