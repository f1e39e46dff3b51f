"""Distances of languages by URIEL (Littell et al. 2017), whose data the package lang2vec holds.

lang2vec itself is not imported: it needs pkg_resources, and its own distances are a download. These are 1 −
cosine of its vectors, as URIEL's are, of the phonological and the inventory features; the kNN-completed ones,
as those have no gaps.
"""

from __future__ import annotations

from importlib import metadata

import numpy as np

SETS = {"phonological": "P_", "inventory": "INV_"}  # kind of distance → first letters of its features


def _vectors() -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Features (L, F, 1), languages (L,) by ISO 639-3, names of the features."""
    # not by the import system: the package puts a script of its own name beside xlt's, which is found first
    path = next(f for f in metadata.files("lang2vec") or () if f.name == "feature_predictions.npz")
    with np.load(path.locate(), allow_pickle=False) as data:
        return data["data"], data["langs"], [str(name) for name in data["feats"]]


def distances(isos: list[str], kind: str) -> tuple[dict[tuple[str, str], float], list[str]]:
    """``{(iso, iso): distance}`` of all pairs in the order given, and the languages that URIEL lacks."""
    data, langs, feats = _vectors()
    columns = [k for k, name in enumerate(feats) if name.startswith(SETS[kind])]
    rows = {str(lang): k for k, lang in enumerate(langs)}
    there = [iso for iso in isos if iso in rows]
    of = {iso: data[rows[iso]][columns].reshape(-1).astype(np.float64) for iso in there}  # (F,)
    found = {}
    for k, first in enumerate(there):
        for second in there[k + 1 :]:
            a, b = of[first], of[second]
            found[first, second] = 1 - float(a @ b / np.sqrt((a @ a) * (b @ b)))
    return found, [iso for iso in isos if iso not in rows]


def spearman(first: list[float], second: list[float]) -> float:
    """Spearman's rank correlation, equals at their mean rank; nan if one side is constant or has fewer than
    two values.
    """
    if len(first) < 2:
        return float("nan")
    a, b = (_ranks(np.asarray(values, dtype=np.float64)) for values in (first, second))
    a, b = a - a.mean(), b - b.mean()
    size = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / size) if size else float("nan")


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks (N,) from 1; equal values share the mean of theirs."""
    below = (values[None, :] < values[:, None]).sum(1)
    equal = (values[None, :] == values[:, None]).sum(1)
    return below + (equal + 1) / 2
