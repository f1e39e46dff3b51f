"""What an experiment file says about its tables: the parts ``tables``, ``costs``, ``correlations`` and
``curves``.
"""

from __future__ import annotations

from dataclasses import dataclass

from xlt.core.plan import Entry, Plan, Run
from xlt.metrics.metric import TEXT, counted, main_metric

COLUMN = "column"  # in the rows of costs: the runs' column
MINUTES = "minutes"  # the variable of what is compared with its like only


@dataclass(frozen=True)
class Comparison:
    """Column ``of`` against column ``against`` over the rows with the labels ``when``. ``reach``: the
    relative change in percent that is asked for, on the mean over these rows, or on at least ``on`` of
    them."""

    of: str
    against: str
    when: dict[str, str]
    reach: float | None
    on: int | None


@dataclass(frozen=True)
class Table:
    """``rows``: variables; ``columns``: the runs' ``column``; ``when``: labels of all its runs; ``metric``
    and ``set``: what of score.json."""

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    when: dict[str, str]
    metric: str
    set: str
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True)
class Correlation:
    """Does a ranking of sources predict what they are worth? Runs have the variables ``target`` and
    ``source``; those of the column ``against`` have the target only. ``ranking``: files of ``xlt phones
    --json`` below egs, with ``{target}`` in their name; ``key``: what of them ranks, e.g. exact, or -cost
    where less is better."""

    title: str
    target: str
    source: str
    against: str
    when: dict[str, str]
    ranking: str
    key: str
    metric: str
    set: str


@dataclass(frozen=True)
class Curve:
    """Scores on the target beside what was forgotten of the source, by the variables ``rows``."""

    title: str
    rows: tuple[str, ...]
    column: str
    metric: str
    set: str


@dataclass(frozen=True)
class Costs:
    """What each combination of the variables ``rows``, of which one may be COLUMN, costs, whatever the others
    are, and what to choose.
    """

    title: str
    rows: tuple[str, ...]


def tables(plan: Plan) -> list[Table]:
    """ConfigError, naming the line, for unknown keys, columns and variables."""
    return [_table(plan, entry) for entry in _part(plan, "tables")]


def costs(plan: Plan) -> list[Costs]:
    """As :func:`tables`."""
    found = []
    for entry in _part(plan, "costs"):
        keys = entry.mapping(("title", "rows"), ("rows",))
        rows = tuple(
            item.text() if item.text() == COLUMN else _variable(plan, item) for item in keys["rows"].items()
        )
        found.append(Costs(_title(keys, plan), rows))
    return found


def correlations(plan: Plan) -> list[Correlation]:
    """As :func:`tables`."""
    known = ("title", "target", "source", "against", "when", "ranking", "key", "metric", "set")
    found = []
    for entry in _part(plan, "correlations"):
        keys = entry.mapping(known, ("target", "source", "against", "ranking", "key"))
        found.append(
            Correlation(
                _title(keys, plan),
                _variable(plan, keys["target"]),
                _variable(plan, keys["source"]),
                _column(plan, keys["against"]),
                _when(plan, keys),
                keys["ranking"].text(),
                keys["key"].text(),
                *_score(keys),
            )
        )
    return found


def curves(plan: Plan) -> list[Curve]:
    """As :func:`tables`."""
    found = []
    for entry in _part(plan, "curves"):
        keys = entry.mapping(("title", "rows", "column", "metric", "set"), ("rows", "column"))
        found.append(
            Curve(
                _title(keys, plan),
                tuple(_variable(plan, item) for item in keys["rows"].items()),
                _column(plan, keys["column"]),
                *_score(keys),
            )
        )
    return found


def labels(run: Run) -> dict[str, str]:
    """What a run's rows are told apart by: its variables, and its recipe and tag."""
    return {"recipe": run.recipe, "tag": run.tag, **run.labels}


def _part(plan: Plan, name: str) -> list[Entry]:
    return plan.report[name].items() if name in plan.report else []


def _table(plan: Plan, entry: Entry) -> Table:
    keys = entry.mapping(("title", "rows", "columns", "when", "metric", "set", "comparisons"), ("rows",))
    rows = tuple(_variable(plan, item) for item in keys["rows"].items())
    columns = tuple(
        dict.fromkeys(run.column for run in plan.runs if run.column and set(rows) <= labels(run).keys())
    )
    if "columns" in keys:
        columns = tuple(_column(plan, item) for item in keys["columns"].items())
    metric, name = _score(keys)
    found = []
    for item in keys["comparisons"].items() if "comparisons" in keys else []:
        words = item.mapping(("of", "against", "when", "reach", "on"), ("of", "against"))
        found.append(
            Comparison(
                _column(plan, words["of"]),
                _column(plan, words["against"]),
                _when(plan, words, rows),
                words["reach"].number() if "reach" in words else None,
                int(words["on"].number()) if "on" in words else None,
            )
        )
    return Table(_title(keys, plan), rows, columns, _when(plan, keys), metric, name, tuple(found))


def _title(keys: dict[str, Entry], plan: Plan) -> str:
    return keys["title"].text() if "title" in keys else plan.title


def _score(keys: dict[str, Entry]) -> tuple[str, str]:
    metric = keys["metric"].text() if "metric" in keys else main_metric(TEXT)
    if metric not in counted():
        raise keys["metric"].error(f"found {metric!r}, expected an error rate: {', '.join(counted())}")
    return metric, keys["set"].text() if "set" in keys else "test"


def _column(plan: Plan, entry: Entry) -> str:
    known = dict.fromkeys(run.column for run in plan.runs if run.column)
    if entry.text() not in known:
        raise entry.error(f"no run has the column {entry.text()!r}; there are {', '.join(known) or 'none'}")
    return entry.text()


def _variable(plan: Plan, entry: Entry) -> str:
    known = dict.fromkeys(name for run in plan.runs for name in labels(run))
    if entry.text() not in known:
        raise entry.error(f"no run has the variable {entry.text()!r}; there are {', '.join(known)}")
    return entry.text()


def _when(plan: Plan, keys: dict[str, Entry], among: tuple[str, ...] | None = None) -> dict[str, str]:
    """``when``, checked: each variable (one of ``among``) has that value in some run."""
    found = {}
    for name, entry in keys["when"].mapping(among).items() if "when" in keys else ():
        values = dict.fromkeys(labels(run)[name] for run in plan.runs if name in labels(run))
        if entry.text() not in values:
            raise entry.error(f"no run has {entry.text()!r}; there are {', '.join(values) or 'none'}")
        found[name] = entry.text()
    return found
