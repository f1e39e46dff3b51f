"""NumPy's ``.npz`` of strangers: plain arrays, or a ValueError."""

from __future__ import annotations

import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

MOST_RATIO, ANY_SIZE = 100, 64 << 20  # what arrays may become: so many times the file, or so many bytes


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays in a ``.npz``. OSError if it cannot be read; ValueError if it is damaged, is larger inside
    than any of its kind, or has other objects than numbers.
    """
    import numpy as np

    try:
        with zipfile.ZipFile(path) as pack:
            inside = sum(info.file_size for info in pack.infolist())
        if inside > max(ANY_SIZE, MOST_RATIO * path.stat().st_size):
            raise ValueError(f"{inside:,} bytes inside")
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
        if odd := [name for name, array in found.items() if not isinstance(array, np.ndarray)]:
            raise ValueError(f"{odd[0]} is no array")
        return found
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as err:
        raise ValueError(str(err)) from None
    except (KeyError, EOFError, TypeError, AttributeError, struct.error, SyntaxError, OverflowError) as err:
        raise ValueError(f"{type(err).__name__}: {err}") from None
    except (tokenize.TokenError, MemoryError, RecursionError):  # of the text in which a header says the shape
        raise ValueError("no header of an array") from None
