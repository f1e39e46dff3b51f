"""Stage 5: a language model for decoding → exp/lm/<tag>/. ``lm.type: none`` makes none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlt.formats.versioned import Format

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xlt.core.context import Context
    from xlt.lm.model import LanguageModel
    from xlt.tokens.tokenizer import Tokenizer

NONE = "none"
FACTS = "lm.json"  # what a language model was made of: every kind may write one
FORMAT = Format(FACTS, 1)


def run(ctx: Context) -> None:
    """Make the language model of ``lm.type``."""
    from xlt.core.context import need
    from xlt.core.registry import LMS
    from xlt.core.stage import Unit, run_unit
    from xlt.lm import pronounce

    pronounce.check(ctx.cfg)
    if ctx.cfg.decode.hotwords and not ctx.cfg.train.zero_shot:  # a zero-shot model keeps the source's tokens
        from xlt.data.normalisers import normaliser_of
        from xlt.lm.hotwords import check_hotwords

        need(ctx, ctx.tokens / "tokens.txt", stage="tokens")
        check_hotwords(ctx.cfg, ctx.tokens, normaliser_of(ctx.cfg))  # before hours of training
    if ctx.cfg.lm.type == NONE:
        return
    kind = LMS.get(ctx.cfg.lm.type)
    need(ctx, ctx.tokens / "tokens.txt", stage="tokens")
    config = ctx.cfg.section("lm", *kind.settings)
    run_unit(ctx, Unit("lm", folder(ctx), config, kind.inputs(ctx), lambda out: kind.make(ctx, out)))


def folder(ctx: Context) -> Path:
    """Where the language model of this experiment is."""
    return ctx.recipe / "exp" / "lm" / ctx.cfg.tag


def files(ctx: Context) -> list[Path]:
    """What a decoder reads that uses it; MissingInput if stage 5 has not made it."""
    from xlt.core.context import need

    if ctx.cfg.lm.type == NONE:
        return []
    need(ctx, folder(ctx), stage="lm")
    return [folder(ctx)]


def load(place: Path, kind: str, tokenizer: Tokenizer) -> Sequence[LanguageModel]:
    """The language models in ``place``, which ``lm.type=kind`` made, for the tokens of an acoustic model."""
    from xlt.core.registry import LMS

    return [] if kind == NONE else LMS.get(kind).load(place, tokenizer)


def facts(ctx: Context) -> dict[str, Any]:
    """What its ``lm.json`` says of it, without the symbols; {} if this experiment has none."""
    path = folder(ctx) / FACTS
    if ctx.cfg.lm.type == NONE or not path.exists():
        return {}
    found = FORMAT.read(path, "make it again with --stage 5 --force")
    return {key: found[key] for key in ("unit", "parts", "sources", "dev", "model") if key in found}
