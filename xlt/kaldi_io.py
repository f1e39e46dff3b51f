"""Kaldi files in and out. The only module that knows which library reads and writes archives (omniio, MIT).

Letters: T frames, D dimensions.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.errors import DataError

if TYPE_CHECKING:  # tables need no numpy, and a stage that is up to date reads nothing else
    import numpy as np

    Matrix = np.ndarray  # (T, D) float32


def read_table(path: Path) -> dict[str, str]:
    """A Kaldi table (``text``, ``utt2spk``, ``wav.scp`` …): ``{key: rest of the line}`` in the file's order.

    Raises DataError with file and line if the file is missing, not UTF-8, has an empty line or a key twice.
    """
    table: dict[str, str] = {}
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    for number, line in enumerate(raw.split(b"\n"), 1):
        if not line and number == raw.count(b"\n") + 1:
            break
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as err:
            raise DataError(f"{path}:{number}: not UTF-8 (byte {err.start + 1}); save the file as UTF-8") from None
        key, _, value = text.partition(" ")
        if "\t" in key:
            key, _, value = text.partition("\t")
        if not key.strip():
            raise DataError(f"{path}:{number}: no key at the start of the line; remove empty lines and leading spaces")
        if key in table:
            raise DataError(f"{path}:{number}: {key!r} stands twice; ids must be unique")
        table[key] = value.strip(" \t\r")
    return table


def write_table(path: Path, table: dict[str, str]) -> None:
    """Write a Kaldi table sorted in C order (bytes of the UTF-8 key)."""
    lines = (f"{key} {table[key]}".rstrip(" ") + "\n" for key in sorted(table, key=lambda k: k.encode()))
    path.write_text("".join(lines), encoding="utf-8", newline="\n")


class ArkWriter:
    """Appends matrices to ``NAME.ark`` and their positions to ``NAME.scp``, so that a killed writer loses at most one.

    The scp names the archive as ``final``, where it will stand once the stage's output has been renamed. An existing
    archive is continued: what lies behind the last whole matrix is cut off. Values are float32 matrices (T, D).
    """

    def __init__(self, ark: Path, scp: Path, final: Path | None = None):
        self.ark, self.scp, self.final = ark, scp, final or ark
        end = 0
        self.keys: dict[str, str] = {}
        self.num_frames: dict[str, int] = {}
        if scp.exists() and ark.exists():
            self.keys, self.num_frames, end = _valid_entries(ark, scp)
        self._ark = ark.open("r+b" if ark.exists() else "w+b")
        self._ark.seek(end)
        self._ark.truncate()
        self._scp = scp.open("w", encoding="utf-8", newline="\n")
        for key, place in self.keys.items():
            self._scp.write(f"{key} {place}\n")
        self._scp.flush()

    def __enter__(self) -> ArkWriter:
        return self

    def __exit__(self, *error) -> None:
        self._ark.close()
        self._scp.close()

    def write(self, key: str, matrix: Matrix) -> None:
        import numpy as np
        import omniio.kaldi

        if not key or any(c.isspace() for c in key):
            raise DataError(f"{self.ark}: {key!r} cannot be an utterance id: ids have no spaces and are not empty")
        offset = self._ark.tell() + len(key.encode()) + 1
        omniio.kaldi.save_ark(self._ark, {key: np.ascontiguousarray(matrix, dtype=np.float32)})
        self._ark.flush()
        self.keys[key] = f"{self.final}:{offset}"
        self.num_frames[key] = len(matrix)
        self._scp.write(f"{key} {self.keys[key]}\n")
        self._scp.flush()


def _valid_entries(ark: Path, scp: Path) -> tuple[dict[str, str], dict[str, int], int]:
    """Entries of a possibly torn scp whose matrices are whole, their frames, and the offset behind the last of them."""
    size, end, keys, frames = ark.stat().st_size, 0, {}, {}
    with ark.open("rb") as handle:
        for line in scp.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True):
            key, _, place = line.strip().partition(" ")
            _, _, offset = place.rpartition(":")
            if not line.endswith("\n") or not offset.isdigit():
                break
            handle.seek(int(offset))
            head = handle.read(15)  # "\0BFM " "\4" rows "\4" columns
            if len(head) < 15 or head[:5] != b"\0BFM ":
                break
            rows, cols = int.from_bytes(head[6:10], "little"), int.from_bytes(head[11:15], "little")
            stop = int(offset) + 15 + rows * cols * 4
            if stop > size:
                break
            keys[key], frames[key], end = place, rows, stop
    return keys, frames, end


class FeatureReader:
    """Random access to the matrices of a ``feats.scp`` without reading the archives whole."""

    def __init__(self, scp: Path):
        self.scp = scp
        self.places = read_table(scp)

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, key: str) -> Matrix:
        """The matrix (T, D) of utterance ``key``; DataError if it cannot be read."""
        import omniio.kaldi

        place = self.places[key]
        try:
            return omniio.kaldi.load_mat(place)
        except (OSError, ValueError, EOFError, AssertionError, RuntimeError) as err:
            raise DataError(f"{self.scp}: {key}: cannot read {place} ({err}); run stage 3 (features) again "
                            "with --force") from None


def read_wav(path: str | os.PathLike, sample_rate: int = 16000) -> np.ndarray:
    """A sound file as float32 mono samples (N,) in [-1, 1] at ``sample_rate``; reads wav, flac, ogg, mp3.

    Several channels are averaged; other rates are resampled with soxr (high quality). DataError if it is missing, is
    not audio, is truncated to nothing, or holds no samples.
    """
    import numpy as np
    import soundfile

    try:
        samples, rate = soundfile.read(os.fspath(path), dtype="float32", always_2d=True)  # (N, channels)
    except (soundfile.LibsndfileError, OSError, RuntimeError) as err:
        reason = "no such file" if not Path(path).exists() else f"not readable as audio ({err})"
        raise DataError(f"{path}: {reason}") from None
    if not len(samples):
        raise DataError(f"{path}: holds no samples")
    mono = samples.mean(axis=1)
    if rate != sample_rate:
        import soxr

        mono = soxr.resample(mono, rate, sample_rate, quality="HQ")
    if not np.isfinite(mono).all():
        raise DataError(f"{path}: holds samples that are not numbers")
    return mono.astype(np.float32)


def spk2utt(utt2spk: dict[str, str]) -> dict[str, str]:
    """``{speaker: "utt1 utt2 …"}`` in C order."""
    lists: dict[str, list[str]] = {}
    for utt in sorted(utt2spk, key=str.encode):
        lists.setdefault(utt2spk[utt], []).append(utt)
    return {spk: " ".join(utts) for spk, utts in lists.items()}


def same_keys(first: Path, second: Path, keys: Iterable[str], others: Iterable[str]) -> None:
    """Raise DataError unless two tables have the same ids."""
    missing, extra = sorted(set(keys) - set(others)), sorted(set(others) - set(keys))
    if missing:
        raise DataError(f"{second}: {len(missing)} ids of {first} are missing, first {missing[0]!r}")
    if extra:
        raise DataError(f"{second}: {len(extra)} ids are not in {first}, first {extra[0]!r}")
