"""G.722 (ITU-T), the wideband codec of telephones: files without a header, 16 kHz, one channel, two samples a
byte. PyAV decodes them, which an optional install has.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.core.errors import DataError

if TYPE_CHECKING:
    import numpy as np

SUFFIX = ".g722"  # nothing in the file itself says what it is
RATE = 16000  # Hz
_CONVERT = "install PyAV (pip install av), or convert it: ffmpeg -f g722 -i FILE FILE.wav"


def is_g722(path: str | os.PathLike) -> bool:
    """Whether the name of a file says so."""
    return Path(path).suffix.lower() == SUFFIX


def duration_s(path: str | os.PathLike) -> float:
    """Seconds, by the size of the file; OSError if it is not there."""
    return 2 * os.stat(path).st_size / RATE


def blocks(path: str | os.PathLike) -> Iterator[np.ndarray]:
    """Samples at :data:`RATE` in pieces, float32 (n,) in [-1, 1]. DataError if there is no PyAV, or no
    sample in the file.
    """
    try:
        import av
    except ImportError:
        raise DataError(f"{path}: is G.722, which this installation cannot read; {_CONVERT}") from None
    import numpy as np

    if not duration_s(path):
        raise DataError(f"{path}: holds no samples")
    try:
        # "file:", as FFmpeg takes a name such as concat:a|b or http:a for a protocol
        with av.open(f"file:{os.fspath(path)}", format="g722") as container:
            for frame in container.decode(audio=0):
                yield frame.to_ndarray()[0].astype(np.float32) / 32768  # (1, n) → (n,)
    except av.error.FFmpegError as err:
        raise DataError(f"{path}: not readable as G.722 ({err})") from None
