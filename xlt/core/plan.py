"""Experiment files: a grid of runs of recipes, and the tables that their results make, as data.

Everything is read as the text that stands in the file: ``10`` is "10" and ``null`` is "null", as on a command
line.
"""

from __future__ import annotations

import difflib
import functools
import itertools
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from xlt.core.config import load
from xlt.core.context import STAGES, find
from xlt.core.errors import ConfigError

DEFAULT_STAGES = ("data", "check", "features", "tokens", "lm", "train", "decode", "score", "report")
_RUN = ("for", "except", "recipe", "tag", "settings", "stages", "column")


@dataclass(frozen=True)
class Run:
    """One experiment of a recipe. ``labels``: the values of the grid's variables; ``where``: file and
    line.
    """

    recipe: str
    tag: str
    settings: tuple[str, ...]
    stages: tuple[str, ...]
    column: str | None
    labels: dict[str, str]
    where: str

    @property
    def name(self) -> str:
        return f"{self.recipe}/{self.tag}"

    @property
    def words(self) -> tuple[str, ...]:
        """Its settings with the tag, as a command line has them."""
        return (f"tag={self.tag}", *self.settings)


@dataclass(frozen=True)
class Plan:
    """An experiment file. ``tables``: what of it the report reads, a mapping of YAML nodes
    (:mod:`xlt.report.tables`).
    """

    path: Path
    name: str
    title: str
    runs: list[Run]
    report: dict[str, Entry]

    @functools.cached_property
    def _places(self) -> dict[str, Run]:
        return {os.path.join(run.recipe, "exp", run.tag): run for run in self.runs}

    def needs(self, run: Run) -> list[Run]:
        """The runs of this plan whose ``exp/<tag>`` a setting of ``run`` names, e.g.
        ``train.init=../multi/exp/a``.
        """
        places = self._places
        values = (word.partition("=")[2] for word in run.settings)
        return [places[at] for v in values if (at := os.path.normpath(os.path.join(run.recipe, v))) in places]

    def ordered(self) -> list[Run]:
        """All runs, those that others need first; ConfigError if runs need each other in a ring."""
        found: dict[str, Run] = {}
        on_the_way: list[str] = []

        def visit(run: Run) -> None:
            if run.name in on_the_way:
                raise ConfigError(
                    f"{run.where}: {' → '.join([*on_the_way, run.name])}: these runs wait for each other"
                )
            on_the_way.append(run.name)
            for other in self.needs(run):
                visit(other)
            on_the_way.pop()
            found.setdefault(run.name, run)

        needed = [other for run in self.runs for other in self.needs(run)]
        for run in needed + self.runs:
            visit(run)
        return list(found.values())


class Entry:
    """A node of the file that knows where it stands, so that each error can say so."""

    def __init__(self, path: Path, node: yaml.Node, key: str = ""):
        self.path, self.node, self.key = path, node, key

    @property
    def where(self) -> str:
        return f"{self.path}:{self.node.start_mark.line + 1}"

    def error(self, message: str) -> ConfigError:
        return ConfigError(f"{self.where}: {self.key + ': ' if self.key else ''}{message}")

    def text(self) -> str:
        if not isinstance(self.node, yaml.ScalarNode):
            raise self.error("expected one value; put text with braces, brackets or ': ' in quotes")
        return self.node.value

    def number(self) -> float:
        try:
            return float(self.text())
        except ValueError:
            raise self.error(f"found {self.text()!r}, expected a number") from None

    def items(self) -> list[Entry]:
        if not isinstance(self.node, yaml.SequenceNode):
            raise self.error("expected a list")
        return [Entry(self.path, child, self.key) for child in self.node.value]

    def texts(self) -> list[str]:
        return [item.text() for item in self.items()]

    def mapping(self, known: tuple[str, ...] | None = None, needed: tuple[str, ...] = ()) -> dict[str, Entry]:
        """``{key: entry}``; refuses duplicate keys, those not ``known``, and lists those ``needed`` but
        missing.
        """
        if not isinstance(self.node, yaml.MappingNode):
            raise self.error("expected `key: value` pairs")
        found: dict[str, Entry] = {}
        for key_node, value in self.node.value:
            key = Entry(self.path, key_node).text()
            here = Entry(self.path, key_node, key)
            if known is not None and key not in known:
                close = difflib.get_close_matches(key, known, n=1)
                raise here.error(
                    "unknown key; "
                    + (f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}")
                )
            if key in found:
                raise here.error("duplicate key; keep one")
            found[key] = Entry(self.path, value, key)
        for key in needed:
            if key not in found:
                raise self.error(f"{key}: is missing here")
        return found


def read(path: Path) -> Plan:
    """The plan in the file ``path``; ConfigError naming file, line and key if it is not one."""
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (FileNotFoundError, IsADirectoryError):
        raise ConfigError(f"{path}: no such file; egs/common/experiments holds those of xlt") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text; save it as UTF-8") from None
    except RecursionError:
        raise ConfigError(f"{path}: nested too deep; expected name and runs") from None
    except yaml.YAMLError as err:
        mark = getattr(err, "problem_mark", None)
        raise ConfigError(
            f"{path}{f':{mark.line + 1}' if mark else ''}: not valid YAML: {getattr(err, 'problem', err)}"
        ) from None
    if root is None:
        raise ConfigError(f"{path}: is empty; expected name and runs")
    parts = ("tables", "costs", "correlations", "curves")
    top = Entry(path, root).mapping(("name", "title", "runs", *parts), ("name", "runs"))
    runs: dict[str, Run] = {}
    for entry in top["runs"].items():
        for run in _expand(entry):
            if run.name in runs:
                raise entry.error(
                    f"{run.name}: duplicate run (first at {runs[run.name].where}); give it another tag"
                )
            runs[run.name] = run
    name = top["name"].text()
    title = top["title"].text() if "title" in top else name
    plan = Plan(path, name, title, list(runs.values()), {part: top[part] for part in parts if part in top})
    plan.ordered()
    return plan


def _expand(entry: Entry) -> Iterator[Run]:
    """The runs of one entry of ``runs``: one for each combination of the values in ``for``."""
    keys = entry.mapping(_RUN, ("recipe", "tag"))
    grid = {name: values.texts() for name, values in keys["for"].mapping().items()} if "for" in keys else {}
    left_out = [_choice(item, grid) for item in keys["except"].items()] if "except" in keys else []
    stages = tuple(keys["stages"].texts()) if "stages" in keys else DEFAULT_STAGES
    for stage in stages:
        if stage not in {s.name for s in STAGES}:
            raise keys["stages"].error(f"no stage {stage!r}; there are {', '.join(s.name for s in STAGES)}")
    for values in itertools.product(*grid.values()):
        labels = dict(zip(grid, values, strict=True))
        if any(choice.items() <= labels.items() for choice in left_out):
            continue
        settings = (
            tuple(_fill(item, labels) for item in keys["settings"].items()) if "settings" in keys else ()
        )
        for word in settings:
            if "=" not in word or word.startswith("tag="):
                raise keys["settings"].error(
                    f"found {word!r}, expected key=value, e.g. train.lr=0.001; the tag has its own key"
                )
        yield Run(
            _fill(keys["recipe"], labels),
            _fill(keys["tag"], labels),
            settings,
            stages,
            _fill(keys["column"], labels) if "column" in keys else None,
            labels,
            entry.where,
        )


def _choice(entry: Entry, grid: dict[str, list[str]]) -> dict[str, str]:
    """One item of ``except``: values of some variables, each of which must be among those in ``for``."""
    chosen = {name: value.text() for name, value in entry.mapping(tuple(grid)).items()}
    for name, value in chosen.items():
        if value not in grid[name]:
            raise entry.error(f"{name}: {value!r} is not among {', '.join(grid[name])}")
    return chosen


def _fill(entry: Entry, labels: dict[str, str]) -> str:
    """The text with the values of ``{variable}`` put in; ``{a: 1}`` stays as it is."""

    def value(found: re.Match) -> str:
        if found[1] not in labels:
            raise entry.error(f"{found[0]}: no such variable; `for` has {', '.join(labels) or 'none'}")
        return labels[found[1]]

    return re.sub(r"\{(\w+)\}", value, entry.text())


def check(plan: Plan, egs: Path) -> None:
    """Raise ConfigError unless every run's recipe is there and takes its settings, so that nothing fails
    hours later.
    """
    for run in plan.runs:
        if not (egs / run.recipe / "recipe.yaml").exists():
            raise ConfigError(f"{run.where}: recipe: no recipe {run.recipe!r} in {egs}")
        try:
            load(egs / run.recipe, list(run.words))
        except ConfigError as err:
            raise ConfigError(f"{run.where}: {run.name}: {err}") from None


SHARED, OWN = "shared", "own"  # parts of a run: see stages_before_training


def stages_of(run: Run, part: str) -> list[str]:
    """The stages of one part of a run."""
    return stages_before_training(run)[part == OWN]


def stages_before_training(run: Run) -> tuple[list[str], list[str]]:
    """The run's stages up to tokens, whose outputs runs share, and the others, which write below its own
    tag.
    """
    first = find("lm").number
    return (
        [s for s in run.stages if find(s).number < first],
        [s for s in run.stages if find(s).number >= first],
    )
