"""What a colour stands for in all charts: the kind of model, wherever it is drawn.

The kind that most recipes' main experiment has gets the strongest colour, published models the last one.
Experiments of one kind differ in the form of points and dashes; bars of all training speech are open.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from xlt.formats.svg import COLOURS, Look
from xlt.report.markdown import main_of
from xlt.report.results import ESPNET, Experiment, Result

_ANCHOR = "anchor"
_OTHERS = [name for name in COLOURS if name not in ("main", _ANCHOR)]
_FORMS = 4


def kind(run: Result) -> str | None:
    """What the colour of a model means: its features or, of another family, that; None of a published one."""
    if run.published:
        return None
    return run.config["features.upstream"] if run.family == ESPNET else run.family


def colours(recipes: Iterable[list[Experiment]]) -> dict[str | None, str]:
    """``{kind: colour}`` of all experiments; with more kinds than colours the rarest share one."""
    counts: Counter[str] = Counter()
    mains: Counter[str] = Counter()
    for found in recipes:
        counts.update(name for e in found if (name := kind(e.runs[0])))
        if main := kind(main_of(found, "test").runs[0]):
            mains[main] += 1
    order = sorted(counts, key=lambda name: (-mains[name], -counts[name], name))
    made: dict[str | None, str] = {None: _ANCHOR}
    return made | {name: ("main", *_OTHERS)[min(k, len(_OTHERS))] for k, name in enumerate(order)}


def looks(runs: Iterable[Result], known: dict[str | None, str], full: Iterable[bool] = ()) -> list[Look]:
    """The look of each series, told apart from others of its colour; ``full``: of bars, whether it had all
    the training speech.
    """
    every, opened = list(runs), list(full)
    made: list[Look] = []
    for k, run in enumerate(every):
        colour = known[kind(run)]
        before = sum(look.colour == colour for look in made)
        made.append(Look(colour, before % _FORMS, opened[k] if opened else before >= _FORMS))
    return made
