"""Sound files of phones and films, made with FFmpeg's encoders."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

RATE = 16000


def noise(seed: int = 0, dur_s: float = 1.0, rate: int = RATE) -> np.ndarray:
    """Noise without the upper bands, which codecs would not keep, (N,) float32."""
    white = np.random.default_rng(seed).normal(0, 0.2, round(dur_s * rate) + 7)
    return np.convolve(white, np.hanning(10)[1:-1] / 4.5, "valid").astype(np.float32)[: round(dur_s * rate)]


def write(
    path: Path, codec: str, *streams: np.ndarray, rate: int = RATE, form: str | None = None, **options: str
) -> Path:
    """Each of ``streams``, (N,) or (C, N) in [-1, 1], becomes a stream of sound in the file."""
    _write(str(path), codec, streams, rate, form, options)
    return path


def _write(
    place: str | io.BytesIO,
    codec: str,
    streams: tuple[np.ndarray, ...],
    rate: int,
    form: str | None,
    options: dict[str, str],
) -> None:
    with av.open(place, "w", format=form, options=options) as out:
        opened = []
        for samples in streams:
            layout = "mono" if samples.ndim == 1 else "stereo"
            stream = out.add_stream(codec, rate=rate, layout=layout)
            stream.bit_rate = 96_000
            opened.append((stream, samples, layout))
        for stream, samples, layout in opened:
            whole = np.clip(np.rint(np.atleast_2d(samples) * 32768), -32768, 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(whole.T.reshape(1, -1).copy(), format="s16", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
            out.mux(stream.encode(frame))
        for stream, _, _ in opened:
            out.mux(stream.encode(None))


def encoded(codec: str, form: str, samples: np.ndarray) -> bytes:
    """What such a file holds; the same at any time."""
    out = io.BytesIO()
    _write(out, codec, (samples,), RATE, form, {"fflags": "bitexact"})
    return out.getvalue()


def film(path: Path, samples: np.ndarray | None) -> Path:
    """A second of a black film, with or without sound."""
    with av.open(str(path), "w") as out:
        picture = out.add_stream("mpeg4", rate=10)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        sound = out.add_stream("aac", rate=RATE, layout="mono") if samples is not None else None
        for _ in range(10):
            out.mux(picture.encode(av.VideoFrame(64, 48, "yuv420p")))
        out.mux(picture.encode(None))
        if sound:
            frame = av.AudioFrame.from_ndarray(
                (samples[None] * 32767).astype(np.int16), format="s16", layout="mono"
            )
            frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
            out.mux(sound.encode(frame))
            out.mux(sound.encode(None))
    return path
