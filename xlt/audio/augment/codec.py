"""Lossy codecs: speech as it comes out of a voice note, a telephone or an old recording."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xlt.audio.augment.levels import unclipped
from xlt.audio.augment.ranges import Range
from xlt.audio.augment.same_length import SameLength
from xlt.audio.files import SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np

    from xlt.audio.augment.sounds import Sounds

TELEPHONE = 8000  # Hz


@dataclass(frozen=True)
class _Codec:
    """``rate`` in Hz; ``kbps``: bit rates, None where it has only one; ``form``: libsndfile's or FFmpeg's."""

    rate: int
    form: str
    kbps: Range | None = None
    usual: tuple[float, float] = (0.0, 0.0)


_CODECS = {
    "opus": _Codec(SAMPLE_RATE, "libopus", Range(6.0, 64.0, "kbit/s"), (6.0, 16.0)),
    "mp3": _Codec(SAMPLE_RATE, "libmp3lame", Range(8.0, 64.0, "kbit/s"), (16.0, 32.0)),
    "gsm": _Codec(TELEPHONE, "GSM610"),
    "mulaw": _Codec(TELEPHONE, "ULAW"),
}
_MP3_KBPS = (8, 16, 24, 32, 40, 48, 56, 64)  # of MPEG-2 layer III at 16 kHz
_CONTAINERS = {"libopus": "ogg", "libmp3lame": "mp3"}


class Codec(SameLength):
    """``codec`` draws one of all, ``codec:opus/gsm`` one of these; a bit rate, or a range, in kbit/s may
    follow a name: ``opus6..16``, ``mp3-24``. The telephone's, ``gsm`` and ``mulaw``, work at 8 kHz.
    """

    def __init__(self, argument: str):
        self.choices = [_parsed(part) for part in argument.split("/")] if argument else list(_usual())

    def apply(self, wave: np.ndarray, rng: np.random.Generator, sounds: Sounds | None) -> np.ndarray:
        import numpy as np
        import soxr

        name, kbps = self.choices[rng.integers(len(self.choices))]
        codec, rate_kbps = _CODECS[name], kbps.draw(rng)
        sent = soxr.resample(unclipped(wave), SAMPLE_RATE, codec.rate)
        if codec.form in _CONTAINERS:
            if name == "mp3":
                rate_kbps = min(_MP3_KBPS, key=lambda one: abs(one - rate_kbps))
            heard, rate = _through_ffmpeg(sent, codec, rate_kbps)
        else:
            heard, rate = _through_sndfile(sent, codec), codec.rate
        heard = soxr.resample(heard, rate, SAMPLE_RATE)[: len(wave)]
        return np.pad(heard, (0, len(wave) - len(heard))).astype(np.float32, copy=False)


def _usual() -> list[tuple[str, Range]]:
    return [_parsed(name) for name in _CODECS]


def _parsed(text: str) -> tuple[str, Range]:
    """``opus16`` or ``mp3-24`` → the codec and its bit rates."""
    name = next((known for known in _CODECS if text.startswith(known)), "")
    rest = text.removeprefix(name).removeprefix("-")
    if not name:
        raise ValueError(f"found {text!r}, expected {', '.join(_CODECS)}, with / between")
    codec = _CODECS[name]
    if codec.kbps is None:
        if rest:
            raise ValueError(f"found {text!r}, but {name} has one bit rate only; leave {rest!r} out")
        return name, Range(0.0, 0.0, "kbit/s")
    return name, codec.kbps.parse(rest) if rest else Range(*codec.usual, codec.kbps.unit)


def _through_sndfile(wave: np.ndarray, codec: _Codec) -> np.ndarray:
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, wave, codec.rate, format="WAV", subtype=codec.form)
    file.seek(0)
    return soundfile.read(file, dtype="float32")[0]


def _through_ffmpeg(wave: np.ndarray, codec: _Codec, kbps: float) -> tuple[np.ndarray, int]:
    """What a decoder makes of it, and its sampling rate. The containers say how much delay the encoder has
    added, which FFmpeg takes back.
    """
    import av
    import numpy as np

    file: Any = io.BytesIO()
    options = {"application": "voip"} if codec.form == "libopus" else {}
    with av.open(file, "w", format=_CONTAINERS[codec.form]) as container:
        stream: Any = container.add_stream(codec.form, rate=codec.rate, layout="mono", options=options)
        stream.bit_rate = round(1000 * kbps)
        samples = np.clip(np.rint(wave * 32767), -32768, 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = codec.rate
        converted = av.AudioResampler(format=stream.format, layout="mono", rate=codec.rate)
        for part in [*converted.resample(frame), *converted.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as container:
        source = container.streams.audio[0]
        floats = av.AudioResampler(format="flt", layout="mono", rate=source.rate)
        rows = [
            one.to_ndarray()[0]
            for frame in [*container.decode(source), None]
            for one in floats.resample(frame)
        ]
    return np.concatenate([np.zeros(0, np.float32), *rows]), source.rate
