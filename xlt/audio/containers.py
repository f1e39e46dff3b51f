"""What a file holds by its first bytes, not by its ending: sound of phones, messengers, cameras and films,
which FFmpeg reads (:mod:`xlt.audio.media`); and whether such a file is cut short, or locked.

Sources: ISO/IEC 14496-12 (MPEG-4 files), RFC 8794 and 9559 (EBML, Matroska), Microsoft's ASF 1.2, RFC 4867
(AMR), ISO/IEC 13818-7 (ADTS).
"""

from __future__ import annotations

import os
import shlex
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

_HEAD = 16384  # bytes that are looked at
_EDITS = 10_000  # entries of an edit list; FFmpeg would repeat the sound for each


class Form(NamedTuple):
    """What a person calls it, and FFmpeg's reader of it. ``bytes_s``, ``rate``: bytes a second, and the
    sampling rate that the reader is to be told, of what has no header.
    """

    name: str
    demuxer: str
    bytes_s: int = 0
    rate: int = 0


MPEG4 = Form("MPEG-4 (m4a, mp4, mov, 3gp)", "mov")
MATROSKA = Form("Matroska or WebM", "matroska")
WINDOWS = Form("Windows Media (wma, wmv, asf)", "asf")
AMR = Form("AMR", "amr")
ADTS = Form("AAC", "aac")
_FORMS = {  # the first bytes
    b"\x1a\x45\xdf\xa3": MATROSKA,
    bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"): WINDOWS,
    b"#!AMR\n": AMR,
    b"#!AMR-WB\n": AMR,
    b"FLV\x01": Form("Flash video", "flv"),
    b".RMF\0": Form("RealMedia", "rm"),
    b".ra\xfd": Form("RealAudio", "rm"),
    b"\x00\x00\x01\xba": Form("MPEG video (mpg, vob)", "mpeg"),
    b"wvpk": Form("WavPack", "wv"),
    b"TTA1": Form("True Audio", "tta"),
    b"MAC ": Form("Monkey's Audio", "ape"),
    b"\x02dss": Form("a dictation (DSS)", "dss"),
    b"\x03dss": Form("a dictation (DSS)", "dss"),
    b"\x0b\x77": Form("AC-3", "ac3"),
}
_AGAIN = {  # where libsndfile knows the container, but not what is in it
    b"OggS": Form("Ogg", "ogg"),
    b"RIFF": Form("WAV", "wav"),
    b"caff": Form("Apple's CAF", "caf"),
    b"FORM": Form("AIFF", "aiff"),
    b"NIST_1A": Form("NIST SPHERE", "nistsphere"),
}
# Nothing in these files says what they are; most are Asterisk's (its formats/), a channel each.
BARE = {
    ".g722": Form("G.722", "g722", 8000),
    ".gsm": Form("GSM 06.10", "gsm", 1650),  # 33 bytes are 160 samples
    ".ulaw": Form("µ-law", "mulaw", 8000, 8000),
    ".alaw": Form("A-law", "alaw", 8000, 8000),
    ".sln": Form("signed linear, 8 kHz", "s16le", 16000, 8000),
    **{
        f".sln{khz}": Form(f"signed linear, {khz} kHz", "s16le", 2000 * khz, 1000 * khz)
        for khz in (16, 32, 48)
    },
}
_ATOMS = {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"styp", b"moof"}
_LOCKED = {b"drms", b"enca", b"aavd"}  # codes of sound in MPEG-4 that is encrypted
_ASF_LOCKS = (
    bytes.fromhex("fbb31122 23bdd211 b4b700a0 c955fc6e"),
    bytes.fromhex("14e68a29 2226174c b935dae0 7ee9289c"),
)
_AMR_NB = (13, 14, 16, 18, 20, 21, 27, 32, 6, *7 * (1,))  # bytes of a frame of each type
_AMR_WB = (18, 24, 33, 37, 41, 47, 51, 59, 61, 6, *6 * (1,))
_OTHERS = {
    b"\x03ds2": "a dictation in Olympus DS2, which only its maker's program reads: export it as WAV",
    b"MS_VOICE": "a dictation of a Sony recorder, which only its maker's program reads: export it as WAV",
    b"version https://git-lfs": "a placeholder of Git LFS, not the file itself: run git lfs pull",
    b"PK\x03\x04": "a zip archive, not a sound file: unpack it",
    b"\x1f\x8b": "compressed by gzip, not a sound file: unpack it",
    b"%PDF": "a PDF, not a sound file: name or fetch the right one",
    b"\xff\xd8\xff": "a picture, not a sound file: name or fetch the right one",
    b"\x89PNG": "a picture, not a sound file: name or fetch the right one",
    b"<!doctype html": "a web page, not a sound file: fetch it again",
    b"<html": "a web page, not a sound file: fetch it again",
}


def form_of(path: str | os.PathLike) -> Form | None:
    """The form of a file that FFmpeg reads; None for what libsndfile reads, for anything else, and for what
    cannot be opened.
    """
    head = _head(path)
    for start, form in _FORMS.items():
        if head.startswith(start):
            return form
    if head[4:8] in _ATOMS and head[:4] != b"RIFF":
        return MPEG4
    if head[:4] == b"RIFF" and head[8:11] == b"AVI":
        return Form("AVI", "avi")
    if head[:1] == b"\x47" and len(head) > 564 and {head[188], head[376], head[564]} == {0x47}:
        return Form("MPEG transport stream (ts, mts)", "mpegts")
    if _adts_length(head) and _adts_length(head[_adts_length(head) :]):
        return ADTS
    return None if head.startswith((b"RIFF", b"OggS", b"fLaC")) else BARE.get(Path(path).suffix.lower())


def second_form(path: str | os.PathLike) -> Form | None:
    """The form of a file that begins like one that libsndfile reads, but which it cannot read."""
    head = _head(path)
    return next((form for start, form in _AGAIN.items() if head.startswith(start)), None)


def otherwise(path: str | os.PathLike) -> str:
    """What a file that is no sound is, and what to do, if its first bytes tell it; else nothing."""
    head = _head(path).lstrip(b"\xef\xbb\xbf \r\n\t")
    lower = head[:64].lower()
    return next(
        (what for start, what in _OTHERS.items() if head.startswith(start) or lower.startswith(start)), ""
    )


def convert_all(path: str | os.PathLike) -> str:
    """One command that converts all files of a folder that have the ending of ``path``."""
    path = Path(path)
    names = f"{shlex.quote(str(path.parent))}/*{shlex.quote(path.suffix) if path.suffix else ''}"
    return f'for f in {names}; do ffmpeg -i "$f" "${{f%.*}}.wav"; done'


def cut_short(path: str | os.PathLike) -> str:
    """How it is seen that a file of one of these forms ends too early; nothing if it is not."""
    form = form_of(path)
    tests: dict[str, Callable[[BinaryIO, int], str]] = {
        "mov": _mpeg4_cut,
        "matroska": _matroska_cut,
        "asf": _asf_cut,
        "amr": _amr_cut,
        "aac": _adts_cut,
        "avi": _avi_cut,
    }
    if form is None or form.demuxer not in tests:
        return ""
    try:
        with open(path, "rb") as file:
            return tests[form.demuxer](file, os.fstat(file.fileno()).st_size)
    except (OSError, struct.error, IndexError):
        return ""


def locked(path: str | os.PathLike, form: Form) -> str:
    """Why the sound of a file must not or cannot be read: copy protection, or an edit list that repeats it
    without end; else nothing.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if form is WINDOWS:
            head = file.read(1 << 20)
            return "locked against copying (DRM)" if any(guid in head for guid in _ASF_LOCKS) else ""
        if form is MPEG4:
            for name, start, end in _inside(file, 0, size):
                file.seek(start)
                if name == b"stsd" and end - start >= 16 and file.read(16)[12:] in _LOCKED:
                    return "locked against copying (DRM)"
                if name == b"elst" and end - start >= 8:
                    (count,) = struct.unpack(">4xI", file.read(8))
                    if count > _EDITS:
                        return f"said to be cut together from {count} parts"
    return ""


def _head(path: str | os.PathLike) -> bytes:
    """The first bytes of a file, behind an ID3 tag if there is one; none if it cannot be opened."""
    try:
        if not os.path.isfile(path):
            return b""
        with open(path, "rb") as file:
            head = file.read(_HEAD)
            if head[:3] != b"ID3" or len(head) < 10:
                return head
            size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
            file.seek(10 + size)
            return file.read(_HEAD)
    except (OSError, ValueError):
        return b""


def _adts_length(head: bytes) -> int:
    """Bytes of the ADTS frame that begins here; 0 if none does."""
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0 or (head[2] >> 2 & 15) > 12:
        return 0
    length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return length if length > 7 else 0


def _atoms(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The boxes of an MPEG-4 file between two places: name, place of the content, end as its size says."""
    while start + 8 <= end:
        file.seek(start)
        size, name = struct.unpack(">I4s", file.read(8))
        behind = start + 8
        if size == 1:
            (size,) = struct.unpack(">Q", file.read(8))
            behind += 8
        stop = end if size == 0 else start + size
        if stop < behind:
            return
        yield name, behind, stop
        start = stop


def _inside(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The same of those that hold the tracks, and of what is in them."""
    for name, first, stop in _atoms(file, start, end):
        yield name, first, min(stop, end)
        if name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts"):
            yield from _inside(file, first, min(stop, end))


def _mpeg4_cut(file: BinaryIO, size: int) -> str:
    names = set()
    for name, first, stop in _atoms(file, 0, size):
        names.add(name)
        if stop > size and name in _ATOMS:
            return f"its header says {stop - first} bytes of {name.decode()}; it has {size - first}"
    lacks_index = b"mdat" in names and not names & {b"moov", b"moof"}
    return "its index, which is written last, is not there" if lacks_index else ""


def _vint(file: BinaryIO, marked: bool) -> tuple[int, bool]:
    """An EBML number, with the bit that says its length if ``marked``; and whether it means "unknown"."""
    first = file.read(1)[0]
    length = 9 - first.bit_length()
    value = int.from_bytes(bytes([first]) + file.read(length - 1), "big")
    bits = (1 << 7 * length) - 1
    return value if marked else value & bits, value & bits == bits


def _matroska_cut(file: BinaryIO, size: int) -> str:
    """The segment says its bytes; one that was written live, as by browsers, does not, but its parts do."""
    place = 0
    while place < size:
        file.seek(place)
        name, _ = _vint(file, marked=True)
        length, unknown = _vint(file, marked=False)
        first = file.tell()
        if name == 0x18538067 and not unknown:  # Segment
            missing = first + length - size
            return f"its header says {length} bytes; it has {size - first}" if missing > 0 else ""
        if name in (0x18538067, 0x1F43B675):  # and Cluster: go into it
            place = first
            continue
        if unknown or first + length > size:
            return "" if unknown else "it ends inside a block"
        place = first + length
    return ""


def _asf_cut(file: BinaryIO, size: int) -> str:
    head = file.read(1 << 16)
    place = head.find(bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365"))  # File Properties
    if place < 0:
        return ""
    (said,) = struct.unpack("<Q", head[place + 40 : place + 48])
    (flags,) = struct.unpack("<I", head[place + 88 : place + 92])
    live = flags & 1
    return f"its header says {said} bytes; it has {size}" if said > size and not live else ""


def _amr_cut(file: BinaryIO, size: int) -> str:
    wide = file.read(9) == b"#!AMR-WB\n"
    sizes, place = (_AMR_WB, 9) if wide else (_AMR_NB, 6)
    while place < size:
        file.seek(place)
        place += sizes[file.read(1)[0] >> 3 & 15]
    return "it ends inside a frame" if place > size else ""


def _adts_cut(file: BinaryIO, size: int) -> str:
    tag = file.read(10)
    place = 0
    if tag[:3] == b"ID3":
        place = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(tag[6:], (21, 14, 7, 0), strict=True))
    while place + 7 <= size:
        file.seek(place)
        length = _adts_length(file.read(7))
        if not length:
            return ""  # a tag at the end
        place += length
    return "it ends inside a frame" if place > size else ""


def _avi_cut(file: BinaryIO, size: int) -> str:
    (said,) = struct.unpack("<4xI", file.read(8))
    return f"its header says {said} bytes; it has {size - 8}" if said > size - 8 else ""
