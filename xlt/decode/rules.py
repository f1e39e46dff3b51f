"""Rules that take a text of a list by the posteriors of all: see :class:`xlt.decode.combination.Combination`.

N texts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xlt.decode.combination import BEST, MBR, ROVER
from xlt.decode.confidence import posteriors
from xlt.text.scripts import is_unspaced

NOTHING = ""  # in a slot of a confusion network: no word
SURE = 1e-4  # texts with less of the posterior have no say


def take(rule: str, texts: Sequence[str], scores: np.ndarray, scale: float) -> str:
    """The text that ``rule`` takes. ``scores``: natural logs (N,)."""
    if rule == BEST or len(texts) == 1:
        return texts[int(scores.argmax())]
    return {MBR: least_risk, ROVER: rover}[rule](texts, posteriors(scores, scale))


def least_risk(texts: Sequence[str], shares: np.ndarray) -> str:
    """The text with the fewest errors to expect (Kumar and Byrne 2004, "Minimum Bayes-risk decoding"); words
    and characters count alike. ``shares``: posteriors (N,).
    """
    return texts[int((distances(texts) @ shares).argmin())]


def distances(texts: Sequence[str]) -> np.ndarray:
    """Between each two texts, (N, N): the words that differ, and the characters, as a share of what an
    average text of the list has.
    """
    return _edits(units(texts)[0]) + _edits([list(text) for text in texts])


def _edits(rows: Sequence[list[str]]) -> np.ndarray:
    import editdistance

    found = np.zeros((len(rows), len(rows)))
    for i, one in enumerate(rows):
        for j in range(i):
            found[i, j] = found[j, i] = editdistance.eval(one, rows[j])
    return found / max(1.0, float(np.mean([len(row) for row in rows])))


def rover(texts: Sequence[str], shares: np.ndarray) -> str:
    """The best word of each slot of a confusion network (Fiscus 1997, "ROVER"; Mangu et al. 2000), into which
    the texts are aligned one after another, the likeliest first. ``shares``: posteriors (N,).
    """
    rows, between = units(texts)
    order = [int(i) for i in np.argsort(-shares, kind="stable") if shares[i] > SURE]
    slots: list[dict[str, float]] = []
    total = 0.0
    for number in order:
        share = float(shares[number])
        slots = _added(slots, rows[number], share, total)
        total += share
    chosen = [max(slot, key=lambda word: slot[word]) for slot in slots]  # of equal ones, the first that came
    words = [word for word in chosen if word != NOTHING]
    return between.join(words).strip()


def units(texts: Sequence[str]) -> tuple[list[list[str]], str]:
    """What is voted on, and what stands between two: words; where one of the texts is in a script without
    spaces, characters and the spaces that there are.
    """
    if any(is_unspaced(char) for text in texts for char in text):
        return [list(text) for text in texts], ""
    return [text.split() for text in texts], " "


def _added(
    slots: list[dict[str, float]], words: Sequence[str], share: float, before: float
) -> list[dict[str, float]]:
    """The network with one more text, which has ``share`` of the posterior; the others have ``before``."""
    costs = np.zeros((len(slots) + 1, len(words) + 1))
    costs[0] = np.arange(len(words) + 1)
    skip = [1.0 - slot.get(NOTHING, 0.0) / before for slot in slots]
    match = [[1.0 - slot.get(word, 0.0) / before for word in words] for slot in slots]
    for i in range(1, len(slots) + 1):
        costs[i, 0] = costs[i - 1, 0] + skip[i - 1]
        for j in range(1, len(words) + 1):
            costs[i, j] = min(
                costs[i - 1, j - 1] + match[i - 1][j - 1],
                costs[i - 1, j] + skip[i - 1],
                costs[i, j - 1] + 1.0,
            )
    found: list[dict[str, float]] = []
    i, j = len(slots), len(words)
    while i or j:
        slot = dict(slots[i - 1]) if i else {}
        if i and j and costs[i, j] == costs[i - 1, j - 1] + match[i - 1][j - 1]:
            word, i, j = words[j - 1], i - 1, j - 1
        elif i and costs[i, j] == costs[i - 1, j] + skip[i - 1]:
            word, i = NOTHING, i - 1
        else:
            slot, word, j = ({NOTHING: before} if before else {}), words[j - 1], j - 1
        slot[word] = slot.get(word, 0.0) + share
        found.append(slot)
    return found[::-1]
