"""Micro error rates: WER restricted to classes of reference words (numbers, names, words unseen in training
…).

The alignment is that of the WER itself. A substitution or deletion belongs to the reference word that it
hits. An insertion belongs to the reference word before it, one at the beginning to the first word: so every
error belongs to one word, and the errors of classes that part the words among them add up to those of the
WER.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from xlt.metrics.align import Counts, align
from xlt.metrics.error_rate import of_counts
from xlt.metrics.result import Score

if TYPE_CHECKING:
    import numpy as np

Words = Sequence[str]
OPTIONS = {"tok": "word", "align": "sclite", "ins": "before"}


def word_errors(ref: Words, hyp: Words) -> list[Counts]:
    """The errors that belong to each reference word; ``ref`` has at least one.

    >>> word_errors(["a", "b"], ["x", "a", "c"])
    [Counts(n_ref=1, sub=0, dels=0, ins=1), Counts(n_ref=1, sub=1, dels=0, ins=0)]
    """
    if ref == hyp:
        return [Counts(1, 0, 0, 0)] * len(ref)
    found = [[1, 0, 0, 0] for _ in ref]
    word = 0
    for i, j in align(ref, hyp):
        if i is None:
            found[word][3] += 1
            continue
        word = i
        if j is None:
            found[i][2] += 1
        else:
            found[i][1] += ref[i] != hyp[j]
    return [Counts(*one) for one in found]


def micro(
    name: str,
    utterances: Sequence[Sequence[Counts]],
    classes: Sequence[Collection[int]],
    resamples: int,
    rng: np.random.Generator,
) -> Score | None:
    """The error rate over the words of a class; None if there are none.

    ``utterances``: :func:`word_errors` of each; ``classes``: the positions in it that are of the class. The
    interval is over utterances with such words.
    """
    counts = [
        Counts(*(sum(column) for column in zip(*(words[i] for i in places), strict=True)))
        for words, places in zip(utterances, classes, strict=True)
        if places
    ]
    return of_counts(name, counts, OPTIONS, resamples, rng) if counts else None
