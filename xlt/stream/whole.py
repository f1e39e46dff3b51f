"""Partial results of a model that hears whole pieces only: it looks at the open piece again and again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from xlt.audio.cut import Cut
from xlt.audio.files import SAMPLE_RATE
from xlt.stream.listening import loudness

if TYPE_CHECKING:
    from xlt.bundle.auto import Auto
    from xlt.bundle.transcribe import Transcriber
    from xlt.formats.transcripts import Piece
    from xlt.stream.model import Live, Voice

LOOK_S = 1.0  # of new sound between two looks


class Whole:
    """A bundle's recogniser as a :class:`~xlt.stream.model.Model`. ``hotwords``: as of
    :meth:`xlt.bundle.transcribe.Transcriber.hotwords`."""

    def __init__(self, transcriber: Transcriber, hotwords: Mapping[str, float] | None = None):
        self.transcriber, self.hotwords = transcriber, hotwords
        self.lengths = transcriber.clips.lengths

    def voice(self) -> Voice:
        """Silero's, or loudness where that does not hear the bundle's training speech."""
        return self.transcriber.voice() if self.transcriber.clips.voice else loudness

    def open(self, start: int) -> Live:
        return _Looks(self, start)

    def final(self, cut: Cut) -> Piece:
        return self.transcriber.piece(cut, self.hotwords)


class Told(Whole):
    """A bundle of several languages, of which each look tells that of the piece."""

    def __init__(self, auto: Auto):
        self.auto = auto
        super().__init__(auto)  # type: ignore[arg-type]

    def final(self, cut: Cut) -> Piece:
        return self.auto.piece(cut)


class _Looks:
    """The open piece from ``start`` on. Nothing of a text is stable: the next look may change all of it."""

    def __init__(self, model: Whole, start: int):
        self._model, self._start = model, start
        self._samples = np.zeros(0, np.float32)
        self._looked = 0
        self.text, self.stable = "", ""

    def push(self, samples: np.ndarray) -> None:
        self._samples = np.concatenate([self._samples, samples])
        if len(self._samples) - self._looked >= LOOK_S * SAMPLE_RATE:
            self._looked = len(self._samples)
            self.text = self._model.final(Cut(self._start, self._samples))["text"]

    def end(self, cut: Cut) -> Piece:
        return self._model.final(cut)

    def close(self) -> None:
        """It has nothing but memory."""
