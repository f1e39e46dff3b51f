"""A classifier in a bundle: the entry ``lid`` of its bundle.json, and a file of arrays beside it.

    lid/<first 16 hex digits of its SHA-256>.npz    mean, scale, weights, bias

A new classifier is another file, so that the old one is whole until bundle.json names the new one.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from xlt.core.errors import DataError
from xlt.formats.arrays import read_arrays
from xlt.formats.typed import check
from xlt.formats.versioned import Format

if TYPE_CHECKING:
    from xlt.lid.classifier import Classifier

LID = "lid"
HOTTEST = 1e6  # a temperature above it is damage
FORMAT = Format("the entry lid of bundle.json", 1)
_NAME = re.compile(rf"{LID}/[0-9a-f]{{16}}\.npz")
_ARRAYS = ("mean", "scale", "weights", "bias")


class _Entry(TypedDict):
    file: str
    languages: list[str]
    layers: list[int]
    temperature: float
    threshold: float
    clips: dict[str, int]
    held_out: dict[str, int]


@dataclass(frozen=True)
class Entry:
    """``file``: path of the arrays in the bundle; ``layers`` of the encoder that are pooled; ``clips`` and
    ``held_out``: how many of each language it was fitted and calibrated on.
    """

    file: str
    languages: tuple[str, ...]
    layers: tuple[int, ...]
    temperature: float
    threshold: float
    clips: Mapping[str, int]
    held_out: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """What :meth:`from_json` reads."""
        return FORMAT.stamped(
            {
                "file": self.file,
                "languages": list(self.languages),
                "layers": list(self.layers),
                "temperature": self.temperature,
                "threshold": self.threshold,
                "clips": dict(self.clips),
                "held_out": dict(self.held_out),
            }
        )

    @classmethod
    def from_json(cls, found: Any, where: Path) -> Entry:
        """ValueError if damaged; DataError, which begins with ``where``, if of a newer xlt."""
        check(found, dict[str, Any], LID)
        found = FORMAT.upgraded(found, where)
        check(found, _Entry, LID)
        languages, layers = tuple(found["languages"]), tuple(found["layers"])
        if not _NAME.fullmatch(found["file"]):
            raise ValueError(f"{LID}.file")
        if len(set(languages)) != len(languages) or len(languages) < 2:
            raise ValueError(f"{LID}.languages")
        if not layers or min(layers) < 0:
            raise ValueError(f"{LID}.layers")
        if not (0 < found["temperature"] <= HOTTEST and 0 <= found["threshold"] <= 1):
            raise ValueError(f"{LID}.temperature or {LID}.threshold")
        return cls(
            found["file"],
            languages,
            layers,
            float(found["temperature"]),
            float(found["threshold"]),
            found["clips"],
            found["held_out"],
        )


def write(
    bundle: Path,
    classifier: Classifier,
    layers: Sequence[int],
    clips: Mapping[str, int],
    held_out: Mapping[str, int],
) -> tuple[Entry, str]:
    """Write the arrays into the bundle; what its bundle.json is to say, and their SHA-256."""
    import numpy as np

    packed = io.BytesIO()
    arrays = {name: getattr(classifier, name).astype(np.float32) for name in _ARRAYS}
    np.savez(packed, **arrays)
    content = packed.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    entry = Entry(
        f"{LID}/{digest[:16]}.npz",
        classifier.languages,
        tuple(layers),
        classifier.temperature,
        classifier.threshold,
        clips,
        held_out,
    )
    (bundle / LID).mkdir(exist_ok=True)
    partial = bundle / LID / f".{digest[:16]}.{os.getpid()}.partial"
    try:
        partial.write_bytes(content)
        partial.replace(bundle / entry.file)
    finally:
        partial.unlink(missing_ok=True)
    return entry, digest


def read(bundle: Path, entry: Entry) -> Classifier:
    """The classifier of ``entry``; DataError if its arrays are damaged or do not fit each other."""
    import numpy as np

    from xlt.lid.classifier import Classifier

    path, count = bundle / entry.file, len(entry.languages)
    try:
        arrays = read_arrays(path)
        if set(arrays) != set(_ARRAYS):
            raise ValueError(f"it has {', '.join(sorted(arrays))[:80]}")
        dims = len(arrays["mean"]) if arrays["mean"].ndim == 1 else 0
        shapes = {"mean": (dims,), "scale": (dims,), "weights": (dims, count), "bias": (count,)}
        for name, shape in shapes.items():
            array = arrays[name]
            if array.shape != shape or array.dtype != np.float32 or not np.isfinite(array).all():
                raise ValueError(f"{name} is {array.dtype} {array.shape}")
        if not dims or (arrays["scale"] <= 0).any():
            raise ValueError("scale is not positive")
    except (OSError, ValueError) as err:
        raise DataError(f"{path}: damaged ({err}); copy the whole bundle again") from None
    return Classifier(entry.languages, **arrays, temperature=entry.temperature, threshold=entry.threshold)
