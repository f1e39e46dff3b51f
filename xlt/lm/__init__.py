"""Stage 5: a language model for decoding → exp/lm/<type>/. ``lm.type: none`` does nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xlt.core.context import Context
    from xlt.lm.model import LanguageModel
    from xlt.tokens.tokenizer import Tokenizer

NONE = "none"


def run(ctx: Context) -> None:
    """Make the language model of ``lm.type``."""
    from xlt.core.registry import LMS
    from xlt.core.stage import Unit, run_unit

    if ctx.cfg.lm.type == NONE:
        return
    kind = LMS.get(ctx.cfg.lm.type)
    config = ctx.cfg.section("lm", *kind.settings)
    run_unit(ctx, Unit("lm", folder(ctx), config, kind.inputs(ctx), lambda out: kind.make(ctx, out)))


def folder(ctx: Context) -> Path:
    """Where the language model of these settings is."""
    return ctx.recipe / "exp" / "lm" / ctx.cfg.lm.type


def files(ctx: Context) -> list[Path]:
    """What a decoder reads that uses it; MissingInput if stage 5 has not made it."""
    from xlt.core.context import need

    if ctx.cfg.lm.type == NONE:
        return []
    need(ctx, folder(ctx), stage="lm")
    return [folder(ctx)]


def load(ctx: Context, tokenizer: Tokenizer) -> list[LanguageModel]:
    """The language models of these settings, for these tokens."""
    from xlt.core.registry import LMS

    return [] if ctx.cfg.lm.type == NONE else [LMS.get(ctx.cfg.lm.type).load(folder(ctx), tokenizer)]
