"""SubRip subtitles, which video players and editors read."""

from __future__ import annotations

from collections.abc import Iterator

from xlt.formats.transcripts import Transcript, TranscriptFormat, clock


def render(transcript: Transcript) -> Iterator[str]:
    """A numbered block for each piece with text, and an empty line after it."""
    number = 0
    for piece in transcript.pieces:
        if piece["text"]:
            number += 1
            times = f"{clock(piece['start_s'], ',')} --> {clock(piece['end_s'], ',')}"
            speaker = f"{piece['speaker']}: " if "speaker" in piece else ""
            yield f"{number}\n{times}\n{speaker}{piece['text']}\n\n"


SRT = TranscriptFormat(render, ".srt", several=False)
