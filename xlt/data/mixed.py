"""Speech of recipes that ``train.mix`` names: their training and test sets, as sets of this recipe."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from pathlib import Path

from xlt.core.context import Context
from xlt.core.log import say
from xlt.core.stage import Unit
from xlt.data.corpora.recipes import bring_up_to_date
from xlt.data.sources import settings_of
from xlt.data.subsets import TABLES, partial_tables, prefix_ids, write_tags
from xlt.formats.tables import read_table, spk2utt, write_table


def units(ctx: Context) -> Iterator[Unit]:
    """``data/train_spa`` and ``data/test_spa`` for each ``spa``; where that recipe has no data yet, its stage
    1 makes it.

    Its training set is the one that its own recipe.yaml asks for. It may be of the same language, such as
    another accent: stage 2 makes sure that it has nothing of this recipe's dev and test. Its ids begin with
    its language if this recipe, or another that is mixed in, has one of them, too.
    """
    for name, (train, test) in ctx.cfg.mixed.items():
        recipe = f"../{name}"
        own = settings_of(recipe, ctx.cfg, "train.mix")
        place = ctx.recipe / recipe
        if not all(
            (place / "data" / part / table).exists()
            for part in (own.train_set, "test")
            for table in ("stage.json", *TABLES)
        ):
            bring_up_to_date(recipe, own, ctx, "train.mix")
        for ours, theirs in ((train, own.train_set), (test, "test")):
            folder = place / "data" / theirs
            yield Unit(
                "data",
                ctx.data / ours,
                {"from": recipe},
                [folder],
                functools.partial(_take, ctx, folder, recipe, str(own.lang), ours),
            )


def _ids(folder: Path) -> set[str]:
    return set(read_table(folder / "text")) if (folder / "text").exists() else set()


def _take(ctx: Context, folder: Path, recipe: str, lang: str, name: str, out: Path) -> dict:
    tables = {table: read_table(folder / table) for table in (*TABLES, *partial_tables(folder))}
    tables["wav.scp"] = {
        utt: os.path.normpath(os.path.join(recipe, wav)) for utt, wav in tables["wav.scp"].items()
    }
    others = [
        ctx.data / "all",
        *(ctx.recipe / f"../{mixed}/data/all" for mixed in ctx.cfg.mixed if f"../{mixed}" != recipe),
    ]
    own = _ids(ctx.recipe / recipe / "data" / "all")
    if any(own & _ids(other) for other in others):
        tables = prefix_ids(tables, f"{lang}_")
    for table in TABLES:
        write_table(out / table, tables[table])
    write_tags({table: rows for table, rows in tables.items() if table not in TABLES}, tables["text"], out)
    write_table(out / "spk2utt", spk2utt(tables["utt2spk"]))
    minutes = sum(map(float, tables["utt2dur"].values())) / 60
    say(f"  {name}: {len(tables['text'])} utterances, {minutes:.2f} minutes of {recipe}")
    return {"utterances": len(tables["text"]), "minutes": round(minutes, 3)}
