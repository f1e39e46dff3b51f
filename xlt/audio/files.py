"""Sound files of any form → samples at one rate."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.core.errors import DataError

if TYPE_CHECKING:  # tables need no numpy, and a stage that is up to date reads nothing else
    import numpy as np

    Matrix = np.ndarray  # (T, D) float32


SAMPLE_RATE = 16000  # Hz, what every upstream hears
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


def read_wav(
    path: str | os.PathLike, sample_rate: int = SAMPLE_RATE, channel: int | None = None
) -> np.ndarray:
    """A sound file as float32 mono samples (N,) in [-1, 1] at ``sample_rate``; reads wav, flac, ogg, mp3.

    ``channel`` counts from 0; without it several channels are averaged. Other rates are resampled with soxr
    (high quality). DataError if the file is missing, is not audio, is truncated to nothing, holds no samples,
    or lacks the channel.
    """
    import numpy as np
    import soundfile

    try:
        samples, rate = soundfile.read(os.fspath(path), dtype="float32", always_2d=True)  # (N, channels)
    except (soundfile.LibsndfileError, OSError, RuntimeError) as err:
        reason = "no such file" if not Path(path).exists() else f"not readable as audio ({err})"
        if Path(path).suffix.lower() in _CONVERTIBLE and Path(path).exists():
            reason += "; convert it, e.g. ffmpeg -i FILE -ac 1 FILE.wav"
        raise DataError(f"{path}: {reason}") from None
    if not len(samples):
        raise DataError(f"{path}: holds no samples")
    if channel is not None and channel >= samples.shape[1]:
        raise DataError(f"{path}: has {samples.shape[1]} channels, channel {channel} (from 0) is asked for")
    mono = samples.mean(axis=1) if channel is None else samples[:, channel]
    if rate != sample_rate:
        import soxr

        mono = soxr.resample(mono, rate, sample_rate, quality="HQ")
    if not np.isfinite(mono).all():
        raise DataError(f"{path}: holds samples that are not numbers")
    return mono.astype(np.float32)


def audio_format(path: str | os.PathLike) -> str:
    """Sampling rate (Hz), channels and format of a sound file, from its header: ``44100 2 mp3``.
    DataError.
    """
    import soundfile

    try:
        info = soundfile.info(os.fspath(path))
    except (soundfile.LibsndfileError, OSError, RuntimeError) as err:
        raise DataError(f"{path}: not readable as audio ({err})") from None
    return f"{info.samplerate} {info.channels} {info.format.lower()}"
