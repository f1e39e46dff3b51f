"""The text alone, a line a recording; where each channel is somebody's, ``1: TEXT``, a line a turn."""

from __future__ import annotations

from collections.abc import Iterator

from xlt.formats.transcripts import Transcript, TranscriptFormat, turns


def render(transcript: Transcript) -> Iterator[str]:
    if not transcript.channels:
        yield from transcript.running_text()
        yield "\n"
        return
    for own in turns(transcript.pieces):
        yield f"{own[0].get('speaker')}: {transcript.join([piece['text'] for piece in own])}\n"


TEXT = TranscriptFormat(render, ".txt")
