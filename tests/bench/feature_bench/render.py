"""RESULTS.md and features.svg, functions of the kept figures alone: the same figures give the same bytes."""

from __future__ import annotations

import importlib
import math
from html import escape
from pathlib import Path

from tests.bench.feature_bench.common import Target, read_entries
from xlt.core.stage import atomic_text
from xlt.formats.markdown import table

PARTS = {  # in the order of the issue
    "epochs": "Time of training: on the fly against cached",
    "disk": "Disk per hour of speech",
    "quality": "Quality",
    "throughput": "Throughput of extraction",
    "growth": "Growth",
    "resume": "Resumption",
}
HEAD = """<!-- written by tests/bench/features.py from results/features_*.json; a test compares: do not edit -->
# Bench of the feature cache

`python tests/bench/features.py` measures everything below again; `--help` says how. What falls short of its target stands
here as well.
"""
_LEFT, _WIDTH, _BAR, _TITLE = 400, 420, 16, 34  # pixels


def write(out: Path) -> None:
    """Write RESULTS.md and features.svg beside the folder ``out`` of the figures."""
    found = {part: entries for part in PARTS if (entries := read_entries(out, part))}
    atomic_text(out.parent / "RESULTS.md", page(found))
    atomic_text(out.parent / "features.svg", plot(found))


def page(found: dict[str, list[dict]]) -> str:
    """The page of ``{part: its entries}``."""
    modules = {part: importlib.import_module(f"tests.bench.feature_bench.{part}") for part in found}
    targets = [t for part, entries in found.items() for t in modules[part].targets(entries)]
    parts = [HEAD, "![the figures, as bars](features.svg)", "## Targets", summary(targets)]
    for part, entries in found.items():
        parts += [f"## {PARTS[part]}", *modules[part].page(entries)]
    parts += ["## How they were made", *made(found)]
    missing = [title for part, title in PARTS.items() if part not in found]
    if missing:
        parts.append(f"Not measured yet: {', '.join(missing)}.")
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def summary(targets: list[Target]) -> str:
    words = {True: "yes", False: "**no**", None: "not measured"}
    rows = [[t.part, t.what, t.target, t.figure, words[t.met]] for t in targets]
    return table(["part", "what", "target", "figure", "met"], rows)


def made(found: dict[str, list[dict]]) -> list[str]:
    """Commands with their commits and dates, then the machines."""
    rows, machines = {}, {}
    for part, entries in found.items():
        for entry in entries:
            how = entry["made"]
            row = rows.setdefault((part, how["command"]), {"commits": set(), "dates": set(), "seconds": 0.0})
            row["commits"].add(how["commit"])
            row["dates"].add(how["date"][:10])
            row["seconds"] += how["seconds"]
            machine = how["environment"]
            text = (
                f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB,"
                f" {machine['system']}\n" + ", ".join(map(" ".join, how["versions"].items()))
            )
            machines.setdefault(text, set()).add(part)
    lines = [
        [
            part,
            f"`{command}`",
            ", ".join(sorted(row["commits"])),
            ", ".join(sorted(row["dates"])),
            f"{row['seconds'] / 60:.1f}",
        ]
        for (part, command), row in rows.items()
    ]
    blocks = [
        f"```\n{text}\n```" + (f"\n\nfor {', '.join(sorted(parts))}" if len(machines) > 1 else "")
        for text, parts in machines.items()
    ]
    return [table(["part", "command", "commit", "date", "minutes"], lines), *blocks]


def plot(found: dict[str, list[dict]]) -> str:
    """Bars of every part that has some; ``bars(entries)`` of a part gives ``[(label, value), …]`` and
    ``UNIT`` names them.
    """
    lines, at = [], 10
    for part, entries in found.items():
        module = importlib.import_module(f"tests.bench.feature_bench.{part}")
        values = [(label, value) for label, value in module.bars(entries) if value > 0]
        if values:
            lines += _panel(f"{PARTS[part]}: {module.UNIT}", values, at, module.LOGARITHMIC)
            at += _TITLE + _BAR * len(values) + 16
    return (
        "\n".join(
            [
                (
                    f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDTH + 80}" height="{at + 10}" '
                    'font-family="sans-serif" font-size="12">'
                ),
                '<rect width="100%" height="100%" fill="white"/>',
                *lines,
                "</svg>",
            ]
        )
        + "\n"
    )


def _panel(title: str, values: list[tuple[str, float]], at: int, logarithmic: bool) -> list[str]:
    """One group of bars below its title; a logarithmic axis starts at the power of ten below the least
    value.
    """
    most, least = max(v for _, v in values), min(v for _, v in values)
    start = math.floor(math.log10(least)) if logarithmic else 0.0
    if logarithmic and 10**start == least:
        start -= 1  # a bar of no length cannot be seen
    span = (math.log10(most) - start) if logarithmic else most
    lines = [
        f'<text x="10" y="{at + 16}"'
        f' font-size="14">{escape(title)}{" (logarithmic)" if logarithmic else ""}</text>'
    ]
    at += _TITLE - 10
    for label, value in values:
        width = _WIDTH * ((math.log10(value) - start) if logarithmic else value) / span
        lines += [
            f'<text x="{_LEFT - 8}" y="{at + 12}" text-anchor="end">{escape(label)}</text>',
            f'<rect x="{_LEFT}" y="{at + 2}" width="{width:.1f}" height="{_BAR - 4}" fill="#1b6ca8"/>',
            f'<text x="{_LEFT + width + 5:.1f}" y="{at + 12}" font-size="10">{value:.3g}</text>',
        ]
        at += _BAR
    return lines
