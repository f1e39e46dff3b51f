"""SubRip subtitles, which video players and editors read."""

from __future__ import annotations

from xlt.formats.transcripts import Transcript, TranscriptFormat, clock


def render(transcript: Transcript) -> str:
    """A numbered block for each piece with text, and an empty line after it."""
    blocks: list[str] = []
    for piece in transcript.pieces:
        if piece["text"]:
            times = f"{clock(piece['start_s'], ',')} --> {clock(piece['end_s'], ',')}"
            blocks.append(f"{len(blocks) + 1}\n{times}\n{piece['text']}\n\n")
    return "".join(blocks)


SRT = TranscriptFormat(render, ".srt", several=False)
