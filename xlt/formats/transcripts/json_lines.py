"""A JSON object a line and recording: ``{file, text, segments: [{start_s, end_s, text, score, words, …}]}``;
of a segment see :class:`~xlt.formats.transcripts.Piece`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from xlt.formats.transcripts import Transcript, TranscriptFormat


def render(transcript: Transcript) -> Iterator[str]:
    pieces = list(transcript.pieces)
    text = transcript.join([piece["text"] for piece in pieces if piece["text"]])
    yield json.dumps({"file": transcript.file, "text": text, "segments": pieces}, ensure_ascii=False) + "\n"


JSON = TranscriptFormat(render, ".json")
