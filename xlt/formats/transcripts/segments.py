"""``FILE<tab>START<tab>END<tab>TEXT``, in seconds, a line a piece."""

from __future__ import annotations

from xlt.formats.transcripts import Transcript, TranscriptFormat


def render(transcript: Transcript) -> str:
    lines = []
    for piece in transcript.pieces:
        lines.append(f"{transcript.file}\t{piece['start_s']:.2f}\t{piece['end_s']:.2f}\t{piece['text']}\n")
    return "".join(lines)


SEGMENTS = TranscriptFormat(render, ".tsv")
