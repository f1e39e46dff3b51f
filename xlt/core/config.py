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
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from xlt.core.errors import ConfigError
from xlt.core.paths import located
from xlt.core.registry import CHOICES
from xlt.core.settings import (
    BundleConfig,
    CheckConfig,
    DataConfig,
    DecodeConfig,
    FeaturesConfig,
    LmConfig,
    PhonesConfig,
    ReportConfig,
    ScoreConfig,
    TokensConfig,
    TrainConfig,
)

ROOT = Path(__file__).resolve().parents[2]
CONF_DIR = Path(os.environ.get("XLT_CONF", ROOT / "egs" / "common" / "conf"))


@dataclass(frozen=True)
class Config:
    """The whole configuration of one recipe. Sections are named like the stages that read them."""

    lang: str | None
    preset: str
    tag: str
    seed: int
    nj: int | None
    data: DataConfig
    check: CheckConfig
    features: FeaturesConfig
    phones: PhonesConfig
    tokens: TokensConfig
    lm: LmConfig
    train: TrainConfig
    decode: DecodeConfig
    score: ScoreConfig
    report: ReportConfig
    bundle: BundleConfig
    recipe: Path = field(metadata={"setting": False})
    paths: dict[str, tuple[Any, Any]] = field(metadata={"setting": False}, repr=False)
    """The settings that name paths: as they were given, and absolute as the sections have them."""

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
    def learned_sets(self) -> list[str]:
        """The sets whose speech is in the batches: the training set, and those of recipes with a share in
        ``train.mix``.
        """
        return [
            self.train_set,
            *(train for name, (train, _) in self.mixed.items() if self.train.mix[name] > 0),
        ]

    @property
    def further_sets(self) -> list[str]:
        """The sets of the corpus beyond train, dev and test that ``decode.sets`` asks for."""
        mixed = {name for pair in self.mixed.values() for name in pair}
        others = {"train", self.train_set, "dev", "test"} | mixed
        return [name for name in self.decode.sets if name not in others]

    @property
    def checked_sets(self) -> list[str]:
        """The sets of this recipe's own corpus that stage 2 checks: the training set first, then all that are
        held out of training.
        """
        return [self.train_set, "dev", "test", *self.further_sets]

    @property
    def sets(self) -> list[str]:
        """All sets that have features: training, dev, test, those of mixed recipes, and what ``decode.sets``
        asks for.
        """
        mixed = (name for pair in self.mixed.values() for name in pair)
        return list(dict.fromkeys([self.train_set, "dev", "test", *mixed, *self.decode.sets]))

    @property
    def scored_sets(self) -> list[str]:
        """The sets that are decoded and scored: ``decode.sets``, and the test sets of mixed recipes."""
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
        tree = {
            f.name: dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value
            for f in dataclasses.fields(self)
            if _is_setting(f)
            for value in [getattr(self, f.name)]
        }
        found = flatten(tree, keep=FREE_FORM)
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


FREE_FORM = {
    "data.columns",
    "data.splits",
    "train.encoder_conf",
    "train.decoder_conf",
    "train.mix",
    "score.words",
}
_POSITIVE = {
    "nj",
    "data.train_minutes",
    "data.max_dur_s",
    "data.max_chars_per_s",
    "features.batch_s",
    "features.mix_minutes",
    "features.mix_updates",
    "tokens.size",
    "train.frame_rate",
    "train.lr",
    "train.batch_s",
    "train.max_epochs",
    "train.patience",
    "train.grad_clip",
    "train.average_best",
    "decode.beam_size",
    "train.upstream_lr",
    "train.layer_decay",
    "train.adapter_dim",
    "score.bootstrap",
    "score.long_chars",
}
_COUNTS = {"train.freeze_updates"}
_PATHS = {
    "data.dir",
    "data.archive",
    "data.cache",
    "data.sources",
    "data.parts",
    "data.drop",
    "check.align_model",
    "features.path",
    "features.mix_from",
    "phones.table",
    "train.init",
    "tokens.union",
    "score.words",
    "score.word_tags",
}
# of _PATHS: other recipes, mostly
_NEIGHBOURS = {
    "data.sources",
    "data.drop",
    "check.align_model",
    "features.mix_from",
    "train.init",
    "tokens.union",
}
_SHARE = {
    "train.ctc_weight",
    "train.average_source",
    "decode.ctc_weight",
    "train.feature_mask",
    "train.balance",
    "train.layer_decay",
    "train.upstream_dropout",
    "check.drop",
}


def _texts(value: Any) -> Iterator[str]:
    """The texts in a list, a mapping, or a value by itself."""
    if isinstance(value, (list, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)
    elif isinstance(value, str):
        yield value


def flatten(tree: dict, prefix: str = "", keep: set[str] = frozenset()) -> dict[str, Any]:
    """``{"a": {"b": 1}}`` → ``{"a.b": 1}``; dictionaries named in ``keep`` stay whole."""
    flat = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and name not in keep:
            flat.update(flatten(value, name + ".", keep))
        else:
            flat[name] = value
    return flat


def schema(cls: type = Config, prefix: str = "") -> dict[str, Any]:
    """Every key with its type: ``{"data.reader": str | None, …}``."""
    hints = typing.get_type_hints(cls)
    keys = {}
    for one in filter(_is_setting, dataclasses.fields(cls)):
        hint = hints[one.name]
        if dataclasses.is_dataclass(hint):
            keys.update(schema(hint, f"{prefix}{one.name}."))
        else:
            keys[f"{prefix}{one.name}"] = hint
    return keys


def _is_setting(one: dataclasses.Field) -> bool:
    return one.metadata.get("setting", True)


def _fits(value: Any, hint: Any) -> bool:
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        return any(_fits(value, h) for h in typing.get_args(hint))
    if origin is Literal:
        return value in typing.get_args(hint)
    if hint is type(None):
        return value is None
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


def _describe(hint: Any) -> str:
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(_describe(h) for h in typing.get_args(hint))
    if origin is Literal:
        return "one of " + ", ".join(map(str, typing.get_args(hint)))
    names = {
        str: "text",
        float: "a number",
        int: "a whole number",
        bool: "true or false",
        type(None): "null",
        list: "a list",
        dict: "a mapping",
    }
    return names.get(hint, str(hint))


def _check(name: str, value: Any, where: str, keys: dict[str, Any]) -> None:
    if name not in keys:
        leaves = {k.rsplit(".", 1)[-1]: k for k in keys}
        close = difflib.get_close_matches(name, keys, n=1, cutoff=0.6)
        close = close or [leaves[m] for m in difflib.get_close_matches(name.rsplit(".", 1)[-1], leaves, n=1)]
        hint = f"; did you mean {close[0]}?" if close else "; `xlt --help` lists the keys"
        raise ConfigError(f"{where}: {name}: unknown key{hint}")
    if not _fits(value, keys[name]):
        raise ConfigError(f"{where}: {name}: found {value!r}, expected {_describe(keys[name])}")
    if name in CHOICES:
        registry, others = CHOICES[name]
        if value not in registry and value not in others:
            names = ", ".join([*others, *registry.names()])
            raise ConfigError(
                f"{where}: {name}: found {value!r}, expected one of {names}{registry.hint(value)}"
            )
    if value is not None and name in _POSITIVE and value <= 0:
        raise ConfigError(f"{where}: {name}: found {value!r}, expected a number above 0")
    if name in _COUNTS and value < 0:
        raise ConfigError(f"{where}: {name}: found {value!r}, expected a number not below 0")
    if value is not None and name in _SHARE and not 0 <= value <= 1:
        raise ConfigError(f"{where}: {name}: found {value!r}, expected a share between 0 and 1")


def check_setting(name: str, value: Any, where: str) -> None:
    """ConfigError, which names ``where``, unless ``value`` can stand for the setting ``name``."""
    _check(name, value, where, schema())


def read_yaml(path: Path) -> dict[str, tuple[Any, str]]:
    """Read a YAML file of settings.

    Returns ``{"data.reader": (value, "file:line"), …}``. Raises ConfigError if the file is missing, is not
    YAML, is not a mapping, or has a key twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; run this in a recipe directory such as egs/ron") from None
    except UnicodeDecodeError as err:
        raise ConfigError(
            f"{path}: not UTF-8 text ({err.reason} at byte {err.start}); save it as UTF-8"
        ) from None
    except yaml.YAMLError as err:
        mark = getattr(err, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}{line}: not valid YAML: {getattr(err, 'problem', err)}") from None
    if root is None:
        return {}
    found: dict[str, tuple[Any, str]] = {}
    constructor = yaml.SafeLoader("")

    def walk(node: yaml.Node, prefix: str) -> None:
        if not isinstance(node, yaml.MappingNode):
            raise ConfigError(f"{path}:{node.start_mark.line + 1}: expected `key: value` lines")
        for key_node, value_node in node.value:
            name, where = f"{prefix}{key_node.value}", f"{path}:{key_node.start_mark.line + 1}"
            if name in found:
                raise ConfigError(f"{where}: {name}: stands twice, first at {found[name][1]}; keep one")
            if isinstance(value_node, yaml.MappingNode) and name not in FREE_FORM:
                walk(value_node, name + ".")
            else:
                found[name] = (constructor.construct_object(value_node, deep=True), where)

    walk(root, "")
    return found


def parse_overrides(words: list[str], cwd: Path | None = None) -> dict[str, tuple[Any, str]]:
    """Parse ``key=value`` words; the value is YAML, so ``null``, ``[dev, test]`` and ``{a: 1}`` work.

    Paths become absolute, relative ones counted from ``cwd``; without it they are left as they are, relative
    to the recipe as those in recipe.yaml.
    """
    found = {}
    for word in words:
        name, sep, value = word.partition("=")
        if not sep:
            raise ConfigError(f"{word!r}: expected key=value, e.g. train.lr=0.001")
        try:
            found[name] = (yaml.safe_load(value), f"command line {word!r}")
        except yaml.YAMLError:
            raise ConfigError(f"{word!r}: the value is not valid YAML; quote it") from None
        if cwd is not None and name in _PATHS:
            found[name] = (_located(found[name][0], cwd, name), found[name][1])
    return found


def _located(path: Any, folder: Path, name: str = "") -> Any:
    """A path, or each in a list or a mapping, seen from ``folder``, absolute; anything else is left for the
    check of types.
    """
    if isinstance(path, list):
        return [_located(part, folder, name) for part in path]
    if isinstance(path, dict):  # a part of data.parts has other settings beside its paths
        return {
            key: _located(value, folder) if name != "data.parts" or f"data.{key}" in _PATHS else value
            for key, value in path.items()
        }
    return located(path, folder) if isinstance(path, str) else path


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


def presets() -> list[str]:
    """Names of the presets in ``egs/common/conf``."""
    return sorted(p.stem for p in CONF_DIR.glob("*.yaml") if p.stem != "base")


def load(recipe: Path, overrides: list[str] = (), cwd: Path | None = None) -> Config:
    """Read the configuration of the recipe directory ``recipe``; raises ConfigError.

    ``overrides``: ``key=value`` words; ``cwd``: the directory that relative paths in them count from, None
    for the recipe, as in recipe.yaml.
    """
    keys = schema()
    base = read_yaml(CONF_DIR / "base.yaml")
    own = read_yaml(recipe / "recipe.yaml")
    given = {
        name: (_beside(recipe, value) if name in _NEIGHBOURS else value, where)
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
            _check(name, value, origin, keys)
            values[name] = value
    missing = sorted(set(keys) - set(values))
    if missing:
        raise ConfigError(f"{CONF_DIR / 'base.yaml'}: no default for {', '.join(missing)}")
    _check_mix(values["train.mix"], values["train.forget_limit"])
    _check_sets(values["decode.sets"])
    tag = values["tag"]
    if not tag or tag.startswith(".") or "/" in tag:
        raise ConfigError(f"tag: {tag!r} cannot name a directory; use letters, digits, '_', '-' and '.'")
    recipe = recipe.resolve()  # with what is above it: another recipe may be named as ../spa
    paths = {name: (values[name], _located(values[name], recipe, name)) for name in sorted(_PATHS)}
    values |= {name: absolute for name, (_, absolute) in paths.items()}
    return _build(Config, values | {"recipe": recipe, "paths": paths}, "")


def _check_mix(mix: dict, limit: str | float | None) -> None:
    """ConfigError unless the shares leave room for the recipe's own speech, and the limit can be read."""
    for name, share in mix.items():
        if not isinstance(name, str) or "/" in name or not _fits(share, float) or not 0 <= share < 1:
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


def _build(cls: type, values: dict[str, Any], prefix: str) -> Any:
    hints = typing.get_type_hints(cls)
    args = {}
    for one in dataclasses.fields(cls):
        hint, name = hints[one.name], f"{prefix}{one.name}"
        args[one.name] = _build(hint, values, name + ".") if dataclasses.is_dataclass(hint) else values[name]
        if float in (hint, *typing.get_args(hint)) and isinstance(args[one.name], int):
            args[one.name] = float(args[one.name])
    return cls(**args)


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
