"""The work of a teacher (``train.teacher``) in one process: sound files → texts with a confidence each."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from xlt.audio.augment import Copy
from xlt.core.executor import Work
from xlt.models.labels import Clip
from xlt.text.normalise import put_together

if TYPE_CHECKING:
    import numpy as np

    from xlt.formats.transcripts import Piece


class Label(NamedTuple):
    """A text; ``confidence``, between 0 and 1, of one with more of its words right is higher."""

    text: str
    confidence: float


class _ByBundle(Work):
    """Messages are lists of :class:`~xlt.models.labels.Clip`; ``setup``: the bundle, which is loaded with the
    first of them.
    """

    label = "train"
    setup: Path

    @functools.cached_property
    def transcriber(self):
        from xlt.bundle.transcribe import Transcriber

        return Transcriber(self.setup)

    @staticmethod
    def utterances(message: Sequence[Clip]) -> int:
        return len(message)

    @staticmethod
    def describe(message: Sequence[Clip]) -> str:
        return message[0].path + (f" and {len(message) - 1} more" if len(message) > 1 else "")


class Transcribe(_ByBundle):
    """Clips, not altered → a :class:`Label` of each."""

    def run(self, message: Sequence[Clip], prepared: None) -> list[Label]:
        return [label_of(self.transcriber(clip.path, vad=False)) for clip in message]  # stage 1 has cut them


class Posteriors(_ByBundle):
    """Clips → CTC's log probabilities (T, V) of each, float32."""

    def run(self, message: Sequence[Clip], prepared: None) -> list[np.ndarray]:
        from xlt.audio.files import read_wav

        waves = [Copy(clip.recipe).wave(read_wav(clip.path), clip.key, clip.sounds) for clip in message]
        inputs = self.transcriber.encode(waves)
        found, lengths = self.transcriber.recogniser.model.log_probs(inputs)
        return [row[:length].float().numpy() for row, length in zip(found, lengths.tolist(), strict=True)]


def label_of(pieces: Sequence[Piece]) -> Label:
    """The text of a transcribed utterance, and the mean confidence of its words, a word counted by its
    letters; of a decoder that gives words none, the mean probability of a letter. A text in which the decoder
    repeated itself has 0.
    """
    text = put_together([piece["text"] for piece in pieces])
    words = [word for piece in pieces for word in piece["words"]]
    sure = [(len(word["text"]), word["confidence"]) for word in words]
    known = [(size, value) for size, value in sure if value is not None]
    if not text.strip() or any(piece.get("looped") for piece in pieces):
        return Label(text, 0.0)
    if known and len(known) == len(sure):
        return Label(text, sum(size * value for size, value in known) / sum(size for size, _ in known))
    return Label(text, math.exp(min(0.0, sum(piece["score"] for piece in pieces)) / len(text)))
