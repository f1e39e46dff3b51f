"""NIST's CTM, a line a word: see :mod:`xlt.formats.ctm`. The recording is named without folder and ending."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from xlt.formats.ctm import CHANNEL, ctm_line
from xlt.formats.transcripts import Transcript, TranscriptFormat


def render(transcript: Transcript) -> Iterator[str]:
    name = "_".join(Path(transcript.file).stem.split())  # a space would be a column
    for piece in transcript.pieces:
        for word in piece["words"]:
            yield ctm_line(name, piece.get("speaker", CHANNEL), word)


CTM = TranscriptFormat(render, ".ctm", needs_words=True)
