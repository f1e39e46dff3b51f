"""WebVTT subtitles, which browsers read (https://www.w3.org/TR/webvtt1/)."""

from __future__ import annotations

from html import escape

from xlt.formats.transcripts import Transcript, TranscriptFormat, clock


def render(transcript: Transcript) -> str:
    """A cue for each piece with text; ``& < >`` are escaped, as they are markup there."""
    cues = ["WEBVTT\n"]
    for piece in transcript.pieces:
        if piece["text"]:
            times = f"{clock(piece['start_s'], '.')} --> {clock(piece['end_s'], '.')}"
            cues.append(f"\n{times}\n{escape(piece['text'], quote=False)}\n")
    return "".join(cues)


VTT = TranscriptFormat(render, ".vtt", several=False)
