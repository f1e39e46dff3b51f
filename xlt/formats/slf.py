"""Word lattices in HTK's Standard Lattice Format (HTK Book 3.4, chapter 20): words on links, scores natural
logs, times in seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

NULL = "!NULL"  # a link without a word


class Link(NamedTuple):
    """From node ``start`` to node ``end``; the sum of ``acoustic`` and ``lm`` along a path is its score."""

    start: int
    end: int
    word: str
    acoustic: float
    lm: float


class Lattice(NamedTuple):
    """``times_s`` of the nodes, the first being the start and the last the end; ``links`` sorted by their
    nodes, so that a program may read them in one pass."""

    times_s: Sequence[float]
    links: Sequence[Link]


def render(utt: str, lattice: Lattice) -> str:
    """The text of an SLF file."""
    lines = [
        "VERSION=1.0",
        f"UTTERANCE={_quoted(utt)}",
        "lmscale=1.00\twdpenalty=0.00",
        f"N={len(lattice.times_s)}\tL={len(lattice.links)}",
        *(f"I={number}\tt={time:.2f}" for number, time in enumerate(lattice.times_s)),
        *(
            f"J={number}\tS={link.start}\tE={link.end}\tW={_quoted(link.word)}"
            f"\ta={link.acoustic:.4f}\tl={link.lm:.4f}"
            for number, link in enumerate(lattice.links)
        ),
    ]
    return "".join(f"{line}\n" for line in lines)


def write_slf(path: Path, utt: str, lattice: Lattice) -> None:
    path.write_text(render(utt, lattice), encoding="utf-8", newline="\n")


def _quoted(text: str) -> str:
    """HTK reads a quotation mark at the beginning, and a backslash anywhere, as its own."""
    text = text.replace("\\", "\\\\")
    return f"\\{text}" if text[:1] in ("'", '"') else text
