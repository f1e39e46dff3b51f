"""Whether what was read from JSON has the types that a TypedDict says."""

from __future__ import annotations

import functools
import types
from typing import (
    Annotated,
    Any,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

_hints = functools.cache(functools.partial(get_type_hints, include_extras=True))
_KINDS = {float: (int, float), int: (int,), str: (str,), bool: (bool,)}


def check(value: Any, wanted: Any, place: str = "") -> None:
    """Raise ValueError, naming the key, unless ``value``, read from JSON, has the type ``wanted``; keys that
    a TypedDict does not have are let pass.

    >>> from typing import TypedDict
    >>> Interval = TypedDict("Interval", {"value": float, "ci95": list[float]})
    >>> check({"value": 1.5, "ci95": [1, "2"]}, Interval, "cer")
    Traceback (most recent call last):
    ValueError: cer.ci95[1]: found '2', expected float
    """
    origin, parts = get_origin(wanted), get_args(wanted)
    if wanted is Any:
        return
    if origin in (NotRequired, Required):
        check(value, parts[0], place)
    elif origin is Annotated:  # a list of so many
        check(value, parts[0], place)
        if len(value) != parts[1]:
            raise ValueError(f"{place}: found {len(value)} values, expected {parts[1]}")
    elif is_typeddict(wanted):
        _check_fields(_of_type(value, dict, place), wanted, place)
    elif origin is dict:
        for key, item in _of_type(value, dict, place).items():
            check(item, parts[1], _at(place, key))
    elif origin is list:
        items, kinds = _of_type(value, list, place), _KINDS.get(parts[0])
        if kinds and all(type(item) in kinds for item in items):
            return  # counts of utterances, thousands of them, are told at once
        for number, item in enumerate(items):
            check(item, parts[0], f"{place}[{number}]")
    elif origin in (Union, types.UnionType):
        if value is not None:
            check(value, next(part for part in parts if part is not types.NoneType), place)
    elif not isinstance(value, _KINDS[wanted]) or (isinstance(value, bool) and wanted is not bool):
        raise _wrong(value, wanted, place)


def _check_fields(value: dict[str, Any], wanted: Any, place: str) -> None:
    for key in sorted(_required(wanted) - value.keys()):
        raise ValueError(f"{place or 'the file'} lacks {key!r}")
    for key, kind in _hints(wanted).items():
        if key in value:
            check(value[key], kind, _at(place, key))


@functools.cache
def _required(wanted: Any) -> set[str]:
    """Keys of a TypedDict that must be there. It does not see NotRequired itself where annotations are texts
    (``from __future__ import annotations``).
    """
    said = {key: get_origin(kind) for key, kind in _hints(wanted).items()}
    return {
        key
        for key, origin in said.items()
        if origin is Required or (origin is not NotRequired and key in wanted.__required_keys__)
    }


def _of_type(value: Any, wanted: type, place: str) -> Any:
    if not isinstance(value, wanted):
        raise _wrong(value, wanted, place)
    return value


def _wrong(value: Any, wanted: type, place: str) -> ValueError:
    return ValueError(f"{place}: found {value!r:.60}, expected {wanted.__name__}")


def _at(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key
