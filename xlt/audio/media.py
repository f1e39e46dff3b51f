"""Sound in the containers of phones, messengers and films, decoded by FFmpeg through PyAV: a wheel for every
machine that has Python, where the program ffmpeg would have to be there, in some version.

A file cannot make FFmpeg open another one: it is handed over open, its reader is chosen by its content from
:mod:`xlt.audio.containers`, and all of FFmpeg's protocols (file, http, concat …) are forbidden.

n samples, C channels.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

from xlt.audio.containers import Form, convert_all, locked
from xlt.core.errors import DataError

if TYPE_CHECKING:
    import numpy as np

_FORBIDDEN = {"protocol_whitelist": "-", "enable_drefs": "0"}  # "-": no protocol is called so
_LARGEST = str(1 << 21)  # samples that a codec may give at once
_BLOCK = 1 << 17  # values that are put together, over all channels
_LOST_S = 1.0  # that one damaged packet may stand for


class Foreign(DataError):
    """A file seems whole, but its form cannot be read here."""


@dataclass
class Media:
    """Sound that is open. ``rate`` in Hz; ``codec``: FFmpeg's name; ``duration_s``: as the container says, 0
    if it does not. While :meth:`blocks` is read, ``lost_s`` and ``damaged`` grow: seconds and number of
    packets that could not be decoded, for which there is silence.
    """

    rate: int
    channels: int
    codec: str
    duration_s: float
    note: str
    frames: Iterator[Any] = field(repr=False)
    lost_s: float = 0.0
    damaged: int = 0

    def blocks(self) -> Iterator[np.ndarray]:
        """Samples (n, C), float32 in [-1, 1], to the end."""
        import numpy as np

        kept: list[np.ndarray] = []
        for samples in self.frames:
            kept.append(samples)
            if sum(part.size for part in kept) >= _BLOCK:
                yield np.concatenate(kept)
                kept = []
        if kept:
            yield np.concatenate(kept)


class _File:
    """An open file for PyAV, which would print a traceback where damage leads to a place before the file."""

    def __init__(self, file: BinaryIO):
        self.read, self.tell, self._seek = file.read, file.tell, file.seek

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        try:
            return self._seek(offset, whence)
        except (OSError, ValueError, OverflowError):
            return -1  # FFmpeg's "no"


@contextlib.contextmanager
def opened(path: str | os.PathLike, form: Form) -> Iterator[Media]:
    """The sound of a file, of several streams the one that players take.

    Foreign if there is no PyAV, no sound, no decoder of it, or a lock; DataError if it is damaged.
    """
    try:
        import av
    except ImportError:
        raise Foreign(
            f"{path}: is {form.name}, which PyAV reads: pip install av; or convert all of them:"
            f" {convert_all(path)}"
        ) from None
    if why := locked(path, form):
        raise Foreign(f"{path}: is {form.name}, {why}; export it anew where it was made or bought")
    told = {"sample_rate": str(form.rate)} if form.rate else {}
    try:
        with (
            open(path, "rb") as file,
            av.open(_File(file), format=form.demuxer, options=_FORBIDDEN | told) as container,
        ):
            stream = container.streams.best("audio")
            if stream is None:
                raise Foreign(f"{path}: is {form.name} without sound; name the recording that has it")
            codec = stream.codec_context
            if codec is None:
                raise _undecodable(path, form)
            codec.options = {"max_samples": _LARGEST}
            dur_s, note = _duration_s(path, form, container, stream), _of_several(container, stream)
            media = Media(0, 0, codec.name, dur_s, note, iter(()))
            frames = _frames(container, stream, media)
            try:
                first = next(frames, None)
            except av.error.FFmpegError:
                raise
            except ValueError:  # PyAV's for a codec that is not known
                raise _undecodable(path, form) from None
            if first is None:
                raise DataError(f"{path}: holds no samples")
            media.rate, media.channels = first.sample_rate, first.layout.nb_channels
            media.frames = _samples(first, frames, media)
            yield media
    except av.error.FFmpegError as err:
        raise DataError(f"{path}: is {form.name}, but not readable as such ({err.strerror})") from None


def _undecodable(path: str | os.PathLike, form: Form) -> Foreign:
    return Foreign(
        f"{path}: is {form.name} with sound that FFmpeg does not decode; export it as WAV where it was made"
    )


def _of_several(container: Any, stream: Any) -> str:
    """Which stream of sound is used, if there are several."""
    numbers = [one.index for one in container.streams.audio]
    if len(numbers) < 2:
        return ""
    return f"has {len(numbers)} streams of sound, of which number {numbers.index(stream.index) + 1} is used"


def _duration_s(path: str | os.PathLike, form: Form, container: Any, stream: Any) -> float:
    if form.bytes_s:
        return os.stat(path).st_size / form.bytes_s
    if form.demuxer == "mov" and stream.duration:
        return float(stream.duration * stream.time_base)
    return (container.duration or 0) / 1_000_000


def _frames(container: Any, stream: Any, media: Media) -> Iterator[Any]:
    """FFmpeg's frames, and the seconds of packets that cannot be decoded."""
    import av

    for packet in container.demux(stream):
        try:
            yield from packet.decode()
        except av.error.InvalidDataError:
            media.damaged += 1
            lost_s = min(_LOST_S, float((packet.duration or 0) * (packet.time_base or 0)))
            media.lost_s += lost_s
            if media.rate:
                yield lost_s


def _samples(first: Any, rest: Iterator[Any], media: Media) -> Iterator[np.ndarray]:
    """Frames → (n, C) at the rate and in the channels of the first, whatever others have."""
    import av
    import numpy as np

    known: tuple | None = None
    resampler: Any = None
    for frame in itertools.chain([first], rest):
        if isinstance(frame, float):
            yield np.zeros((round(frame * media.rate), media.channels), np.float32)
            continue
        form = (frame.format.name, frame.layout.name, frame.layout.nb_channels, frame.sample_rate)
        if form != known:
            yield from _rows(resampler, None)
            known, resampler = form, av.AudioResampler("fltp", first.layout, media.rate)
        yield from _rows(resampler, frame)
    yield from _rows(resampler, None)


def _rows(resampler: Any, frame: Any) -> Iterator[np.ndarray]:
    """What comes out for a frame, or at the end (None): (n, C)."""
    for out in resampler.resample(frame) if resampler else ():
        yield out.to_ndarray().T
