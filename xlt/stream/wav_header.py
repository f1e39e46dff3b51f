"""The header of WAV that comes through a pipe, where nothing can be read twice (Microsoft's RIFF).

n samples, C channels.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import IO

import numpy as np

from xlt.core.errors import DataError
from xlt.stream.session import RATES

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_KINDS = {(_PCM, 16): ("<i2", 32768.0), (_PCM, 32): ("<i4", 2.0**31), (_FLOAT, 32): ("<f4", 1.0)}
_MOST_CHANNELS = 64  # whose samples, a block at once, are few megabytes
_LONGEST = 1 << 16  # bytes of a chunk before the samples
_UNKNOWN = 0xFFFFFFFF  # of a length that stands elsewhere, or nowhere
_ENDLESS = 0x7FFF0000  # bytes; from here on a length is a placeholder of a program that did not know it
_WIDE = (b"RF64", b"BW64")  # EBU Tech 3306, ITU-R BS.2088: lengths of 64 bits in a chunk of their own
_OTHERS = {  # by how they begin: samples in them would be heard as noise
    b"OggS": "Ogg",
    b"fLaC": "FLAC",
    b"ID3": "MP3",
    b"FORM": "AIFF",
    b"caff": "CAF",
    b"riff": "Wave64",
    b".snd": "AU",
    b"RIFX": "WAV of big-endian samples",
    b"\x1a\x45\xdf\xa3": "Matroska or WebM",
}
_REMEDY = "send 16-bit samples of one channel, e.g. by ffmpeg -i SOURCE -f s16le -ac 1 -ar 16000 -"


@dataclass(frozen=True)
class Form:
    """How samples are written: ``rate`` in Hz, ``channels``, numpy's ``kind`` and what is 1.0."""

    rate: int
    channels: int = 1
    kind: str = "<i2"
    unit: float = 32768.0

    @property
    def width(self) -> int:
        """Bytes of one sample of all channels."""
        return self.channels * np.dtype(self.kind).itemsize

    def samples(self, data: bytes) -> np.ndarray:
        """Bytes → (n,) float32, the mean of the channels."""
        found = np.frombuffer(data, self.kind).reshape(-1, self.channels)  # (n, C)
        return (found.astype(np.float32) / self.unit).mean(axis=1, dtype=np.float32)


def read_header(file: IO[bytes], rate: int, name: str) -> tuple[Form, bytes, float]:
    """How the samples in ``file`` are written, which stands behind its header then; bytes of them that were
    read; and how many bytes there are, infinitely many where that is not said. Without a header: 16 bits, one
    channel, ``rate``. DataError, which begins with ``name``, for WAV of another kind, or that breaks off, and
    for other formats, whose bytes would be heard as noise.
    """
    head = _read(file, 12)
    if head[:4] not in (b"RIFF", *_WIDE) or head[8:] != b"WAVE":
        other = next((name for begin, name in _OTHERS.items() if head.startswith(begin)), None)
        if other is not None or head[4:8] == b"ftyp":
            raise DataError(f"{name}: holds {other or 'MP4'}, expected WAV or samples alone; {_REMEDY}")
        return Form(rate), head, math.inf
    form, long = None, 0
    while True:
        chunk = _read(file, 8)
        if len(chunk) < 8:
            raise DataError(f"{name}: WAV without samples; {_REMEDY}")
        kind, size = struct.unpack("<4sI", chunk)
        if kind == b"data":
            if form is None:
                raise DataError(f"{name}: WAV that does not say its form; {_REMEDY}")
            size = long if size == _UNKNOWN else size
            return form, b"", size if 0 < size < (1 << 63 if long else _ENDLESS) else math.inf
        if size > _LONGEST:
            raise DataError(f"{name}: WAV with {size} bytes in front of its samples; {_REMEDY}")
        body = _read(file, size + size % 2)
        if kind == b"fmt ":
            form = _form(body, name)
        if kind == b"ds64" and len(body) >= 16:
            (long,) = struct.unpack("<Q", body[8:16])


def _form(body: bytes, name: str) -> Form:
    if len(body) < 16:
        raise DataError(f"{name}: WAV that does not say its form; {_REMEDY}")
    code, channels, rate, _, _, bits = struct.unpack("<HHIIHH", body[:16])
    if code == _EXTENSIBLE and len(body) >= 26:
        (code,) = struct.unpack("<H", body[24:26])
    if (code, bits) not in _KINDS or not channels:
        raise DataError(f"{name}: WAV of form {code} with {bits} bits, expected 16-bit samples; {_REMEDY}")
    if not RATES[0] <= rate <= RATES[1] or channels > _MOST_CHANNELS:
        raise DataError(
            f"{name}: WAV of {channels} channels with {rate} samples a second, expected at most"
            f" {_MOST_CHANNELS} with {RATES[0]} to {RATES[1]}; {_REMEDY}"
        )
    return Form(rate, channels, *_KINDS[code, bits])


def _read(file: IO[bytes], size: int) -> bytes:
    """As many bytes; fewer at the end."""
    found = b""
    while len(found) < size and (data := file.read(size - len(found))):
        found += data
    return found
