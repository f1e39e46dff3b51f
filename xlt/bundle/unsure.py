"""Words that a model is not sure of, marked in the text."""

from __future__ import annotations

from xlt.formats.transcripts import Piece
from xlt.text.scripts import word_spans


def marked(piece: Piece, least: float) -> Piece:
    """``piece`` with ``[word?]`` in its text for each word whose confidence is below ``least``; as it is
    where no confidence is known.

    >>> said = [("o", 0.9), ("casă", 0.3)]
    >>> words = [{"text": word, "start_s": 0, "end_s": 0, "confidence": sure} for word, sure in said]
    >>> marked({"start_s": 0, "end_s": 1, "text": "o casă", "score": 0, "words": words}, 0.5)["text"]
    'o [casă?]'
    """
    text, words = piece["text"], piece["words"]
    spans = word_spans(text)
    if [text[a:b] for a, b in spans] != [word["text"] for word in words]:
        return piece  # words that are phones
    for (start, end), word in zip(reversed(spans), reversed(words), strict=True):
        if word["confidence"] is not None and word["confidence"] < least:
            text = f"{text[:start]}[{text[start:end]}?]{text[end:]}"
    return {**piece, "text": text}
