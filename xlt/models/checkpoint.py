"""What a killed training goes on from, in loops of our own: its newest whole checkpoint, and the weights of
the best epochs.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from xlt.core.errors import DataError
from xlt.core.log import say
from xlt.formats.weights import UnloadableError, holds_code, load_plain, read_weights

NEWEST, BEFORE = "checkpoint.pth", "checkpoint.before.pth"
_AGAIN = "run the same command: what is damaged is trained again"


def write(work: Path, state: Mapping[str, Any]) -> None:
    """Write the newest checkpoint; the one before it is kept beside it, should the newest be damaged."""
    if (work / NEWEST).exists():
        os.replace(work / NEWEST, work / BEFORE)
    _save(state, work / NEWEST)


def read(work: Path) -> dict[str, Any] | None:
    """The newest whole checkpoint; None if there is none, or if the mean of the best epochs may want one that
    is damaged.
    """
    for name in (NEWEST, BEFORE):
        try:
            found = load_plain(work / name)
        except FileNotFoundError:
            continue
        except UnloadableError as err:
            if err.code:
                raise DataError(f"{work / name}: {holds_code(err)}") from None
            after = "taking the checkpoint before it" if name == NEWEST else "training starts again"
            say(f"  {work / name} is damaged; {after}")
            continue
        earlier = (epoch_file(work, row["epoch"]) for row in found["history"])
        if damaged := [path for path in earlier if path.exists() and not _is_whole(path)]:
            say(f"  {damaged[0]} is damaged, and the mean may want it; training starts again")
            return None
        return found
    return None


def _is_whole(path: Path) -> bool:
    try:
        load_plain(path, mmap=True)
    except UnloadableError:
        return False
    return True


def epoch_file(work: Path, epoch: int) -> Path:
    return work / f"epoch{epoch}.pth"


def write_epoch(work: Path, epoch: int, state: Mapping[str, Tensor]) -> None:
    """Keep the parameters of an epoch."""
    _save(dict(state), epoch_file(work, epoch))


def drop_others(work: Path, keep: Collection[int]) -> None:
    """Remove the parameters of all epochs but ``keep``."""
    for path in work.glob("epoch*.pth"):
        if path not in {epoch_file(work, epoch) for epoch in keep}:
            path.unlink()


def average(net: nn.Module, files: Sequence[Path]) -> None:
    """Load the mean of the parameters in ``files``; two of them are in memory at once."""
    total: dict[str, Tensor] = {}
    for file in files:
        for name, value in read_weights(file, _AGAIN).items():
            total[name] = value.float() / len(files) + total.get(name, 0.0)
    net.load_state_dict(total, strict=False)


def _save(value: Any, path: Path) -> None:
    partial = path.with_suffix(".partial")
    torch.save(value, partial)
    os.replace(partial, path)
