"""Batches of clips of like length.

Each function takes items in an order by length that the caller chooses, and keeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator


def batches[Item](
    items: Iterable[Item],
    size: Callable[[Item], float],
    budget: float,
    padded: bool = True,
    alike: Callable[[Item], Hashable] | None = None,
) -> Iterator[list[Item]]:
    """Batches of at most ``budget``, or of one item that is larger.

    With ``padded`` an item counts as much as the last of its batch, for items from the shortest to the
    longest; else the sum of their sizes counts. Only items that ``alike`` gives the same share a batch.

    >>> list(batches([1, 2, 2, 3, 9], float, 6))
    [[1, 2, 2], [3], [9]]
    >>> list(batches([9, 3, 2, 2, 1], float, 6, padded=False))
    [[9], [3, 2], [2, 1]]
    """
    batch: list[Item] = []
    total = 0.0
    for item in items:
        full = ((len(batch) + 1) * size(item) if padded else total + size(item)) > budget
        if batch and (full or (alike is not None and alike(item) != alike(batch[-1]))):
            yield batch
            batch, total = [], 0.0
        batch.append(item)
        total += size(item)
    if batch:
        yield batch


def espnet_batches[Item](
    items: Iterable[Item], size: Callable[[Item], float], budget: float, at_least: int = 1
) -> list[list[Item]]:
    """Batches as ESPnet's LengthBatchSampler cuts them: as soon as ``budget`` is passed, padding included.

    ``at_least``: items in a batch; the last batch, if smaller, joins the one before.

    >>> espnet_batches([1, 2, 2, 3, 9], float, 5)
    [[1, 2, 2], [3, 9]]
    """
    found: list[list[Item]] = []
    batch: list[Item] = []
    for item in items:
        batch.append(item)
        if len(batch) * size(item) > budget and len(batch) >= at_least:
            found.append(batch)
            batch = []
    if batch and found and len(batch) < at_least:
        found[-1] += batch
    elif batch:
        found.append(batch)
    return found
