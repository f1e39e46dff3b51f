"""What the header of a sound file says of its length, against what is there: recorders that were switched
off, pipes and broken downloads leave headers that are wrong, or files that are cut short.

Sources: RFC 9639 (FLAC), RFC 3533 (Ogg), Microsoft's RIFF, Apple's AIFF-C, Sun's AU; LAME's Xing/Info tag.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from xlt.audio import containers

LEAST_S = 0.05  # what is missing or too much, in seconds, below which nothing is said
_ENDLESS = 0x7FFF0000  # bytes; from here on a length is a placeholder: 2 GB and more, unless it is all there
_TAIL = 65536  # bytes; no Ogg page is longer (65,307)
_NOT_SOUND = (b"RIFF", b"ID3", b"TAG", b"APETAGEX", b"<?xml", b"LIST")
_FLAC_TOTAL = (1 << 36) - 1  # the largest count of samples that fits


@dataclass
class Header:
    """``wrong``: what is wrong in a header, of a file that can be read to its end; ``cut``: what says that
    the file ends too early; ``patches``: bytes by place with which the file can be read to its end.
    """

    wrong: str = ""
    cut: str = ""
    patches: dict[int, bytes] = field(default_factory=dict)


def examine(path: str | os.PathLike) -> Header:
    """What the header of a file says that is not so; nothing of what is no sound file, or of another form."""
    try:
        with open(path, "rb") as file:
            size, head = os.fstat(file.fileno()).st_size, file.read(12)
            if head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:12] == b"WAVE":
                return _riff(file, size, ">" if head[:4] == b"RIFX" else "<")
            if head[:4] == b"riff":
                return _w64(file, size)
            if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
                return _aiff(file, size)
            if head[:4] == b".snd":
                return _au(file, size)
            if head[:4] == b"fLaC":
                return _flac(file)
            if head[:4] == b"OggS":
                return _ogg(file, size)
            if cut := containers.cut_short(path):
                return Header(cut=cut)
            return _mp3(file, size, head)
    except (OSError, struct.error):
        return Header()


@contextlib.contextmanager
def readable(path: str | os.PathLike, header: Header) -> Iterator[str | Patched]:
    """What soundfile can open: the path, or the file with the bytes of its header that are wrong replaced."""
    if not header.patches:
        yield os.fspath(path)
        return
    with open(path, "rb") as file:
        yield Patched(file, header.patches)


class Patched:
    """A file that reads as if some of its bytes were others."""

    def __init__(self, file: BinaryIO, patches: Mapping[int, bytes]):
        self._file, self._patches = file, patches

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        start = self._file.tell()
        found = bytearray(self._file.read(size))
        for place, new in self._patches.items():
            for at, byte in enumerate(new, place - start):
                if 0 <= at < len(found):
                    found[at] = byte
        return bytes(found)

    def write(self, data: bytes) -> int:
        raise OSError("opened for reading")


def _seconds(size: int, rate: float) -> str:
    return f"{size / rate:.2f} s" if rate else f"{size} bytes"


def _riff(file: BinaryIO, size: int, order: str) -> Header:
    """WAV. The chunk ``data`` holds the samples; what follows it must be chunks, too. RF64 has its length in
    the chunk ``ds64``.
    """
    file.seek(4)
    (whole,) = struct.unpack(f"{order}I", file.read(4))
    place, rate, long = 12, 0.0, 0
    while place + 8 <= size:
        file.seek(place)
        name, said = struct.unpack(f"{order}4sI", file.read(8))
        if name == b"fmt ":
            *_, per_second, _block, _bits = struct.unpack(f"{order}HHIIHH", file.read(16))
            rate = float(per_second)
        if name == b"ds64":
            whole, long = struct.unpack("<QQ", file.read(16))
        if name == b"data" and long and said == 0xFFFFFFFF:
            return _judged(min(long, _ENDLESS - 1), size - place - 8, rate, False, {})
        if name == b"data":
            there = size - place - 8
            patches = {4: struct.pack(f"{order}I", size - 8), place + 4: struct.pack(f"{order}I", there)}
            good = said <= there and said > 0 and _chunks(file, place + 8 + said, size, order, rate)
            return Header() if good else _judged(said, there, rate, whole == size - 8, patches)
        place += 8 + said + said % 2
    return Header()


def _w64(file: BinaryIO, size: int) -> Header:
    """Sony's Wave64: chunks of a 16-byte name and a 64-bit length that counts both."""
    place, rate = 40, 0.0
    while place + 24 <= size:
        file.seek(place)
        name, said = struct.unpack("<16sQ", file.read(24))
        if name[:4] == b"fmt ":
            rate = float(struct.unpack("<HHII", file.read(12))[3])
        if name[:4] == b"data":
            there = size - place - 24
            patches = {16: struct.pack("<Q", size), place + 16: struct.pack("<Q", there + 24)}
            return _judged(max(0, said - 24), there, rate, False, patches) if said - 24 != there else Header()
        if said < 24:
            break
        place += said + -said % 8
    return Header()


def _chunks(file: BinaryIO, place: int, size: int, order: str, rate: float) -> bool:
    """Whether chunks, or nothing that could be sound, follow from ``place`` on."""
    if size - place <= LEAST_S * rate:
        return True
    file.seek(place)
    tail = file.read(4096)
    if tail.startswith(_NOT_SOUND) or not tail.strip(b"\0"):
        return True
    place += place % 2
    while place + 8 <= size:
        file.seek(place)
        name, said = struct.unpack(f"{order}4sI", file.read(8))
        if not name.isascii() or not name.decode("ascii").isprintable() or said > size - place - 8:
            return False
        place += 8 + said + said % 2
    return True


def _judged(said: int, there: int, rate: float, whole: bool, patches: dict[int, bytes]) -> Header:
    """Of a length that does not agree with the file, both in bytes: whether the header is wrong, or the file
    cut.

    ``whole``: the header's other length agrees with the file.
    """
    if there <= 0 or abs(said - there) <= LEAST_S * rate:
        return Header()
    if said == 0 or said >= _ENDLESS:
        return Header(f"its header says no length; it has {_seconds(there, rate)}", patches=patches)
    if said < there or whole:
        words = f"its header says {_seconds(said, rate)}; it has {_seconds(there, rate)}"
        return Header(words, patches=patches)
    return Header(cut=f"its header says {_seconds(said, rate)}; it has {_seconds(there, rate)}")


def _aiff(file: BinaryIO, size: int) -> Header:
    """AIFF: the chunk COMM says the frames, SSND holds them behind eight further bytes."""
    file.seek(4)
    (whole,) = struct.unpack(">I", file.read(4))
    place, comm, width, frames, rate = 12, 0, 0, 0, 0.0
    while place + 8 <= size:
        file.seek(place)
        name, said = struct.unpack(">4sI", file.read(8))
        if name == b"COMM":
            comm = place + 8
            channels, frames, bits = struct.unpack(">HIH", file.read(8))
            exponent, mantissa = struct.unpack(">HQ", file.read(10))
            width = channels * ((bits + 7) // 8)
            if exponent > 16383 + 63:  # over 10¹⁹ Hz, or below zero
                return Header()
            rate = mantissa * 2.0 ** (exponent - 16383 - 63) * width
        if name == b"SSND" and width:
            there = size - place - 16
            patches = {
                4: struct.pack(">I", size - 8),
                comm + 2: struct.pack(">I", there // width),
                place + 4: struct.pack(">I", there + 8),
            }
            lengths = [frames * width, max(0, said - 8)]
            odd = [length for length in lengths if length != there]
            if lengths[0] == lengths[1] < there and lengths[0]:
                odd = [] if _chunks(file, place + 8 + said, size, ">", rate) else odd
            one_is_right = whole == size - 8 or len(odd) == 1
            return _judged(odd[0], there, rate, one_is_right, patches) if odd else Header()
        place += 8 + said + said % 2
    return Header()


def _au(file: BinaryIO, size: int) -> Header:
    """AU; a length of 0xFFFFFFFF means what follows."""
    file.seek(4)
    start, said, coding, rate, channels = struct.unpack(">5I", file.read(20))
    width = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}.get(coding, 0) * channels
    if said == 0xFFFFFFFF:
        return Header()
    there = size - start
    return _judged(said, there, float(rate * width), False, {8: struct.pack(">I", max(0, there))})


def _flac(file: BinaryIO) -> Header:
    """FLAC: a count of 0 samples in STREAMINFO means that it is not known. Whether all samples are there is
    seen when they are decoded.
    """
    file.seek(8)
    info = file.read(34)
    bits = int.from_bytes(info[10:18], "big")
    if len(info) < 34 or bits & _FLAC_TOTAL:
        return Header()
    return Header("its header says no length", patches={18: (bits | _FLAC_TOTAL).to_bytes(8, "big")})


def _ogg(file: BinaryIO, size: int) -> Header:
    """Ogg: the last page must be whole; no header says a length."""
    start = max(0, size - _TAIL)
    file.seek(start)
    tail = file.read()
    place = tail.rfind(b"OggS")
    if place < 0:
        return Header(cut="it ends inside a page")
    segments = tail[place + 26 : place + 27]
    table = tail[place + 27 : place + 27 + segments[0]] if segments else b""
    if not segments or len(table) < segments[0] or place + 27 + len(table) + sum(table) > len(tail):
        return Header(cut="it ends inside a page")
    return Header()


def _mp3(file: BinaryIO, size: int, head: bytes) -> Header:
    """MP3: the tag Xing or Info, which most encoders write into the first frame, says the bytes."""
    start = 0
    if head[:3] == b"ID3" and len(head) >= 10:
        start = 10 + sum(
            (byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True)
        )
    file.seek(start)
    frame = file.read(256)
    if len(frame) < 64 or frame[0] != 0xFF or frame[1] & 0xE0 != 0xE0:
        return Header()
    mpeg1, mono = frame[1] & 0x18 == 0x18, frame[3] >> 6 == 3
    place = 4 + ((17 if mono else 32) if mpeg1 else (9 if mono else 17))
    if frame[place : place + 4] not in (b"Xing", b"Info"):
        return Header()
    flags, *counts = struct.unpack(">3I", frame[place + 4 : place + 16])
    if flags & 3 != 3 or not counts[1]:
        return Header()
    frames, said = counts
    there = size - start
    if there >= said - 2 * said / max(1, frames):  # two frames, 50 ms
        return Header()
    return Header(cut=f"its header says {said} bytes of sound; it has {there}")
