"""Distances and families of languages by URIEL (Littell et al. 2017), whose data lang2vec holds.

lang2vec itself is not imported: it needs pkg_resources, and its own distances are a download. These are 1 −
cosine of its vectors, as URIEL's are, of the phonological and the inventory features; the kNN-completed ones,
as those have no gaps.
"""

from __future__ import annotations

from importlib import metadata

import numpy as np

SETS = {"phonological": "P_", "inventory": "INV_"}  # kind of distance → first letters of its features


def _vectors(file: str = "feature_predictions.npz") -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Features (L, F, 1), languages (L,) by ISO 639-3, names of the features."""
    # not by the import system: the package puts a script of its own name beside xlt's, which is found first
    path = next(f for f in metadata.files("lang2vec") or () if f.name == file)
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


def branches(isos: list[str]) -> dict[str, list[str]]:
    """The branches of each language's family, as Glottolog has them, from the family itself on down; [] for
    an isolate. Languages that URIEL lacks are left out.
    """
    data, langs, feats = _vectors("family_features.npz")
    rows = {str(lang): k for k, lang in enumerate(langs)}
    return {
        iso: [feats[k].removeprefix("F_") for k in np.flatnonzero(data[rows[iso]].reshape(-1) > 0.5)]
        for iso in isos
        if iso in rows
    }


def places(isos: list[str]) -> dict[str, np.ndarray]:
    """Where each language is spoken, as distances from points of the globe (299,): two of them are as far
    apart as the languages. Those that URIEL lacks are left out.
    """
    data, langs, _ = _vectors("geocoord_features.npz")
    rows = {str(lang): k for k, lang in enumerate(langs)}
    return {iso: data[rows[iso]].reshape(-1).astype(np.float64) for iso in isos if iso in rows}


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
