"""Learning curves: error rates by minutes of training speech, a curve a family of models."""

from __future__ import annotations

from dataclasses import dataclass

from xlt.formats import svg as figure
from xlt.metrics.metric import TEXT, main_metric, metrics
from xlt.report.colours import colours, looks
from xlt.report.results import Experiment, cell, family, published_title

_TEST, _METRIC = "test", main_metric(TEXT)


@dataclass(frozen=True)
class Learning:
    """``families``: the legend, in the order of its ``looks``; ``peers``: further entries of it that have one
    value a language; ``panels``: an SVG a recipe."""

    families: list[str]
    peers: list[str]
    looks: list[figure.Look]
    panels: dict[str, str]


def learning(recipes: dict[str, list[Experiment]], titles: dict[str, str]) -> Learning:
    """Curves of the families that were trained on two amounts of some language's speech, at least."""
    points = {name: _points(found) for name, found in recipes.items()}
    levels = {name: _levels(found) for name, found in recipes.items()}
    families = sorted({of for own in points.values() for of, line in own.items() if len(line) > 1})
    peers = sorted({of for own in levels.values() for of in own})
    place = {of: k for k, of in enumerate([*families, *peers])}
    curves = {name: {place[of]: own[of] for of in families if of in own} for name, own in points.items()}
    level = {name: {place[of]: own[of] for of in peers if of in own} for name, own in levels.items()}
    drawn = [point for own in curves.values() for line in own.values() for point in line]
    if not drawn:
        return Learning([], [], [], {})
    highest = max(point.high for point in [*drawn, *(p for own in level.values() for p in own.values())])
    reach = min(point.x for point in drawn), max(point.x for point in drawn), highest or 1.0
    runs = {
        (published_title if e.runs[0].published else family)(e.runs[0]): e.runs[0]
        for found in recipes.values()
        for e in found
    }
    drawn_as = looks((runs[of] for of in place), colours(recipes.values()))
    panels = {}
    for name, own in curves.items():
        if own:
            panels[name] = figure.curves(titles[name], own, level[name], reach, drawn_as)
    return Learning(families, peers, drawn_as, panels)


def _levels(found: list[Experiment]) -> dict[str, figure.Point]:
    """``{peer: its score}``, which does not depend on minutes."""
    peers = [e for e in found if e.runs[0].published and _scored(e)]
    return {published_title(e.runs[0]): _point(e, 0.0) for e in peers}


def _scored(e: Experiment) -> bool:
    return e.median(_TEST, _METRIC) is not None


def _points(found: list[Experiment]) -> dict[str, list[figure.Point]]:
    """``{family: points by minutes}``; of experiments with one budget the one that is best on dev, and so of
    budgets above all the speech that there is, which have the same minutes.
    """
    best: dict[tuple[str, float | None], Experiment] = {}
    for e in found:
        first = e.runs[0]
        if first.rival or not _scored(e) or first.config.get("train.zero_shot") or not _minutes(e):
            continue
        key = family(first), first.config.get("data.train_minutes")
        if key not in best or e.rank < best[key].rank:
            best[key] = e
    curves: dict[str, dict[float, Experiment]] = {}
    for (name, _), e in best.items():
        line = curves.setdefault(name, {})
        other = line.get(_minutes(e))
        if other is None or e.rank < other.rank:
            line[_minutes(e)] = e
    return {name: [_point(line[x], x) for x in sorted(line)] for name, line in curves.items()}


def _minutes(e: Experiment) -> float:
    return e.runs[0].speech_min or 0.0


def _point(e: Experiment, x: float) -> figure.Point:
    shown = e.typical(_TEST, _METRIC)
    if shown is None:
        raise ValueError(f"{e.name} has no {_METRIC} on {_TEST}")
    speech = f"{x:.1f} min, " if x else ""
    said = f"{e.name}: {speech}{metrics()[_METRIC].label} {cell(e, _TEST, _METRIC)}"
    return figure.Point(x, shown.value, shown.low, shown.high, said)
