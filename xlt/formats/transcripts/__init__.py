"""How ``xlt transcribe`` writes what it recognised; :data:`xlt.core.registry.FORMATS` maps names to these.

A new form is one file here and one line of that registry. A worked example, a sentence a line with its
minute, in ``xlt/formats/transcripts/minutes.py``:

    def render(transcript):
        for piece in transcript.pieces:
            yield f"[{piece['start_s'] // 60:.0f} min] {piece['text']}\\n"

    MINUTES = TranscriptFormat(render, ".minutes.txt", several=False)

and in the registry ``"minutes": "xlt.formats.transcripts.minutes:MINUTES"``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
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
    predict the language, None where they predicted none; with ``--lang auto`` the one that was told, None for
    none of the bundle's, and ``lang_confidence`` the probability of the likeliest; ``looped``: True where the
    attention decoder repeated itself, so that its next best text was taken or the repetition cut; ``blank``:
    True where the model found no letter in a sound; ``speaker``: the channel, from 1, where each channel is
    somebody's."""

    start_s: float
    end_s: float
    text: str
    score: float
    words: list[Word]
    lang: NotRequired[str | None]
    lang_confidence: NotRequired[float]
    looped: NotRequired[bool]
    blank: NotRequired[bool]
    speaker: NotRequired[str]


@dataclass
class Transcript:
    """Of one recording. ``file``: as the user called it; ``pieces``: in order of time, perhaps only now being
    recognised, so that they are read once; ``join``: the texts of pieces → one text.

    ``channels``: whether each channel is somebody's, and pieces have a speaker; ``duration_s``: of the
    recording, known when all pieces are; ``eaf``: the user's own ELAN document of it;
    ``model``: the bundle that recognised it.
    """

    file: str
    pieces: Iterable[Piece]
    join: Callable[[list[str]], str] = " ".join
    channels: bool = False
    duration_s: float = 0.0
    eaf: Path | None = None
    model: str = ""

    def running_text(self) -> Iterator[str]:
        """The text of all pieces together, in parts, as they are recognised."""
        last = ""
        for piece in self.pieces:
            if piece["text"]:
                whole = self.join([last, piece["text"]]) if last else piece["text"]
                yield whole[len(last) :]
                last = piece["text"]


@dataclass(frozen=True)
class TranscriptFormat:
    """``render``: a transcript → its text in parts, which may be written as they come; ``suffix``: of a file
    with it; ``several``: whether those of several recordings may stand one after the other; ``needs_words``:
    whether it is nothing without the times of words."""

    render: Callable[[Transcript], Iterator[str]]
    suffix: str
    several: bool = True
    needs_words: bool = False


def turns(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """Pieces with text of one speaker that follow each other."""
    own: list[Piece] = []
    for piece in pieces:
        if not piece["text"]:
            continue
        if own and own[-1].get("speaker") != piece.get("speaker"):
            yield own
            own = []
        own.append(piece)
    if own:
        yield own


def by_speaker(pieces: Iterable[Piece]) -> dict[str, list[Piece]]:
    """The pieces with text of each speaker, of "" where none is known; speakers in order of their names."""
    found: dict[str, list[Piece]] = {}
    for piece in pieces:
        if piece["text"]:
            found.setdefault(piece.get("speaker", ""), []).append(piece)
    return dict(sorted(found.items())) or {"": []}


def clock(seconds: float, decimal: str) -> str:
    """``01:02:03,456``: hours, minutes, seconds, and thousandths behind ``decimal``.

    >>> clock(3723.4564, ",")
    '01:02:03,456'
    """
    minutes, ms = divmod(round(1000 * seconds), 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{ms // 1000:02}{decimal}{ms % 1000:03}"
