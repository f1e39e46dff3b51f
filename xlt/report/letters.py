"""Characters on the page: how one is shown, which are shared between languages, which were taken for
which.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from xlt.formats.results import Confusions

_ROWS, _LISTED, _LETTERS = 14, 12, 200  # lines of a matrix, pairs in words, letters of an alphabet


@dataclass(frozen=True)
class Letter:
    """``shown``: visible even if the character is not; ``name``: its code point and Unicode name; ``n``: how
    often; ``script``: of a letter, for where several scripts stand together and Latin a is to be told from
    Cyrillic а."""

    shown: str
    name: str
    n: int = 0
    new: bool = False
    script: str = ""


@dataclass(frozen=True)
class Share:
    """``n`` of ``of``, in percent; ``shade``: 0 to 5, for the eye."""

    n: int
    total: int

    @property
    def percent(self) -> float:
        return 100 * self.n / self.total if self.total else 0.0

    @property
    def shade(self) -> int:
        return sum(self.percent >= edge for edge in (0.001, 1, 3, 8, 20)) if self.n else 0


@dataclass(frozen=True)
class Matrix:
    """``rows``: (said, its errors, its count of each head, of other characters and of nothing); ``inserted``
    likewise.
    """

    heads: list[Letter]
    rows: list[tuple[Letter, Share, list[Share]]]
    inserted: list[int]
    pairs: list[tuple[Letter, Letter, Share]]
    unit: str
    left_off: int

    @property
    def mixed(self) -> bool:
        """Whether it has letters of several scripts."""
        return len({c.script for c in [*self.heads, *(row[0] for row in self.rows)]} - {""}) > 1


def letter(token: str, n: int = 0, new: bool = False) -> Letter:
    """A token of one character or, of phones, of several.

    >>> letter(" ").shown, letter("\\u0301").shown, letter("\\u200d").shown
    ('␣', '◌́', 'U+200D')
    """
    points = ", ".join(f"U+{ord(c):04X} {unicodedata.name(c, 'unnamed')}" for c in token)
    if token == " ":
        return Letter("␣", "space between words", n, new)
    kind = unicodedata.category(token[0])
    if kind in ("Cf", "Cc", "Co", "Cn", "Cs", "Zs", "Zl", "Zp"):
        return Letter(f"U+{ord(token[0]):04X}", points, n, new)
    script = unicodedata.name(token[0], "").partition(" ")[0].title() if kind.startswith("L") else ""
    return Letter(f"◌{token}" if kind.startswith("M") else token, points, n, new, script)


def matrix(found: Confusions) -> Matrix | None:
    """What :func:`xlt.report.confusions.confusions` counted, the characters with the most errors; None
    without an error.
    """
    n, pairs = found["n"], found["pairs"]
    errors = {c: sum(to.values()) for c, to in pairs.items() if c}
    if not pairs:
        return None
    said = sorted(errors, key=lambda c: (-errors[c], c))[:_ROWS]
    heard: dict[str, int] = {}
    for c in [*said, ""]:
        for d, count in pairs.get(c, {}).items():
            heard[d] = heard.get(d, 0) + count
    heads = sorted((d for d in heard if d), key=lambda d: (-heard[d], d))[:_ROWS]

    def counts(c: str) -> list[int]:
        to = pairs.get(c, {})
        others = sum(count for d, count in to.items() if d and d not in heads)
        return [*(to.get(d, 0) for d in heads), others, to.get("", 0)]

    rows = [(letter(c, n[c]), Share(errors[c], n[c]), [Share(k, n[c]) for k in counts(c)]) for c in said]
    often = sorted(
        ((count, c, d) for c, to in pairs.items() if c for d, count in to.items() if d and count > 1),
        key=lambda pair: (-pair[0], *pair[1:]),
    )[:_LISTED]
    return Matrix(
        [letter(d) for d in heads],
        rows,
        counts("")[:-1],
        [(letter(c), letter(d), Share(count, n[c])) for count, c, d in often],
        found["unit"],
        found["left_off"],
    )


def letters(learned: dict[str, int], tested: dict[str, int]) -> tuple[list[Letter], int]:
    """The alphabet of the training texts in the order of Unicode, with what only the test set has (``new``),
    and how many of the rarest are left out."""
    every = learned | {c: n for c, n in tested.items() if c not in learned}
    kept = sorted(every, key=lambda c: (-every[c], c))[:_LETTERS]
    return [letter(c, every[c], c not in learned) for c in sorted(kept)], len(every) - len(kept)


def coverage(alphabets: dict[str, dict[str, int]]) -> dict[str, dict[str, Share]]:
    """``{target: {source: share}}``: of the characters in the target's training texts, spaces aside, those
    that the source's texts have as well, once in 1000 or more: a foreign name does not teach an alphabet."""
    own = {name: {c: n for c, n in found.items() if c != " "} for name, found in alphabets.items()}
    common = {
        name: {c for c, n in found.items() if 1000 * n >= sum(found.values())} for name, found in own.items()
    }
    return {
        target: {
            source: Share(sum(n for c, n in wanted.items() if c in common[source]), sum(wanted.values()))
            for source in own
        }
        for target, wanted in own.items()
    }
