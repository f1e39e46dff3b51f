"""A bundle whose model streams: partial results chunk by chunk, final texts by the model that hears all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from xlt.stream.whole import Whole

if TYPE_CHECKING:
    import numpy as np

    from xlt.audio.cut import Cut
    from xlt.bundle.streaming import Streams
    from xlt.bundle.transcribe import Transcriber
    from xlt.formats.transcripts import Piece
    from xlt.stream.model import Live

Hotwords = Mapping[str, float] | None


class Chunked(Whole):
    """``streams``: of the bundle that gives partial results; ``first``: its recogniser; ``final``: the one
    that gives final texts, often the same. ``hotwords``: for the chunks and for final texts.
    """

    def __init__(
        self,
        streams: Streams,
        first: Transcriber,
        final: Transcriber,
        hotwords: tuple[Hotwords, Hotwords] = (None, None),
    ):
        super().__init__(final, hotwords[1])
        self.streams, self.first, self.chunk_hotwords = streams, first, hotwords[0]
        self.one = first.one  # sessions in threads, and final texts, share the model

    def open(self, start: int) -> Live:
        with self.one:
            return _Chunks(self, self.streams.open(self.chunk_hotwords))


class _Chunks:
    """The open piece."""

    def __init__(self, model: Chunked, stream: Any):
        self._model, self._stream = model, stream
        self.text, self.stable = "", ""

    def push(self, samples: np.ndarray) -> None:
        with self._model.one:
            self._stream.push(samples)
            self.text, self.stable = self._stream.partial, self._stream.stable

    def end(self, cut: Cut) -> Piece:
        with self._model.one:
            piece = self._model.first.as_piece(cut, self._stream.end())
        piece["text"] = piece["text"].strip()  # it has heard more of the pause than belongs to the piece
        return piece

    def close(self) -> None:
        """It has nothing but memory."""
