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


RIGHT, MISSING, ADDED = "", "-", "+"


def merged(ref: str, hyp: str, unit: str) -> list[tuple[str, str]]:
    """Both texts as one: pieces that are right, were missed, or were added; where both are wrong, what was
    missed stands first. A mark goes with the letter that it stands on.

    >>> merged("un ou", "un au", "char")
    [('', 'un '), ('-', 'o'), ('+', 'a'), ('', 'u')]
    """
    cut = tokens(unit)
    said, heard = cut(ref), cut(hyp)
    gap = " " if unit == "phone" else ""
    blocks: list[tuple[list[str], list[str], bool]] = []  # missed and added, or twice the same that is right
    for i, j in align(said, heard):
        missed, added = ["" if k is None else of[k] for of, k in ((said, i), (heard, j))]
        right = missed == added
        on_letter = not gap and _is_mark(missed or added)
        if blocks and on_letter and right != blocks[-1][2]:
            if right:
                right = False  # its letter is wrong
            else:
                last, rest = _last_letter(blocks[-1][0])
                blocks[-1] = rest, list(rest), True
                blocks.append((last, list(last), False))
        if not blocks or blocks[-1][2] != right:
            blocks.append(([], [], right))
        for side, token in zip(blocks[-1][:2], (missed, added), strict=True):
            if token:
                side.append(token)
    made = []
    for k, (lost, new, same) in enumerate(blocks):
        end = gap if k < len(blocks) - 1 else ""
        parts = [(RIGHT, lost)] if same else [(MISSING, lost), (ADDED, new)]
        made += [(kind, gap.join(part) + end) for kind, part in parts if part]
    return made


def _is_mark(token: str) -> bool:
    return unicodedata.category(token[0]).startswith("M")


def _last_letter(side: list[str]) -> tuple[list[str], list[str]]:
    """The last letter with its marks, and what is before it."""
    at = len(side) - 1
    while at > 0 and _is_mark(side[at]):
        at -= 1
    return side[at:], side[:at]


def _pieces(words: list[str], wrong: list[bool], gap: str) -> list[tuple[str, bool]]:
    """Runs of right and of wrong tokens; a mark goes with the letter that it stands on."""
    made: list[tuple[str, bool]] = []
    clusters: list[tuple[str, bool]] = []
    for word, bad in zip(words, wrong, strict=True):
        if clusters and not gap and _is_mark(word):
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
