"""What RESULTS.md shows beside the scores of whole sets: means of utterances, errors by class of word, by
slice, by script.

Of results that have it: older ones have none, and nothing is shown. Classes and slices are those of the
experiment whose utterances are shown, on one set.
"""

from __future__ import annotations

from xlt.formats.markdown import escaped, table
from xlt.formats.results import Interval, Micro, Script, Slices
from xlt.metrics.metric import counted, metrics
from xlt.report.results import Experiment

_MICRO = """An insertion counts to the word before it. A word may be of several classes; *micro-WER* is over the words of any
class, each once."""
_FEW = """Slices with † have too few utterances to say much, and are neither the worst nor in the spread."""
_MEANS = (
    "The mean of each utterance's own rate, to which a short utterance adds as much as a long one; of the"
    " first seed."
)


def means(found: list[Experiment], name: str) -> list[str]:
    """The mean of utterances' rates of the experiments that have one; the first seed's."""
    own = {e.name: e.runs[0].document.get("means", {}).get(name, {}) for e in found}
    shown = {
        key: metric
        for key, metric in metrics().items()
        if metric.token and any(key in one for one in own.values())
    }
    rows = [[e, *(_value(one.get(key)) for key in shown)] for e, one in own.items() if one]
    if not rows:
        return []
    made = table(["experiment", *(metric.head() for metric in shown.values())], rows)
    return [f"### {name}: means of utterances\n\n{_MEANS}\n\n{made}"]


def finer(experiment: Experiment, name: str) -> str:
    """The sections of one experiment on set ``name``; "" if its result has none of them."""
    run = experiment.runs[0]
    parts = [
        _micro(run.document.get("micro", {}).get(name)),
        *(_slices(tag, one) for tag, one in run.document.get("slices", {}).get(name, {}).items()),
        _script(run.document.get("script", {}).get(name)),
    ]
    parts = [part for part in parts if part]
    if not parts:
        return ""
    return "\n\n".join([f"## Where {escaped(experiment.name)} fails on {name}, seed {run.seed}", *parts])


def _value(score: Interval | None) -> str:
    return f"{score['value']:.1f} [{score['ci95'][0]:.1f}, {score['ci95'][1]:.1f}]" if score else "–"


def _micro(found: Micro | None) -> str:
    if not found:
        return ""
    rows = []
    named = {**found["classes"], "*micro-WER*": found["all"], "all other words": found["rest"]}
    for key, one in named.items():
        if one:
            shown = key + (f" ({one['note']})" if "note" in one else "")
            errors = [one["correct"], one["sub"], one["del"], one["ins"]]
            rows.append([shown, one["n_ref"], one["n"], _value(one), _value(one["mean"]), *errors])
    head = ["class", "words", "in utterances", "WER %", "mean of utterances", "correct", "sub", "del", "ins"]
    parts = [f"### By class of word\n\n{_MICRO}"]
    if rows:
        parts.append(table(head, rows))
    if found["absent"]:
        absent = "; ".join(f"{key} ({why})" for key, why in found["absent"].items())
        parts.append(f"Not scored: {escaped(absent)}.")
    return "\n\n".join(parts)


def _slices(tag: str, found: Slices) -> str:
    parts = found["slices"]
    rates = {
        key: metric
        for key, metric in counted().items()
        if any(key in one["scores"] for one in parts.values())
    }
    head = [tag, "utterances"]
    for metric in rates.values():
        head += [metric.head(), "mean of utterances"]
    rows = []
    for value, one in parts.items():
        row = [value + (" †" if one["few"] else ""), one["n"]]
        for key in rates:
            row += [_value(one["scores"][key]), f"{one['scores'][key]['mean']['value']:.1f}"]
        rows.append(row)
    lines = [f"### By {escaped(tag)}", table(head, rows)]
    if found["n"] > len(parts):
        lines.append(f"{len(parts)} of {found['n']}: those with the most utterances, and the worst.")
    if found["spread"]:
        s = found["spread"]
        lines.append(
            f"{next(iter(rates.values())).label} from {s['low']:.1f} to {s['high']:.1f}, mean {s['mean']:.1f},"
            f" standard deviation {s['deviation']:.1f}, over {s['over']} slices; worst: {escaped(found['worst'])}."
        )
    if any(one["few"] for one in parts.values()):
        lines.append(_FEW)
    return "\n\n".join(lines)


def _script(found: Script | None) -> str:
    if not found:
        return ""
    if "absent" in found:
        return f"### Characters of other scripts\n\nNot counted: {escaped(found['absent'])}."
    sides = [
        f"{found[side]['outside']} of {found[side]['chars']} in the {side}"
        for side in ("hypotheses", "references")
    ]
    shown = ", ".join(f"{one['char']} ({one['name']}) {one['count']}" for one in found["offenders"])
    share = f", {found['hypotheses']['share']:.2f}%" if found["hypotheses"]["share"] is not None else ""
    return (
        f"### Characters of other scripts\n\nOutside {', '.join(found['scripts'])}: {sides[0]}{share},"
        f" {sides[1]}" + (f". The most frequent: {shown}" if shown else "") + "."
    )
