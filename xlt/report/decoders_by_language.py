"""What each decoder is worth over all languages, what tuning on other languages first is: a section of the page
of all languages.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from xlt.formats.markdown import table
from xlt.metrics.metric import TEXT, Metric, counted
from xlt.report.decoders import SEARCH
from xlt.report.pairs import compared, pair, percent, relative
from xlt.report.results import ESPNET, Experiment, Result, published_title, titles
from xlt.score.rungs import ATTENTION, BEAM, COMBINED, GREEDY, method, rungs

_TEST = "test"


class _Column(NamedTuple):
    """Of the table over languages: a heading, and what stands in it for an experiment of a recipe, or None
    where it has none. ``runs``: whose utterances can be paired with those of the last column."""

    head: str
    value: Callable[[str, str], float | None]
    runs: Callable[[str], list[Result]]


def over_languages(recipes: dict[str, list[Experiment]]) -> str:
    """The section for the page of all languages; "" if no recipe has a model with two decoders.

    Of each recipe the experiment stands here whose name most recipes have, among those that learned from
    their own speech alone; a section for each budget of training speech.
    """
    budgets = dict.fromkeys(
        e.runs[0].config.get("data.train_minutes") for found in recipes.values() for e in found if _ours(e)
    )
    parts = [part for budget in sorted(budgets, key=lambda b: b or 1e9) if (part := _budget(recipes, budget))]
    return "\n\n".join([f"## Two decoders, one answer\n\n{_TWO}", *parts]) if parts else ""


_TWO = """On test, medians over seeds. *Before*: the small network on the frozen encoder. *Others*: what there is without this
project, Whisper as it was published or tuned in the usual way. Then the decoders of the tuned model, each alone, and
combined."""


def _ours(e: Experiment) -> bool:
    """Whether it is one model with two decoders, scored on test, that learned from its own speech alone."""
    config = e.runs[0].config
    return _tuned(e) and not config.get("train.init") and not config.get("decode.partner")


def _started(e: Experiment) -> bool:
    """Whether it is one that was tuned on other languages before."""
    return _tuned(e) and bool(e.runs[0].config.get("train.init"))


def _tuned(e: Experiment) -> bool:
    first = e.runs[0]
    return (
        first.family != ESPNET
        and not first.rival
        and first.kind == TEXT
        and _TEST in first.sets()
        and not first.config.get("train.mix")
        and not first.config.get("train.zero_shot")
    )


def _before(e: Experiment) -> bool:
    first = e.runs[0]
    return (
        first.family == ESPNET
        and not first.rival
        and first.kind == TEXT
        and not first.config.get("train.init")
        and all(_TEST in run.document.get("greedy", {}) for run in e.runs)
    )


def _common(
    recipes: dict[str, list[Experiment]], fits: Callable[[Experiment], bool]
) -> dict[str, Experiment]:
    """``{recipe: experiment}`` of one name, that which most recipes have; among equals the best on dev."""
    named: dict[str, dict[str, Experiment]] = {}
    for recipe, found in recipes.items():
        for e in filter(fits, found):
            own = named.setdefault(e.runs[0].experiment["name"], {})
            if recipe not in own or e.rank < own[recipe].rank:
                own[recipe] = e
    return min(
        named.values(),
        key=lambda own: (-len(own), statistics.fmean(e.rank[1] for e in own.values())),
        default={},
    )


def _budget(recipes: dict[str, list[Experiment]], budget: float | None) -> str:
    def same(e: Experiment) -> bool:
        return e.runs[0].config.get("data.train_minutes") == budget

    named = titles(recipes)
    ours = _common(recipes, lambda e: _ours(e) and same(e))
    before = _common(recipes, lambda e: _before(e) and same(e))
    tuned = _common(recipes, lambda e: e.runs[0].rival and not e.runs[0].published and same(e))
    published = _published(recipes)
    columns = [
        _Column("before: greedy CTC", _part(before, GREEDY), lambda recipe: []),
        _final(f"before: {SEARCH}", before),
        _final("others: Whisper, zero-shot", published),
        _final("others: Whisper tuned", tuned),
        *(
            _Column(label, _part(ours, part), lambda recipe: [])
            for part, label in (
                (GREEDY, "greedy CTC"),
                (BEAM, SEARCH),
                (ATTENTION, "Whisper alone"),
            )
        ),
        _final("combined", ours),
    ]
    title = "All the training speech" if budget is None else f"{budget:g} minutes of training speech"
    tables = [_table(ours, columns, key, metric, named) for key, metric in counted(TEXT).items()]
    return "\n\n".join(
        [
            f"### {title}",
            *tables,
            *_gains(ours, columns),
            *_notes(ours, published, tuned),
            *_from_others(ours, _common(recipes, lambda e: _started(e) and same(e)), named),
        ]
    )


def _from_others(
    ours: dict[str, Experiment], started: dict[str, Experiment], named: dict[str, str]
) -> list[str]:
    """What it is worth to tune on other languages first: a row for each language that has both."""
    sides = _final("Whisper as published", ours), _final("Whisper tuned on other languages first", started)
    both = [recipe for recipe in ours if recipe in started]
    if not both:
        return []
    rows = []
    for recipe in both:
        row = [named[recipe]]
        for key in counted(TEXT):
            row += [_number(side.value(recipe, key)) for side in sides]
            row.append(_mean_change([recipe], *sides, key))
        rows.append(row)
    if len(both) > 1:
        means = [_mean_change(both, *sides, key) for key in counted(TEXT)]
        rows.append(["mean change", *(cell for mean in means for cell in ("", "", mean))])
    heads = [
        head
        for metric in counted(TEXT).values()
        for head in (*(f"{metric.label}, {side.head}" for side in sides), "change")
    ]
    names = Counter(
        f"{e.runs[0].experiment['name']} (from {e.runs[0].config['train.init']})" for e in started.values()
    )
    return [
        "#### Tuned on other languages first",
        f"The final texts of both; the second are those of the experiment {', '.join(names)}.",
        table(["language", *heads], rows),
    ]


def _published(recipes: dict[str, list[Experiment]]) -> dict[str, Experiment]:
    """Of each recipe Whisper as it was published; by our own family, if that was run."""
    found = {}
    for recipe, own in recipes.items():
        there = [e for e in own if e.runs[0].published and e.scored(_TEST, "wer")]
        if there:
            found[recipe] = min(there, key=lambda e: (e.runs[0].peer, e.name))
    return found


def _final(head: str, chosen: dict[str, Experiment]) -> _Column:
    return _Column(
        head,
        lambda recipe, key: chosen[recipe].median(_TEST, key) if recipe in chosen else None,
        lambda recipe: chosen[recipe].runs if recipe in chosen else [],
    )


def _part(chosen: dict[str, Experiment], part: str) -> Callable[[str, str], float | None]:
    """What a decoder alone has, the median over seeds; also where the final texts are its own."""

    def value(recipe: str, key: str) -> float | None:
        if recipe not in chosen:
            return None
        found = [
            rung.rates[key]["value"]
            for run in chosen[recipe].runs
            for rung in rungs(run.document, _TEST)
            if rung.name == part and key in rung.rates
        ]
        return statistics.median(found) if found else None

    return value


def _table(
    ours: dict[str, Experiment], columns: list[_Column], key: str, metric: Metric, named: dict[str, str]
) -> str:
    values = {recipe: [column.value(recipe, key) for column in columns] for recipe in ours}
    shown = [k for k in range(len(columns)) if any(row[k] is not None for row in values.values())]
    rows = []
    for recipe, e in ours.items():
        run = e.runs[0]
        first = [
            named[recipe],
            f"{run.speech_min:.1f} min" if run.speech_min else "–",
            len(e.runs),
        ]
        rows.append([*first, *(_number(values[recipe][k]) for k in shown)])
    if len(rows) > 1:
        every = [[row[k] for row in values.values()] for k in shown]
        known = [[value for value in own if value is not None] for own in every]
        means = [statistics.fmean(own) if len(own) == len(rows) else None for own in known]
        rows.append([f"mean of {len(rows)}", "", "", *map(_number, means)])
    head = [f"{metric.head(', ')}", "training speech", "seeds", *(columns[k].head for k in shown)]
    return table(head, rows)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _gains(ours: dict[str, Experiment], columns: list[_Column]) -> list[str]:
    """How the last column compares with each of the others, over the languages that have both."""
    *others, last = columns
    rows = []
    for column in others:
        cells: list[str] = []
        both: list[str] = []
        for key in counted(TEXT):
            both = [r for r in ours if column.value(r, key) and last.value(r, key) is not None]
            if both:
                cells += [_mean_change(both, column, last, key), _better(both, column, last, key)]
        if both:
            rows.append([column.head, str(len(both)), *cells])
    if not rows:
        return []
    heads = [
        word for metric in counted(TEXT).values() for word in (f"{metric.label}", f"{metric.label} lower in")
    ]
    return [
        "Combined against each of them: the mean over languages of the relative change; in brackets, where the errors of each"
        " utterance are known, the interval of paired resamples.",
        table(["combined against", "languages", *heads], rows),
    ]


def _mean_change(both: list[str], column: _Column, last: _Column, key: str) -> str:
    tests = [pair(column.runs(recipe), last.runs(recipe), _TEST, key) for recipe in both]
    paired = [test for test in tests if not isinstance(test, str)]
    if len(paired) == len(tests):
        found = compared(paired)
        return relative(found.relative, found.relative_ci95)
    befores = [_known(column, recipe, key) for recipe in both]
    if not all(befores):
        return "–"
    changes = [100 * (_known(last, recipe, key) / old - 1) for recipe, old in zip(both, befores, strict=True)]
    return percent(statistics.fmean(changes))


def _better(both: list[str], column: _Column, last: _Column, key: str) -> str:
    return f"{sum(_known(last, r, key) < _known(column, r, key) for r in both)} of {len(both)}"


def _known(column: _Column, recipe: str, key: str) -> float:
    value = column.value(recipe, key)
    if value is None:
        raise ValueError(f"{column.head}: no {key} of {recipe}")
    return value


def _notes(
    ours: dict[str, Experiment], published: dict[str, Experiment], tuned: dict[str, Experiment]
) -> list[str]:
    """What the columns are of, and where the best decoder on dev was not the combination."""
    names = Counter(e.runs[0].experiment["name"] for e in ours.values())
    lines = [f"The tuned models are the experiment {', '.join(names)} of each recipe."]
    single = [
        f"{e.runs[0].experiment['language']} (seed {run.seed}: {method(run.document, _TEST)})"
        for e in ours.values()
        for run in e.runs
        if method(run.document, _TEST) != COMBINED
    ]
    if single:
        lines.append(
            f"On dev one decoder alone was better, and stands under *combined*: {', '.join(single)}."
        )
    titles = sorted({published_title(e.runs[0]) for recipe, e in published.items() if recipe in ours})
    if titles:
        lines.append(f"Whisper, zero-shot: {'; '.join(titles)}.")
    usual = sorted({_usual(e.runs[0]) for recipe, e in tuned.items() if recipe in ours})
    if usual:
        lines.append(f"Whisper tuned: {'; '.join(usual)}.")
    return [" ".join(lines)]


def _usual(run: Result) -> str:
    """How a model was tuned that is here to be compared with."""
    config = run.config
    windows = ", ".join(f"{seconds:g}" for seconds in config["train.windows_s"])
    ctc = f"CTC weight {config['train.ctc_weight']:g}" if config["train.ctc_weight"] else "no CTC"
    model = "a language model" if "lm" in run.document else "no language model"
    return (
        f"{run.experiment['name']}, windows of {windows} s, learning rate {config['train.upstream_lr']:g},"
        f" {ctc}, {model}"
    )
