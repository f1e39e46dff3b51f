"""``feats.json``: what the features of a set are, beside ``feats.scp`` or the lengths of speech."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xlt.core.stage import write_json
from xlt.formats.versioned import Format

NAME = "feats.json"
FORMAT = Format(NAME, 1)
_REMEDY = "make it again with --stage 3 --force"


def read_features(folder: Path) -> dict[str, Any]:
    """``feats.json`` in ``folder``, in today's version; DataError if it is not there, damaged, or newer."""
    return FORMAT.read(folder / NAME, _REMEDY)


def write_features(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write ``feats.json``.

    Version 1 is written without its number: the stamps of finished experiments have a digest of the file.
    """
    write_json(folder / NAME, dict(facts) if FORMAT.version == 1 else FORMAT.stamped(facts))
