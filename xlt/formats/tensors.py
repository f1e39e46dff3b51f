"""Headers of safetensors files, read without loading a tensor: names, kinds and shapes, and whether the file
is whole.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from xlt.core import jsons
from xlt.core.errors import DataError, XltError

LARGEST_HEADER = 100_000_000  # bytes, as the safetensors library has it
_BYTES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "I16": 2, "U8": 1, "I8": 1, "BOOL": 1}


class Header(NamedTuple):
    """``tensors``: name → kind (F32 …) and shape; ``metadata``: free texts."""

    tensors: dict[str, tuple[str, tuple[int, ...]]]
    metadata: dict[str, str]


def read_header(path: Path, again: str, kind: type[XltError] = DataError) -> Header:
    """The header of the safetensors file ``path``; an error of ``kind`` that ends in ``again`` if it is
    missing, torn, or says what cannot be.
    """

    def refuse(why: str) -> NoReturn:
        raise kind(f"{path}: {why}; {again}")

    try:
        size = path.stat().st_size
        with path.open("rb") as handle:
            length = int.from_bytes(handle.read(8), "little")
            if not 2 <= length <= min(LARGEST_HEADER, size - 8):
                refuse("not a safetensors file")
            found = jsons.parse(handle.read(length))
    except OSError as err:
        refuse(f"cannot be read ({err.strerror})")
    except (ValueError, MemoryError):
        refuse("not a safetensors file")
    if not isinstance(found, dict):
        refuse("not a safetensors file")
    metadata, tensors, end = found.pop("__metadata__", {}), {}, 0
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        refuse("not a safetensors file, its metadata are no texts")
    for name, entry in found.items():
        read = _entry(entry)
        if read is None:
            refuse(f"not a safetensors file, it describes the tensor {name[:80]!r} wrongly")
        tensors[name], last = read
        end = max(end, 8 + length + last)
    if size < end:
        refuse(f"{size} bytes, its header names {end}: a torn download")
    return Header(tensors, metadata)


def _entry(entry: Any) -> tuple[tuple[str, tuple[int, ...]], int] | None:
    """Kind and shape of a tensor, and where its bytes end; None if they do not fit each other."""
    try:
        kind, shape, (begin, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
        numbers = [*shape, begin, end]
        whole = all(type(n) is int and n >= 0 for n in numbers)
        if not isinstance(kind, str) or not whole or begin > end:
            return None
        if kind in _BYTES and math.prod(shape) * _BYTES[kind] != end - begin:
            return None
    except (KeyError, TypeError, ValueError):
        return None
    return (kind, shape), end
