"""Chunk-wise attention, for encoders and heads that hear speech as it comes.

A frame sees its own chunk, ``left`` frames before it and ``ahead`` frames behind it. In numpy, so that it
serves where torch is not loaded. T frames, R look-ahead frames that are computed a second time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from xlt.core.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

ALL = -1  # left: everything before


class Span(NamedTuple):
    """A chunk's frames ``[start, stop)``, and ``[left, ahead)``, the frames that they see."""

    left: int
    start: int
    stop: int
    ahead: int


class Layout(NamedTuple):
    """A clip for layers one above the other: ``frames`` (T + R,), the clip's own 0 … T - 1 and then every
    chunk's look-ahead once more; ``mask`` (T + R, T + R), True where one may see another.
    """

    frames: np.ndarray
    mask: np.ndarray


@dataclass(frozen=True)
class Chunks:
    """Sizes in frames: of a ``chunk`` (0: the whole clip), of its ``left`` context (:data:`ALL`: everything
    before) and of its look-``ahead``, which all frames of the chunk see. ConfigError if they are none.
    """

    chunk: int
    left: int = ALL
    ahead: int = 0

    def __post_init__(self):
        for name, least in (("chunk", 0), ("left", ALL), ("ahead", 0)):
            if (value := getattr(self, name)) < least:
                raise ConfigError(f"{name}={value}: a number of frames; give {least} or more")

    @classmethod
    def of_seconds(cls, chunk_s: float, left_s: float, look_ahead_s: float, frame_rate: float) -> Chunks:
        """The sizes of the settings ``features.chunk_s``, ``left_s`` (below 0: everything before) and
        ``look_ahead_s`` at ``frame_rate`` (Hz); ConfigError unless each is a multiple of a frame.

        >>> Chunks.of_seconds(0.64, 5.0, 0.0, 50.0)
        Chunks(chunk=32, left=250, ahead=0)
        """
        left = ALL if left_s < 0 else frames_of("features.left_s", left_s, frame_rate)
        ahead = frames_of("features.look_ahead_s", look_ahead_s, frame_rate)
        return cls(frames_of("features.chunk_s", chunk_s, frame_rate), left, ahead)

    def spans(self, t: int) -> Iterator[Span]:
        """The chunks of a clip of ``t`` frames, one behind the other; the last may be shorter."""
        size = self.chunk or max(1, t)
        for start in range(0, t, size):
            stop = min(t, start + size)
            left = 0 if self.left == ALL else max(0, start - self.left)
            yield Span(left, start, stop, min(t, stop + self.ahead))

    def mask(self, t: int) -> np.ndarray:
        """(T, T) bool, True where a frame (row) may see another (column).

        Layers one above the other add up their look-ahead under this mask; :meth:`layout` keeps it at
        ``ahead``.

        >>> Chunks(2, left=1, ahead=1).mask(5).astype(int).tolist()
        [[1, 1, 1, 0, 0], [1, 1, 1, 0, 0], [0, 1, 1, 1, 1], [0, 1, 1, 1, 1], [0, 0, 0, 1, 1]]
        """
        import numpy as np

        seen = np.zeros((t, t), bool)
        for span in self.spans(t):
            seen[span.start : span.stop, span.left : span.ahead] = True
        return seen

    def layout(self, t: int) -> Layout:
        """A clip whose look-ahead stays ``ahead`` frames through any number of layers: every chunk's
        look-ahead is computed a second time, seen by this chunk only (Emformer's hard copy, arXiv 2010.10759,
        section 2.2). The outputs of the first T rows are those of the clip.

        >>> layout = Chunks(2, left=0, ahead=1).layout(3)
        >>> layout.frames.tolist(), layout.mask.astype(int).tolist()
        ([0, 1, 2, 2], [[1, 1, 0, 1], [1, 1, 0, 1], [0, 0, 1, 0], [1, 1, 0, 1]])
        """
        import numpy as np

        spans = list(self.spans(t))
        copies = [np.arange(span.stop, span.ahead) for span in spans]
        frames = np.concatenate([np.arange(t), *copies])
        seen = np.zeros((len(frames), len(frames)), bool)
        copy = t
        for span in spans:
            own, end = slice(span.start, span.stop), copy + span.ahead - span.stop
            for rows in (own, slice(copy, end)):
                seen[rows, span.left : span.stop] = True
                seen[rows, copy:end] = True
            copy = end
        return Layout(frames, seen)

    def ready(self, heard: int, last: bool = False) -> int:
        """How many of a stream's first ``heard`` frames have their chunk and its look-ahead complete; all of
        them at the stream's end.

        >>> Chunks(4, ahead=2).ready(9), Chunks(4, ahead=2).ready(10), Chunks(4).ready(9, last=True)
        (4, 8, 9)
        """
        if last:
            return heard
        return max(0, heard - self.ahead) // self.chunk * self.chunk if self.chunk else 0


def frames_of(name: str, seconds: float, frame_rate: float) -> int:
    """Frames in the ``seconds`` of the setting ``name``; ConfigError if they are no whole number of them.

    >>> frames_of("features.chunk_s", 0.64, 25.0)
    16
    """
    frames = seconds * frame_rate
    if seconds < 0 or abs(frames - round(frames)) > 1e-6:
        near = max(1, round(max(0.0, frames))) / frame_rate
        raise ConfigError(
            f"{name}={seconds:g}: must be a multiple of a frame, {1 / frame_rate:g} s with this upstream;"
            f" give {near:g}"
        )
    return round(frames)
