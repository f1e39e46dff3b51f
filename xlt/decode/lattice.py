"""A compact word lattice of an n-best list: equal beginnings and equal endings are shared.

The candidates become a tree of words. Scores are pushed towards its root (Mohri 1997): a link carries the
difference between the best candidate behind it and the best one behind its start. So an ending that only one
candidate has carries nothing, and equal endings are one. Each path from start to end is a candidate, and the
scores of its links add up to that of the candidate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from xlt.formats.slf import NULL, Lattice, Link


class Candidate(NamedTuple):
    """A candidate: its words, the second at which each of them ends, and its score in two parts, natural
    logs."""

    words: Sequence[str]
    ends_s: Sequence[float]
    acoustic: float
    lm: float


Scores = tuple[float, float]  # acoustic, lm


@dataclass
class _Node:
    time_s: float
    best: Scores  # of the candidates through it
    next: dict[str, _Node] = field(default_factory=dict)
    ending: Scores | None = None  # of the candidate that ends in it
    number: int = 0  # in the lattice, counted from its end


def lattice(paths: Sequence[Candidate], end_s: float) -> Lattice:
    """``paths``: the candidates, best first; of several with the same words the first counts. ``end_s``: of
    the utterance.

    The time of a node is that of the best candidate through it. Endings are shared where the times agree to
    a hundredth of a second, as they are written.
    """
    nodes = _tree(paths)
    known: dict[tuple, int] = {}  # what makes a node → its number
    times, links = [end_s], []  # the end of the lattice is node 0 until it is turned round
    for node in reversed(nodes):  # what is behind a node comes before it here
        base = (0.0, 0.0) if node is nodes[0] else node.best  # the first links carry the best score whole
        out = [] if node.ending is None else [(NULL, 0, *_minus(node.ending, base))]
        out += [(word, child.number, *_minus(child.best, base)) for word, child in node.next.items()]
        key = (node.time_s, tuple((word, end, round(a, 6), round(b, 6)) for word, end, a, b in out))
        if key not in known:
            known[key] = len(times)
            times.append(node.time_s)
            links.append([(known[key], *link) for link in out])
        node.number = known[key]
    last = len(times) - 1
    return Lattice(
        tuple(reversed(times)),
        tuple(
            Link(last - start, last - end, word, acoustic, lm)
            for group in reversed(links)
            for start, word, end, acoustic, lm in group
        ),
    )


def _tree(paths: Sequence[Candidate]) -> list[_Node]:
    """The nodes of the tree of words, the root first and each before those behind it."""
    nodes = [_Node(0.0, (paths[0].acoustic, paths[0].lm))]
    for path in paths:
        node, scores = nodes[0], (path.acoustic, path.lm)
        for word, end in zip(path.words, path.ends_s, strict=True):
            if word not in node.next:
                node.next[word] = _Node(round(end, 2), scores)
                nodes.append(node.next[word])
            node = node.next[word]
        node.ending = node.ending or scores
    return nodes


def _minus(a: Scores, b: Scores) -> Scores:
    return a[0] - b[0], a[1] - b[1]
