"""Speech of recipes that ``train.mix`` names: their training and test sets, as sets of this recipe."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from xlt.data.corpora.recipes import bring_up_to_date, settings_of
from xlt.data.subsets import TABLES, tag_tables, write_tags
from xlt.errors import ConfigError
from xlt.kaldi_io import read_table, spk2utt, write_table
from xlt.log import say
from xlt.stage import Context, Unit


def units(ctx: Context) -> Iterator[Unit]:
    """``data/train_spa`` and ``data/test_spa`` for each ``spa``; where that recipe has no data yet, its stage 1 makes it.

    Its training set is the one that its own recipe.yaml asks for.
    """
    for name, (train, test) in ctx.cfg.mixed.items():
        recipe = f"../{name}"
        own = settings_of(recipe, ctx.cfg, "train.mix")
        if own.lang == ctx.cfg.lang:
            raise ConfigError(f"train.mix: {recipe} is {own.lang}, too; mix in other languages")
        if not all((Path(recipe) / "data" / part / table).exists() for part in (own.train_set, "test")
                   for table in ("stage.json", *TABLES)):
            bring_up_to_date(recipe, own, ctx, "train.mix")
        for ours, theirs in ((train, own.train_set), (test, "test")):
            folder = Path(recipe) / "data" / theirs
            yield Unit("data", ctx.data / ours, {"from": recipe}, [folder],
                       lambda out, folder=folder, ours=ours, recipe=recipe: _take(folder, recipe, ours, out))


def _take(folder: Path, recipe: str, name: str, out: Path) -> dict:
    tables = {table: read_table(folder / table) for table in TABLES}
    tables["wav.scp"] = {utt: os.path.normpath(os.path.join(recipe, wav)) for utt, wav in tables["wav.scp"].items()}
    for table, rows in tables.items():
        write_table(out / table, rows)
    write_tags({table: read_table(folder / table) for table in tag_tables(folder)}, tables["text"], out)
    write_table(out / "spk2utt", spk2utt(tables["utt2spk"]))
    minutes = sum(map(float, tables["utt2dur"].values())) / 60
    say(f"  {name}: {len(tables['text'])} utterances, {minutes:.2f} minutes of {recipe}")
    return {"utterances": len(tables["text"]), "minutes": round(minutes, 3)}
