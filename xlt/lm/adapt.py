"""A language model made to fit texts of the user's own domain: ``xlt lm adapt``.

Its parts stay; the new texts and their words become parts as well. How much each counts is learned on every
tenth line, which the new parts have not read then; in the end they read all.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from xlt.core.errors import ConfigError
from xlt.core.stage import write_json
from xlt.lm import FACTS, FORMAT
from xlt.lm.build import LONGEST, ORDERS, estimated, perplexity, rows, vocabulary
from xlt.lm.kind import read_mixture
from xlt.lm.mixture import Mixture, Part, learn_weights
from xlt.lm.sources import Source
from xlt.text.scripts import writes_spaces

FEWEST = 20  # different lines with which some can be held out
NEW_SHARE = 0.5  # of the new parts together, with fewer
LEAST_OLD = 0.2  # of the old parts together
LIMIT = 3_000_000  # n-grams of a part
END_SHARE = 0.2  # of words that end a sentence, without an older model


class Adapted(NamedTuple):
    """Perplexity of a character of the lines held out, before (None without an older model) and after; None
    with too few lines.
    """

    before: float | None
    after: float | None
    held_out: int


def adapt(
    old: Path | None, lines: Sequence[str], sources: list[Source], symbols: set[str], lang: str, out: Path
) -> Adapted:
    """Write the model of folder ``old``, with ``lines`` as further parts, into ``out``.

    ``symbols``: the characters that the acoustic model writes. ConfigError for a model of words or phones.
    """
    facts, mixture = read_mixture(old) if old else (_empty(symbols), None)
    if facts["unit"] != "char" or "lexicon" in facts:
        raise ConfigError(
            f"{old}: a language model of {facts['unit']}s; only those of characters can be adapted: give"
            " lm.text to the recipe and make the bundle again"
        )
    different = list(dict.fromkeys(lines))
    held = set(different[9::10]) if len(different) >= FEWEST else set()
    kept = mixture.parts if mixture else []
    names = {part.name for part in kept}
    name = next(name for n in range(1, 1000) if (name := f"domain{n}") not in names)
    every = sorted({*facts["symbols"], *symbols, *(char for line in lines for char in line)})
    end_share = facts["end_share"]

    def new_parts(lines: list[str]) -> list[Part]:
        parts = [Part(name, estimated(lines, ORDERS["char"], LIMIT))]
        if writes_spaces(lang):
            parts.append(vocabulary(lines, LONGEST, LIMIT, f"{name}_words"))
        return parts

    before = after = None
    final = [*kept, *new_parts(list(lines))]
    old_weights = mixture.weights if mixture else []
    new = len(final) - len(kept)
    shares = [1 - NEW_SHARE, *([NEW_SHARE / new] * new)] if kept else [0.0, *([1 / new] * new)]
    if held:
        trial = [*kept, *new_parts([line for line in lines if line not in held])]
        even = Mixture(trial, [1 / len(trial)] * len(trial), every, " ", end_share)
        shares = _learned(even.probabilities(sorted(held)), old_weights)
        if mixture:
            before = perplexity(Mixture(kept, old_weights, every, " ", end_share), sorted(held))
        learned = [*(shares[0] * weight for weight in old_weights), *shares[1:]]
        after = perplexity(Mixture(trial, learned, every, " ", end_share), sorted(held))
    weights = [*(shares[0] * weight for weight in old_weights), *shares[1:]]
    made = Mixture(final, weights, every, " ", end_share)
    for part in made.parts:
        part.model.save(out / f"{part.name}.npz")
    facts |= {"symbols": made.symbols, "parts": rows(made)}
    facts["sources"] = [*facts["sources"], *(source._asdict() for source in sources)]
    for path in old.iterdir() if old else ():  # the user's own model
        if not (out / path.name).exists() and path.suffix != ".npz" and path.name != FACTS:
            shutil.copyfile(path, out / path.name)
    write_json(out / FACTS, FORMAT.stamped(facts))
    return Adapted(before, after, len(held))


def _empty(symbols: set[str]) -> dict[str, Any]:
    return {"unit": "char", "symbols": sorted(symbols), "end_share": END_SHARE, "sources": [], "dev": {}}


def _learned(probabilities: np.ndarray, old_weights: list[float]) -> list[float]:
    """(K, N), p of N symbols by the old and the new parts → the share of all old parts, and of each new one.

    The old parts keep their weights among each other, and a share: what people say is never only of the
    domain.
    """
    count = len(old_weights)
    if not count:
        return [0.0, *learn_weights(probabilities)]
    old = np.array(old_weights) @ probabilities[:count]
    shares = learn_weights(np.vstack([old[None], probabilities[count:]]))
    kept = max(shares[0], LEAST_OLD)
    scale = (1 - kept) / max(1e-9, 1 - shares[0])
    return [kept, *(share * scale for share in shares[1:])]
