"""What a model hears in a recording, once: CTC's log probabilities of the frames in which somebody speaks.

N samples at 16 kHz, T frames, V tokens.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from xlt.audio.cut import Lengths, pieces
from xlt.audio.files import SAMPLE_RATE, Heard, read_blocks
from xlt.bundle.transcribe import is_loud
from xlt.core.errors import ConfigError
from xlt.nets.paths import BLANK_ID, as_array
from xlt.tokens.tokenizer import SPACE

if TYPE_CHECKING:
    from xlt.bundle.transcribe import Transcriber
    from xlt.core.log import Progress

STEP_S = 0.01  # of the envelope
USUAL_S = 4.0  # pieces are at least about this long: a pass of the encoder costs as much for less
PAUSE_S = 0.25  # of quiet, from which on it parts sentences rather than sounds
QUIET = 0.2  # of the way from the quietest to the loudest of speech, in decibels
PAUSE = -12.0  # log probability of a unit's going on across a pause, so that none leaves a word behind it
FLOOR = -20.0  # of a log probability, so that no frame decides alone


@dataclasses.dataclass(frozen=True)
class Track:
    """``values``: log probability of each token less that of the likeliest, (T, V) float16, in a file without
    a name, so that a recording of any length needs little memory. ``firsts``: the first frame of each
    stretch of speech, and T; ``starts_s``: when each begins; ``rate``: frames a second; ``loudness``: power
    of each 10 ms of the whole recording.
    """

    values: np.ndarray
    firsts: np.ndarray
    starts_s: np.ndarray
    rate: float
    loudness: np.ndarray
    sound: Heard = dataclasses.field(default_factory=Heard)

    @property
    def duration_s(self) -> float:
        return len(self.loudness) * STEP_S

    def seconds(self, frame: int) -> float:
        """When a frame begins, from the beginning of the recording."""
        at = int(np.searchsorted(self.firsts, frame, side="right")) - 1
        at = min(max(at, 0), len(self.starts_s) - 1)
        return float(self.starts_s[at] + (frame - self.firsts[at]) / self.rate)

    def end_s(self, frame: int) -> float:
        """When the frame before ``frame`` ends: where one stretch of speech touches the next, that of the
        first."""
        return self.seconds(frame - 1) + 1 / self.rate

    def part(self, start_s: float, end_s: float) -> Track:
        """What is heard between two times, which stay as they are."""
        first, last = self.frame(start_s), self.frame(end_s)
        inside = self.firsts[(self.firsts > first) & (self.firsts < last)]
        firsts = np.array([first, *inside.tolist(), last])
        starts_s = np.array([self.seconds(frame) for frame in firsts[:-1].tolist()])
        return dataclasses.replace(
            self, values=self.values[first:last], firsts=firsts - first, starts_s=starts_s
        )

    def pauses(self) -> np.ndarray:
        """A frame of each quiet stretch, and of what was left out between stretches of speech."""
        if not len(self.values):
            return np.zeros(0, np.int64)
        db = 10 * np.log10(np.convolve(self.loudness, np.ones(5) / 5, mode="same") + 1e-10)
        outside = np.ones(len(db), bool)
        for start_s, frames in zip(self.starts_s, np.diff(self.firsts), strict=True):
            outside[int(start_s / STEP_S) : int((start_s + frames / self.rate) / STEP_S)] = False
        low, high = np.percentile(db[~outside], (5, 95))
        quiet = outside | (db < low + QUIET * (high - low))
        edges = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]]).astype(np.int8)))
        found = {
            min(self.frame(STEP_S * (a + b) / 2), len(self.values) - 1)
            for a, b in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
            if (b - a) * STEP_S >= PAUSE_S
        }
        return np.array(sorted(found), np.int64)

    def frame(self, time_s: float) -> int:
        """The first frame that begins at ``time_s`` or later."""
        at = max(0, int(np.searchsorted(self.starts_s, time_s, side="right")) - 1)
        inside = int(self.firsts[at] + np.ceil((time_s - self.starts_s[at]) * self.rate - 1e-6))
        return int(min(max(inside, self.firsts[at]), self.firsts[at + 1]))


def refuse_without_ctc(transcriber: Transcriber, name: str) -> None:
    """ConfigError for a model that cannot say when its letters are heard, or that writes phones."""
    if not transcriber.recogniser.has_ctc:
        raise ConfigError(
            f"--model {name}: has no CTC head, which says when letters are heard; name a bundle of"
            " preset=fast, or one with decode.partner"
        )
    if transcriber.recogniser.tokenizer.type == "phone":
        raise ConfigError(f"--model {name}: writes phones, no letters; name a bundle that writes letters")


def listen(path: str, transcriber: Transcriber, bar: Progress | None = None) -> Track:
    """Encode the speech of a recording piece by piece. DataError if it cannot be read."""
    loudness: list[np.ndarray] = []
    sound = Heard()

    def blocks() -> Iterator[np.ndarray]:
        for block in read_blocks(path, SAMPLE_RATE, None, sound):
            yield block
            if bar is not None:
                bar.add(len(block) / SAMPLE_RATE)

    recogniser, lengths = transcriber.recogniser, transcriber.clips.lengths
    longest = max(lengths.longest_s, USUAL_S)
    lengths = Lengths(max(USUAL_S, min(lengths.usual_s, longest)), longest)
    voice = transcriber.voice() if transcriber.clips.voice else None
    width = len(recogniser.tokenizer.tokens)
    with tempfile.TemporaryFile() as file:
        firsts, starts_s, count = [0], [], 0
        for cut in pieces(_measured(blocks(), loudness), lengths, voice):
            if not is_loud(cut.samples):
                continue
            probs, frames = recogniser.model.log_probs(transcriber.encode([cut.samples]))  # (1, T, V)
            recogniser.model.forget()
            row = as_array(probs)[0, : int(frames[0])].astype(np.float32)
            row = np.maximum(row - row.max(axis=1, keepdims=True), FLOOR)
            file.write(row.astype(np.float16).tobytes())
            count += len(row)
            firsts.append(count)
            starts_s.append(cut.start / SAMPLE_RATE)
        file.flush()
        values: np.ndarray = (
            np.memmap(file, np.float16, "r+", shape=(count, width))
            if count
            else np.zeros((0, width), np.float16)
        )
    envelope = np.concatenate(loudness) if loudness else np.zeros(0, np.float32)
    track = Track(
        values, np.array(firsts), np.array(starts_s or [0.0]), recogniser.frame_rate, envelope, sound
    )
    pauses = track.pauses()
    values[pauses] = np.where(np.arange(width) == BLANK_ID, PAUSE, FLOOR).astype(np.float16)
    if (space := recogniser.tokenizer.ids.get(SPACE)) is not None:
        values[pauses, space] = PAUSE
    return track


def _measured(blocks: Iterable[np.ndarray], found: list[np.ndarray]) -> Iterator[np.ndarray]:
    """The same blocks; ``found`` is given the power of each 10 ms."""
    step, left = round(STEP_S * SAMPLE_RATE), np.zeros(0, np.float32)
    for block in blocks:
        yield block
        samples = np.concatenate([left, block])
        whole = len(samples) // step * step
        found.append((samples[:whole].reshape(-1, step) ** 2).mean(axis=1))
        left = samples[whole:]
    if len(left):
        found.append((left**2).mean(keepdims=True))
