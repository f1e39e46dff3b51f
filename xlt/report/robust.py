"""Clean and altered speech beside each other: a section of RESULTS.md, where sets were made of dev or test
(``data.further`` with ``of``), or are of another corpus.
"""

from __future__ import annotations

from xlt.formats.markdown import code, table
from xlt.metrics.metric import counted
from xlt.report.results import Experiment, cell, describe

_SECTION = """## Clean and altered speech

{} of the set as it is, and of the same utterances altered; in percent, how much worse that is. Sets of another corpus
have other sentences and voices as well."""
_CLEAN = ("test", "dev")


def robust(found: list[Experiment]) -> str:
    """The section of RESULTS.md; "" if no experiment has scored an altered set."""
    parts = [part for clean in _CLEAN for part in _of(found, clean)]
    if not parts:
        return ""
    metrics = dict.fromkeys(e.metric for e in found)
    labels = " and ".join(metric.head() for key, metric in _counted(found).items() if key in metrics)
    return "\n\n".join([_SECTION.format(labels), *parts])


def _counted(found: list[Experiment]) -> dict:
    return {key: metric for e in found for key, metric in counted(e.runs[0].kind).items()}


def _of(found: list[Experiment], clean: str) -> list[str]:
    """The table of set ``clean`` and what was made of it, and how; [] without any."""
    made = {
        (part["set"], part["augment"])
        for e in found
        for part in _further(e)
        if part.get("of") == clean and e.scored(part["set"], e.metric)
    }
    shown = [e for e in found if any(_has(e, name, augment) for name, augment in made)]
    if not shown:
        return []
    order = [(p["set"], p["augment"]) for e in shown for p in _further(e) if "augment" in p]
    columns = sorted(made, key=order.index)
    others = dict.fromkeys(
        part["set"]
        for e in shown
        for part in _further(e)
        if clean == _CLEAN[0] and "reader" in part and e.scored(part["set"], e.metric)
    )
    twice = {name for name, _ in columns if sum(name == other for other, _ in columns) > 1}
    heads = [f"{name} ({augment})" if name in twice else name for name, augment in columns]
    rows = []
    for e in sorted(shown, key=lambda e: (e.median(clean, e.metric) or 1e9, e.name)):
        altered = [_cell(e, clean, name) if _has(e, name, augment) else "–" for name, augment in columns]
        real = [cell(e, name, e.metric) for name in others]
        rows.append([e.name, describe(e.runs[0]), cell(e, clean, e.metric), *altered, *real])
    how = ", ".join(f"{name}: {code(augment)}" for name, augment in columns)
    return [table(["experiment", "model", clean, *heads, *others], rows), f"How they were made: {how}."]


def _further(e: Experiment) -> list[dict]:
    """The entries of data.further."""
    return [part for part in e.runs[0].config.get("data.further") or [] if isinstance(part, dict)]


def _has(e: Experiment, name: str, augment: str) -> bool:
    """Whether the experiment has scored this set, made in this way."""
    asked = any(part.get("set") == name and part.get("augment") == augment for part in _further(e))
    return asked and bool(e.scored(name, e.metric))


def _cell(e: Experiment, clean: str, name: str) -> str:
    """``14.2 [11.0, 17.5] (+58%)``: the score, and how much worse it is than that of the clean set."""
    before, after = e.median(clean, e.metric), e.median(name, e.metric)
    worse = f" ({100 * (after / before - 1):+.0f}%)" if before and after is not None else ""
    return cell(e, name, e.metric) + worse
