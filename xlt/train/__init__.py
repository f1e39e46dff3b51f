"""Stage 6: a model of the family that ``train.family`` names, trained on stored features or on speech."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from xlt.core.context import Context
from xlt.core.stage import Unit, run_unit
from xlt.formats.model_folder import teacher
from xlt.models.labels import Labels
from xlt.models.resolved import resolve


def _labels(ctx: Context) -> Labels | None:
    """What is learned of the texts of a teacher; None without one."""
    model = teacher(ctx.cfg)
    if model is None:
        return None
    from xlt.train.labels import labels

    return labels(ctx, model)


def run(ctx: Context) -> None:
    """Train ``exp/<tag>``; resumes after the last finished epoch. With ``pretrain.method`` it is an
    encoder.
    """
    if ctx.cfg.pretrains:
        from xlt.models import ssl

        run_unit(ctx, ssl.unit(ctx))
        return
    found = resolve(ctx, _labels(ctx))
    family = found.family

    def make(out: Path) -> dict:
        found.freezing.tell()
        return family.fit(found, out) | found.freezing.facts

    run_unit(
        ctx,
        Unit(
            "train",
            ctx.exp,
            found.cfg.section(*family.settings, *(["data.empty"] if found.cfg.empty_sets else [])),
            found.inputs,
            make,
            resume=True,
            versions={name: version(name) for name in family.packages},
        ),
    )
