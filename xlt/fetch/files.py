"""The folder of downloads, and files in it that appear whole and are checked."""

from __future__ import annotations

import os
from pathlib import Path

from xlt.core import jsons
from xlt.core.errors import DataError
from xlt.core.files import sha256
from xlt.core.stage import write_json


def cache_root(folder: str | None = None) -> Path:
    """The folder for downloads: ``folder`` (the setting data.cache), or $XLT_CACHE, or ~/.cache/xlt; it is
    made.
    """
    root = Path(folder or os.environ.get("XLT_CACHE") or "~/.cache/xlt").expanduser().absolute()
    try:
        root.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise DataError(f"data.cache: {root} is not a folder; name one, or set XLT_CACHE") from None
    return root


def is_whole(path: Path) -> bool:
    """Whether ``path`` is what was once checked and recorded beside it by :func:`keep`."""
    try:
        record = jsons.parse(path.with_name(path.name + ".json").read_text(encoding="utf-8"))
        return path.stat().st_size == record["size"]
    except (OSError, ValueError, KeyError):
        return False


def keep(checked: Path, path: Path) -> Path:
    """Move a checked file to its place in the cache, with a record of its size and hash."""
    record = {"size": checked.stat().st_size, "sha256": sha256(checked)}
    checked.replace(path)
    write_json(path.with_name(path.name + ".json"), record)
    return path
