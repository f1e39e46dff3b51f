"""``FILE<tab>START<tab>END<tab>TEXT``, in seconds, a line a piece; ``SPEAKER`` before ``TEXT`` where each
channel is somebody's.
"""

from __future__ import annotations

from collections.abc import Iterator

from xlt.formats.transcripts import Transcript, TranscriptFormat


def render(transcript: Transcript) -> Iterator[str]:
    for piece in transcript.pieces:
        speaker = f"{piece['speaker']}\t" if "speaker" in piece else ""
        times = f"{piece['start_s']:.2f}\t{piece['end_s']:.2f}"
        yield f"{transcript.file}\t{times}\t{speaker}{piece['text']}\n"


SEGMENTS = TranscriptFormat(render, ".segments.tsv")
