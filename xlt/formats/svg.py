"""Charts as SVG text: bars with their intervals, and curves. No library, the same bytes everywhere.

Series are told apart by colour and, in curves, by the form of the points; each stands 3 to 1 against white.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

_COLOURS = ["#1b6ca8", "#c96a00", "#4b8b3b", "#a64d79", "#6b6b6b", "#12808f"]
_LEFT, _WIDTH, _BAR, _GAP, _LINE = 60, 600, 11, 12, 22  # pixels; _LINE: height of a line of the legend
_PANEL, _HIGH = 250, 170  # pixels: the field of a panel of curves


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


def bars(title: str, legend: list[str], groups: dict[str, list[Bar]]) -> str:
    """The chart: a group a language, a colour a series; the axis starts at 0."""
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
            f'<rect x="{x}" y="{line}" width="14" height="11" fill="{_COLOURS[k % len(_COLOURS)]}"/>',
            f'<text x="{x + 20}" y="{line + 10}">{escape(name)}</text>',
        ]
    for mark in _marks(end):
        place = f"{left + _WIDTH * mark / end:.1f}"
        lines += [
            f'<line x1="{place}" x2="{place}" y1="{top - 4}" y2="{height - 20}" stroke="#dddddd"/>',
            f'<text x="{place}" y="{height - 6}" text-anchor="middle">{mark}</text>',
        ]
    at = top
    for name, group in groups.items():
        lines.append(
            f'<text x="{left - 8}" y="{at + len(group) * _BAR / 2 + 4:.1f}" text-anchor="end">'
            f"{escape(name)}</text>"
        )
        for bar in group:
            lines += _bar(bar, left, at, end)
            at += _BAR
        at += _GAP
    return "\n".join([*lines, "</svg>"]) + "\n"


def _head(title: str, width: int, height: int) -> list[str]:
    return [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(title)}" width="{width}"'
            f' height="{height}" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">'
        ),
        '<rect width="100%" height="100%" fill="white"/>',
    ]


def _marks(end: float) -> range:
    """Round numbers from 0 to ``end``, eight steps at the most."""
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 10**9) if end / s <= 8)
    return range(0, int(end) + 1, step)


def _bar(bar: Bar, start: int, at: int, end: float) -> list[str]:
    width, low, high = (_WIDTH * value / end for value in (bar.value, bar.low, bar.high))
    middle = at + (_BAR - 1) / 2
    return [
        (
            f'<rect x="{start}" y="{at}" width="{width:.1f}" height="{_BAR - 1}" '
            f'fill="{_COLOURS[bar.series % len(_COLOURS)]}"/>'
        ),
        f'<line x1="{start + low:.1f}" x2="{start + high:.1f}" y1="{middle}" y2="{middle}" stroke="black"/>',
        f'<text x="{start + high + 4:.1f}" y="{at + 9}" font-size="10">{bar.value:.1f}</text>',
    ]


def curves(
    title: str, series: dict[int, list[Point]], levels: dict[int, Point], reach: tuple[float, float, float]
) -> str:
    """A panel of points over a logarithmic axis, joined by lines; the vertical axis starts at 0.

    ``series``: by index into the legend, the points by x; ``levels``: what has one value for all x.
    ``reach``: lowest and highest x and highest value, so that panels beside each other have the same axes.
    """
    low, high, end = reach
    width, height, top = 44 + _PANEL + 16, 30 + _HIGH + 40, 30
    bottom = top + _HIGH

    def x(value: float) -> float:
        return 44 + _PANEL * (
            0.04 + 0.92 * (math.log(value / low) / math.log(high / low) if high > low else 0.5)
        )

    def y(value: float) -> float:
        return bottom - _HIGH * min(value, end) / end

    lines = [*_head(title, width, height), f'<text x="10" y="18" font-size="14">{escape(title)}</text>']
    for mark in _marks(end):
        lines += [
            f'<line x1="44" x2="{44 + _PANEL}" y1="{y(mark):.1f}" y2="{y(mark):.1f}" stroke="#dddddd"/>',
            f'<text x="38" y="{y(mark) + 4:.1f}" text-anchor="end">{mark}</text>',
        ]
    for mark in (m * 10**k for k in range(-2, 6) for m in (1, 2, 5)):
        if low <= mark <= high:
            lines += [
                (
                    f'<line x1="{x(mark):.1f}" x2="{x(mark):.1f}" y1="{bottom}" y2="{bottom + 5}"'
                    ' stroke="black"/>'
                ),
                f'<text x="{x(mark):.1f}" y="{bottom + 18}" text-anchor="middle">{mark:g}</text>',
            ]
    lines.append(
        f'<text x="{44 + _PANEL / 2}" y="{bottom + 34}" text-anchor="middle">minutes of training'
        " speech</text>"
    )
    for k, level in levels.items():
        at = f"{y(level.value):.1f}"
        lines.append(
            f'<line x1="44" x2="{44 + _PANEL}" y1="{at}" y2="{at}" stroke="{_COLOURS[k % len(_COLOURS)]}" '
            f'stroke-width="2" stroke-dasharray="6 4"><title>{escape(level.label)}</title></line>'
        )
    for k, points in series.items():
        colour = _COLOURS[k % len(_COLOURS)]
        way = " ".join(f"{x(p.x):.1f},{y(p.value):.1f}" for p in points)
        lines.append(f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for p in points:
            lines += [
                (
                    f'<line x1="{x(p.x):.1f}" x2="{x(p.x):.1f}" y1="{y(p.low):.1f}" y2="{y(p.high):.1f}" '
                    f'stroke="{colour}"/>'
                ),
                _form(k, x(p.x), y(p.value), p.label),
            ]
    return "\n".join([*lines, "</svg>"]) + "\n"


def sign(k: int, level: bool = False) -> str:
    """What stands for series ``k`` in a legend beside the panels: a point of its form, or the line of a
    level.
    """
    colour = _COLOURS[k % len(_COLOURS)]
    dashes, drawn = (' stroke-dasharray="6 4"', "") if level else ("", _form(k, 14, 8, ""))
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" aria-hidden="true" width="28" height="16"><line x1="0"'
        f' x2="28" y1="8" y2="8" stroke="{colour}" stroke-width="2"{dashes}/>{drawn}</svg>'
    )


def _form(k: int, x: float, y: float, label: str) -> str:
    """A point: circle, square, triangle, diamond by turns, filled with white from the fifth series on."""
    colour = _COLOURS[k % len(_COLOURS)]
    corners = (
        (),
        ((-4, -4), (4, -4), (4, 4), (-4, 4)),
        ((0, -5), (5, 4), (-5, 4)),
        ((0, -6), (6, 0), (0, 6), (-6, 0)),
    )[k % 4]
    paint = f'fill="{colour if k % 8 < 4 else "white"}" stroke="{colour}" stroke-width="1.5"'
    title = f"<title>{escape(label)}</title>" if label else ""
    if not corners:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" {paint}>{title}</circle>'
    return (
        f'<polygon points="{" ".join(f"{x + a:.1f},{y + b:.1f}" for a, b in corners)}"'
        f" {paint}>{title}</polygon>"
    )
