"""Ways through CTC's frames.

T frames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

BLANK_ID = 0


def best_path(ids: torch.Tensor, blank: int = BLANK_ID) -> list[int]:
    """The best token of each frame (T,) → tokens: repeats merged, blanks dropped (Graves et al. 2006)."""
    import torch

    return [i for i in torch.unique_consecutive(ids).tolist() if i != blank]
