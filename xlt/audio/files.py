"""Sound files of any form → samples at one rate, block by block: libsndfile's, and those of FFmpeg."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from xlt.audio import containers, headers, media
from xlt.audio.channels import Power
from xlt.core.errors import DataError
from xlt.core.paths import refuse_pipe

if TYPE_CHECKING:  # tables need no numpy, and a stage that is up to date reads nothing else
    import numpy as np
    import soundfile


SAMPLE_RATE = 16000  # Hz, what every upstream hears
_BLOCK = 1 << 20  # values that are decoded at once, over all channels: 4 MB
_SMALL = 256  # samples that are decoded at once where a file breaks off
_RATES = (1000, 1_000_000)  # Hz; what says another is damaged, and would cost much to resample


@dataclass
class Heard:
    """What was noticed of a file while it was read. ``wrong``: what its header says that is not so, though it
    was read to its end; ``cut``: how it is seen that it ends too early; ``apart``: power of the difference of
    two channels that were averaged, as a share of both (0.5: two sources); ``cancel``: whether the channels
    cancel each other, so that the louder one was taken; ``note``: anything else, ``lost_s`` the seconds in it
    that are silence because they are damaged.
    """

    wrong: str = ""
    cut: str = ""
    note: str = ""
    lost_s: float = 0.0
    apart: float = 0.0
    cancel: bool = False

    @property
    def told(self) -> str:
        """What a person should know of it, or nothing."""
        if self.cut:
            return f"cut short: {self.cut}; it is used up to there: copy or fetch it again"
        if self.wrong:
            return f"its header is wrong: {self.wrong}; it was read to its end"
        if self.note:
            return self.note
        return "its channels cancel each other; the louder one was taken" if self.cancel else ""


class TooLong(DataError):
    """A sound file is longer than the caller can use; it was not read to its end."""


def read_wav(
    path: str | os.PathLike,
    sample_rate: int = SAMPLE_RATE,
    channel: int | None = None,
    longest_s: float = float("inf"),
    heard: Heard | None = None,
) -> np.ndarray:
    """A sound file as float32 mono samples (N,) in [-1, 1] at ``sample_rate``: what libsndfile reads (wav,
    flac, ogg, mp3 …), and what FFmpeg does (:mod:`xlt.audio.containers`: m4a, webm, wma, amr …).

    ``channel`` counts from 0; without it several channels are averaged, unless they cancel each other: then
    the loudest is taken. Where the header says a wrong length, the file is read to its end; ``heard`` is
    told. Other rates are resampled with soxr (high quality). TooLong if it has more than ``longest_s``
    seconds, of which no more are decoded. DataError if the file is missing, is not audio, is truncated to
    nothing, holds no samples, or lacks the channel.
    """
    import numpy as np

    blocks, count = [], 0
    for block in read_blocks(path, sample_rate, channel, heard):
        blocks.append(block)
        count += len(block)
        if count > longest_s * sample_rate:
            raise TooLong(f"{path}: longer than {longest_s:g} s")
    return np.concatenate(blocks) if len(blocks) > 1 else blocks[0]


def read_blocks(
    path: str | os.PathLike,
    sample_rate: int = SAMPLE_RATE,
    channel: int | None = None,
    heard: Heard | None = None,
) -> Iterator[np.ndarray]:
    """The same samples as :func:`read_wav` in pieces, at least one, each (n,) and of at most a few MB: what
    a long recording takes is the pieces that are kept. DataError as there, also behind the first pieces.
    """
    import numpy as np

    count, heard = 0, heard or Heard()
    with _opened(path, heard) as source:
        _refuse_header(path, source, channel)
        blocks = _mono(source.blocks(heard), source.channels, channel, heard)
        for block in _resampled(blocks, source.rate, sample_rate):
            if not np.isfinite(block).all():
                raise DataError(f"{path}: holds samples that are not numbers")
            count += len(block)
            yield block.astype(np.float32, copy=False)
    if not count:
        raise DataError(f"{path}: holds no samples")


class _Source(NamedTuple):
    """An open file; ``blocks``: its samples (n, channels) at ``rate``, which tell what they notice."""

    rate: int
    channels: int
    form: str
    duration_s: float
    blocks: Callable[[Heard], Iterator[np.ndarray]]


@contextlib.contextmanager
def _opened(path: str | os.PathLike, heard: Heard) -> Iterator[_Source]:
    """A file that is open; ``heard`` is called with what is wrong in its header. DataError if it is not
    there or no sound, and if it cannot be read inside.
    """
    import soundfile

    try:
        refuse_pipe(path)
        header = headers.examine(path)
        heard.wrong, heard.cut = header.wrong, header.cut
        with contextlib.ExitStack() as stack:
            yield _source(path, header, stack)
    except (soundfile.LibsndfileError, OSError, RuntimeError) as err:
        raise DataError(f"{path}: {why_unreadable(path, err)}") from None


def _source(path: str | os.PathLike, header: headers.Header, stack: contextlib.ExitStack) -> _Source:
    """The file as FFmpeg or libsndfile reads it, open until ``stack`` is closed."""
    import soundfile

    if form := containers.form_of(path):
        try:
            return _of_media(stack.enter_context(media.opened(path, form)))
        except media.Foreign:
            raise
        except DataError:
            if header.cut:
                raise DataError(f"{path}: cut short: {header.cut}; copy or fetch it again") from None
            raise
    try:
        patched = stack.enter_context(headers.readable(path, header))
        file = stack.enter_context(soundfile.SoundFile(patched))
    except soundfile.LibsndfileError:
        if form := containers.second_form(path):
            with contextlib.suppress(DataError):
                return _of_media(stack.enter_context(media.opened(path, form)))
        raise
    known = not (header.wrong and file.format == "FLAC")
    dur_s = file.frames / file.samplerate if known else 0.0
    return _Source(
        file.samplerate, file.channels, file.format.lower(), dur_s, lambda heard: _decoded(path, file, heard)
    )


def _of_media(sound: media.Media) -> _Source:
    def blocks(heard: Heard) -> Iterator[np.ndarray]:
        heard.note = sound.note
        yield from sound.blocks()
        if sound.damaged:
            heard.lost_s = sound.lost_s
            heard.note = (
                f"is damaged inside: {sound.damaged} of its packets ({sound.lost_s:.2f} s) cannot be decoded"
                " and are silence: copy or fetch it again"
            )

    return _Source(sound.rate, sound.channels, sound.codec, sound.duration_s, blocks)


def _refuse_header(path: str | os.PathLike, source: _Source, channel: int | None) -> None:
    """DataError for what no recording has, and for a channel that is not there."""
    low, high = _RATES
    if not low <= source.rate <= high:
        raise DataError(
            f"{path}: its header says {source.rate} samples a second, expected {low} to {high}; it is"
            " damaged: make or fetch it again"
        )
    if channel is not None and channel >= source.channels:
        raise DataError(f"{path}: has {source.channels} channels, channel {channel} (from 0) is asked for")


def _mono(
    blocks: Iterator[np.ndarray], channels: int, channel: int | None, heard: Heard
) -> Iterator[np.ndarray]:
    """Blocks (n, channels) → (n,): one channel, or the mean of all unless they cancel each other."""
    power = Power(channels) if channel is None and channels > 1 else None
    for samples in blocks:
        if power is None:
            yield samples[:, channel or 0].copy()
            continue
        power.add(samples)
        loudest = power.loudest_of_cancelling()
        heard.cancel, heard.apart = loudest is not None, power.apart()
        yield samples.mean(axis=1) if loudest is None else samples[:, loudest].copy()


def _decoded(path: str | os.PathLike, file: soundfile.SoundFile, heard: Heard) -> Iterator[np.ndarray]:
    """Blocks (n, channels) to the end; of FLAC, which says its length, to where it breaks off."""
    import soundfile

    frames, count, flac = max(1, _BLOCK // file.channels), 0, file.format == "FLAC"
    try:
        while len(samples := file.read(frames, dtype="float32", always_2d=True)):
            count += len(samples)
            yield samples
    except soundfile.LibsndfileError:
        if not flac:
            raise
        for samples in _to_the_break(path, count):
            count += len(samples)
            yield samples
        if not count:
            raise
    if flac and not heard.wrong and count < file.frames:
        said_s, has_s = file.frames / file.samplerate, count / file.samplerate
        heard.cut = f"its header says {said_s:.2f} s; it has {has_s:.2f} s"


def _to_the_break(path: str | os.PathLike, start: int) -> Iterator[np.ndarray]:
    """Small blocks (n, channels) of a damaged FLAC file from the frame ``start`` to where it breaks off."""
    import soundfile

    with (
        headers.readable(path, headers.examine(path)) as source,
        soundfile.SoundFile(source) as file,
        contextlib.suppress(soundfile.LibsndfileError),
    ):
        file.seek(start)
        while len(samples := file.read(_SMALL, dtype="float32", always_2d=True)):
            yield samples


def _resampled(blocks: Iterator[np.ndarray], rate: int, wanted: int) -> Iterator[np.ndarray]:
    """The blocks at the rate ``wanted``; to the bit what soxr makes of all samples at once."""
    if rate == wanted:
        yield from blocks
        return
    import numpy as np
    import soxr

    stream = soxr.ResampleStream(rate, wanted, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


def why_unreadable(path: str | os.PathLike, err: Exception) -> str:
    """Why libsndfile, which said ``err``, has not read a file, in a person's words."""
    if not Path(path).exists():
        return "no such file"
    if form := containers.form_of(path):
        return f"is {form.name}, which stage 1 reads: import it with data.reader=kaldi data.dir=DIR"
    if what := containers.otherwise(path):
        return f"not readable as audio: it is {what}"
    return f"not readable as audio ({err})"


class Header(NamedTuple):
    """Of a sound file; ``rate`` in Hz, ``form``: wav, mp3, …"""

    rate: int
    channels: int
    form: str
    duration_s: float


def audio_header(path: str | os.PathLike) -> Header:
    """What a sound file says of itself, where that is not plainly wrong; FLAC that says no length has 0 s.
    DataError.
    """
    with _opened(path, Heard()) as source:
        return Header(source.rate, source.channels, source.form, source.duration_s)


def audio_format(path: str | os.PathLike) -> str:
    """Sampling rate (Hz), channels and format of a sound file, from its header: ``44100 2 mp3``.
    DataError.
    """
    header = audio_header(path)
    return f"{header.rate} {header.channels} {header.form}"
