"""A text in a model's tokens, as far as these can write it: for what an attention decoder wrote.

T frames, V tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from xlt.decode.times import Timed, token_spans
from xlt.text.scripts import word_spans
from xlt.tokens.tokenizer import Tokenizer

if TYPE_CHECKING:
    from xlt.nets.paths import Values


class Labels(NamedTuple):
    """``ids``: tokens of what can be written; ``token_of``: of each character its place among them, None
    where it was left out; ``missing``: how many tokens were.
    """

    ids: list[int]
    token_of: list[int | None]
    missing: int


def labels(text: str, tokenizer: Tokenizer) -> Labels:
    """The tokens of ``text`` without those that the list does not have."""
    ids: list[int] = []
    token_of: list[int | None] = []
    missing = 0
    for piece in tokenizer.pieces(text):
        known = tokenizer.ids.get(piece)
        if known is not None:
            ids.append(known)
        else:
            missing += 1
        place = None if known is None else len(ids) - 1
        token_of += [place] * _chars(piece, tokenizer.type)
    if tokenizer.type == "bpe":
        token_of = token_of[1:]  # a text begins with a space that is not in it
    return Labels(ids, token_of[: len(text)], missing)


def _chars(piece: str, kind: str) -> int:
    """How many characters of the text a piece stands for."""
    if kind == "char":
        return 1
    return len(piece) + (kind == "phone")  # and the space behind a phone


def written_times(
    log_probs: Values, ids: Sequence[int], text: str, tokenizer: Tokenizer, frame_rate: float
) -> list[Timed]:
    """When each word of ``text`` was said. A word without any token has the place between its neighbours.

    ``log_probs``: of CTC, (T, V); ``ids``: those of :func:`labels`, perhaps with a language's token before.
    """
    token_of = labels(text, tokenizer).token_of
    spans = token_spans(log_probs, ids)
    tags = sum(i in tokenizer.tags for i in ids)
    found: list[tuple[int, int] | None] = []
    for a, b in word_spans(text):
        places = [place + tags for place in token_of[a:b] if place is not None]
        found.append((spans[places[0]][0], spans[places[-1]][1]) if places else None)
    filled = _filled(found, len(log_probs))
    return [
        Timed(text[a:b], round(start / frame_rate, 3), round(end / frame_rate, 3))
        for (a, b), (start, end) in zip(word_spans(text), filled, strict=True)
    ]


def _filled(spans: Sequence[tuple[int, int] | None], frames: int) -> list[tuple[float, float]]:
    """The same with the gaps shared evenly among the words that have no frames of their own."""
    found: list[tuple[float, float]] = []
    for place, span in enumerate(spans):
        if span is not None:
            found.append(span)
            continue
        behind = [(i, other) for i, other in enumerate(spans[place:]) if other is not None]
        count, end = (behind[0][0], behind[0][1][0]) if behind else (len(spans) - place, frames)
        start = found[-1][1] if found else 0.0
        found.append((start, start + max(0.0, end - start) / count))
    return found
