"""Learning curves: error rates by minutes of training speech, a curve a family of models."""

from __future__ import annotations

from dataclasses import dataclass

from xlt.formats import svg as figure
from xlt.report.results import Experiment, family

_TEST = "test"


@dataclass(frozen=True)
class Learning:
    """``families``: the legend, in the colours' order; ``peers``: further entries of it that have one value a
    language; ``panels``: an SVG a recipe."""

    families: list[str]
    peers: list[str]
    panels: dict[str, str]


def learning(recipes: dict[str, list[Experiment]], titles: dict[str, str]) -> Learning:
    """Curves of the families that were trained on two amounts of some language's speech, at least."""
    points = {name: _points(found) for name, found in recipes.items()}
    families = sorted({f for own in points.values() for f, of in own.items() if len(of) > 1})
    level = {
        name: {
            e.runs[0].experiment["describe"]: _point(e, 0.0) for e in found if e.runs[0].peer and _scored(e)
        }
        for name, found in recipes.items()
    }
    peers = sorted({f for own in level.values() for f in own})
    shown = {
        name: {k: of for k, f in enumerate(families) if (of := own.get(f))} for name, own in points.items()
    }
    every = [p for own in shown.values() for of in own.values() for p in of]
    if not every:
        return Learning([], [], {})
    levels = {
        name: {len(families) + k: own[f] for k, f in enumerate(peers) if f in own}
        for name, own in level.items()
    }
    high = max(p.high for p in [*every, *(p for own in levels.values() for p in own.values())]) or 1.0
    reach = min(p.x for p in every), max(p.x for p in every), high
    return Learning(
        families,
        peers,
        {
            name: figure.curves(titles[name], shown[name], levels[name], reach)
            for name in recipes
            if shown[name]
        },
    )


def _scored(e: Experiment) -> bool:
    return e.median(_TEST, "cer") is not None


def _points(found: list[Experiment]) -> dict[str, list[figure.Point]]:
    """``{family: points by minutes}``; of experiments with one budget the one that is best on dev."""
    best: dict[tuple[str, float | None], Experiment] = {}
    for e in found:
        if e.runs[0].peer or not _scored(e) or e.runs[0].config.get("train.zero_shot"):
            continue
        key = family(e.runs[0]), e.runs[0].config.get("data.train_minutes")
        if e.runs[0].document["training"]["speech_min"] and (key not in best or e.rank < best[key].rank):
            best[key] = e
    curves: dict[str, dict[float, Experiment]] = {}
    for (name, _), e in best.items():
        own = curves.setdefault(
            name, {}
        )  # a budget above all the speech that there is gives the same point again
        minutes = e.runs[0].document["training"]["speech_min"]
        own[minutes] = min(e, own.get(minutes, e), key=lambda one: one.rank)
    return {name: [_point(own[x], x) for x in sorted(own)] for name, own in curves.items()}


def _point(e: Experiment, x: float) -> figure.Point:
    value = e.median(_TEST, "cer")
    low, high = e.typical(_TEST, "cer").score(_TEST, "cer")["ci95"]
    speech = f"{x:.1f} min, " if x else ""
    return figure.Point(x, value, low, high, f"{e.name}: {speech}CER {value:.1f} [{low:.1f}, {high:.1f}]")
