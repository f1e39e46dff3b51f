"""Markdown that all pages share: tables, and the one way in which words of others get into a page.

Words stay readable in the file itself, so only what would become HTML, a link, a picture or another cell is
written otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_ENTITY = re.compile(r"&(?=#?\w+;)")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_LINK = re.compile(r"\](?=[(\[:])")


class Marked(str):
    """Markdown of our own, which :func:`table` leaves as it is but for the bars between its cells."""


def visible(text: str) -> str:
    """Words of others with what cannot be seen, or turns the line around, shown by its number.

    >>> visible("a\\u202eb")
    'aU+202Eb'
    """
    return _HIDDEN.sub(lambda hit: f"U+{ord(hit[0]):04X}", text)


def escaped(text: object) -> str:
    """Words of others as one line that shows nothing but them: no HTML, link or picture; what cannot be seen,
    or turns the line around, is shown by its number.

    >>> escaped("0 < <b> ![x](http://y)")
    '0 < &lt;b> ![x]\\\\(http://y)'
    """
    line = visible(" ".join(str(text).splitlines()))
    line = _TAG.sub("&lt;", _ENTITY.sub("&amp;", line))
    return _LINK.sub(lambda hit: hit[0] + "\\", line)


def code(text: object) -> Marked:
    """Words of others as they are, in the type of code.

    >>> code("./run.sh tag=a"), code("a`b")
    ('`./run.sh tag=a`', '`` a`b ``')
    """
    line = visible(" ".join(str(text).splitlines()))
    ticks = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    return Marked(f"{ticks}{line}{ticks}" if len(ticks) == 1 else f"{ticks} {line} {ticks}")


def block(text: str, language: str = "") -> str:
    """Lines of others as they are, in a block of code."""
    fence = "`" * (1 + max(2, *map(len, re.findall("`+", text)), 0))
    return f"{fence}{language}\n{text}\n{fence}"


def table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; its words are :func:`escaped` unless they are Marked."""
    lines = [head, [Marked("---")] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(word: object) -> str:
    text = " ".join(word.splitlines()) if isinstance(word, Marked) else escaped(word)
    return text.replace("\\|", "&#92;|").replace("|", "\\|")
