"""Sound files of any form → samples at one rate, block by block."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.core.errors import DataError
from xlt.core.paths import refuse_pipe

if TYPE_CHECKING:  # tables need no numpy, and a stage that is up to date reads nothing else
    import numpy as np
    import soundfile


SAMPLE_RATE = 16000  # Hz, what every upstream hears
_BLOCK = 1 << 20  # values that are decoded at once, over all channels: 4 MB
_RATES = (1000, 1_000_000)  # Hz; what says another is damaged, and would cost much to resample
_CONVERTIBLE = {
    ".m4a",
    ".aac",
    ".amr",
    ".wma",
    ".webm",
    ".mp4",
    ".mov",
    ".3gp",
}  # of phones and films; libsndfile reads none


class TooLong(DataError):
    """A sound file is longer than the caller can use; it was not read to its end."""


def read_wav(
    path: str | os.PathLike,
    sample_rate: int = SAMPLE_RATE,
    channel: int | None = None,
    longest_s: float = float("inf"),
) -> np.ndarray:
    """A sound file as float32 mono samples (N,) in [-1, 1] at ``sample_rate``; reads wav, flac, ogg, mp3.

    ``channel`` counts from 0; without it several channels are averaged. Other rates are resampled with soxr
    (high quality). TooLong if it has more than ``longest_s`` seconds, of which no more are decoded. DataError
    if the file is missing, is not audio, is truncated to nothing, holds no samples, or lacks the channel.
    """
    import numpy as np

    blocks, count = [], 0
    for block in read_blocks(path, sample_rate, channel):
        blocks.append(block)
        count += len(block)
        if count > longest_s * sample_rate:
            raise TooLong(f"{path}: longer than {longest_s:g} s")
    return np.concatenate(blocks) if len(blocks) > 1 else blocks[0]


def read_blocks(
    path: str | os.PathLike, sample_rate: int = SAMPLE_RATE, channel: int | None = None
) -> Iterator[np.ndarray]:
    """The same samples as :func:`read_wav` in pieces, at least one, each (n,) and of at most a few MB: what
    a long recording takes is the pieces that are kept. DataError as there, also behind the first pieces.
    """
    import numpy as np
    import soundfile

    count = 0
    try:
        refuse_pipe(path)
        with soundfile.SoundFile(os.fspath(path)) as file:
            _refuse_header(path, file, channel)
            for block in _resampled(_mono(file, channel), file.samplerate, sample_rate):
                if not np.isfinite(block).all():
                    raise DataError(f"{path}: holds samples that are not numbers")
                count += len(block)
                yield block.astype(np.float32, copy=False)
    except (soundfile.LibsndfileError, OSError, RuntimeError) as err:
        raise DataError(f"{path}: {_why_unreadable(path, err)}") from None
    if not count:
        raise DataError(f"{path}: holds no samples")


def _refuse_header(path: str | os.PathLike, file: soundfile.SoundFile, channel: int | None) -> None:
    """DataError for what no recording has, and for a channel that is not there."""
    low, high = _RATES
    if not low <= file.samplerate <= high:
        raise DataError(
            f"{path}: its header says {file.samplerate} samples a second, expected {low} to {high}; it is"
            " damaged: make or fetch it again"
        )
    if channel is not None and channel >= file.channels:
        raise DataError(f"{path}: has {file.channels} channels, channel {channel} (from 0) is asked for")


def _mono(file: soundfile.SoundFile, channel: int | None) -> Iterator[np.ndarray]:
    """Blocks (n,) of one channel, or of the mean of all."""
    frames = max(1, _BLOCK // file.channels)
    while len(samples := file.read(frames, dtype="float32", always_2d=True)):  # (n, channels)
        yield samples.mean(axis=1) if channel is None else samples[:, channel].copy()


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


def _why_unreadable(path: str | os.PathLike, err: Exception) -> str:
    if not Path(path).exists():
        return "no such file"
    convert = "; convert it, e.g. ffmpeg -i FILE -ac 1 FILE.wav"
    return f"not readable as audio ({err})" + convert * (Path(path).suffix.lower() in _CONVERTIBLE)


def audio_format(path: str | os.PathLike) -> str:
    """Sampling rate (Hz), channels and format of a sound file, from its header: ``44100 2 mp3``.
    DataError.
    """
    import soundfile

    try:
        refuse_pipe(path)
        info = soundfile.info(os.fspath(path))
    except (soundfile.LibsndfileError, OSError, RuntimeError) as err:
        raise DataError(f"{path}: {_why_unreadable(path, err)}") from None
    return f"{info.samplerate} {info.channels} {info.format.lower()}"
