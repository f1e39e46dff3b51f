"""The text alone, a line a recording."""

from __future__ import annotations

from xlt.formats.transcripts import Transcript, TranscriptFormat


def render(transcript: Transcript) -> str:
    return f"{transcript.text}\n"


TEXT = TranscriptFormat(render, ".txt")
