"""What ways of training cost, beside what they bring, and what to choose by it: the parts ``costs`` of an
experiment file.

Each figure is there because it was measured; a way without any has no row, and a sentence that would need a
missing figure is not written. Languages differ, so ways are compared on the languages that they share.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Any

from xlt.formats.markdown import escaped, table
from xlt.metrics.metric import TEXT, main_metric, metrics
from xlt.report.results import Result
from xlt.upstreams import upstream_class

_TEST, _METRIC = "test", main_metric(TEXT)
_HOUR = 3600.0
NOTE = """Medians over languages and seeds. Parameters are those that were trained. CPU-hours are those of stage 6, on whatever
machine it ran; from a model that is trained already they count this training alone. Bundle and speed are measured by
`tests/bench/costs.py`, speed of models that encode by themselves also by stage 7: one thread, from the sound to the text."""
ADVICE = """From the tables above, by character error rate on test: of two ways the better one has the lower rate in the geometric mean over
the languages that both were tried on, two at least. Small differences may be chance: intervals are in the tables."""
SMALL_MB, QUICK, SHORT_H = 50.0, 0.05, 0.1  # what "a small machine" and "little time" mean below
FEWEST = 2  # languages that two ways must share to be compared


@dataclass(frozen=True)
class Way:
    """A row: ``name``; ``minutes`` of training speech; its error rate by language; and what is known of its costs.
    ``pretrained``: uses an encoder of others; ``trained``: False where a published model is used as it is."""

    name: str
    minutes: float | None
    rates: dict[str, float]
    pretrained: bool
    trained: bool
    costs: dict[str, float] = field(default_factory=dict)


COLUMNS: dict[str, tuple[str, str]] = {  # key of Way.costs → head, format
    "parameters": ("parameters trained", "{:,.0f}"),
    "cpu_h": ("CPU-hours of training", "{:.2f}"),
    "bundle_mb": ("bundle, MB", "{:.0f}"),
    "cpu_s_per_s": ("CPU-seconds per second of speech", "{:.3f}"),
}


def way(name: str, results: list[Result]) -> Way | None:
    """Of the results of one row, in any languages and seeds; None if none is scored on test."""
    scored = [run for run in results if run.has(_TEST, _METRIC)]
    if not scored:
        return None
    rates: dict[str, list[float]] = {}
    for run in scored:
        rates.setdefault(run.experiment["lang"], []).append(run.score(_TEST, _METRIC)["value"])
    first = scored[0]
    trained = not first.config.get("train.zero_shot")
    return Way(
        name,
        first.config.get("data.train_minutes") if trained else None,
        {lang: median(values) for lang, values in rates.items()},
        upstream_class(first.config["features.upstream"]).pretrained,
        trained,
        {key: median(values) for key, read in _READ.items() if (values := _known(read, scored))},
    )


def _known(read: Callable[[Result], float | None], runs: list[Result]) -> list[float]:
    return [value for run in runs if (value := read(run)) is not None]


def _parameters(run: Result) -> float | None:
    return run.document.get("training", {}).get("parameters")


def _cpu_h(run: Result) -> float | None:
    """As measured; else epochs times what an epoch took by the first steps."""
    training = run.document.get("training", {})
    if "cpu_s" in training:
        return training["cpu_s"] / _HOUR
    if "epoch_s" in training and "epochs" in training:
        return training["epoch_s"] * training["epochs"] / _HOUR
    return None


def _bundle_mb(run: Result) -> float | None:
    return run.costs["bundle_mb"] if run.costs else None


def _cpu_s_per_s(run: Result) -> float | None:
    """As the bundle takes; else as decoding took, where the model encoded the speech by itself."""
    if run.costs:
        return run.costs["cpu_s_per_s"]
    decoding: Any = run.document.get("decoding", {}).get(_TEST, {})
    parts = decoding.get("cpu_s_per_s")
    return sum(parts.values()) if parts and run.document.get("features", {}).get("on_the_fly") else None


_READ = {"parameters": _parameters, "cpu_h": _cpu_h, "bundle_mb": _bundle_mb, "cpu_s_per_s": _cpu_s_per_s}


def costs(heads: tuple[str, ...], rows: dict[tuple[str, ...], Way]) -> str:
    """The table; columns of which nothing is known are left out, "" without any. Error rates are of the
    languages that all rows have: others would compare languages, not ways.
    """
    shown = [key for key in COLUMNS if any(key in found.costs for found in rows.values())]
    if not shown:
        return ""
    shared = sorted(set.intersection(*(set(found.rates) for found in rows.values())))
    made = [
        [
            *key,
            *([f"{fmean(found.rates[lang] for lang in shared):.1f}"] if shared else []),
            *(COLUMNS[k][1].format(found.costs[k]) if k in found.costs else "–" for k in shown),
        ]
        for key, found in rows.items()
    ]
    names = ", ".join(lang.partition("_")[0] for lang in shared)
    rates = f"{metrics()[_METRIC].label}, %, {'mean of ' if len(shared) > 1 else ''}{names}"
    return table([*heads, *([rates] if shared else []), *(COLUMNS[k][0] for k in shown)], made)


def ratio(one: Way, other: Way) -> float | None:
    """Geometric mean, over the languages that both have, of one's error rate divided by the other's; None
    with fewer than FEWEST."""
    shared = [lang for lang in one.rates if lang in other.rates and one.rates[lang] and other.rates[lang]]
    if len(shared) < FEWEST:
        return None
    return math.exp(fmean(math.log(one.rates[lang] / other.rates[lang]) for lang in shared))


def best(ways: Iterable[Way]) -> Way | None:
    """The one that no other beats on the languages that they share, of those that can be compared with
    another; None of fewer than two, or where they beat each other in a ring."""
    every = list(ways)
    for one in every:
        found = [r for other in every if other is not one and (r := ratio(one, other)) is not None]
        if found and max(found) < 1:
            return one
    return None


def advice(ways: list[Way]) -> str:
    """What to choose, in words, a sentence a line; "" where the table does not say."""
    lines = []
    for minutes in sorted({found.minutes for found in ways if found.trained and found.minutes}):
        lines += _by_machine(minutes, [found for found in ways if found.trained and found.minutes == minutes])
    lines += _without_training(ways)
    return "\n".join(f"- {line}" for line in lines)


def _by_machine(minutes: float, ways: list[Way]) -> list[str]:
    """By what a machine can do; a narrower choice is told where it is another one."""
    first = best(ways)
    if first is None:
        return []
    head = f"{minutes:g} minutes of speech"
    others = [found for found in ways if found is not first]
    second = best(others) or next((found for found in others if ratio(first, found) is not None), None)
    lines = [f"{head}: **{escaped(first.name)}**{_than(first, second)}."]
    told = {first.name}
    for said, fits in _MACHINES:
        among = [found for found in ways if fits(found)]
        chosen = among[0] if len(among) == 1 else best(among)
        if chosen is None or chosen.name in told or ratio(chosen, first) is None:
            continue
        told.add(chosen.name)
        lines.append(f"{head}, {said}: **{escaped(chosen.name)}**{_than(chosen, first)}.")
    return lines


def _under(key: str, most: float) -> Callable[[Way], bool]:
    return lambda found: key in found.costs and found.costs[key] <= most


_MACHINES: list[tuple[str, Callable[[Way], bool]]] = [
    ("no pretrained encoder to be had", lambda found: not found.pretrained),
    (f"at most {SHORT_H:g} CPU-hours of training", _under("cpu_h", SHORT_H)),
    (f"a bundle of at most {SMALL_MB:g} MB", _under("bundle_mb", SMALL_MB)),
    (f"at most {QUICK:g} CPU-seconds per second of speech", _under("cpu_s_per_s", QUICK)),
]


def _without_training(ways: list[Way]) -> list[str]:
    """What is used as it was published, beside the best of the least speech."""
    published = [found for found in ways if not found.trained]
    least = min((found.minutes for found in ways if found.trained and found.minutes), default=None)
    first = best([found for found in ways if found.trained and found.minutes == least])
    ready = published[0] if len(published) == 1 else best(published)
    if ready is None or first is None or ratio(ready, first) is None:
        return []
    after = f" after {least:g} minutes"
    return [f"No transcribed speech: **{escaped(ready.name)}** as it is{_than(ready, first, after)}."]


def _than(one: Way, other: Way | None, after: str = "") -> str:
    """``, 26% fewer errors than X (4 languages)``; "" where they share too few."""
    share = None if other is None else ratio(one, other)
    if other is None or share is None:
        return ""
    count = len(one.rates.keys() & other.rates.keys())
    more = "fewer" if share < 1 else "more"
    percent = abs(100 * (share - 1))
    return f", {percent:.0f}% {more} errors than {escaped(other.name)}{after} (mean of {count} languages)"
