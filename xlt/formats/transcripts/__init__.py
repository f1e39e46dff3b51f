"""How ``xlt transcribe`` writes what it recognised; :data:`xlt.core.registry.FORMATS` maps names to these.

A new form is one file here and one line of that registry. A worked example, a sentence a line with its
minute, in ``xlt/formats/transcripts/minutes.py``:

    def render(transcript):
        lines = [f"[{piece['start_s'] // 60:.0f} min] {piece['text']}" for piece in transcript.pieces]
        return "".join(f"{line}\\n" for line in lines)

    MINUTES = TranscriptFormat(render, ".txt", several=False)

and in the registry ``"minutes": "xlt.formats.transcripts.minutes:MINUTES"``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NotRequired, TypedDict


class Word(TypedDict):
    """A word, in scripts without spaces a character, with its times in seconds. ``confidence``: the
    probability that it is right, None where the decoder has only one candidate."""

    text: str
    start_s: float
    end_s: float
    confidence: float | None


class Piece(TypedDict):
    """A part of a recording. ``score``: the log probability of its text; ``lang``: of models that
    predict the language, None where they predicted none; ``looped``: True where the attention decoder
    repeated itself, so that its next best text was taken or the repetition cut."""

    start_s: float
    end_s: float
    text: str
    score: float
    words: list[Word]
    lang: NotRequired[str | None]
    looped: NotRequired[bool]


@dataclass(frozen=True)
class Transcript:
    """Of one recording. ``file``: as the user called it; ``text``: of all pieces together."""

    file: str
    text: str
    pieces: list[Piece]


@dataclass(frozen=True)
class TranscriptFormat:
    """``render``: a transcript → its text, with the last end of line; ``suffix``: of a file with it;
    ``several``: whether those of several recordings may stand one after the other."""

    render: Callable[[Transcript], str]
    suffix: str
    several: bool = True


def clock(seconds: float, decimal: str) -> str:
    """``01:02:03,456``: hours, minutes, seconds, and thousandths behind ``decimal``.

    >>> clock(3723.4564, ",")
    '01:02:03,456'
    """
    minutes, ms = divmod(round(1000 * seconds), 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{ms // 1000:02}{decimal}{ms % 1000:03}"
