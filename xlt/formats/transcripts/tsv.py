"""``FILE<tab>TEXT``, a line a recording; where each channel is somebody's, ``FILE<tab>SPEAKER<tab>TEXT``, a
line a turn.
"""

from __future__ import annotations

from collections.abc import Iterator

from xlt.formats.transcripts import Transcript, TranscriptFormat, turns


def render(transcript: Transcript) -> Iterator[str]:
    if not transcript.channels:
        yield f"{transcript.file}\t"
        yield from transcript.running_text()
        yield "\n"
        return
    for own in turns(transcript.pieces):
        text = transcript.join([piece["text"] for piece in own])
        yield f"{transcript.file}\t{own[0].get('speaker')}\t{text}\n"


TSV = TranscriptFormat(render, ".tsv")
