"""Ways through CTC's frames: the best one, and the best one with given labels. In numpy, so that they serve
where torch is not installed.

T frames, V tokens, U labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import torch

    type Values = np.ndarray | torch.Tensor

BLANK_ID = 0


def as_array(values: Any) -> np.ndarray:
    """An array as it is; a tensor, on any device and of any precision, as an array of the same shape."""
    import numpy as np

    if isinstance(values, np.ndarray):
        return values
    return (values.float() if values.is_floating_point() else values).cpu().numpy()


def best_path(ids: Values, blank: int = BLANK_ID) -> list[int]:
    """The best token of each frame (T,) → tokens: repeats merged, blanks dropped (Graves et al. 2006)."""
    import numpy as np

    ids = as_array(ids)
    is_new = np.ones(len(ids), bool)
    is_new[1:] = ids[1:] != ids[:-1]
    return [i for i in ids[is_new].tolist() if i != blank]


def forced_path(log_probs: np.ndarray, labels: Sequence[int], blank: int = BLANK_ID) -> list[int]:
    """The token of each frame, blanks included, on the likeliest path of (T, V) through U labels, which must
    fit into T frames. Of equal paths it is the one that torchaudio's ``forced_align`` takes: it stays where
    it can.
    """
    import numpy as np

    states = np.full(2 * len(labels) + 1, blank)  # (S,), blanks between labels
    states[1::2] = labels
    emitted = log_probs[:, states]  # (T, S)
    no_skip = np.ones(len(states), bool)  # a blank, or the same label as before, must not be left out
    no_skip[3::2] = states[3::2] == states[1:-2:2]
    last = len(states) - 1
    best = np.full(len(states), -np.inf, emitted.dtype)
    best[:2] = emitted[0, :2]
    back = np.zeros(emitted.shape, np.int8)
    step, skip = best.copy(), best.copy()
    step[0] = -np.inf
    for t in range(1, len(emitted)):
        step[1:] = best[:-1]
        skip[2:] = best[:-2]
        skip[no_skip] = -np.inf
        by_one, by_two = step > best, (skip > best) & (skip > step)
        back[t] = by_one
        back[t][by_two] = 2
        best = np.maximum(np.maximum(best, step), skip) + emitted[t]
    at = last if len(labels) == 0 or best[last] > best[last - 1] else last - 1
    path = [0] * len(emitted)
    for t in range(len(emitted) - 1, -1, -1):
        path[t] = int(states[at])
        at -= int(back[t, at])
    return path
