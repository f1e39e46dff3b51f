"""What can be heard of each sound file: measured once, in parallel processes, and kept beside data/check for
the next run.

N samples, C channels, B blocks of 20 ms, F frequency bins.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.audio.files import why_unreadable
from xlt.core import executor, jsons
from xlt.core.log import Progress
from xlt.core.paths import plain
from xlt.core.stage import atomic_text

if TYPE_CHECKING:
    import numpy as np

    from xlt.check.datadir import DataDir, Sets
    from xlt.core.config import Config

CACHE = ".sounds.json"
_VERSION = 2  # of what is measured: older measurements are made again
_BLOCK_S = 0.02
_FLOOR_DB = -120.0
_LOUD_DB = 30.0  # what is at most so much under the loud blocks counts as sound
_WINDOW = 512  # samples of a spectrum
_SPECTRA = 4000  # spectra of a file at the most
_ROUNDING_DB = -88.0  # rounding to 16 bits alone is at -101 dB
_NOTHING_DB = -75.0  # as a share of all


@dataclass(frozen=True)
class Sound:
    """Measurements of a file. Levels are in dB of full scale.

    ``clipped``: share of samples in runs of three and more at the extreme, or at full scale; ``offset``: the
    mean; ``level_db``: the loud 5% of blocks; ``range_db``: those against the quiet 5%; ``sound_s``: time
    within 30 dB of them; ``edge_hz``: no power above; ``apart``: power of the difference of two channels, as
    a share of both; ``audio``: hash of the samples as 16 bits, mono.
    """

    error: str = ""
    rate: int = 0
    channels: int = 0
    dur_s: float = 0.0
    audio: str = ""
    peak: float = 0.0
    clipped: float = 0.0
    offset: float = 0.0
    level_db: float = _FLOOR_DB
    range_db: float = 0.0
    sound_s: float = 0.0
    edge_hz: float = 0.0
    apart: float = 0.0

    @property
    def silent(self) -> bool:
        """Digital silence: every sample is the same."""
        return not self.error and self.peak == 0.0


def measure(path: str) -> Sound:
    """The measurements of a file of any format that libsndfile reads."""
    import numpy as np
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            said, rate = file.frames, file.samplerate
            samples = file.read(dtype="float32", always_2d=True)  # (N, C)
    except (soundfile.LibsndfileError, OSError, RuntimeError) as err:
        return Sound(error=why_unreadable(path, err))
    if not len(samples):
        return Sound(error="holds no samples", rate=rate)
    if not np.isfinite(samples).all():
        return Sound(error="holds samples that are not numbers", rate=rate)
    if len(samples) < said:
        return Sound(
            error=f"cut short: {len(samples) / rate:.2f} s can be read, its header says {said / rate:.2f} s",
            rate=rate,
        )
    return _measured(samples, rate)


def _measured(samples: np.ndarray, rate: int) -> Sound:
    """(N, C) → measurements."""
    import numpy as np

    mono = samples.mean(axis=1)  # (N,)
    offset = float(mono.mean(dtype=np.float64))
    moving = mono - offset
    loud, quiet, sound_s = _levels(moving, rate)
    as_stored = np.clip(np.rint(mono * 32768), -32768, 32767).astype("<i2")
    return Sound(
        rate=rate,
        channels=samples.shape[1],
        dur_s=round(len(mono) / rate, 4),
        audio=hashlib.sha256(as_stored.tobytes()).hexdigest()[:20],
        peak=round(float(np.ptp(mono) / 2), 6),
        clipped=round(max(map(_clipped, samples.T)), 5),
        offset=round(offset, 5),
        level_db=round(loud, 1),
        range_db=round(loud - quiet, 1),
        sound_s=round(sound_s, 2),
        edge_hz=round(_edge(moving, rate), 0),
        apart=round(_apart(samples), 3),
    )


def _levels(mono: np.ndarray, rate: int) -> tuple[float, float, float]:
    """(N,) → levels of the loud and of the quiet blocks, dB; seconds of sound."""
    import numpy as np

    size = max(1, round(_BLOCK_S * rate))
    count = max(1, len(mono) // size)
    blocks = mono[: count * size].reshape(count, -1)  # (B, 20 ms)
    level = 10 * np.log10(
        np.maximum(np.square(blocks, dtype=np.float64).mean(axis=1), 10 ** (_FLOOR_DB / 10))
    )
    quiet, loud = np.percentile(level, [5, 95])
    return float(loud), float(quiet), float((level > max(loud - _LOUD_DB, _FLOOR_DB)).sum() * _BLOCK_S)


def _clipped(channel: np.ndarray) -> float:
    """(N,) → share of samples in runs at the extreme, or at full scale; 0 for what is too quiet to tell.
    Resampling breaks the runs: a wave that was cut off overshoots, and is cut at full scale here and there.
    """
    high, low, step = channel.max(), channel.min(), 1.5 / 32768
    if high - low < 0.2:
        return 0.0
    at = (channel >= high - step) | (channel <= low + step)
    full = abs(channel) >= 1 - step
    return max(int((at[2:] & at[1:-1] & at[:-2]).sum()), int(full.sum())) / len(channel)


def _edge(mono: np.ndarray, rate: int) -> float:
    """(N,) → the frequency in Hz above which there is nothing but rounding; 0 for silence and for what is too
    short to tell.
    """
    import numpy as np

    count = len(mono) // _WINDOW
    if count == 0:
        return 0.0
    frames = mono[: count * _WINDOW].reshape(count, _WINDOW)[:: -(-count // _SPECTRA)]
    window = np.hanning(_WINDOW)
    power = (
        np.square(np.abs(np.fft.rfft(frames * window))).mean(axis=0) * 2 / _WINDOW / np.square(window).sum()
    )  # (F,)
    above = np.cumsum(power[::-1])[::-1]
    heard = np.flatnonzero(above > max(above[0] * 10 ** (_NOTHING_DB / 10), 10 ** (_ROUNDING_DB / 10)))
    return float(heard[-1] + 1) * rate / _WINDOW if len(heard) else 0.0


def _apart(samples: np.ndarray) -> float:
    """(N, C) → power of the difference of two channels, as a share: 0 the same, 0.5 two sources, 1 opposite
    signs.
    """
    import numpy as np

    if samples.shape[1] < 2:
        return 0.0
    left, right = samples[:, 0].astype(np.float64), samples[:, 1].astype(np.float64)
    both = 2 * (np.square(left).sum() + np.square(right).sum())
    return float(np.square(left - right).sum() / both) if both else 0.0


def sounds(sets: Sets, cfg: Config) -> dict[str, Sound]:
    """``{path: measurements}`` of all files that the sets name; those that are not there, and commands, have
    none.
    """
    paths = {line.value for data in sets.values() for line in data.lines.get("wav.scp", [])}
    return sets.once("sounds", lambda: _measure_all(paths, sets.data, cfg))


def readable_sounds(data: DataDir, sets: Sets, cfg: Config) -> dict[str, Sound]:
    """``{key of wav.scp: measurements}`` of the files of a set that can be read."""
    found = sounds(sets, cfg)
    rows = ((line.key, found.get(line.value)) for line in data.lines.get("wav.scp", []))
    return {key: sound for key, sound in rows if sound is not None and not sound.error}


def _measure_all(paths: Iterable[str], data: Path, cfg: Config) -> dict[str, Sound]:
    """By path as wav.scp has it, relative to the recipe that ``data`` lies in."""
    cache, places = data / CACHE, {path: data.parent / path for path in paths}
    known, found, todo, stamps = _read(cache), {}, [], {}
    for path in sorted(places):
        try:
            info = places[path].stat()
        except (OSError, ValueError):
            continue
        if path.endswith("|") or not info.st_size or not places[path].is_file():
            continue
        stamps[path] = [info.st_size, info.st_mtime_ns]
        if known.get(path, [None])[0] == stamps[path]:
            found[path] = Sound(*known[path][1])
        else:
            todo.append(path)
    if not todo:
        return found
    files = [str(places[path]) for path in todo]
    try:
        with Progress("listening", len(todo), "files") as bar:
            few = len(todo) <= 64
            workers = executor.workers_of(cfg, 1 if few else cfg.jobs, small=few)
            measured = executor.run("measure_sounds", None, files, workers)
            for path, sound in zip(todo, measured, strict=True):
                found[path] = dataclasses.replace(sound, error=plain(sound.error, data.parent))
                bar.add()
    finally:  # what is known by now need not be measured again
        rows = {path: [stamps[path], list(dataclasses.astuple(sound))] for path, sound in found.items()}
        atomic_text(cache, json.dumps({"version": _VERSION, "files": rows}, ensure_ascii=False))
    return found


class MeasureSounds(executor.Work):
    """Messages: paths → :class:`Sound`."""

    label = "check"

    def run(self, message: str, prepared: None) -> Sound:
        return measure(message)


def _read(cache: Path) -> dict[str, list]:
    """``{path: [[size, time], measurements]}``; nothing if the file is not there, damaged, or of another
    version.
    """
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        kept = jsons.parse(cache.read_text(encoding="utf-8"))
        width = len(dataclasses.fields(Sound))
        if kept["version"] == _VERSION:
            return {path: row for path, row in kept["files"].items() if len(row[1]) == width}
    return {}
