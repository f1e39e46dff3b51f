"""How well a toy model learns hangs on the processor's arithmetic; that it hears at all does not."""

from __future__ import annotations

from collections.abc import Sequence

import editdistance

Texts = dict[str, Sequence[str]]


def error_rate(refs: Texts, hyps: Texts) -> float:
    """Percent of the references' symbols, characters or phones, over all utterances."""
    assert refs.keys() == hyps.keys()
    wrong = sum(editdistance.eval(refs[utt], hyps[utt]) for utt in refs)
    return 100 * wrong / sum(map(len, refs.values()))


def guessed(refs: Texts, hyps: Texts) -> float:
    """The rate if each hypothesis were that of the next utterance: of a model that knows the language and
    has not listened. A model that knows nothing writes nothing, which is 100.
    """
    utts = list(refs)
    moved = {utt: hyps[other] for utt, other in zip(utts, utts[1:] + utts[:1], strict=True)}
    return min(100.0, error_rate(refs, moved))


def hears(refs: Texts, hyps: Texts) -> bool:
    """Whether the model makes fewer than half of the errors of one that has not listened."""
    return error_rate(refs, hyps) < guessed(refs, hyps) / 2
