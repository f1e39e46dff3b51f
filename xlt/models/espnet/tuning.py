"""Fine-tuning in a training of ESPnet: the frontend's options, learning rates by layer, what the experiment
must keep.
"""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlt.core.config import Config
from xlt.core.context import Context

if TYPE_CHECKING:
    import torch

NAME = "xlt_tuned"  # in ESPnet's list of frontends


@dataclass(frozen=True)
class Tuning:
    """What of the upstream is trained, from when on, and how fast; the settings of the same names in
    base.yaml.

    ``freeze``: ``extractor``, ``none``, or ``upstream``, where only the adapters are trained.
    """

    freeze: str
    freeze_updates: int
    upstream_lr: float
    layer_decay: float
    upstream_dropout: float
    checkpointing: bool
    adapter: str
    adapter_dim: int


def tunes(cfg: Config) -> bool:
    """Whether something of the upstream is trained; ``train.freeze`` is decided
    (:mod:`xlt.upstreams.freeze`).
    """
    return cfg.train.freeze != "upstream" or cfg.train.adapter != "none"


def settings(cfg: Config) -> dict:
    """The values of :class:`Tuning`."""
    return {field.name: getattr(cfg.train, field.name) for field in dataclasses.fields(Tuning)}


def frontend_options(cfg: Config, frozen: dict) -> dict:
    """ESPnet's options for a training that tunes; ``frozen``: ``frontend_conf`` of the frozen upstream's
    frontend.
    """
    return {
        "frontend": NAME,
        "frontend_conf": {**frozen, "tuning": settings(cfg)},
        "unused_parameters": True,
    }  # torch.distributed: in the first updates the upstream has no gradients


def parameter_groups(model: torch.nn.Module) -> list[dict] | None:
    """Groups for the optimiser: the head, then the layers of a tuned upstream, each with its rate; None
    without one.
    """
    frontend: Any = getattr(model, "frontend", None)
    if not hasattr(frontend, "parameter_groups"):
        return None
    upstream = frontend.parameter_groups()
    theirs = {id(p) for group in upstream for p in group["params"]}
    return [{"params": [p for p in model.parameters() if p.requires_grad and id(p) not in theirs]}, *upstream]


def keep_architecture(ctx: Context, out: Path) -> None:
    """Copy the upstream's config.json to ``out/upstream``, where model.pth holds the tuned weights
    themselves.

    s3prl's own files hold both in one, which is then needed as a frozen upstream's weights are.
    """
    if ctx.cfg.train.freeze == "upstream":
        return
    from xlt.features import find_source

    for file in (Path(f) for f in find_source(ctx.cfg).files if f.endswith(".json")):
        (out / "upstream").mkdir(exist_ok=True)
        shutil.copyfile(file, out / "upstream" / file.name)


def build_info(frontend_conf: dict, folder: Path) -> dict:
    """``{"architecture": …}`` if a model's tuned upstream is built from the config.json that ``folder``
    keeps, else ``{}``.
    """
    kept = folder / "upstream"
    tuned = frontend_conf.get("tuning", {}).get("freeze", "upstream") != "upstream"
    return {"architecture": str(kept)} if tuned and (kept / "config.json").exists() else {}
