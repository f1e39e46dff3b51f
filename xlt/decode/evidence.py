"""What speaks for each word of a hypothesis: n-best lists, of a long utterance a list for each stretch.

The n best texts of a long utterance differ in a few words and agree in all others, also in wrong ones. So it
is searched again in stretches of a few words, each with the text before it as context, and their lists vote
as those of short utterances do.

T frames, V tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from xlt.decode.beam import Beam, PrefixSearch
from xlt.decode.confidence import Votes, votes, words
from xlt.decode.decoder import Decoded, Decoder
from xlt.decode.times import token_spans, word_tokens
from xlt.nets.paths import as_array
from xlt.tokens.tokenizer import Tokenizer

if TYPE_CHECKING:
    from xlt.nets.paths import Values

LONG_S, STRETCH_S = 4.0, 2.0  # utterances above that are cut; stretches are at least so long


class Stretch(NamedTuple):
    """Some words of a hypothesis, their tokens (from, to), and their frames (from, to)."""

    words: list[str]
    tokens: tuple[int, int]
    frames: tuple[int, int]


def evidence(
    found: Decoded, log_probs: Values, tokenizer: Tokenizer, decoder: Decoder, frame_rate: float
) -> list[Votes]:
    """The votes on the words of a hypothesis, one after another; none without an n-best list.

    ``log_probs``: of CTC, (T, V); ``decoder``: what found it.
    """
    if not found.nbest:
        return []
    if isinstance(decoder, Beam) and len(log_probs) > LONG_S * frame_rate:
        parts = stretches(found.ids, log_probs, tokenizer, STRETCH_S * frame_rate)
        if len(parts) > 1 and all(part.frames[0] < part.frames[1] for part in parts):
            return [_local(part, found, log_probs, tokenizer, decoder.search) for part in parts]
    return listed(found, tokenizer)


def listed(found: Decoded, tokenizer: Tokenizer) -> list[Votes]:
    """The votes of a whole n-best list; none without one."""
    if not found.nbest:
        return []
    texts, scores = [one.text(tokenizer) for one in found.nbest], [one.score for one in found.nbest]
    return [votes(texts, scores, words(found.text(tokenizer)))]


def _local(
    part: Stretch, found: Decoded, log_probs: Values, tokenizer: Tokenizer, search: PrefixSearch
) -> Votes:
    (first, last), (start, end) = part.tokens, part.frames
    rows = as_array(log_probs)[start:end]
    others = search(rows, before=found.ids[:first], ends=last == len(found.ids)).nbest
    texts = [tokenizer.decode(list(one.ids)) for one in others]
    return votes(texts, [one.score for one in others], part.words)


def stretches(ids: Sequence[int], log_probs: Values, tokenizer: Tokenizer, least: float) -> list[Stretch]:
    """The words of a hypothesis in stretches of at least ``least`` frames, but for the last. The space
    between two belongs to none.
    """
    spans = token_spans(log_probs, ids)
    groups: list[list[tuple[str, int, int]]] = []
    for word in word_tokens(ids, tokenizer):
        if not groups or spans[groups[-1][-1][2] - 1][1] - spans[groups[-1][0][1]][0] >= least:
            groups.append([])
        groups[-1].append(word)
    found = []
    for number, group in enumerate(groups):
        a, b = group[0][1], group[-1][2]
        first = (a, spans[a - 1][1]) if number else (0, 0)
        last = (b, spans[b][0]) if number + 1 < len(groups) else (len(ids), len(log_probs))
        found.append(Stretch([word for word, _, _ in group], (first[0], last[0]), (first[1], last[1])))
    return found
