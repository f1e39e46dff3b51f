"""A JSON object a line and recording: ``{file, text, segments: [{start_s, end_s, text, score, …}]}``; of a
segment see :class:`~xlt.formats.transcripts.Piece`.
"""

from __future__ import annotations

import json

from xlt.formats.transcripts import Transcript, TranscriptFormat


def render(transcript: Transcript) -> str:
    found = {"file": transcript.file, "text": transcript.text, "segments": transcript.pieces}
    return json.dumps(found, ensure_ascii=False) + "\n"


JSON = TranscriptFormat(render, ".json")
