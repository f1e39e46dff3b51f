"""Encoders that learn from speech without texts, one file a method: stage 6 of a recipe with
``pretrain.method``.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from xlt.core.context import Context, need
from xlt.core.stage import Unit

_READ = ("method", "model", "batch_s", "epochs", "lr", "warm_up", "least_codes")


def unit(ctx: Context) -> Unit:
    """``exp/<tag>``; MissingInput without stage 1's sets."""
    need(ctx, *(ctx.data / name / "wav.scp" for name in ("train", "dev")), stage="data")

    def make(out: Path) -> dict:
        from xlt.models.ssl.pretraining import fit

        return fit(ctx, out)

    return Unit(
        "train",
        ctx.exp,
        ctx.cfg.section(*(f"pretrain.{name}" for name in _READ), "seed"),
        [ctx.data / name / "utt2audio" for name in ("train", "dev")],
        make,
        resume=True,
        versions={name: version(name) for name in ("torch", "transformers")},
    )
