"""What a network is that hears speech as it comes.

An encoder of ENCODERS with ``streams = True`` gives of a stream, frame for frame, what it gives of the whole
utterance (within rounding), after at most ``latency`` frames more. Its state is small, whatever the length of
the stream, and any number of streams share its weights.

T frames, D dimensions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor


class HeadStream(Protocol):
    """One stream through an encoder or a stem."""

    def push(self, feats: Tensor, last: bool = False) -> Tensor:
        """The next (T, D), T may be 0 → the frames that are complete with them, (T', D'). ``last``: nothing
        follows, so that all that is left comes out.
        """


class Streaming(Protocol):
    """An encoder that can be asked for streams. ``chunk_sizes``: in frames, in which it was trained to hear
    speech, the usual one first; none where it takes frame by frame.
    """

    streams: bool
    chunk_sizes: tuple[int, ...]

    def latency(self, chunk: int | None = None) -> int:
        """How many frames behind a frame must be heard, at most, before it comes out."""

    def open_stream(self, chunk: int | None = None) -> HeadStream:
        """A stream from its beginning, in one of ``chunk_sizes``; None: the usual one."""


class Chain:
    """Streams one behind the other."""

    def __init__(self, *links: HeadStream):
        self.links = links

    def push(self, feats: Tensor, last: bool = False) -> Tensor:
        """As :meth:`HeadStream.push`."""
        for link in self.links:
            feats = link.push(feats, last)
        return feats
