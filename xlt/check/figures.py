"""Figures of the data check, as PNG: durations, speaking rates, the growth of the vocabulary."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from xlt.check.facts import Facts


def draw(facts: dict[str, Facts], growth: list[tuple[int, int]], out: Path) -> list[str]:
    """Write the figures into ``out``; returns the lines of Markdown that show them."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 7), layout="constrained")
    FigureCanvasAgg(figure)
    (accumulated, lengths), (rates, words) = figure.subplots(2, 2)
    _accumulate(accumulated, {name: sorted(own.durations.values()) for name, own in facts.items()})
    _histogram(lengths, {name: list(own.durations.values()) for name, own in facts.items()}, "duration, s")
    _histogram(rates, {name: own.rates for name, own in facts.items()}, "characters a second")
    words.plot(*zip(*growth, strict=True))
    words.set(xlabel=f"running words of {next(iter(facts))}", ylabel="different words")
    figure.savefig(out / "statistics.png", dpi=100, metadata={"Software": None})
    return [
        "![Accumulated duration; durations; characters a second; growth of the vocabulary](statistics.png)"
    ]


def _accumulate(axes: Axes, durations: dict[str, list[float]]) -> None:
    """Minutes of speech in utterances that are not longer than x."""
    for name, values in durations.items():
        total, points = 0.0, []
        for dur_s in values:
            total += dur_s / 60
            points.append(total)
        axes.plot(values, points, label=name)
    axes.set(xlabel="utterances of at most this duration, s", ylabel="minutes of speech")
    axes.legend()


def _histogram(axes: Axes, values: dict[str, list[float]], label: str) -> None:
    """The share of each set's utterances by ``values``."""
    named = {name: own for name, own in values.items() if own}
    if named:
        shares = [[100 / len(own)] * len(own) for own in named.values()]
        axes.hist(list(named.values()), bins=30, label=list(named), weights=shares)
        axes.legend()
    axes.set(xlabel=label, ylabel="% of the set's utterances")
