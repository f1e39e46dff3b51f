"""A bar chart as SVG text: groups of horizontal bars with their intervals. No library, the same bytes everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

_COLOURS = ["#1b6ca8", "#e08a1e", "#6aa84f", "#a64d79", "#7f7f7f", "#38b6c4"]
_LEFT, _WIDTH, _BAR, _GAP, _LINE = 60, 600, 11, 12, 22  # pixels; _LINE: height of a line of the legend


@dataclass(frozen=True)
class Bar:
    """``series``: what it is of, an index into the legend; ``value`` with its interval."""

    series: int
    value: float
    low: float
    high: float


def bars(title: str, legend: list[str], groups: dict[str, list[Bar]]) -> str:
    """The chart: a group a language, a colour a series; the axis starts at 0."""
    top = 30 + _LINE * -(-len(legend) // 2) + 10
    height = top + sum(len(group) * _BAR + _GAP for group in groups.values()) + 24
    end = max((bar.high for group in groups.values() for bar in group), default=0.0) or 1.0
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 10**9) if end / s <= 8)
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDTH + 50}" height="{height}" '
             'font-family="sans-serif" font-size="12">', '<rect width="100%" height="100%" fill="white"/>',
             f'<text x="10" y="18" font-size="14">{escape(title)}</text>']
    for k, name in enumerate(legend):
        left, line = 10 + 330 * (k % 2), 30 + _LINE * (k // 2)
        lines += [f'<rect x="{left}" y="{line}" width="14" height="11" fill="{_COLOURS[k % len(_COLOURS)]}"/>',
                  f'<text x="{left + 20}" y="{line + 10}">{escape(name)}</text>']
    for mark in range(0, int(end) + 1, step):
        x = f"{_LEFT + _WIDTH * mark / end:.1f}"
        lines += [f'<line x1="{x}" x2="{x}" y1="{top - 4}" y2="{height - 20}" stroke="#dddddd"/>',
                  f'<text x="{x}" y="{height - 6}" text-anchor="middle">{mark}</text>']
    at = top
    for name, group in groups.items():
        lines.append(f'<text x="{_LEFT - 8}" y="{at + len(group) * _BAR / 2 + 4:.1f}" text-anchor="end">'
                     f'{escape(name)}</text>')
        for bar in group:
            lines += _bar(bar, at, end)
            at += _BAR
        at += _GAP
    return "\n".join([*lines, "</svg>"]) + "\n"


def _bar(bar: Bar, at: int, end: float) -> list[str]:
    width, low, high = (_WIDTH * value / end for value in (bar.value, bar.low, bar.high))
    middle = at + (_BAR - 1) / 2
    return [f'<rect x="{_LEFT}" y="{at}" width="{width:.1f}" height="{_BAR - 1}" '
            f'fill="{_COLOURS[bar.series % len(_COLOURS)]}"/>',
            f'<line x1="{_LEFT + low:.1f}" x2="{_LEFT + high:.1f}" y1="{middle}" y2="{middle}" stroke="black"/>',
            f'<text x="{_LEFT + high + 4:.1f}" y="{at + 9}" font-size="10">{bar.value:.1f}</text>']
