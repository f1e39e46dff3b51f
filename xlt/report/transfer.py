"""A section of egs/README.md for each experiment file: tables, paired comparisons, rank correlations,
forgetting.

A function of the experiment files and of egs/*/results/*.json alone; a missing cell is shown as –, and rows and
columns without any result are left out.
"""

from __future__ import annotations

from pathlib import Path
from statistics import fmean, median

from xlt.core import jsons
from xlt.core.errors import ConfigError, DataError
from xlt.core.plan import Plan, Run, read
from xlt.formats.markdown import table
from xlt.formats.results import Change, Entry
from xlt.metrics.metric import metrics
from xlt.metrics.spearman import spearman
from xlt.report import costs, tables
from xlt.report.pairs import BOOT, compared, minus, pair, percent, points, relative
from xlt.report.results import Result, load

_NOTE = """Cells: median over {seeds}, in brackets the 95% bootstrap interval over utterances of the run nearest to it; means are
over the rows above them. Comparisons: mean over the rows of the relative change, errors averaged over seeds, with the interval
of {resamples} paired resamples of the utterances; *worse* is the share of resamples in which the rate rises."""


def sections(egs: Path, listed: list[str] | None = None) -> str:
    """Markdown of all experiment files in ``egs`` that have tables and a result of one of their runs; "" if
    none has. ``listed``: of egs/common and of these recipes only.
    """
    paths = sorted(egs.glob("*/experiments/*.yaml"))
    plans = [read(path) for path in paths if listed is None or path.parts[-3] in ("common", *listed)]
    plans = [plan for plan in plans if plan.report]
    folders = {run.recipe: egs / run.recipe / "results" for plan in plans for run in plan.runs}
    results = {(recipe, result.tag): result for recipe, folder in folders.items() for result in load(folder)}
    begun = [
        plan for plan in plans if any((run.recipe, run.tag) in results for run in plan.runs if run.column)
    ]
    return "".join(f"\n{_section(plan, results, egs)}" for plan in begun)


def _section(plan: Plan, results: dict[tuple[str, str], Result], egs: Path) -> str:
    shown = [run for run in plan.runs if run.column]
    cells = Cells(
        shown, {run.name: results[run.recipe, run.tag] for run in shown if (run.recipe, run.tag) in results}
    )
    seeds = len({run.labels["seed"] for run in shown if "seed" in run.labels})
    parts = [
        f"## {plan.title}",
        _NOTE.format(seeds=f"{seeds} seeds" if seeds > 1 else "one seed", resamples=BOOT.resamples),
    ]
    for wanted in tables.tables(plan):
        if not _known(wanted, cells):
            continue
        parts += [f"### {wanted.title}", _table(wanted, cells)]
        parts += [_comparisons(wanted, cells)] if wanted.comparisons else []
    for priced in tables.costs(plan):
        parts += _costs(priced, cells)
    for ranked in tables.correlations(plan):
        parts += [f"### {ranked.title}", *_correlation(ranked, cells, egs)]
    for curve in tables.curves(plan):
        parts += [f"### {curve.title}", _curve(curve, cells)]
    missing = [run.name for run in shown if run.name not in cells.there]
    listed = f": {', '.join(missing[:8])}{' …' if len(missing) > 8 else ''}" if missing else ""
    parts.append(
        f"{len(missing)} of {len(shown)} runs are missing{listed}. Made by `xlt experiment "
        f"{egs.name}/{plan.path.relative_to(egs)}`."
    )
    return "\n\n".join(parts) + "\n"


class Cells:
    """The planned runs with a column, and the results that are there."""

    def __init__(self, runs: list[Run], there: dict[str, Result]):
        self.runs, self.there = runs, there

    def groups(
        self, rows: tuple[str, ...], column: str | None, when: dict[str, str]
    ) -> dict[tuple[str, ...], list[Run]]:
        """``{values of the variables rows: runs of one column}``; ConfigError unless they differ in the seed
        alone.
        """
        found: dict[tuple[str, ...], list[Run]] = {}
        for run in self.runs:
            own = tables.labels(run)
            if run.column == column and set(rows) <= own.keys() and when.items() <= own.items():
                found.setdefault(tuple(own[name] for name in rows), []).append(run)
        for runs in found.values():
            for run in runs[1:]:
                apart = {k for k in run.labels | runs[0].labels if run.labels.get(k) != runs[0].labels.get(k)}
                if apart != {"seed"}:
                    raise ConfigError(
                        f"{run.where}: {runs[0].name} and {run.name} would share a cell of column {column!r}"
                        f" but differ in {', '.join(sorted(apart - {'seed'})) or 'nothing'}; give them rows"
                        " or columns of their own"
                    )
        return found

    def scores(self, runs: list[Run], name: str, metric: str) -> list[Entry]:
        """The scores of those runs that are there and have this metric."""
        return [result.score(name, metric) for result in self.results(runs) if result.has(name, metric)]

    def forgetting(self, runs: list[Run]) -> list[dict[str, Change]]:
        """What those runs that are there have forgotten, by set."""
        return [result.document.get("forgetting", {}) for result in self.results(runs)]

    def results(self, runs: list[Run]) -> list[Result]:
        """Those that are there."""
        return [self.there[run.name] for run in runs if run.name in self.there]


def _known(wanted: tables.Table, cells: Cells) -> dict[str, dict[tuple[str, ...], list[Run]]]:
    """:meth:`Cells.groups` of each column, of those columns and rows that have a score."""
    columns = {column: cells.groups(wanted.rows, column, wanted.when) for column in wanted.columns}
    scored = {
        column: {key for key, runs in groups.items() if cells.scores(runs, wanted.set, wanted.metric)}
        for column, groups in columns.items()
    }
    keys = set().union(*scored.values())
    return {
        column: {key: runs for key, runs in groups.items() if key in keys}
        for column, groups in columns.items()
        if scored[column]
    }


def _table(wanted: tables.Table, cells: Cells) -> str:
    columns = _known(wanted, cells)
    keys = list(dict.fromkeys(key for groups in columns.values() for key in groups))
    blocks: dict[tuple[str, ...], list[tuple[str, ...]]] = {}  # rows that differ in the first variable alone
    for key in keys:
        blocks.setdefault(key[1:], []).append(key)
    rows = []
    for others, block in blocks.items():
        medians: dict[str, list[float | None]] = {column: [] for column in columns}
        for key in block:
            row = list(key)
            for column, groups in columns.items():
                scores = cells.scores(groups.get(key, []), wanted.set, wanted.metric)
                row.append(_cell(scores, len(groups.get(key, []))))
                medians[column].append(_median(scores))
            rows.append(row)
        if len(block) > 1:
            means = [_mean(own) for own in medians.values()]
            rows.append([f"mean of {len(block)}", *others, *means])
    head = f"{metrics()[wanted.metric].head(', ')}, on {wanted.set}"
    return f"{head}:\n\n{table([*wanted.rows, *columns], rows)}"


def _mean(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{fmean(known):.1f}" if len(known) == len(values) else "–"


def _median(scores: list[Entry]) -> float | None:
    return median(score["value"] for score in scores) if scores else None


def _cell(scores: list[Entry], planned: int) -> str:
    """``21.0 [18.2, 24.1]``, with ``(1 of 2)`` where runs are missing; – without any."""
    middle = _median(scores)
    if middle is None:
        return "–"
    low, high = min(scores, key=lambda score: abs(score["value"] - middle))["ci95"]
    return f"{middle:.1f} [{low:.1f}, {high:.1f}]" + (
        f" ({len(scores)} of {planned})" if len(scores) < planned else ""
    )


def _costs(wanted: tables.Costs, cells: Cells) -> list[str]:
    """The table of costs, and what to choose by it."""
    rows: dict[tuple[str, ...], list[Run]] = {}
    for run in cells.runs:
        own = {tables.COLUMN: str(run.column), **tables.labels(run)}
        if set(wanted.rows) <= own.keys():
            rows.setdefault(tuple(own[name] for name in wanted.rows), []).append(run)
    names = [k for k, name in enumerate(wanted.rows) if name != tables.MINUTES]
    ways = {
        key: costs.way(", ".join(key[k] for k in names), cells.results(runs)) for key, runs in rows.items()
    }
    known = {key: found for key, found in ways.items() if found}
    parts = []
    if made := costs.costs(wanted.rows, known):
        parts += [f"### {wanted.title}", costs.NOTE, made]
    if words := costs.advice(list(known.values())):
        parts += ["### What to choose", costs.ADVICE, words]
    return parts


def _comparisons(wanted: tables.Table, cells: Cells) -> str:
    return table(
        ["comparison", "rows", "relative change", "difference", "worse", "better on", "each", "asked for"],
        [_comparison(c, wanted, cells) for c in wanted.comparisons],
    )


def _comparison(asked: tables.Comparison, wanted: tables.Table, cells: Cells) -> list[str]:
    """One row: the change from ``against`` to ``of`` over all rows in which both are planned."""
    when = wanted.when | asked.when
    of, against = (cells.groups(wanted.rows, column, when) for column in (asked.of, asked.against))
    free = [k for k, name in enumerate(wanted.rows) if name not in when]  # what tells these rows apart
    tests, each, lacking = [], [], []
    for key in (key for key in of if key in against):
        name = " ".join(key[k] for k in free) or asked.of
        test = pair(cells.results(against[key]), cells.results(of[key]), wanted.set, wanted.metric)
        if isinstance(test, str):
            lacking.append(f"{name}: {test}")
            continue
        tests.append(test)
        each.append((name, compared([test])))
    words = [
        f"{asked.of} against {asked.against}",
        ", ".join(f"{k} {v}" for k, v in asked.when.items()) or "all",
    ]
    if not tests:
        return [*words, *["–"] * 4, "; ".join(lacking) or "–", _asked(asked, [], None, lacking)]
    mean = compared(tests)
    listed = [f"{name} {relative(p.relative, p.relative_ci95)}" for name, p in each] + lacking
    return [
        *words,
        relative(mean.relative, mean.relative_ci95),
        points(mean.difference, mean.difference_ci95),
        f"{100 * mean.above:.1f}%",
        f"{sum(p.difference < 0 for _, p in each)} of {len(each)}",
        "; ".join(listed),
        _asked(asked, [p.relative for _, p in each if p.relative is not None], mean.relative, lacking),
    ]


def _asked(asked: tables.Comparison, each: list[float], mean: float | None, lacking: list[str]) -> str:
    """Whether the figure is reached; open while a row is missing."""
    if asked.reach is None:
        return ""
    figure = f"{percent(asked.reach)} on " + (f"at least {asked.on}" if asked.on else "the mean")
    if lacking or mean is None:
        return f"{figure}: open"
    reached = sum(value <= asked.reach for value in each) >= asked.on if asked.on else mean <= asked.reach
    return f"{figure}: {'reached' if reached else 'not reached'}"


def _correlation(wanted: tables.Correlation, cells: Cells, egs: Path) -> list[str]:
    """Gains of single sources in percent of the error without any, and how their order agrees with the
    ranking.
    """
    gains = _gains(wanted, cells)
    targets, sources = (list(dict.fromkeys(key[part] for key in gains)) for part in (0, 1))
    rows, rhos, lacking = [], [], []
    for target in targets:
        path = egs / wanted.ranking.replace("{target}", target)
        ranking = _ranking(path, wanted.key) if path.exists() else {}
        if not ranking:
            lacking.append(target)
        known = {s: gain for s in sources if (gain := gains.get((target, s))) is not None}
        both = [source for source in known if source in ranking]
        rho = spearman([known[s] for s in both], [ranking[s] for s in both]) if len(both) > 2 else None
        if rho is not None:
            rhos.append(rho)
        shown = [percent(known[source]) if source in known else "–" for source in sources]
        rows.append([target, *shown, "–" if rho is None else minus(f"{rho:.2f}"), str(len(both))])
    mean = f"{minus(f'{fmean(rhos):.2f}')} over {len(rhos)} targets" if rhos else "–"
    note = f"The ranking is {wanted.key} in {wanted.ranking}"
    if lacking:
        note += f", not there yet for {', '.join(lacking)}"
    return [
        (
            f"Gain in {metrics()[wanted.metric].label} over {wanted.against}, by the one source (below 0: it"
            f" became worse), and Spearman's rho of these gains with the ranking; n sources. {note}."
        ),
        table([wanted.target, *sources, "rho", "n"], rows),
        f"Mean rho: {mean}.",
    ]


def _gains(wanted: tables.Correlation, cells: Cells) -> dict[tuple[str, ...], float | None]:
    """``{(target, source): percent of the error without any}`` of the planned runs; None where one is
    missing.
    """
    columns = dict.fromkeys(run.column for run in cells.runs if wanted.source in tables.labels(run))
    planned: dict[tuple[str, ...], list[Run]] = {}
    for column in columns:
        planned |= cells.groups((wanted.target, wanted.source), column, wanted.when)
    against = cells.groups((wanted.target,), wanted.against, wanted.when)

    def error(runs: list[Run]) -> float | None:
        return _median(cells.scores(runs, wanted.set, wanted.metric))

    gains: dict[tuple[str, ...], float | None] = {}
    for (target, source), runs in planned.items():
        base, value = error(against.get((target,), [])), error(runs)
        gains[target, source] = 100 * (base - value) / base if base and value is not None else None
    return gains


def _ranking(path: Path, key: str) -> dict[str, float]:
    """``{source: number, more is better}`` from a file of ``xlt phones --json``; DataError if it is none."""
    name = key.removeprefix("-")
    try:
        rows = jsons.parse(path.read_text(encoding="utf-8"))["ranking"]
        return {row["name"]: float(row[name]) * (-1 if key != name else 1) for row in rows}
    except (ValueError, KeyError, TypeError) as err:
        raise DataError(
            f"{path}: expected a ranking with {name} of each source ({err!r}); make it again with "
            "xlt phones --json"
        ) from None


def _curve(wanted: tables.Curve, cells: Cells) -> str:
    """Rows of targets and shares of source speech; medians over seeds, of the interval's ends, too."""
    rows = []
    for key, runs in cells.groups(wanted.rows, wanted.column, {}).items():
        target = _cell(cells.scores(runs, wanted.set, wanted.metric), len(runs))
        by_set: dict[str, list[Change]] = {}
        for found in cells.forgetting(runs):
            for name, one in found.items():
                by_set.setdefault(name, []).append(one)
        for name, of_runs in sorted(by_set.items()):
            rows.append([*key, target, name, *_forgotten(of_runs)])
        if not by_set:
            rows.append([*key, target, *["–"] * 5])
    head = [f"{metrics()[wanted.metric].label} on the target", "source set"]
    return table([*wanted.rows, *head, "before", "after", "difference", "relative"], rows)


def _forgotten(runs: list[Change]) -> list[str]:
    before = median(one["before"]["value"] for one in runs)
    after = median(one["after"]["value"] for one in runs)
    rise = median(one["difference"]["value"] for one in runs)
    ends = [median(one["difference"]["ci95"][end] for one in runs) for end in (0, 1)]
    share = percent(100 * rise / before) if before else "–"
    return [f"{before:.1f}", f"{after:.1f}", points(rise, ends), share]
