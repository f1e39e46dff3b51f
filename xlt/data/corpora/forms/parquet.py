"""Parquet of the datasets library: rows with the sound in them, or with its path. Needs pyarrow."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from xlt.core.errors import DataError
from xlt.core.paths import refuse_pipe
from xlt.data.corpora.names import clean
from xlt.data.corpora.rows import Grid, How
from xlt.data.corpora.unpack import Budget

_BATCH = 64  # rows that are in memory at once
_ENDINGS = {b"RIFF": ".wav", b"fLaC": ".flac", b"OggS": ".ogg", b"ID3": ".mp3", b"\xff\xfb": ".mp3"}


def read(path: Path, how: How) -> list[Grid]:
    """The table; sound in it is written to files in the cache, once. DataError if pyarrow is not there, or
    the file is damaged.
    """
    refuse_pipe(path)
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise DataError(
            f"{path}: is a Parquet file, which needs pyarrow: pip install pyarrow;"
            " or save it as a table with sound files"
        ) from None
    try:
        with pyarrow.parquet.ParquetFile(path) as table:
            return [_grid(path, table, how)]
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as err:
        raise DataError(
            f"{path}: a Parquet file, damaged or cut short ({' '.join(str(err).split())[:100]}); fetch it"
            " again"
        ) from None


def _grid(path: Path, table: Any, how: How) -> Grid:
    schema = table.schema_arrow
    sound = {field.name for field in schema if _holds_sound(field.type)}
    labels = _labels(schema.metadata)
    names = [field.name for field in schema]
    folder = _folder(path, how) if sound else None
    grid = Grid(path, [], "parquet", list(names))
    try:
        number = 0
        for batch in table.iter_batches(batch_size=_BATCH):
            for row in batch.to_pylist():
                number += 1
                values = []
                for name in names:
                    value = row[name]
                    if name in sound:
                        value = _sound(value, folder, f"{number:06d}") if folder else ""
                    elif name in labels and isinstance(value, int) and 0 <= value < len(labels[name]):
                        value = labels[name][value]
                    values.append(_word(value))
                grid.lines.append((number, values))
        if folder:
            folder.keep()
    finally:
        if folder:
            shutil.rmtree(folder.partial, ignore_errors=True)
    if folder:
        for _, values in grid.lines:
            values[:] = [
                folder.final(value) if name in sound else value
                for name, value in zip(names, values, strict=True)
            ]
        grid.form = f"parquet, sound in {' and '.join(sorted(sound))}"
    return grid


def _holds_sound(kind: Any) -> bool:
    """Whether a column is of the datasets library's Audio, ``{bytes, path}``, or of bytes."""
    import pyarrow.types as types

    if types.is_struct(kind):
        return any(kind.field(i).name == "bytes" for i in range(kind.num_fields))
    return types.is_binary(kind) or types.is_large_binary(kind)


def _labels(metadata: dict[bytes, bytes] | None) -> dict[str, list[str]]:
    """Names of classes, which the datasets library stores as numbers."""
    try:
        features = json.loads((metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
        classes = {name: kind for name, kind in features.items() if kind.get("_type") == "ClassLabel"}
        return {name: [str(own) for own in kind["names"]] for name, kind in classes.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


class _Written:
    """Files of sound in the cache, in a folder that appears whole: written anew if it is not there."""

    def __init__(self, path: Path, folder: Path):
        self.folder, self.partial = folder, folder.with_name(f".{folder.name}.{os.getpid()}.partial")
        self.there = folder.is_dir()
        if not self.there:
            self.partial.mkdir(parents=True, exist_ok=True)
            self.budget = Budget(path, self.partial)

    def write(self, name: str, sound: bytes) -> None:
        if not self.there:
            self.budget.take(len(sound))
            (self.partial / name).write_bytes(sound)

    def keep(self) -> None:
        if not self.there and not self.folder.is_dir():
            self.partial.rename(self.folder)

    def final(self, name: str) -> str:
        """The path of a file that was written; other names are paths of the table's own."""
        return str(self.folder / name.removeprefix("\0")) if name.startswith("\0") else name


def _folder(path: Path, how: How) -> _Written:
    sha = hashlib.sha256()
    with path.open("rb") as handle:
        while part := handle.read(1 << 20):
            sha.update(part)
    cache = how.cache or path.parent
    return _Written(path, cache / "unpacked" / f"{clean(path.stem)[:80]}-{sha.hexdigest()[:12]}")


def _sound(value: Any, folder: _Written, place: str) -> str:
    """The name of the file that a value's bytes were written to, marked by a zero; else the path in it."""
    sound, name = (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (value, None)
    if not sound:
        return str(name or "")
    own = os.path.basename(str(name or "").replace("\\", "/"))
    stem, ending = os.path.splitext(clean(own)) if own else ("", "")
    ending = ending or next((end for start, end in _ENDINGS.items() if sound.startswith(start)), ".wav")
    file = f"{place}_{stem}{ending}" if stem else f"{place}{ending}"
    folder.write(file, sound)
    return f"\0{file}"


def _word(value: object) -> str:
    if value is None or isinstance(value, bytes):
        return ""
    return value if isinstance(value, str) else str(value)
