"""WebVTT subtitles, which browsers read (https://www.w3.org/TR/webvtt1/)."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from xlt.formats.transcripts import Transcript, TranscriptFormat, clock


def render(transcript: Transcript) -> Iterator[str]:
    """A cue for each piece with text; ``& < >`` are escaped, as they are markup there."""
    yield "WEBVTT\n"
    for piece in transcript.pieces:
        if piece["text"]:
            times = f"{clock(piece['start_s'], '.')} --> {clock(piece['end_s'], '.')}"
            voice = f"<v {piece['speaker']}>" if "speaker" in piece else ""
            yield f"\n{times}\n{voice}{escape(piece['text'], quote=False)}\n"


VTT = TranscriptFormat(render, ".vtt", several=False)
