"""Settings as text: YAML files, whose lines errors name, and ``key=value`` words."""

from __future__ import annotations

import copy
import functools
from pathlib import Path
from typing import Any

import yaml

from xlt.core.errors import ConfigError
from xlt.core.schema import free_form, located_value, paths

# what PyYAML raises for tags such as !!timestamp and !!int before words that are none, and for deep lists
NO_VALUE = (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError, OverflowError, RecursionError)


def read_yaml(path: Path) -> dict[str, tuple[Any, str]]:
    """Read a YAML file of settings.

    Returns ``{"data.reader": (value, "file:line"), …}``. Raises ConfigError if the file is missing, is not
    YAML, is not a mapping, or has a key twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; run this in a recipe directory such as egs/ron") from None
    except UnicodeDecodeError as err:
        raise ConfigError(
            f"{path}: not UTF-8 text ({err.reason} at byte {err.start}); save it as UTF-8"
        ) from None
    return copy.deepcopy(_parsed(path, text))  # whoever changes a list that it was given changes their own


@functools.lru_cache(maxsize=64)
def _parsed(path: Path, text: str) -> dict[str, tuple[Any, str]]:
    """PyYAML takes a tenth of a second for base.yaml, and an experiment reads it hundreds of times."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except RecursionError:
        raise ConfigError(f"{path}: nested too deep; expected `key: value` lines") from None
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
                raise ConfigError(f"{where}: duplicate key {name} (first at {found[name][1]}); keep one")
            if isinstance(value_node, yaml.MappingNode) and name not in free_form():
                walk(value_node, name + ".")
            else:
                found[name] = (_value(constructor, value_node, where), where)

    walk(root, "")
    return found


def _value(constructor: yaml.SafeLoader, node: yaml.Node, where: str) -> Any:
    """What a node says; ConfigError for what is no plain value, such as ``!!python/name:os.system``."""
    try:
        return constructor.construct_object(node, deep=True)
    except NO_VALUE as err:
        said = getattr(err, "problem", None) or str(err)
        raise ConfigError(
            f"{where}: not a value of a setting: {said}; write a number, words or a list"
        ) from None


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
        except NO_VALUE:
            raise ConfigError(f"{word!r}: the value is not valid YAML; quote it") from None
        if cwd is not None and name in paths():
            found[name] = (located_value(name, found[name][0], cwd), found[name][1])
    return found
