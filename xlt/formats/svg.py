"""Charts as SVG text: bars with their intervals, and curves. No library, the same bytes everywhere.

Series are told apart by colour and, in curves, by the form of the points and the dashes of the lines; each
colour stands 3 to 1 against white. Pages in dark mode have a rule for each colour in base.css.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

# the first is the strongest, for what a page is about; the last for what it is compared with. Red and green
# mean wrong and right on pages, and are no series
COLOURS = {
    "main": "#0a4da2",
    "second": "#c26a00",
    "third": "#12808f",
    "fourth": "#a64d79",
    "fifth": "#77700f",
    "anchor": "#767676",
}
_LEFT, _WIDTH, _BAR, _GAP, _LINE = 60, 600, 11, 12, 22  # pixels; _LINE: height of a line of the legend
_PANEL, _HIGH = 250, 170  # pixels: the field of a panel of curves
_DASHES = ("", "8 3", "2 3", "8 3 2 3")
_LEVEL = "6 4"


@dataclass(frozen=True)
class Look:
    """How a series is drawn: a key of :data:`COLOURS`; ``form`` of its points and dashes, 0 to 3; ``open``:
    white within.
    """

    colour: str
    form: int = 0
    open: bool = False

    @property
    def ink(self) -> str:
        return COLOURS[self.colour]

    @property
    def paint(self) -> str:
        """The attributes of a closed form."""
        return f'fill="{"white" if self.open else self.ink}" stroke="{self.ink}" stroke-width="1.5"'


@dataclass(frozen=True)
class Bar:
    """``series``: what it is of, an index into the legend; ``value`` with its interval."""

    series: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Point:
    """A score of a curve at ``x``, above 0, with its interval; ``label`` is shown when one points at it."""

    x: float
    value: float
    low: float
    high: float
    label: str


@dataclass(frozen=True)
class Axis:
    """What lies below curves; ``log``: equal steps multiply."""

    label: str
    log: bool = False


SPEECH = Axis("minutes of training speech", log=True)


def bars(
    title: str, legend: list[str], groups: dict[str, list[Bar]], looks: Sequence[Look] | None = None
) -> str:
    """The chart: a group a language, a look a series; the axis starts at 0."""
    looks = looks or usual(len(legend))
    left = max(_LEFT, 16 + 7 * max(map(len, groups), default=0))
    top = 30 + _LINE * -(-len(legend) // 2) + 10
    height = top + sum(len(group) * _BAR + _GAP for group in groups.values()) + 24
    end = max((bar.high for group in groups.values() for bar in group), default=0.0) or 1.0
    lines = [
        *_head(title, left + _WIDTH + 50, height),
        f'<text x="10" y="18" font-size="14">{escape(title)}</text>',
    ]
    for k, name in enumerate(legend):
        x, line = 10 + 330 * (k % 2), 30 + _LINE * (k // 2)
        lines += [
            f'<rect x="{x}" y="{line}" width="14" height="11" {_filled(looks[k])}/>',
            f'<text x="{x + 20}" y="{line + 10}">{escape(name)}</text>',
        ]
    for mark in _marks(end):
        place = f"{left + _WIDTH * mark / end:.1f}"
        lines += [
            f'<line x1="{place}" x2="{place}" y1="{top - 4}" y2="{height - 20}" stroke="#dddddd"/>',
            f'<text x="{place}" y="{height - 6}" text-anchor="middle">{mark:g}</text>',
        ]
    at = top
    for name, group in groups.items():
        lines.append(
            f'<text x="{left - 8}" y="{at + len(group) * _BAR / 2 + 4:.1f}" text-anchor="end">'
            f"{escape(name)}</text>"
        )
        for bar in group:
            lines += _bar(bar, looks[bar.series], left, at, end)
            at += _BAR
        at += _GAP
    return "\n".join([*lines, "</svg>"]) + "\n"


def usual(count: int) -> list[Look]:
    """Looks of series that mean nothing elsewhere: colours by turns, then open ones."""
    names = list(COLOURS)
    return [Look(names[k % len(names)], k % 4, k % 8 >= 4) for k in range(count)]


def _filled(look: Look) -> str:
    return look.paint if look.open else f'fill="{look.ink}"'


def _head(title: str, width: int, height: int) -> list[str]:
    return [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(title)}" width="{width}"'
            f' height="{height}" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">'
        ),
        '<rect width="100%" height="100%" fill="white"/>',
    ]


def _marks(end: float) -> list[float]:
    """Round numbers from 0 to ``end``, eight steps at the most.

    >>> _marks(0.5), _marks(40)
    ([0.0, 0.1, 0.2, 0.3, 0.4, 0.5], [0, 5, 10, 15, 20, 25, 30, 35, 40])
    """
    steps = (m * 10**k for k in range(9) for m in (1, 2, 5)) if end >= 1 else (0.01, 0.02, 0.05, 0.1, 0.2)
    step = next((s for s in steps if end / s <= 8), end)
    return [round(n * step, 4) for n in range(int(end / step + 1e-9) + 1)]


def _bar(bar: Bar, look: Look, start: int, at: int, end: float) -> list[str]:
    width, low, high = (_WIDTH * value / end for value in (bar.value, bar.low, bar.high))
    middle = at + (_BAR - 1) / 2
    return [
        f'<rect x="{start}" y="{at}" width="{width:.1f}" height="{_BAR - 1}" {_filled(look)}/>',
        f'<line x1="{start + low:.1f}" x2="{start + high:.1f}" y1="{middle}" y2="{middle}" stroke="black"/>',
        f'<text x="{start + high + 4:.1f}" y="{at + 9}" font-size="10">{bar.value:.1f}</text>',
    ]


def curves(
    title: str,
    series: dict[int, list[Point]],
    levels: dict[int, Point],
    reach: tuple[float, float, float],
    looks: Sequence[Look] | None = None,
    axis: Axis = SPEECH,
) -> str:
    """A panel of points, joined by lines; the vertical axis starts at 0.

    ``series``: by index into the legend, the points by x; ``levels``: what has one value for all x.
    ``reach``: lowest and highest x and highest value, so that panels beside each other have the same axes.
    ``looks``: of each series and level.
    """
    looks = looks or usual(max([*series, *levels], default=0) + 1)
    low, high, end = reach
    width, height, top = 44 + _PANEL + 16, 30 + _HIGH + 40, 30
    bottom = top + _HIGH

    def x(value: float) -> float:
        if high <= low:
            return 44 + _PANEL * 0.5
        part = math.log(value / low) / math.log(high / low) if axis.log else (value - low) / (high - low)
        return 44 + _PANEL * (0.04 + 0.92 * part)

    def y(value: float) -> float:
        return bottom - _HIGH * min(value, end) / end

    lines = [*_head(title, width, height), f'<text x="10" y="18" font-size="14">{escape(title)}</text>']
    for mark in _marks(end):
        lines += [
            f'<line x1="44" x2="{44 + _PANEL}" y1="{y(mark):.1f}" y2="{y(mark):.1f}" stroke="#dddddd"/>',
            f'<text x="38" y="{y(mark) + 4:.1f}" text-anchor="end">{mark:g}</text>',
        ]
    decades: Sequence[float] = [m * 10**k for k in range(-2, 6) for m in (1, 2, 5)]
    for mark in decades if axis.log else _marks(high):
        if low <= mark <= high:
            lines += [
                (
                    f'<line x1="{x(mark):.1f}" x2="{x(mark):.1f}" y1="{bottom}" y2="{bottom + 5}"'
                    ' stroke="black"/>'
                ),
                f'<text x="{x(mark):.1f}" y="{bottom + 18}" text-anchor="middle">{mark:g}</text>',
            ]
    lines.append(
        f'<text x="{44 + _PANEL / 2}" y="{bottom + 34}" text-anchor="middle">{escape(axis.label)}</text>'
    )
    for k, level in levels.items():
        at = f"{y(level.value):.1f}"
        lines.append(
            f'<line x1="44" x2="{44 + _PANEL}" y1="{at}" y2="{at}" stroke="{looks[k].ink}" '
            f'stroke-width="2" stroke-dasharray="{_LEVEL}"><title>{escape(level.label)}</title></line>'
        )
    for k, points in series.items():
        way, look = " ".join(f"{x(p.x):.1f},{y(p.value):.1f}" for p in points), looks[k]
        lines.append(
            f'<polyline points="{way}" fill="none" stroke="{look.ink}" stroke-width="2"{_dashes(look)}/>'
        )
        for p in points:
            if p.low < p.high:
                lines.append(
                    f'<line x1="{x(p.x):.1f}" x2="{x(p.x):.1f}" y1="{y(p.low):.1f}" y2="{y(p.high):.1f}" '
                    f'stroke="{look.ink}"/>'
                )
            lines.append(_form(look, x(p.x), y(p.value), p.label))
    return "\n".join([*lines, "</svg>"]) + "\n"


def _dashes(look: Look) -> str:
    dashes = _DASHES[look.form]
    return f' stroke-dasharray="{dashes}"' if dashes else ""


def sign(look: Look, level: bool = False) -> str:
    """What stands for a series in a legend beside the panels: a point of its form, or the line of a level."""
    dashes = f' stroke-dasharray="{_LEVEL}"' if level else _dashes(look)
    drawn = "" if level else _form(look, 14, 8, "")
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" aria-hidden="true" width="28" height="16"><line x1="0"'
        f' x2="28" y1="8" y2="8" stroke="{look.ink}" stroke-width="2"{dashes}/>{drawn}</svg>'
    )


def _form(look: Look, x: float, y: float, label: str) -> str:
    """A point: circle, square, triangle or diamond."""
    corners = (
        (),
        ((-4, -4), (4, -4), (4, 4), (-4, 4)),
        ((0, -5), (5, 4), (-5, 4)),
        ((0, -6), (6, 0), (0, 6), (-6, 0)),
    )[look.form]
    title = f"<title>{escape(label)}</title>" if label else ""
    if not corners:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" {look.paint}>{title}</circle>'
    return (
        f'<polygon points="{" ".join(f"{x + a:.1f},{y + b:.1f}" for a, b in corners)}"'
        f" {look.paint}>{title}</polygon>"
    )
