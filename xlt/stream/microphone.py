"""Sound of the microphone: by the package sounddevice, or else by the programs arecord or ffmpeg."""

from __future__ import annotations

import contextlib
import queue
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from typing import IO, Any

import numpy as np

from xlt.core.errors import ConfigError, DataError
from xlt.stream.sources import BLOCK_S, Block, of_pipe

_RECORDERS = {  # program → words behind it; {rate} in Hz, {device}
    "arecord": "-q -t raw -f S16_LE -c 1 -r {rate} -D {device}",
    "ffmpeg": "-loglevel error -f alsa -i {device} -f s16le -ac 1 -ar {rate} -",
}
_DROPPED = 1 << 16  # blocks that PortAudio may be ahead before they are lost
_SILENT_S = 1.0  # without a block of PortAudio, it is asked whether it still records
_STOPPED = "microphone: stopped; plug it in again, and run the same command"


def of_microphone(rate: int, device: str | None = None) -> Iterator[Block]:
    """Until the caller stops. ``device``: its name or number, as of sounddevice, or ALSA's; None: the usual
    one. ConfigError if there is nothing to record with, DataError if it cannot be recorded.
    """
    sounddevice = _sounddevice()
    if sounddevice is not None:
        return _by_portaudio(sounddevice, rate, device)
    for program, words in _RECORDERS.items():
        if path := shutil.which(program):
            filled = (word.format(rate=rate, device=device or "default") for word in words.split())
            return _by_program([path, *filled], rate)
    raise ConfigError(
        "microphone: neither the package sounddevice nor one of the programs arecord and ffmpeg is there;"
        " pip install sounddevice, or send sound through a pipe: … | xlt stream BUNDLE -"
    )


def _sounddevice() -> Any:
    """The package; None if it is not there, or without its library PortAudio."""
    try:
        import sounddevice
    except (ImportError, OSError):
        return None
    return sounddevice


def _by_portaudio(sounddevice: Any, rate: int, device: str | None) -> Iterator[Block]:
    heard: queue.Queue[np.ndarray] = queue.Queue(_DROPPED)
    lost = [0]  # blocks that PortAudio itself had to drop

    def take(data: Any, frames: int, times: Any, status: Any) -> None:
        lost[0] += bool(status.input_overflow)
        heard.put_nowait(np.frombuffer(data, "<i2").astype(np.float32) / 32768)

    number = int(device) if device is not None and device.isdigit() else device
    step = round(BLOCK_S * rate)
    try:
        with sounddevice.RawInputStream(rate, step, number, 1, "int16", callback=take) as stream:
            place = 0
            while True:
                try:
                    samples = heard.get(timeout=_SILENT_S)
                except queue.Empty:
                    if stream.active:
                        continue
                    raise DataError(_STOPPED) from None
                place, lost[0] = place + lost[0] * step, 0
                yield Block(place, samples, rate)
                place += len(samples)
    except (sounddevice.PortAudioError, ValueError) as err:
        raise DataError(
            f"microphone: {err}; name another one with --device (python -m sounddevice lists them)"
        ) from None


def _by_program(words: list[str], rate: int) -> Iterator[Block]:
    with tempfile.TemporaryFile() as said, _running(words, said) as process:
        assert process.stdout
        try:
            yield from of_pipe(process.stdout, rate, "microphone")
            raise DataError(_STOPPED)
        except DataError as err:
            said.seek(0)
            lines = said.read().decode("utf-8", "replace").strip().splitlines()
            if not lines:
                raise
            raise DataError(
                f"microphone: {words[0]} says {lines[-1][:200]!r}; name another one with --device (arecord -L"
                " lists them)"
            ) from err


@contextlib.contextmanager
def _running(words: list[str], said: IO[bytes]) -> Iterator[subprocess.Popen]:
    """A recorder, whose errors are in ``said``: a pipe that nobody reads would stop it when it is full. In a
    session of its own, so that the terminal's Ctrl-C does not end it before us.
    """
    pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
    process = subprocess.Popen(
        words, bufsize=0, stdin=nothing, stdout=pipe, stderr=said, start_new_session=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
