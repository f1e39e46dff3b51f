"""Utterances of a recipe to look at, to hear and to compare: those with the most errors, in the middle and with
the fewest; all of them; and which of them another model got better or worse.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from xlt.formats.markdown import visible
from xlt.metrics.marked import ADDED, MISSING, merged
from xlt.metrics.metric import counted, metrics, tokens
from xlt.report.examples import errors_of, rate_of
from xlt.report.here import Here
from xlt.report.markdown import main_of
from xlt.report.results import Experiment, Result, describe
from xlt.report.words import fewer, system
from xlt.score.compare import Difference, compare_all

MOST_RUNS = 8  # that can be compared, each with each
MOST_ROWS = 5000  # utterances that a page lists
MOST_TEXTS = 20_000  # texts of utterances in a page, over all models and recipes
_SHOWN = 5  # of each kind
_Texts = dict[str, dict[str, str]]


@dataclass(frozen=True)
class Models:
    """The models of a recipe that were scored on the same utterances: ``runs``, the main one first, and
    ``texts`` of those that have them on this machine.
    """

    set: str
    runs: list[Result]
    texts: dict[str, _Texts]
    left_out: int

    @property
    def first(self) -> Result | None:
        """The one whose utterances are shown."""
        return next((run for run in self.runs if run.tag in self.texts), None)


def models(found: list[Experiment], name: str, here: Here | None) -> Models:
    """Those that compare with the main one on set ``name``, with texts before others, at most MOST_RUNS."""
    main = main_of(found, name)
    shown = main.typical(name, main.metric)
    if shown is None:
        return Models(name, [], {}, 0)
    texts: dict[str, _Texts] = {}
    alike = [run for e in found for run in e.runs if _key(run, name) == _key(shown.run, name)]
    for run in alike:
        if here and (rows := here.texts(run, name)):
            texts[run.tag] = rows
    typical = [one.run for e in sorted(found, key=lambda e: e.rank) if (one := e.typical(name, e.metric))]
    order = [
        *[shown.run],
        *sorted((run for run in alike if run.tag in texts), key=lambda run: _value(run, name)),
        *[run for run in typical if run.published],
        *typical,
    ]
    kept = list({run.tag: run for run in order if run in alike}.values())
    return Models(name, kept[:MOST_RUNS], texts, len(kept) - len(kept[:MOST_RUNS]))


def _key(run: Result, name: str) -> object:
    """What two runs must have in common to be compared; a tag of its own without counts."""
    counts = run.document.get("counts", {}).get(name)
    if not counts:
        return run.tag
    key, own = next(iter(counts["metrics"].items()))
    return key, counts["ids"], tuple(own["n_ref"]), system(run).normaliser(name)


def _value(run: Result, name: str) -> float:
    return next(run.score(name, key)["value"] for key in counted() if run.has(name, key))


def kinds(of: Models, here: Here) -> list[dict[str, Any]]:
    """The worst, the median and the best utterances of the model that is shown, with their sounds."""
    run = of.first
    if run is None:
        return []
    rows = list(of.texts[run.tag].values())
    unit = _unit(rows)
    rows.sort(key=lambda row: (-rate_of(row, unit), row["id"]))
    middle = max(0, (len(rows) - _SHOWN) // 2)
    # most have no error at all: the longest of them say most
    best = sorted(rows, key=lambda row: (rate_of(row, unit), -int(row[f"{unit}_n_ref"]), row["id"]))
    parts = {"worst": rows[:_SHOWN], "median": rows[middle : middle + _SHOWN], "best": best[:_SHOWN]}
    return [
        {"set": of.set, "kind": kind, "rows": [_row(row, unit, of.set, here) for row in part]}
        for kind, part in parts.items()
    ]


def _row(row: dict[str, str], unit: str, name: str, here: Here) -> dict[str, Any]:
    pieces = merged(row["ref"], row["hyp"], unit)
    return {
        "id": row["id"],
        "rate": rate_of(row, unit),
        "texts": [
            [(text, kind == missed) for kind, text in pieces if kind != other]
            for missed, other in ((MISSING, ADDED), (ADDED, MISSING))
        ],
        "sound": here.sound(name, row["id"]),
    }


def _unit(rows: list[dict[str, str]]) -> str:
    return next(token.name for token in tokens().values() if f"{token.name}_n_ref" in rows[0])


def data(of: Models, here: Here | None, tag: str) -> Markup | None:
    """What the page's script shows of all utterances and pairs, as JSON; None where there is neither.

    ``rows``: [id, speaker, seconds, link, reference, length, [[errors, pieces] of each model in ``texts``]];
    ``pairs``: lines by the places of A and B in ``runs``.
    """
    differences = compare_all([system(run) for run in of.runs], of.set) if len(of.runs) > 1 else {}
    run = of.first
    if run is None and not differences:
        return None
    made: dict[str, Any] = {
        "lang": tag,
        "runs": [[visible(run.tag), visible(describe(run))] for run in of.runs],
        "pairs": {f"{a} {b}": _lines(of, a, b, own) for (a, b), own in differences.items()},
        "texts": [],
        "rows": [],
    }
    if run and here:
        shown = [k for k, other in enumerate(of.runs) if other.tag in of.texts]
        made["texts"] = shown
        made["rows"] = _rows(of, shown, run, here)
    return Markup(htmlsafe_json_dumps(made, json.dumps, ensure_ascii=False, separators=(",", ":")))


def _lines(of: Models, a: int, b: int, found: list[Difference]) -> list[str]:
    """What the paired test says of B against A, and in how many utterances B is better."""
    lines = []
    for own in found:
        label = metrics()[own.metric].label
        lines.append(f"{label}: A {own.rates[0]:.1f}%, B {own.rates[1]:.1f}%; {fewer(own, 'B')}.")
    key = found[0].metric
    ours, theirs = (of.runs[k].document["counts"][of.set]["metrics"][key]["errors"] for k in (a, b))
    fewer_in = sum(y < x for x, y in zip(ours, theirs, strict=True))
    more_in = sum(y > x for x, y in zip(ours, theirs, strict=True))
    same = len(ours) - fewer_in - more_in
    token = tokens()[key].plural
    lines.append(
        f"Of {len(ours)} utterances, B has fewer errors in {token} in {fewer_in}, more in {more_in}, as many"
        f" in {same}."
    )
    return [visible(line) for line in lines]


def limit(of: Models, here: Here) -> int:
    """How many utterances a page lists."""
    return min(MOST_ROWS, here.most_texts // max(1, sum(run.tag in of.texts for run in of.runs)))


def _rows(of: Models, shown: list[int], run: Result, here: Here) -> list[list[Any]]:
    own = of.texts[run.tag]
    unit = _unit(list(own.values()))
    order = sorted(own, key=lambda utt: (-rate_of(own[utt], unit), utt))[: limit(of, here)]
    made = []
    for utt in order:
        known, sound = here.spoken(of.set).get(utt), here.sound(of.set, utt)
        made.append(
            [
                visible(utt),
                visible(known.speaker) if known else "",
                known.seconds if known else None,
                sound.href if sound else None,
                visible(own[utt]["ref"]),
                int(own[utt][f"{unit}_n_ref"]),
                [_text(of.texts[of.runs[k].tag][utt], unit) for k in shown],
            ]
        )
    return made


def _text(row: dict[str, str], unit: str) -> list[Any]:
    """Errors, and the pieces of both texts as one, kind and text by turns; no pieces where it is right."""
    if row["ref"] == row["hyp"]:
        return [errors_of(row, unit)]
    pieces = merged(row["ref"], row["hyp"], unit)
    return [errors_of(row, unit), [visible(part) for piece in pieces for part in piece]]


def told(of: Models, here: Here) -> list[str]:
    """What a reader should know of what is not shown."""
    said = []
    run = of.first
    if run and (total := len(of.texts[run.tag])) > (most := limit(of, here)):
        said.append(
            f"Listed are the {most:,} utterances with the highest rates of {total:,}; all stand in"
            f" exp/{run.tag}/score/{of.set}.tsv."
        )
    if of.left_out:
        said.append(
            f"{of.left_out} further models compare with these: xlt score --compare results/A.json"
            " results/B.json."
        )
    if here.stale:
        said.append(
            f"Without texts, as exp/ holds other scores than results/: {', '.join(sorted(set(here.stale)))};"
            " run stage 9 (report) of them again."
        )
    return said
