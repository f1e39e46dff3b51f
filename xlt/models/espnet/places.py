"""Paths of a training: ESPnet reads absolute ones, what is kept of it names files as seen from the recipe."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import yaml

from xlt.core.context import Context
from xlt.core.paths import located, plain
from xlt.formats.model_folder import recipe_of
from xlt.formats.tables import read_scp, read_table, write_table

_WHOLE = "places"  # folder of copies of scp files, each below it at its path in the recipe


def whole_scp(ctx: Context, scp: Path, work: Path) -> str:
    """``scp``, or a copy of it in ``work`` whose paths are absolute: ESPnet counts relative ones from where
    the process stands.
    """
    rows = read_scp(scp, ctx.recipe)
    if rows == read_table(scp):
        return str(scp)
    copy = work / _WHOLE / ctx.display_path(scp)
    copy.parent.mkdir(parents=True, exist_ok=True)
    write_table(copy, rows)
    return str(copy)


def keep_config(ctx: Context, out: Path) -> None:
    """Let ``out/config.yaml`` say where things are in the recipe, and the experiment where it will stand."""
    from espnet2.utils.yaml_no_alias_safe_dump import yaml_no_alias_safe_dump

    from xlt.models.espnet.taught import untaught

    def kept(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: kept(part) for key, part in value.items()}
        if isinstance(value, list):
            return [kept(part) for part in value]
        if not isinstance(value, str):
            return value
        for prefix in (f"{out / 'work' / _WHOLE}/", f"{ctx.recipe}/"):
            value = value.removeprefix(prefix)
        return value.replace(ctx.display_path(out), ctx.display_path(ctx.exp))

    path = out / "config.yaml"
    config = kept(untaught(yaml.safe_load(path.read_text(encoding="utf-8"))))
    with path.open("w", encoding="utf-8") as file:
        yaml_no_alias_safe_dump(config, file, indent=4, sort_keys=False)


class PlainFormatter(logging.Formatter):
    """Lines of a log that name files as seen from the recipe."""

    def __init__(self, recipe: Path):
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self.recipe = recipe

    def format(self, record: logging.LogRecord) -> str:
        return plain(super().format(record), self.recipe)


def weights_of(conf: dict, folder: Path) -> dict:
    """The options of a frontend with the places of its weights absolute; ``folder``: exp/<tag> or a
    bundle.
    """
    places = {key: located(conf[key], recipe_of(folder)) for key in ("path", "cache") if conf.get(key)}
    return {**conf, **places}
