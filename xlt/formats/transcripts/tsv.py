"""``FILE<tab>TEXT``, a line a recording."""

from __future__ import annotations

from xlt.formats.transcripts import Transcript, TranscriptFormat


def render(transcript: Transcript) -> str:
    return f"{transcript.file}\t{transcript.text}\n"


TSV = TranscriptFormat(render, ".tsv")
