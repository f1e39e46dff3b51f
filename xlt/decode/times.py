"""When each word of a hypothesis was said: CTC forced alignment of its tokens.

T frames, V tokens, U labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from xlt.decode.decoder import Spelled
from xlt.lm.spelled import spelling
from xlt.nets.paths import BLANK_ID, as_array, forced_path
from xlt.text.scripts import word_spans
from xlt.tokens.tokenizer import Tokenizer

if TYPE_CHECKING:
    from xlt.nets.paths import Values


class Timed(NamedTuple):
    """A word, from the first frame of its first token to the last frame of its last one, in seconds."""

    text: str
    start_s: float
    end_s: float


def word_times(
    log_probs: Values,
    ids: Sequence[int],
    tokenizer: Tokenizer,
    frame_rate: float,
    spelled: Sequence[Spelled] | None = None,
    frames: Sequence[int] | None = None,
) -> list[Timed]:
    """The words of a hypothesis; in scripts without spaces its characters, of a phone model its phones,
    unless ``spelled`` says which words these are.

    ``log_probs``: of CTC, (T, V); ``ids``: U labels without blanks; ``frame_rate``: frames a second;
    ``frames``: in which each label came, where a transducer says so.
    """
    spans = token_spans(log_probs, ids) if frames is None else [(frame, frame + 1) for frame in frames]
    if spelled is not None:
        found, at = [], 0
        for word, count in spelled:
            start, end = spans[at][0], spans[at + count - 1][1]
            found.append(Timed(word, round(start / frame_rate, 3), round(end / frame_rate, 3)))
            at += count
        return found
    return [
        Timed(word, round(spans[a][0] / frame_rate, 3), round(spans[b - 1][1] / frame_rate, 3))
        for word, a, b in word_tokens(ids, tokenizer)
    ]


def word_tokens(ids: Sequence[int], tokenizer: Tokenizer) -> list[tuple[str, int, int]]:
    """The words of tokens, each with the place of its first token and the place behind its last."""
    phones = tokenizer.type == "phone"
    written = spelling(tokenizer, "token" if phones else "char")
    text = ""
    token_of: list[int] = []  # of each character
    for place, token in enumerate(ids):
        chars = "".join(written[token]) + (" " if phones else "")
        text += chars
        token_of += [place] * len(chars)
    return [(text[a:b], token_of[a], token_of[b - 1] + 1) for a, b in word_spans(text)]


def token_spans(log_probs: Values, ids: Sequence[int]) -> list[tuple[int, int]]:
    """The first frame of each label, and the one behind its last, on the best path of (T, V) through them.

    Labels that do not fit into T frames, which only a search without CTC writes, are spread over them evenly.
    """
    frames, labels = len(log_probs), len(ids)
    if not labels:
        return []
    if frames < labels + sum(a == b for a, b in zip(ids[:-1], ids[1:], strict=True)):
        starts = [i * frames // labels for i in range(labels + 1)]
        return [(a, max(a + 1, b)) for a, b in zip(starts[:-1], starts[1:], strict=True)]
    found: list[tuple[int, int]] = []
    last = BLANK_ID
    for frame, label in enumerate(forced_path(as_array(log_probs), ids)):
        if label != BLANK_ID:
            if label == last:
                found[-1] = found[-1][0], frame + 1
            else:
                found.append((frame, frame + 1))
        last = label
    return found
