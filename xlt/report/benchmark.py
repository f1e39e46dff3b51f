"""egs/README.md: the table over languages, from every recipe's results/*.json."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from xlt.formats.markdown import Marked, escaped, table
from xlt.formats.svg import Bar, bars
from xlt.metrics.metric import TEXT, Metric, main_metric, metrics
from xlt.report import decoders_by_language, transfer
from xlt.report.colours import colours, looks
from xlt.report.lm import over_languages
from xlt.report.md import HEAD
from xlt.report.results import ESPNET, Experiment, Typical, cell, experiments, load, published_title, titles
from xlt.text.languages import MULTIPLE
from xlt.upstreams import upstream_class

PUBLISHED = "published.txt"
_BUDGETS = {10.0: "10 min", 60.0: "60 min", None: "all"}
_TEST = "test"
_BEGIN, _END = "<!-- results -->", "<!-- /results -->"
_INTRODUCTION = """On each recipe's test set: the median over seeds, and the 95% bootstrap interval over utterances of
the run nearest to that median. *10 min*, *60 min* and *all* are the training speech; *all* differs by language.
Where several experiments share features and training speech, the one that is best on dev stands here. Zero-shot
models saw none of it."""


def published(egs: Path) -> list[str] | None:
    """The recipes that egs/published.txt lists, a name a line; None without the file."""
    path = egs / PUBLISHED
    if not path.exists():
        return None
    lines = path.read_text(encoding="utf-8").splitlines()
    return [name for line in lines if (name := line.partition("#")[0].strip())]


def files(egs: Path) -> dict[Path, str]:
    """What the benchmark consists of: ``{path: text}``; with the project's README, if that has a place for
    the table. Where :func:`published` lists recipes, they are of those alone.
    """
    listed = published(egs)
    recipes = one_language(read_all(egs, listed))
    made = {egs / "README.md": render(recipes)} | ({egs / "results.svg": chart(recipes)} if recipes else {})
    readme = egs.parent / "README.md"
    if recipes and readme.exists():
        text = readme.read_text(encoding="utf-8")
        before, begin, rest = text.partition(_BEGIN)
        _, end, after = rest.partition(_END)
        if begin and end:
            shown = _table(recipes, main_metric(TEXT), f"{egs.name}/")
            made[readme] = f"{before}{begin}\n{shown}\n{end}{after}"
    made[egs / "README.md"] += transfer.sections(egs, listed)
    return made


def read_all(egs: Path, listed: list[str] | None = None) -> dict[str, list[Experiment]]:
    """``{recipe: experiments}`` of the recipes in ``egs`` that have results: those listed, or all."""
    recipes = {}
    for folder in sorted(egs.glob("*/results")):
        name = folder.parent.name
        found = experiments(load(folder)) if listed is None or name in listed else []
        if found:
            recipes[name] = found
    return recipes


def one_language(recipes: dict[str, list[Experiment]]) -> dict[str, list[Experiment]]:
    """Those that make a row of the table: of one language, with a CER on test."""
    return {
        name: found
        for name, found in recipes.items()
        if on_test(found) and found[0].runs[0].experiment["lang"] != MULTIPLE
    }


def _table(recipes: dict[str, list[Experiment]], metric: str, prefix: str = "") -> str:
    """One row a recipe; ``prefix`` stands before the links to the recipes."""
    columns = columns_of([e for found in recipes.values() for e in on_test(found)])
    rows = [
        _row(name, title, recipes[name], columns, metric, prefix) for name, title in titles(recipes).items()
    ]
    return table(["language", "test", "all training speech", *columns], rows)


def on_test(found: list[Experiment]) -> list[Experiment]:
    """The experiments with a CER on test."""
    return [e for e in found if e.median(_TEST, main_metric(TEXT)) is not None]


def render(recipes: dict[str, list[Experiment]]) -> str:
    """The page for ``{recipe: experiments}``."""
    if not recipes:
        return f"{HEAD}# Results of all languages\n\nNone yet: each recipe's `run.sh` makes its own.\n"
    every = [e for found in recipes.values() for e in on_test(found)]
    parts = [f"{HEAD}# Results of all languages", _INTRODUCTION]
    parts.append("![Character error rates of all languages](results.svg)")
    for name, metric in headlines().items():
        parts.append(f"## {metric.title}{_unit(metric)}\n\n{_table(recipes, name)}")
    parts += [
        section
        for section in (over_languages(recipes), decoders_by_language.over_languages(recipes))
        if section
    ]
    normalisers = [f"{name} {found[0].runs[0].experiment['normaliser']}" for name, found in recipes.items()]
    commits = sorted({run.document["commit"] for e in every for run in e.runs})
    several = [
        f"{name} ({column}, {len(e.runs)})"
        for name, found in recipes.items()
        for column in columns_of(found)
        if (e := best_in(found, column)) and len(e.runs) > 1
    ]
    parts.append(
        "## Notes\n\n"
        f"{_encoders(recipes)}"
        f"{_with_lm(recipes)}"
        f"- Cells over several seeds: {', '.join(several) or 'none'}; all others are one run.\n"
        f"- References and hypotheses are normalised alike: {escaped(', '.join(normalisers))}.\n"
        "- CER counts the space between words as a character; errors are counted as sclite counts them.\n"
        "- Signatures, commands, seeds, versions, machine and the utterances with the most errors stand in\n"
        "  each language's RESULTS.md; licences of the speech in its README.md.\n"
        f"- Made at commit {escaped(', '.join(commits))}; this page by `xlt report`."
    )
    return "\n\n".join(parts) + "\n"


def headlines() -> dict[str, Metric]:
    """The metrics that have a table over languages."""
    return {name: metric for name, metric in metrics().items() if metric.headline}


def measured(metric: Metric) -> str:
    """``Character error rate on test, %``."""
    return f"{metric.title} on {_TEST}{_unit(metric)}"


def _unit(metric: Metric) -> str:
    return f", {metric.unit}" if metric.unit else ""


def _encoders(recipes: dict[str, list[Experiment]]) -> str:
    """A line on each column whose cells come from different encoders, so that nobody compares them as one
    system.
    """
    lines = []
    for column in columns_of([e for found in recipes.values() for e in on_test(found)]):
        of: dict[str, list[str]] = {}
        for name, found in recipes.items():
            if (e := best_in(found, column)) and e.runs[0].family == ESPNET and not e.runs[0].peer:
                of.setdefault(e.runs[0].config["train.encoder"], []).append(name)
        if len(of) > 1:
            lines.append(
                f"- Encoders of {column}: "
                + "; ".join(f"{encoder} {', '.join(of[encoder])}" for encoder in sorted(of))
                + ".\n"
            )
    return "".join(lines)


def _with_lm(recipes: dict[str, list[Experiment]]) -> str:
    """A line on each column in which some cells have a language model and others have none."""
    lines = []
    for column in columns_of([e for found in recipes.values() for e in on_test(found)]):
        cells = {name: best_in(found, column) for name, found in recipes.items()}
        have = {name: bool(e.runs[0].document.get("lm")) for name, e in cells.items() if e}
        if len(set(have.values())) > 1:
            names = ", ".join(name for name, there in have.items() if there)
            lines.append(f"- With a language model among {column}: {names}.\n")
    return "".join(lines)


def chart(recipes: dict[str, list[Experiment]], metric: str = main_metric(TEXT)) -> str:
    """The table of ``metric`` as a bar chart."""
    every = [e for found in recipes.values() for e in on_test(found)]
    columns = columns_of(every)
    of = {column: next(e.runs[0] for e in every if _title(e) == column) for column in columns}
    full = [not run.published and run.config.get("data.train_minutes") is None for run in of.values()]
    drawn = looks(of.values(), colours(recipes.values()), full)
    groups: dict[str, list[Bar]] = {}
    for name, found in recipes.items():
        groups[name] = own = []
        for k, column in enumerate(columns):
            shown = typical_in(found, column, metric)
            if shown:
                own.append(Bar(k, shown.value, shown.low, shown.high))
    return bars(f"{measured(metrics()[metric])}, with 95% intervals", columns, groups, drawn)


def _column(e: Experiment) -> tuple[int, int, str] | None:
    """What an experiment is compared by, with the order of its column; None if it has no column here.

    What was learned from other languages' experiments, or from a teacher, stands in the sections of the
    experiment files; two models together are no row of one.
    """
    run = e.runs[0]
    if run.published:
        return len(_BUDGETS), 0, published_title(run)
    config = run.config
    elsewhere = ("train.init", "train.zero_shot", "train.teacher", "decode.partner")
    if run.rival or any(config.get(key) for key in elsewhere):
        return None
    budget, upstream = config.get("data.train_minutes"), config["features.upstream"]
    if budget not in _BUDGETS:
        return None
    model = upstream if run.family == ESPNET else run.family
    return (
        list(_BUDGETS).index(budget),
        int(not upstream_class(upstream).pretrained),
        f"{model}, {_BUDGETS[budget]}",
    )


def _title(e: Experiment) -> str | None:
    """The head of its column."""
    column = _column(e)
    return column[-1] if column else None


def columns_of(every: list[Experiment]) -> list[str]:
    """Heads of the table's columns, in order."""
    columns = {column for e in every if (column := _column(e))}
    return [name for _, _, name in sorted(columns)]


def best_in(found: list[Experiment], column: str) -> Experiment | None:
    """The experiment of ``column`` that is best on dev; those without a dev score come last."""
    same = [e for e in on_test(found) if _title(e) == column]
    return min(same, key=lambda e: e.rank, default=None)


def typical_in(found: list[Experiment], column: str, metric: str) -> Typical | None:
    """What is shown in a cell; None where nothing is."""
    best = best_in(found, column)
    return best.typical(_TEST, metric) if best else None


def _row(
    name: str, title: str, found: list[Experiment], columns: list[str], metric: str, prefix: str
) -> list[str]:
    tested = on_test(found)
    chosen = [best_in(found, column) for column in columns]
    data = tested[0].runs[0].document["data"][_TEST]
    return [
        Marked(f"[{escaped(title)}]({prefix}{quote(name)}/RESULTS.md)"),
        f"{data['utterances']} clips, {data['speech_min']:.1f} min",
        "–" if (minutes := all_minutes(found)) is None else f"{minutes:.1f} min",
        *(cell(e, _TEST, metric) if e else "–" for e in chosen),
    ]


def all_minutes(found: list[Experiment]) -> float | None:
    """Minutes of all the training speech of a recipe; None where no experiment had all of it."""
    ours = [run for e in found for run in e.runs if not run.published]
    everything = [run.speech_min for run in ours if run.config.get("data.train_minutes") is None]
    known = [minutes for minutes in everything if minutes is not None]
    return max(known) if known and len(known) == len(everything) else None
