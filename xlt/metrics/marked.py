"""Two texts with what differs between them, for pages."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

from xlt.metrics import cer, metric
from xlt.metrics.align import align


def tokens(unit: str) -> Callable[[str], list[str]]:
    """How a text is cut; a space between words is a character, as in CER."""
    cut = next(token.cut for token in metric.tokens().values() if token.name == unit)
    return lambda text: [" " if token == cer.SPACE else token for token in cut(text)]


def marked(ref: str, hyp: str, unit: str) -> tuple[list[tuple[str, bool]], list[tuple[str, bool]]]:
    """Both texts in pieces, each with whether it is wrong: not recognised in ``ref``, not said in ``hyp``.

    >>> marked("un ou", "un au", "char")
    ([('un ', False), ('o', True), ('u', False)], [('un ', False), ('a', True), ('u', False)])
    """
    cut = tokens(unit)
    said, heard = cut(ref), cut(hyp)
    wrong = [[True] * len(said), [True] * len(heard)]
    for i, j in align(said, heard):
        if i is not None and j is not None and said[i] == heard[j]:
            wrong[0][i] = wrong[1][j] = False
    gap = " " if unit == "phone" else ""
    return _pieces(said, wrong[0], gap), _pieces(heard, wrong[1], gap)


def _pieces(words: list[str], wrong: list[bool], gap: str) -> list[tuple[str, bool]]:
    """Runs of right and of wrong tokens; a mark goes with the letter that it stands on."""
    made: list[tuple[str, bool]] = []
    clusters: list[tuple[str, bool]] = []
    for word, bad in zip(words, wrong, strict=True):
        if clusters and not gap and unicodedata.category(word[0]).startswith("M"):
            clusters[-1] = clusters[-1][0] + word, clusters[-1][1] or bad
        else:
            clusters.append((word, bad))
    for k, (word, bad) in enumerate(clusters):
        word += gap if k < len(clusters) - 1 else ""
        if made and made[-1][1] == bad:
            made[-1] = made[-1][0] + word, bad
        else:
            made.append((word, bad))
    return made
