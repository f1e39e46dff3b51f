"""What RESULTS.md shows beside the scores of whole sets: means of utterances, errors by class of word, by
slice, by script.

Of results that have it: older ones have none, and nothing is shown. Classes and slices are those of the
experiment whose utterances are shown, on one set.
"""

from __future__ import annotations

from xlt.report.md import table
from xlt.report.results import Experiment, Result

_RATES = ("cer", "wer", "per", "fer")
_MICRO = """An insertion counts to the word before it. A word may be of several classes; *micro-WER* is over the words of any
class, each once."""
_FEW = """Slices with † have too few utterances to say much, and are neither the worst nor in the spread."""


def means(found: list[Experiment], name: str) -> list[str]:
    """The mean of utterances' rates of the experiments that have one; the first seed's."""
    rows, shown = [], [rate for rate in _RATES if any(rate in _of(e.runs[0], "means", name) for e in found)]
    for e in found:
        own = _of(e.runs[0], "means", name)
        rows += [[e.name, *(_value(own.get(rate)) for rate in shown)]] if own else []
    return (
        [
            f"### {name}: means of utterances\n\nThe mean of each utterance's own rate, to which a short"
            " utterance adds as much as a long one; of the first seed.\n\n"
            + table(["experiment", *(f"{rate.upper()} %" for rate in shown)], rows)
        ]
        if rows
        else []
    )


def finer(experiment: Experiment, name: str) -> str:
    """The sections of one experiment on set ``name``; "" if its result has none of them."""
    run = experiment.runs[0]
    parts = [
        _micro(_of(run, "micro", name)),
        *_slices(_of(run, "slices", name)),
        _script(_of(run, "script", name)),
    ]
    parts = [part for part in parts if part]
    return (
        "\n\n".join([f"## Where {experiment.name} fails on {name}, seed {run.seed}", *parts]) if parts else ""
    )


def _of(run: Result, key: str, name: str) -> dict:
    return run.document.get(key, {}).get(name, {})


def _value(score: dict | None) -> str:
    return f"{score['value']:.1f} [{score['ci95'][0]:.1f}, {score['ci95'][1]:.1f}]" if score else "–"


def _micro(found: dict) -> str:
    if not found:
        return ""
    named = {**found["classes"], "*micro-WER*": found["all"], "all other words": found["rest"]}
    rows = [
        [
            key + (f" ({one['note']})" if "note" in one else ""),
            one["n_ref"],
            one["n"],
            _value(one),
            _value(one["mean"]),
            one["correct"],
            one["sub"],
            one["del"],
            one["ins"],
        ]
        for key, one in named.items()
        if one
    ]
    absent = "; ".join(f"{key} ({why})" for key, why in found["absent"].items())
    head = ["class", "words", "in utterances", "WER %", "mean of utterances", "correct", "sub", "del", "ins"]
    return "\n\n".join([
        f"### By class of word\n\n{_MICRO}",
        *([table(head, rows)] if rows else []),
        *([f"Not scored: {absent}."] if absent else []),
    ])


def _slices(found: dict) -> list[str]:
    parts = []
    for tag, one in found.items():
        rates = [rate for rate in _RATES if any(rate in own for own in one["slices"].values())]
        rows = [
            [
                value + (" †" if own["few"] else ""),
                own["n"],
                *(
                    word
                    for rate in rates
                    for word in (_value(own[rate]), f"{own[rate]['mean']['value']:.1f}")
                ),
            ]
            for value, own in one["slices"].items()
        ]
        lines = [
            f"### By {tag}",
            table(
                [
                    tag,
                    "utterances",
                    *(word for rate in rates for word in (f"{rate.upper()} %", "mean of utterances")),
                ],
                rows,
            ),
        ]
        if one["n"] > len(one["slices"]):
            lines.append(
                f"{len(one['slices'])} of {one['n']}: those with the most utterances, and the worst."
            )
        if one["spread"]:
            s = one["spread"]
            lines.append(
                f"{rates[0].upper()} from {s['low']:.1f} to {s['high']:.1f}, mean {s['mean']:.1f}, standard"
                f" deviation {s['deviation']:.1f}, over {s['over']} slices; worst: {one['worst']}."
            )
        parts.append(
            "\n\n".join(lines + ([_FEW] if any(own["few"] for own in one["slices"].values()) else []))
        )
    return parts


def _script(found: dict) -> str:
    if not found:
        return ""
    if "absent" in found:
        return f"### Characters of other scripts\n\nNot counted: {found['absent']}."
    sides = [
        f"{found[side]['outside']} of {found[side]['chars']} in the {side}"
        for side in ("hypotheses", "references")
    ]
    shown = ", ".join(f"{one['char']} ({one['name']}) {one['count']}" for one in found["offenders"])
    share = f", {found['hypotheses']['share']:.2f}%" if found["hypotheses"]["share"] is not None else ""
    return (
        f"### Characters of other scripts\n\nOutside {', '.join(found['scripts'])}: {sides[0]}{share},"
        f" {sides[1]}"
        + (f". The most frequent: {shown}" if shown else "")
        + "."
    )
