"""Recipes whose data another recipe takes: which they are, and the settings that hold for them."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from xlt.core.config import Config, defaults, load
from xlt.core.errors import ConfigError, XltError
from xlt.text import languages

_THEIRS = (
    "normaliser",
    "tags",
    "keep",
    "digits",
    "columns",
    "tier",
    "allow_pipes",
    "train_from",
    "split",
    "train_speakers",
    "parts",
    "splits",
    "min_dur_s",
    "max_dur_s",
    "max_chars_per_s",
    "min_chars_per_s",
)  # settings of a source alone
_PASSED_ON = (
    "dir",
    "archive",
    "cache",
)  # where the corpus is: given with data.reader=recipes, they hold for every source


@dataclass(frozen=True)
class Source:
    """A recipe whose data are joined. ``name``: its directory as data.sources gives it, relative to that of
    the recipe that joins, ``joiner``; ``cfg``: its own settings.
    """

    name: str
    joiner: Path
    cfg: Config

    @property
    def everything(self) -> Path:
        return self.joiner / self.name / "data" / "all"


def sources(cfg: Config) -> list[Source]:
    """The recipes that ``data.sources`` names; ConfigError if they cannot be joined."""
    names = cfg.as_given("data.sources")
    if not names or not all(isinstance(name, str) for name in names):
        raise ConfigError(
            f"data.sources: found {names!r}, expected directories of recipes, such as [../fra, ../spa]"
        )
    if cfg.lang != languages.MULTIPLE:
        raise ConfigError(
            f"lang: found {cfg.lang}, expected {languages.MULTIPLE} (several languages) with "
            "data.reader=recipes"
        )
    for key in _THEIRS:
        if getattr(cfg.data, key) != defaults()[f"data.{key}"]:
            raise ConfigError(
                f"data.{key}: not for data.reader=recipes: each source keeps its own; set it in the "
                "source's recipe.yaml"
            )
    found: list[Source] = []
    for name in names:
        own = settings_of(name, cfg)
        same = [source.name for source in found if source.cfg.lang == own.lang]
        if same:
            raise ConfigError(
                f"data.sources: {same[0]} and {name} are both {own.lang}; keep one recipe of a language"
            )
        found.append(Source(name, cfg.recipe, own))
    return found


def settings_of(name: str, cfg: Config, setting: str = "data.sources") -> Config:
    """The settings of the recipe in ``name``, which ``setting`` asks for, with what ``cfg`` says of where
    corpora are.

    A recipe that has a corpus itself says that of a source only which is read alike and does not say where
    its own is.
    """
    folder = cfg.recipe / name
    if not (folder / "recipe.yaml").is_file():
        raise ConfigError(
            f"{setting}: {name}: no recipe there (no recipe.yaml); expected a directory such as ../fra, "
            "relative to this recipe"
        )
    with named(name, setting):
        own = load(folder)
        languages.get(own.lang)
    if own.data.reader == "recipes":
        raise ConfigError(
            f"{setting}: {name}: joins other recipes itself; name those instead:"
            f" {own.as_given('data.sources')}"
        )
    alike = cfg.data.reader == "recipes" or (
        cfg.data.reader == own.data.reader and not (own.data.dir or own.data.archive)
    )
    given = {
        key: os.path.abspath(value)
        for key in (_PASSED_ON if alike else ("cache",))
        if (value := getattr(cfg.data, key))
    }
    return dataclasses.replace(own, nj=cfg.nj or own.nj, data=dataclasses.replace(own.data, **given))


@contextlib.contextmanager
def named(name: str, setting: str = "data.sources") -> Iterator[None]:
    """Errors inside say which source they are about."""
    try:
        yield
    except XltError as err:
        err.args = (f"{setting}: {name}: {err}",)
        raise
