"""Typed configuration: base.yaml < preset < recipe.yaml < key=value.

Defaults live in ``egs/common/conf/base.yaml`` and nowhere else; the dataclasses below give the types. An
unknown key, a wrong type or a value that is not among the choices raises :class:`ConfigError` naming the file
and line. Paths become absolute here, once; :meth:`Config.section` spells them as they were given.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import os
import re
import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xlt.core import schema
from xlt.core.errors import ConfigError
from xlt.core.paths import ROOT
from xlt.core.settings import Settings
from xlt.core.yaml_source import parse_overrides, read_yaml

CROSS = "cross"  # data.split: cross-validation
UNLABELLED = "unlabelled"  # the set that stage 1 makes of train.unlabelled
CONTINUED = ("continued", "chunked")  # values of pretrain.method: from the encoder of features.upstream
EMPTY = "empty"  # the set that it makes for data.empty, of a smaller training set with its name
PACKAGED = ROOT / "xlt" / "conf"  # in xlt-runtime, which has no recipes
CONF_DIR = Path(
    os.environ.get("XLT_CONF") or (PACKAGED if PACKAGED.is_dir() else ROOT / "egs" / "common" / "conf")
)


@dataclass(frozen=True)
class Config(Settings):
    """The whole configuration of the recipe in the folder ``recipe``, which is absolute.

    ``paths``: the settings that name paths, as they were given, and absolute as the sections have them.
    """

    recipe: Path
    paths: dict[str, tuple[Any, Any]] = field(repr=False)

    @property
    def language(self) -> str:
        """``lang``, the code of the recipe's language; ConfigError where it is not set."""
        if self.lang is None:
            raise ConfigError(
                "lang: not set; name language and script in recipe.yaml, e.g. lang: ron_Latn (ISO 639-3, ISO"
                " 15924)"
            )
        return self.lang

    @property
    def pretrains(self) -> bool:
        """Whether this is the recipe of an encoder, which learns without texts, not of a recogniser."""
        return self.pretrain.method != "none"

    @property
    def continues(self) -> bool:
        """Whether a pre-training starts from the encoder that ``features.upstream`` names."""
        return self.pretrain.method in CONTINUED

    @property
    def learns_own(self) -> bool:
        """Whether a pre-training learns from the training speech of this very recipe, whose texts it does not
        read: where it names no other speech.
        """
        named = self.pretrain.recipes or self.pretrain.folders or self.pretrain.packages
        return self.pretrains and not named and bool(self.data.reader or self.data.sources)

    @property
    def heard_set(self) -> str:
        """The set that a pre-training learns from."""
        return self.train_set if self.learns_own else "train"

    @property
    def train_set(self) -> str:
        """Name of the training set: ``train``, or ``train_10min`` under a budget of ten minutes."""
        minutes = self.data.train_minutes
        return "train" if minutes is None else f"train_{minutes:g}min"

    @property
    def mixed(self) -> dict[str, tuple[str, str]]:
        """``{"spa": ("train_spa", "test_spa")}``: recipes that ``train.mix`` names, and the sets that are
        made of them here.
        """
        return {name: (f"train_{name}", f"test_{name}") for name in self.train.mix}

    @property
    def balanced(self) -> tuple[str, float] | None:
        """What ``train.balance`` says: the tag whose values are balanced, ``lang`` without one, and the
        exponent.
        """
        given = self.train.balance
        if isinstance(given, dict):
            return next(iter(given.items()))
        return None if given is None else ("lang", given)

    @property
    def learned_sets(self) -> list[str]:
        """The sets whose speech is in the batches: the training set, and those of recipes with a share in
        ``train.mix``.
        """
        return [
            self.train_set,
            *(train for name, (train, _) in self.mixed.items() if self.train.mix[name] > 0),
        ]

    @property
    def unlabelled_sets(self) -> list[str]:
        """The set that stage 1 makes of ``train.unlabelled``, if there is such speech."""
        return [UNLABELLED] if self.train.unlabelled is not None else []

    @property
    def empty_sets(self) -> list[str]:
        """The set of sound without speech that stage 1 makes for ``data.empty``, if it asks for any."""
        return [EMPTY + self.train_set.removeprefix("train")] if self.data.empty else []

    @property
    def further_sets(self) -> list[str]:
        """The sets of the corpus beyond train, dev and test that ``decode.sets`` asks for."""
        mixed = {name for pair in self.mixed.values() for name in pair}
        others = {"train", self.train_set, "dev", "test"} | mixed
        return [name for name in self.decode.sets if name not in others]

    @property
    def made_sets(self) -> list[str]:
        """The sets of ``decode.sets`` that are made of dev or test (``data.further`` with ``of``)."""
        made = [part.get("set") for part in self.data.further if isinstance(part, dict) and "of" in part]
        return [name for name in self.further_sets if name in made]

    @property
    def pooled_sets(self) -> list[str]:
        """The sets whose texts the models of all folds have written together: test with ``data.split=cross``,
        but not in a fold itself.
        """
        return ["test"] if self.data.split == CROSS and self.data.fold is None else []

    @property
    def checked_sets(self) -> list[str]:
        """The sets of this recipe's own corpus that stage 2 checks: the training set first, then all that are
        held out of training, but for those that stage 1 makes of them.
        """
        made = self.made_sets
        further = [name for name in self.further_sets if name not in made] if self.data.fold is None else []
        return [self.train_set, "dev", *([] if self.pooled_sets else ["test"]), *further]

    @property
    def sets(self) -> list[str]:
        """All sets that have features: training, speech without texts, sound without speech, dev, test, those
        of mixed recipes, and what ``decode.sets`` asks for.
        """
        mixed = (name for pair in self.mixed.values() for name in pair)
        own = [self.train_set, *self.unlabelled_sets, *self.empty_sets, "dev", "test"]
        there = dict.fromkeys([*own, *mixed, *self.scored_sets])
        return [name for name in there if name not in self.pooled_sets]

    @property
    def scored_sets(self) -> list[str]:
        """The sets that are decoded and scored: ``decode.sets``, and the test sets of mixed recipes; in a
        fold of ``data.split=cross`` test alone.
        """
        if self.data.fold is not None:
            return ["test"]
        return list(dict.fromkeys([*self.decode.sets, *(test for _, test in self.mixed.values())]))

    @property
    def written_too(self) -> list[Path]:
        """Recipes whose characters are tokens as well: those of ``tokens.union``, and those mixed in by
        ``train.mix``.
        """
        names = [os.path.normpath(name) for name in self.as_given("tokens.union")]
        names += [f"../{name}" for name in self.train.mix]
        return [self.recipe / name for name in dict.fromkeys(names)]

    @property
    def jobs(self) -> int:
        """Parallel processes: ``nj``, or the number of cores that this process may use."""
        return self.nj if self.nj is not None else len(os.sched_getaffinity(0))

    def flat(self) -> dict[str, Any]:
        """All settings, ``{"data.reader": …}``, paths as they were given: for what is written to disk."""
        whole = dataclasses.asdict(self)
        tree = {one.name: whole[one.name] for one in dataclasses.fields(Settings)}
        found = schema.flatten(tree, keep=schema.free_form())
        for name, (given, absolute) in self.paths.items():
            if found[name] == absolute:  # else a stage has put another in its place
                found[name] = given
        return found

    @functools.cached_property
    def given_absolute(self) -> list[str]:
        """The paths inside the recipe that settings name by absolute ones."""
        found = [text for given, _ in self.paths.values() for text in _texts(given)]
        return [text for text in found if text.startswith(f"{self.recipe}/")]

    def as_given(self, name: str) -> Any:
        """The value of one setting; a path as it was given, relative to the recipe."""
        return self.flat()[name]

    def section(self, *names: str) -> dict[str, Any]:
        """Flat ``{"data.reader": …}`` of the named sections or keys, for a stage's stamp."""
        flat = self.flat()
        picked = {}
        for name in names:
            hits = {k: v for k, v in flat.items() if k == name or k.startswith(name + ".")}
            if not hits:
                raise KeyError(name)
            picked.update(hits)
        return picked


def _texts(value: Any) -> Iterator[str]:
    """The texts in a list, a mapping, or a value by itself."""
    if isinstance(value, (list, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)
    elif isinstance(value, str):
        yield value


def _beside(recipe: Path, path: Any) -> Any:
    """A path, or a list of them, below the folder that ``recipe`` is in, as recipe.yaml would name it; any
    other unchanged.
    """
    if isinstance(path, list):
        return [_beside(recipe, part) for part in path]
    if not isinstance(path, str) or not os.path.isabs(path):
        return path
    here, there = os.path.abspath(recipe), os.path.abspath(path)
    return os.path.relpath(there, here) if there.startswith(os.path.dirname(here) + os.sep) else path


def fold_tag(tag: str, fold: int) -> str:
    """The experiment of one fold of ``data.split=cross``: ``main_fold2``."""
    return f"{tag}_fold{fold}"


def presets() -> list[str]:
    """Names of the presets in ``egs/common/conf``."""
    return sorted(p.stem for p in CONF_DIR.glob("*.yaml") if p.stem != "base")


def load(recipe: Path, overrides: Sequence[str] = (), cwd: Path | None = None) -> Config:
    """Read the configuration of the recipe directory ``recipe``; raises ConfigError.

    ``overrides``: ``key=value`` words; ``cwd``: the directory that relative paths in them count from, None
    for the recipe, as in recipe.yaml.
    """
    base = read_yaml(CONF_DIR / "base.yaml")
    own, named = read_yaml(recipe / "recipe.yaml"), schema.paths()
    given = {
        name: (_beside(recipe, value) if name in named and named[name].beside else value, where)
        for name, (value, where) in parse_overrides(list(overrides), cwd).items()
    }
    preset, where = next(layer["preset"] for layer in (given, own, base) if "preset" in layer)
    if preset not in presets():
        close = difflib.get_close_matches(str(preset), presets(), n=1)
        raise ConfigError(
            f"{where}: preset: no preset {preset!r}; there are {', '.join(presets())}"
            + (f"; did you mean {close[0]}?" if close else "")
        )
    values: dict[str, Any] = {}
    for layer in (base, read_yaml(CONF_DIR / f"{preset}.yaml"), own, given):
        for name, (value, origin) in layer.items():
            schema.check_setting(name, value, origin)
            values[name] = value
    missing = sorted(set(schema.schema()) - set(values))
    if missing:
        raise ConfigError(f"{CONF_DIR / 'base.yaml'}: no default for {', '.join(missing)}")
    _check_mix(values["train.mix"], values["train.forget_limit"])
    _check_sets(values["decode.sets"])
    tag = values["tag"]
    if not re.fullmatch(r"(?!\.)[\w.-]+", tag):
        raise ConfigError(f"tag: {tag!r} cannot name a directory; use letters, digits, '_', '-' and '.'")
    if tag == "lm":
        raise ConfigError("tag: 'lm' is the folder of the language models, exp/lm; choose another")
    if values["data.fold"] is not None:
        values["tag"] = fold_tag(tag, values["data.fold"])
    recipe = recipe.resolve()  # with what is above it: another recipe may be named as ../spa
    paths = {name: (values[name], schema.located_value(name, values[name], recipe)) for name in sorted(named)}
    values |= {name: absolute for name, (_, absolute) in paths.items()}
    return Config(**_arguments(Settings, values), recipe=recipe, paths=paths)


def _check_mix(mix: dict, limit: str | float | None) -> None:
    """ConfigError unless the shares leave room for the recipe's own speech, and the limit can be read."""
    for name, share in mix.items():
        if not isinstance(name, str) or "/" in name or not schema.fits(share, float) or not 0 <= share < 1:
            raise ConfigError(
                f"train.mix: found {name!r}: {share!r}, expected recipes beside this one with their shares of"
                " the batches, from 0 to below 1, e.g. {spa: 0.1}"
            )
    if sum(mix.values()) >= 1:
        raise ConfigError(
            f"train.mix: the shares sum to {sum(mix.values()):g} and leave nothing for this recipe's own"
            " speech; lower them"
        )
    if limit is not None:
        share_of(limit)


def _check_sets(names: list) -> None:
    """ConfigError unless they can be different sets."""
    if not names or not all(isinstance(name, str) and name for name in names) or len(set(names)) < len(names):
        raise ConfigError(f"decode.sets: found {names!r}, expected different names of sets, e.g. [dev, test]")


def share_of(limit: str | float) -> float:
    """``5%`` or 0.05 → 0.05; ConfigError."""
    words = str(limit).strip()
    try:
        value = float(words.removesuffix("%")) / (100 if words.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0 <= value < 100:
        raise ConfigError(f"train.forget_limit: found {limit!r}, expected a share such as 5% or 0.05")
    return value


_hints = functools.cache(typing.get_type_hints)


def _arguments(cls: type, values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """What the section ``cls`` is made of."""
    found: dict[str, Any] = {}
    for name, hint in _hints(cls).items():
        if schema.is_section(hint):
            found[name] = hint(**_arguments(hint, values, f"{prefix}{name}."))
            continue
        value = values[f"{prefix}{name}"]
        whole = type(value) is int and float in (hint, *typing.get_args(hint))
        found[name] = float(value) if whole else value
    return found


@functools.cache
def defaults() -> dict[str, Any]:
    """``{"data.reader": None, …}``, what base.yaml has; its settings keep the behaviour from before they were
    there.
    """
    return {name: value for name, (value, _) in read_yaml(CONF_DIR / "base.yaml").items()}


def documented_keys() -> dict[str, str]:
    """``{"data.reader": "null   # corpus reader: …"}`` read from base.yaml's own comments, for ``--help``."""
    lines = (CONF_DIR / "base.yaml").read_text(encoding="utf-8").splitlines()
    section, docs = "", {}
    for line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, _, rest = line.strip().partition(":")
        if not line.startswith(" "):
            section = ""
        if not rest.strip():
            section = name + "."
        else:
            docs[section + name] = rest.strip()
    return docs
