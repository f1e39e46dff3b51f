"""The mean of the best epochs' models, as ESPnet makes it, with two models in memory and not all: a tuned one
has a gigabyte.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from xlt.formats.weights import read_weights

_AGAIN = "run the same command: what is damaged is trained again"


def average_nbest_models(
    output_dir: Path,
    reporter,
    best_model_criterion: Sequence[Sequence[str]],
    nbest: int | list[int],
    suffix: str | None = None,
    use_deepspeed: bool = False,
) -> None:
    """Write ``<phase>.<key>.ave_<n>best.pth`` and the link ``<phase>.<key>.ave.pth``.

    Called by ESPnet's trainer in place of its own function of this name (espnet2/main_funcs), with its
    arguments and files. Whole numbers, which count something, are those of the best epoch.
    """
    end = f"{suffix}.pth" if suffix else "pth"
    for phase, key, mode in best_model_criterion:
        if not reporter.has(phase, key):
            continue
        epochs = reporter.sort_epochs(phase, key, mode)
        counts = sorted({min(n, len(epochs)) for n in ([nbest] if isinstance(nbest, int) else nbest)})
        for count in counts:
            file = output_dir / f"{phase}.{key}.ave_{count}best.{end}"
            if count == 1:
                _link(file, f"{epochs[0]}epoch.pth")
            else:
                torch.save(_mean([output_dir / f"{epoch}epoch.pth" for epoch in epochs[:count]]), file)
        _link(output_dir / f"{phase}.{key}.ave.{end}", file.name)


def _mean(files: list[Path]) -> dict[str, torch.Tensor]:
    total = read_weights(files[0], _AGAIN)
    for file in files[1:]:
        for name, value in read_weights(file, _AGAIN, mmap=True).items():
            if total[name].is_floating_point():
                total[name] += value
    for value in total.values():
        if value.is_floating_point():
            value /= len(files)
    return total


def _link(path: Path, target: str) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)
