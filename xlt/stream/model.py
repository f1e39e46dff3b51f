"""What a session asks of a model: :mod:`xlt.stream.chunked` streams, :mod:`xlt.stream.whole` does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from xlt.audio.cut import Cut, Lengths
from xlt.formats.transcripts import Piece

if TYPE_CHECKING:
    import numpy as np

Voice = Callable[["np.ndarray"], "np.ndarray"]  # samples (N,) → probabilities of speech (T,), frames of 32 ms


class Live(Protocol):
    """One piece while it is being spoken. ``text``: so far; ``stable``: the beginning of it that further
    sound will not change."""

    @property
    def text(self) -> str: ...

    @property
    def stable(self) -> str: ...

    def push(self, samples: np.ndarray) -> None:
        """``samples``: the next of the piece, (N,) float32 at 16 kHz."""

    def end(self, cut: Cut) -> Piece:
        """The text of the piece, which is over, without another look at its sound ``cut``."""

    def close(self) -> None:
        """Nobody asks for it any more."""


class Model(Protocol):
    """A recogniser of one language, which any number of sessions share. ``lengths``: of the pieces that a
    stream is cut into."""

    lengths: Lengths

    def voice(self) -> Voice:
        """Voice activity detection for one stream, which remembers what was before."""

    def open(self, start: int) -> Live:
        """For a piece whose first sample has the place ``start`` in the stream."""

    def final(self, cut: Cut) -> Piece:
        """The text of a whole piece."""
