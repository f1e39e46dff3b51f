"""Sound for pages: a link to a file that browsers play, else a small cut beside the page."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from xlt.audio.files import SAMPLE_RATE, read_blocks
from xlt.core.errors import DataError

MOST_BYTES = 20 << 20  # of all cuts of a page
MOST_S = 30.0  # of a cut
_PLAIN_WAV = (1, 3, 6, 7, 0xFFFE)  # PCM, float, A-law, µ-law, and their extensible form


class Sound(NamedTuple):
    """``href``: relative to the page, percent-encoded; ``seconds``: how long it plays, None if unknown."""

    href: str
    seconds: float | None


class Sounds:
    """The sounds of one page, which is written into the folder ``out`` and read in the folder ``page``.

    Cuts go into ``out``/sound, together at most ``most_bytes``; ``missing`` counts those without a player, by
    reason.
    """

    def __init__(self, out: Path, page: Path, most_bytes: int = MOST_BYTES):
        self._out, self._page, self._left = out, page, most_bytes
        self._known: dict[tuple[str, float | None, float | None], Sound | None] = {}
        self.cuts, self.bytes = 0, 0
        self.missing: Counter[str] = Counter()

    def of(
        self, path: str, start_s: float | None = None, end_s: float | None = None, dur_s: float | None = None
    ) -> Sound | None:
        """The sound of a file, or of a part of it; None, and counted, where there is none to hear.

        ``path``: absolute; ``dur_s``: how long it is, if that is known.
        """
        key = path, start_s, end_s
        if key not in self._known:
            self._known[key] = self._made(path, start_s, end_s, dur_s)
        return self._known[key]

    def _made(
        self, path: str, start_s: float | None, end_s: float | None, dur_s: float | None
    ) -> Sound | None:
        if start_s is not None and end_s is not None:
            dur_s = end_s - start_s
        if not os.path.isfile(path):
            self.missing["the file is missing"] += 1
            return None
        if plays(path):
            part = "" if start_s is None else f"#t={start_s:g}" + (f",{end_s:g}" if end_s is not None else "")
            place = os.path.relpath(path, self._page)
            return Sound(quote(os.fsencode(place)) + part, dur_s)
        return self._cut(path, start_s or 0.0, end_s)

    def _cut(self, path: str, start_s: float, end_s: float | None) -> Sound | None:
        """The first MOST_S seconds of a part, in a separate file."""
        import numpy as np
        import soundfile

        end_s = min(start_s + MOST_S, float("inf") if end_s is None else end_s)
        if self._left <= 0:
            self.missing["the page's cuts are large enough already"] += 1
            return None
        blocks, count = [], 0
        try:
            for block in read_blocks(path):
                blocks.append(block[max(0, round(start_s * SAMPLE_RATE) - count) :])
                count += len(block)
                if count >= end_s * SAMPLE_RATE:
                    break
        except DataError:
            self.missing["the file cannot be read"] += 1
            return None
        samples = np.concatenate(blocks)[: round((min(end_s, count / SAMPLE_RATE) - start_s) * SAMPLE_RATE)]
        if not len(samples):
            self.missing["the file is shorter"] += 1
            return None
        self.cuts += 1
        name = f"sound/{self.cuts}.flac"
        (self._out / "sound").mkdir(exist_ok=True)
        soundfile.write(self._out / name, samples, SAMPLE_RATE, subtype="PCM_16")
        size = (self._out / name).stat().st_size
        self._left, self.bytes = self._left - size, self.bytes + size
        return Sound(name, len(samples) / SAMPLE_RATE)

    @property
    def heard(self) -> bool:
        """Whether there is anything to hear."""
        return any(self._known.values())

    @property
    def told(self) -> str:
        """What a reader of the page should know of its sounds, or nothing."""
        said = []
        if self.cuts:
            said.append(
                f"Copied into the folder sound, as browsers cannot play the originals: {self.cuts}"
                f" ({self.bytes / 1e6:.1f} MB, at most {MOST_S:g} s each)."
            )
        if self.missing:
            reasons = ", ".join(f"{why}: {n}" for why, n in self.missing.most_common())
            said.append(f"Without a player: {self.missing.total()} ({reasons}).")
        return " ".join(said)


def plays(path: str) -> bool:
    """Whether the browsers of today play a sound file, by its content: WAV, FLAC, Ogg, MP3; never raises."""
    try:
        with open(path, "rb") as file:
            head = file.read(64)
    except OSError:
        return False
    if head[:4] == b"RIFF" and head[8:16] == b"WAVEfmt ":
        return int.from_bytes(head[20:22], "little") in _PLAIN_WAV
    if head[:3] == b"ID3":
        return True
    frame = len(head) > 2 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2  # MPEG, layer III
    return frame or head[:4] in (b"fLaC", b"OggS")
