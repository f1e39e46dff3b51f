"""The texts of a recipe that become phones, their languages and converters. Imports no converter."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from xlt.core.context import Context
from xlt.formats.tables import read_table, same_keys
from xlt.phones.choice import choose_all


def sets(ctx: Context) -> list[str]:
    """The sets that get phone texts: all that are learned from or scored and that there are."""
    wanted = [*ctx.cfg.sets, *ctx.cfg.pooled_sets]
    there = [name for name in wanted if (ctx.data / name / "text").exists()]
    return list(dict.fromkeys((ctx.cfg.train_set, *there)))


def languages_of(ctx: Context, name: str) -> dict[str, str]:
    """``{utterance: language}`` of a set, by its utt2lang; without one all are the recipe's language."""
    text, path = ctx.data / name / "text", ctx.data / name / "utt2lang"
    utts = read_table(text)
    if not path.exists():
        return dict.fromkeys(utts, ctx.cfg.language)
    langs = read_table(path)
    same_keys(text, path, utts, langs)
    return langs


def inputs(ctx: Context) -> list[Path]:
    """What the phone texts are made from."""
    table = ctx.cfg.phones.table
    return [ctx.data / name / file for name in sets(ctx) for file in ("text", "utt2lang")] + (
        [Path(table)] if table else []
    )


def versions() -> dict[str, str]:
    """What a phone text depends on beside the text."""
    return {name: metadata.version(name) for name in ("epitran", "espeakng-loader", "ipatok", "phonemizer")}


def choices(ctx: Context) -> dict[str, str]:
    """``{language: converter}`` of all sets; ConfigError for a language without one."""
    codes = {lang for name in sets(ctx) for lang in languages_of(ctx, name).values()}
    return {code: str(choice) for code, choice in choose_all(codes, ctx.cfg.phones).items()}
