"""Decode the clips of a corpus into 16-kHz mono files, without holding more of a recording than is used."""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
import tempfile
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from xlt.audio import headers
from xlt.audio.channels import TWO_SOURCES
from xlt.audio.containers import form_of
from xlt.audio.files import SAMPLE_RATE, Heard, TooLong, audio_format, read_blocks, read_wav
from xlt.audio.headers import LEAST_S
from xlt.audio.media import Foreign
from xlt.core import executor
from xlt.core.errors import DataError
from xlt.core.files import partial_of
from xlt.data.corpora import Utterance

# a segment may end so much behind its recording, as in Kaldi; more means that the two do not belong together
OVERSHOOT_S = 0.5


@dataclass(frozen=True)
class Clip:
    """A decoded clip: its length, the hash of its samples, what its source was (``44100 2 mp3``; behind it
    ``differ`` or ``cancel`` where its channels do), or why it could not be read; of one that is ``too_long``
    nothing more is known. ``header``: what is wrong in its header, though it was read to its end; ``cut``:
    how it is seen that the file ends too early; ``foreign``: whether it may be whole, but is of a form that
    cannot be read; ``note``: what else was noticed of the file.
    """

    dur_s: float = 0.0
    audio: str = ""
    format: str = ""
    error: str = ""
    too_long: bool = False
    header: str = ""
    cut: str = ""
    foreign: bool = False
    note: str = ""


@dataclass(frozen=True)
class Job:
    """An utterance, the ``wav`` to write, and the seconds from which on it is of no use."""

    utt: Utterance
    wav: Path
    longest_s: float


class DecodeClips(executor.Work):
    """Messages :class:`Job` → :class:`Clip`."""

    label = "data"

    def run(self, message: Job, prepared: None) -> Clip:
        return decode(message)

    @staticmethod
    def describe(message: Job) -> str:
        return f"utterance {message.utt.id} ({message.utt.audio})"


def decode(job: Job) -> Clip:
    """Write the clip of an utterance unless an earlier run has done so; level and content are left alone."""
    utt, wav, heard = job.utt, job.wav, Heard()
    try:
        if known := wav.exists() and utt.command is None and _as_it_was(utt, heard):
            samples, source = _int16(read_wav(wav)), audio_format(utt.audio)
        elif utt.start_s is None:
            samples, source = _whole(job, heard)
        else:
            samples, source, heard = _part(job, heard)
    except TooLong:
        return Clip(too_long=True)
    except DataError as err:
        return Clip(error=str(err), cut=heard.cut, foreign=isinstance(err, Foreign))
    if heard.cut and utt.start_s is None:  # a segment before the end is whole
        return Clip(error=f"{utt.audio}: {heard.cut}", cut=heard.cut)
    if heard.lost_s > LEAST_S and utt.start_s is None:
        return Clip(error=f"{utt.audio}: {heard.note}")
    if not known:
        write_wav(wav, samples)
    digest = audio_digest(samples)
    form = source + _of_channels(heard)
    return Clip(len(samples) / SAMPLE_RATE, digest, form, header=heard.wrong, note=heard.note)


def audio_digest(samples: np.ndarray) -> str:
    """First 20 hex digits of the SHA-256 of int16 samples (N,), as ``utt2audio`` has them."""
    return hashlib.sha256(samples.astype("<i2").tobytes()).hexdigest()[:20]


def _as_it_was(utt: Utterance, heard: Heard) -> bool:
    """Whether a clip that an earlier run has written tells all that reading the recording would."""
    if form_of(utt.audio):
        return False
    header = headers.examine(utt.audio)
    heard.wrong, heard.cut = header.wrong, header.cut
    several = utt.channel is None and audio_format(utt.audio).split()[1] != "1"
    return not several and not heard.cut


def _of_channels(heard: Heard) -> str:
    if heard.cancel:
        return " cancel"
    return " differ" if heard.apart >= TWO_SOURCES else ""


def write_wav(path: Path, samples: np.ndarray) -> None:
    """Write int16 samples (N,) as 16 kHz mono PCM; the file appears whole or not at all."""
    partial = partial_of(path)
    with partial.open("wb") as handle, wave.open(handle, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        out.writeframes(samples.astype("<i2").tobytes())
    partial.replace(path)


def _int16(samples: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(samples * 32768), -32768, 32767).astype(np.int16)


def _whole(job: Job, heard: Heard) -> tuple[np.ndarray, str]:
    """The samples (N,) of a whole recording, and what they were."""
    utt = job.utt
    with _source(utt.audio, utt.command) as path:
        samples = _int16(read_wav(path, SAMPLE_RATE, utt.channel, job.longest_s, heard))
        return samples, audio_format(path)


def _part(job: Job, heard: Heard) -> tuple[np.ndarray, str, Heard]:
    """Those of a segment, and what was noticed of the recording, which ``heard`` is told in any case. TooLong
    is known before anything is decoded; a segment without an end goes on to that of the recording.
    """
    utt, start_s = job.utt, job.utt.start_s or 0.0
    if utt.end_s is not None and utt.end_s - start_s > job.longest_s + OVERSHOOT_S:
        raise TooLong(f"{utt.audio}: a segment of {utt.end_s - start_s:g} s")
    audio, source, noticed = recording(utt.audio, utt.command, utt.channel, job.wav.parent)
    heard.cut = noticed.cut
    dur_s = len(audio) / SAMPLE_RATE
    end_s = dur_s if utt.end_s is None else utt.end_s
    if noticed.cut and end_s > dur_s + LEAST_S:
        raise DataError(f"{utt.audio}: {noticed.cut}, the segment ends at {end_s} s")
    heard.cut = ""
    _refuse_beyond(utt.audio, (start_s, end_s), dur_s)
    if end_s - start_s > job.longest_s + OVERSHOOT_S:
        raise TooLong(f"{utt.audio}: a segment of {end_s - start_s:g} s")
    return np.array(audio[round(start_s * SAMPLE_RATE) : round(end_s * SAMPLE_RATE)]), source, noticed


@lru_cache(maxsize=1)
def recording(
    audio: Path, command: str | None, channel: int | None, folder: Path
) -> tuple[np.ndarray, str, Heard]:
    """The int16 samples (N,) of a recording that has several clips, what they were, and what was noticed.
    They lie in a file without a name in ``folder``, so that a day of sound takes no more memory than an hour.
    """
    heard = Heard()
    with _source(audio, command) as path, tempfile.TemporaryFile(dir=folder) as samples:
        for block in read_blocks(path, SAMPLE_RATE, channel, heard):
            samples.write(_int16(block).tobytes())
        samples.flush()
        return np.memmap(samples, np.int16, "r"), audio_format(path), heard


@contextlib.contextmanager
def _source(audio: Path, command: str | None) -> Iterator[Path]:
    """The file of a recording, or one with what ``command``, run in the folder ``audio``, writes; DataErrors
    inside then name the command.
    """
    if command is None:
        yield audio
        return
    with tempfile.NamedTemporaryFile(prefix="xlt-", suffix=".audio") as output:
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=audio,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            check=False,
        )
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["it said nothing"]
            raise DataError(
                f"{audio}: the command {command!r}, run there, ended with status {done.returncode}:"
                f" {said[-1][:200]}; run it by hand"
            )
        try:
            yield Path(output.name)
        except TooLong:
            raise
        except DataError as err:
            raise DataError(
                f"{audio}: the command {command!r}, run there: its output is not audio: "
                f"{str(err).removeprefix(output.name + ': ')}"
            ) from None


def _refuse_beyond(audio: Path, times: tuple[float, float], dur_s: float) -> None:
    """DataError if a segment (start and end, seconds) is not in its recording of ``dur_s`` seconds."""
    for what, time_s, limit_s in (("starts", times[0], dur_s), ("ends", times[1], dur_s + OVERSHOOT_S)):
        if time_s >= limit_s:
            raise DataError(f"{audio}: {dur_s:.2f} s long, the segment {what} at {time_s} s")
