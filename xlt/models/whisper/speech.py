"""What a training reads: clips with their tokens, in batches of one window each.

B batch, N samples, T frames, D dimensions, U tokens.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from xlt.audio.augment import Copy
from xlt.audio.augment.sounds import Sounds
from xlt.audio.augment.speed import perturb
from xlt.audio.files import SAMPLE_RATE
from xlt.core.errors import DataError
from xlt.models.whisper.net import Encoded, Net

if TYPE_CHECKING:
    import numpy as np

SHORTEN = 0.2  # a time mask covers at most so much of a clip


@dataclasses.dataclass(frozen=True)
class Clip:
    """An utterance to learn from: ``samples`` at speed 1, or frames times samples a frame; ``prompt``: what
    the decoder is given; ``text``: tokens of Whisper, with their end; ``labels``: tokens of CTC.
    """

    utt: str
    samples: int
    prompt: tuple[int, ...]
    text: tuple[int, ...]
    labels: tuple[int, ...]
    category: str = ""


class Heard(NamedTuple):
    """How a clip is heard: at a ``speed``, altered as ``copy`` says with the random numbers of ``key``."""

    speed: float = 1.0
    copy: Copy = Copy()
    key: str = ""

    def length(self, samples: int) -> int:
        return self.copy.length(round(samples / self.speed))

    def wave(self, wave: np.ndarray, sounds: Sounds | None) -> np.ndarray:
        """The wave (N,) that is heard of ``wave``."""
        return self.copy.wave(perturb(wave, self.speed), self.key, sounds)


class Batch:
    """Clips of one window: encoder inputs or outputs, and what is to be written."""

    def __init__(self, clips: Sequence[Clip], end: int):
        self.clips = clips
        longest = max(len(c.prompt) + len(c.text) for c in clips)
        self.ids = torch.full((len(clips), longest - 1), end)  # (B, U)
        self.targets = torch.full((len(clips), longest - 1), -100)
        for row, clip in enumerate(clips):
            whole = torch.tensor([*clip.prompt, *clip.text])
            self.ids[row, : len(whole) - 1] = whole[:-1]
            self.targets[row, len(clip.prompt) - 1 : len(whole) - 1] = whole[len(clip.prompt) :]
        self.labels = torch.tensor([label for clip in clips for label in clip.labels])
        self.label_lengths = torch.tensor([len(clip.labels) for clip in clips])


class Clips:
    """A set's clips. ``read``: an utterance's wave (N,), or its stored encoder outputs (T, D); ``augment``:
    altered copies, one of which, or the clip itself, is heard in an epoch.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        read: Callable[[str], np.ndarray],
        stored: bool,
        batch_s: float,
        speeds: Sequence[float] = (1.0,),
        augment: Sequence[Copy] = (),
        sounds: Sounds | None = None,
    ):
        self.clips, self.read, self.stored = list(clips), read, stored
        self.batch, self.speeds = batch_s * SAMPLE_RATE, tuple(speeds)
        self.copies, self.sounds = (Copy(), *augment), sounds

    def batches(self, net: Net, clips: Sequence[Clip] | None = None, rng: random.Random | None = None):
        """Lists of (clip, how it is heard), each of one window and at most ``batch_s`` seconds with their
        silence; shuffled, at random speeds and altered at random, with ``rng``.
        """
        drawn = [
            (clip, self._draw(clip, rng) if rng else Heard())
            for clip in (self.clips if clips is None else clips)
        ]
        by_window: dict[int, list[tuple[Clip, Heard]]] = {}
        for clip, heard in drawn:
            by_window.setdefault(net.window(heard.length(clip.samples)), []).append((clip, heard))
        found = []
        for window, members in sorted(by_window.items()):
            if rng:
                rng.shuffle(members)
            size = max(1, int(self.batch // window))
            found += [members[at : at + size] for at in range(0, len(members), size)]
        if rng:
            rng.shuffle(found)
        return found

    def _draw(self, clip: Clip, rng: random.Random) -> Heard:
        speed = rng.choice(self.speeds)
        if len(self.copies) == 1:  # nothing more is drawn: trainings without copies stay what they were
            return Heard(speed)
        return Heard(speed, rng.choice(self.copies), f"{clip.utt} {rng.getrandbits(64)}")

    def encoder_inputs(self, net: Net, members: Sequence[tuple[Clip, Heard]]) -> tuple[Tensor, Tensor]:
        """Log-mels (B, mels, 2T), or stored outputs (B, T, D), and the clips' frames (B,)."""
        found = [self.read(clip.utt) for clip, _ in members]
        if self.stored:
            rows = [torch.from_numpy(matrix.copy()) for matrix in found]
            return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True), torch.tensor(
                [len(r) for r in rows]
            )
        return net.mels(
            [heard.wave(wave, self.sounds) for wave, (_, heard) in zip(found, members, strict=True)]
        )

    def encoded(self, net: Net, inputs: Tensor, frames: Tensor) -> Encoded:
        """What :meth:`encoder_inputs` gave → encoder outputs."""
        return Encoded(inputs.to(net.device), frames) if self.stored else net.encode(inputs, frames)


def mask(x: Tensor, frames: Tensor, widest: int, bands: float, number: int, rng: random.Random) -> Tensor:
    """SpecAugment (Park et al. 2019) on log-mels (B, mels, 2T): ``number`` masks in time, of at most
    ``widest`` steps and SHORTEN of the clip, and as many in frequency, of at most a share ``bands`` of the
    mels.
    """
    x = x.clone()
    mels = x.shape[1]
    for row, length in zip(x, (2 * frames).tolist(), strict=True):
        low = row.min()
        for _ in range(number):
            width = rng.randint(0, min(widest, int(length * SHORTEN)))
            start = rng.randint(0, max(0, length - width))
            row[:, start : start + width] = low
            width = rng.randint(0, int(mels * bands))
            start = rng.randint(0, mels - width)
            row[start : start + width] = low
    return x


def check_windows(clips: Sequence[Clip], windows_s: Sequence[float], where: str) -> None:
    """DataError for clips that no window holds."""
    long = [clip for clip in clips if clip.samples > max(windows_s) * SAMPLE_RATE]
    if long:
        worst = max(long, key=lambda clip: clip.samples)
        raise DataError(
            f"{where}: {len(long)} utterances are longer than the longest window of train.windows_s, "
            f"{max(windows_s):g} s, {worst.utt!r} with {worst.samples / SAMPLE_RATE:.1f} s among them; add a"
            " longer window, or lower data.max_dur_s"
        )


def some(clips: Sequence[Clip], seconds: float) -> list[Clip]:
    """Every n-th clip, n the smallest number with which they last at most ``seconds``."""
    step = 1
    while sum(clip.samples for clip in clips[::step]) > seconds * SAMPLE_RATE and step < len(clips):
        step += 1
    return list(clips[::step])


def plan(clips: Sequence[Clip], shares: Mapping[str, float], rng: random.Random) -> Iterator[Clip]:
    """The clips of an epoch: the own ones once, of every other category as many seconds as its share asks
    for.

    ``shares``: of the batches' speech, by category; {} = every clip once.
    """
    if not shares:
        yield from clips
        return
    by: dict[str, list[Clip]] = {}
    for clip in clips:
        by.setdefault(clip.category, []).append(clip)
    own = next(iter(shares))
    total = sum(clip.samples for clip in by[own]) / shares[own]
    for name, members in by.items():
        left = total * shares[name]
        if name == own:
            yield from members
            continue
        for clip in rng.sample(members, len(members)):
            if left <= 0:
                break
            left -= clip.samples
            yield clip
