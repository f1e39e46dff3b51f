"""Every setting with its type and constraints, and whether a value can stand for it."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import types
import typing
from collections.abc import Set
from pathlib import Path
from typing import Any, Literal, TypeGuard

from xlt.core.constraints import FilePath, FreeForm, Limit
from xlt.core.errors import ConfigError
from xlt.core.paths import located
from xlt.core.registry import CHOICES
from xlt.core.settings import Settings


def is_section(hint: Any) -> TypeGuard[type]:
    """Whether a type is that of a section, a dataclass, not of one setting."""
    return isinstance(hint, type) and dataclasses.is_dataclass(hint)


@functools.cache
def _annotated() -> dict[str, Any]:
    """``{"train.lr": Annotated[float, Positive()], …}``."""

    def of(cls: type, prefix: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, hint in typing.get_type_hints(cls, include_extras=True).items():
            key = f"{prefix}{name}"
            found |= of(hint, f"{key}.") if is_section(hint) else {key: hint}
        return found

    return of(Settings, "")


@functools.cache
def schema() -> dict[str, Any]:
    """Every key with its type: ``{"data.reader": str | None, …}``."""
    return {
        name: hint.__origin__ if typing.get_origin(hint) is typing.Annotated else hint
        for name, hint in _annotated().items()
    }


def marked[Mark](kind: type[Mark]) -> dict[str, Mark]:
    """The settings with a constraint of ``kind``, and the constraint (the last, if they have several)."""
    return {
        name: mark
        for name, hint in _annotated().items()
        for mark in getattr(hint, "__metadata__", ())
        if isinstance(mark, kind)
    }


@functools.cache
def free_form() -> set[str]:
    """The settings that are mappings with keys of the user's own."""
    return set(marked(FreeForm))


@functools.cache
def paths() -> dict[str, FilePath]:
    """The settings that name files or folders."""
    return marked(FilePath)


def flatten(tree: dict, prefix: str = "", keep: Set[str] = frozenset()) -> dict[str, Any]:
    """``{"a": {"b": 1}}`` → ``{"a.b": 1}``; dictionaries named in ``keep`` stay whole."""
    flat = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and name not in keep:
            flat.update(flatten(value, name + ".", keep))
        else:
            flat[name] = value
    return flat


def located_value(name: str, value: Any, folder: Path) -> Any:
    """The value of a setting that names paths, each seen from ``folder``, absolute; what is no path is left
    for the check of types.
    """
    mark = paths()[name]
    section = mark.part_of

    def place(text: str) -> str:
        before, path = mark.split(text)
        return before if path is None else f"{before}{located(path, folder)}"

    def walk(part: Any) -> Any:
        if isinstance(part, list):
            return [walk(one) for one in part]
        if isinstance(part, dict):
            return {
                key: walk(one) if not section or f"{section}.{key}" in paths() else one
                for key, one in part.items()
            }
        return place(part) if isinstance(part, str) else part

    return walk(value)


def fits(value: Any, hint: Any) -> bool:
    """Whether ``value`` has the type ``hint``."""
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        return any(fits(value, h) for h in typing.get_args(hint))
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


def check_setting(name: str, value: Any, where: str) -> None:
    """ConfigError, which names ``where``, unless ``value`` can stand for the setting ``name``."""
    keys = schema()
    if name not in keys:
        leaves = {k.rsplit(".", 1)[-1]: k for k in keys}
        close = difflib.get_close_matches(name, keys, n=1, cutoff=0.6)
        close = close or [leaves[m] for m in difflib.get_close_matches(name.rsplit(".", 1)[-1], leaves, n=1)]
        hint = f"; did you mean {close[0]}?" if close else "; `xlt --help` lists the keys"
        raise ConfigError(f"{where}: {name}: unknown key{hint}")
    if not fits(value, keys[name]):
        raise ConfigError(f"{where}: {name}: found {value!r}, expected {_describe(keys[name])}")
    if name in CHOICES:
        registry, others = CHOICES[name]
        if value not in registry and value not in others:
            names = ", ".join([*others, *registry.names()])
            raise ConfigError(
                f"{where}: {name}: found {value!r}, expected one of {names}{registry.hint(value)}"
            )
    for limit in getattr(_annotated()[name], "__metadata__", ()):
        if isinstance(limit, Limit) and value is not None and not limit.holds(value):
            raise ConfigError(f"{where}: {name}: found {value!r}, expected {limit.expected}")
