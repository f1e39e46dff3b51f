"""Phones that a recogniser may have mistaken for others, by their articulation.

V phones of the recogniser, P phones of the words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xlt.phones.features import substitution_costs

if TYPE_CHECKING:
    import numpy as np


def confusion(heard: Sequence[str], meant: Sequence[str], share: float, width: float) -> np.ndarray:
    """How probable it is that phone j was meant where phone i was heard → (V, P), rows add up to 1.

    ``share`` of a phone goes to the others, in proportion to exp(-distance / width), with the distance of
    :func:`xlt.phones.features.distance`; all of it where ``meant`` lacks the phone. What panphon does not
    know, such as a space, is as far as can be from all.
    """
    import numpy as np

    costs = substitution_costs({*heard, *meant})
    apart = np.array([[costs[one][other] for other in meant] for one in heard])  # (V, P)
    same = np.array([[one == other for other in meant] for one in heard])
    alike = np.where(same, 0.0, np.exp(-apart / width))
    alike /= np.maximum(alike.sum(axis=1, keepdims=True), 1e-30)
    return np.where(same.any(axis=1, keepdims=True), (1 - share) * same + share * alike, alike)
