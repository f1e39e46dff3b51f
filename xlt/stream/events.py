"""What a session says."""

from __future__ import annotations

from dataclasses import dataclass

from xlt.formats.transcripts import Piece


@dataclass(frozen=True)
class Partial:
    """The text so far of the piece that somebody is speaking, from ``start_s`` to ``end_s`` of the stream.
    ``stable``: the beginning of ``text`` that further sound of the piece will not change; the final text may.
    """

    text: str
    stable: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Final:
    """The text of a piece that has ended; times count from the beginning of the stream."""

    piece: Piece


@dataclass(frozen=True)
class Lost:
    """Sound between these seconds of the stream did not arrive; silence was heard in its place."""

    start_s: float
    end_s: float


Event = Partial | Final | Lost
