"""What was recognised, in the forms that OpenAI's clients read
(https://platform.openai.com/docs/api-reference/audio) and in those of ``xlt transcribe``.
"""

from __future__ import annotations

import re
import zlib
from collections import defaultdict
from pathlib import PurePath
from typing import Any

from starlette.responses import PlainTextResponse, Response

from xlt.bundle.auto import AUTO
from xlt.core.registry import FORMATS
from xlt.formats.transcripts import Piece, Transcript, Word
from xlt.serve.jobs import Answer
from xlt.serve.problems import as_json
from xlt.serve.wishes import Wish
from xlt.text.normalise import put_together

UNKNOWN = "und"  # ISO 639-2: undetermined; OpenAI's clients expect a word
LANGUAGES = "X-Languages"  # for forms that have no place for it
_TYPES = {"vtt": "text/vtt", "eaf": "application/xml"}


def response(answer: Answer, wish: Wish, name: str) -> Response:
    """``name``: of the recording, as the client calls it; it is written, never opened."""
    made = _made(answer, wish, name)
    if wish.lang == AUTO:
        shares = [f"{one['language'] or UNKNOWN}={one['seconds']:g}" for one in spoken(answer.pieces)]
        made.headers[LANGUAGES] = ", ".join(shares)
    return made


def _made(answer: Answer, wish: Wish, name: str) -> Response:
    text = whole_text(answer.pieces)
    if wish.form == "json":
        return as_json({"text": text, **told(answer, wish)})
    if wish.form == "verbose_json":
        return as_json(_verbose(answer, wish, text))
    if wish.form == "text":
        return PlainTextResponse(text + "\n")
    file = _plain(name)
    if wish.form == "eaf":
        file = f"/recordings/{file}"  # absolute, or it would name the server's folder
    transcript = Transcript(file, answer.pieces, put_together, False, answer.duration_s, None, "xlt serve")
    written = "".join(FORMATS.get(wish.form).render(transcript))
    return Response(written, media_type=_TYPES.get(wish.form, "text/plain"))


def spoken(pieces: list[Piece]) -> list[dict[str, Any]]:
    """Of pieces whose languages were told: each language, None for speech in none that is known, with its
    seconds and how sure that was, the most spoken first."""
    seconds: dict[str | None, float] = defaultdict(float)
    sure: dict[str | None, float] = defaultdict(float)
    for piece in pieces:
        if "lang_confidence" in piece:
            length_s = piece["end_s"] - piece["start_s"]
            seconds[piece["lang"]] += length_s
            sure[piece["lang"]] += length_s * piece["lang_confidence"]
    return [
        {"language": lang, "seconds": round(own_s, 3), "confidence": round(sure[lang] / own_s, 4)}
        for lang, own_s in sorted(seconds.items(), key=lambda item: -item[1])
        if own_s
    ]


def told(answer: Answer, wish: Wish) -> dict[str, Any]:
    """Fields of JSON if the language was left to the server."""
    if wish.lang != AUTO:
        return {}
    found = spoken(answer.pieces)
    known = [one["language"] for one in found if one["language"]]
    return {"language": known[0] if known else UNKNOWN, "languages": found}


def whole_text(pieces: list[Piece]) -> str:
    """The text of all pieces."""
    return put_together([piece["text"] for piece in pieces])


def _plain(name: str) -> str:
    """The last part of a file's name, without what no file is called."""
    last = PurePath(name.replace("\\", "/")).name
    return re.sub(r"[\x00-\x1f\x7f]", "", last).strip(". ")[:100] or "recording"


def _verbose(answer: Answer, wish: Wish, text: str) -> dict[str, Any]:
    said = [piece for piece in answer.pieces if piece["text"] or "lang_confidence" in piece]
    found = {
        "task": "transcribe",
        "language": wish.lang,
        **told(answer, wish),
        "duration": answer.duration_s,
        "text": text,
        "segments": [_segment(number, piece) for number, piece in enumerate(said)],
    }
    if wish.words:
        found["words"] = [_word(word) for piece in said for word in piece["words"]]
    if answer.note:
        found["note"] = answer.note
    return found


def _segment(number: int, piece: Piece) -> dict[str, Any]:
    """OpenAI's names. ``avg_logprob`` is a mean over characters, as there are no tokens of Whisper's;
    ``compression_ratio`` as in Whisper (whisper/utils.py); silence is left out before, so that
    ``no_speech_prob`` is 0."""
    text = piece["text"]
    data = text.encode()
    own = {
        "id": number,
        "seek": round(100 * piece["start_s"]),
        "start": round(piece["start_s"], 3),
        "end": round(piece["end_s"], 3),
        "text": text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": round(piece["score"] / len(text), 4) if text else 0.0,
        "compression_ratio": round(len(data) / len(zlib.compress(data)), 3),
        "no_speech_prob": 0.0,
    }
    if "lang_confidence" in piece:
        return own | {"language": piece["lang"], "language_confidence": piece["lang_confidence"]}
    if piece.get("lang"):
        own["language"] = piece["lang"]
    return own


def _word(word: Word) -> dict[str, Any]:
    own = {"word": word["text"], "start": word["start_s"], "end": word["end_s"]}
    return own if word["confidence"] is None else {**own, "confidence": round(word["confidence"], 4)}
