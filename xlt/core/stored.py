"""Settings as files keep them: those of an older xlt lack what came later, and get the default."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from xlt.core.config import defaults
from xlt.core.errors import DataError
from xlt.core.schema import check_setting

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def from_json[Section: DataclassInstance](
    cls: type[Section],
    section: str,
    stored: Mapping[str, Any],
    where: str,
    retired: Collection[str] = (),
) -> Section:
    """The dataclass ``cls`` of settings of ``section`` from ``stored``, as the file ``where`` has them.

    A setting that is missing came after the file was written, and has its default of base.yaml, which keeps
    the behaviour from before. ``retired``: settings that older versions wrote and nothing reads any more.
    DataError for one that is not known.

    >>> from xlt.core.settings import DecodeConfig
    >>> from_json(DecodeConfig, "decode", {"method": "beam", "beam_size": 5}, "bundle.json").sets
    ['dev', 'test']
    """
    names = {field.name for field in dataclasses.fields(cls)}
    unknown = sorted(set(stored) - names - set(retired))
    if unknown:
        raise DataError(
            f"{where}: {section}.{unknown[0]}: unknown setting; the file is damaged or from another xlt: make"
            " it again, or update xlt"
        )
    values = {}
    for name in names:
        key = f"{section}.{name}"
        if name in stored:
            check_setting(key, stored[name], where)
        values[name] = stored.get(name, defaults()[key])
    return cls(**values)
