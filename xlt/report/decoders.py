"""What each decoder of a model is worth, alone and combined: a section of RESULTS.md."""

from __future__ import annotations

from xlt.formats.markdown import table
from xlt.formats.results import Change
from xlt.metrics.metric import metrics
from xlt.report.pairs import points
from xlt.report.results import Result
from xlt.score.rungs import ATTENTION, BEAM, COMBINED, GREEDY, PARTNER, PARTS, method, rungs

_TEST = "test"
_ORDER = (GREEDY, *PARTS, COMBINED)
_COSTS = {
    "ctc": "encoder and CTC",
    BEAM: "search",
    ATTENTION: "attention decoder",
    "scoring": "scoring",
    PARTNER: "partner without its encoder",
}
_SECTION = """## Decoders and their combination

Error rates of CTC's best path, of its search with the language model, of the attention decoder alone, and of the
candidates of both scored by all of them (combined). Differences are those of the final texts to each, with intervals of a
paired bootstrap over utterances; below 0 the final texts are better."""
_MADE = """How the texts were chosen: by the *best* score, by minimum Bayes risk (*mbr*), or word by word from a confusion network
(*rover*). Rule and weights of the scores, which are natural logarithms, were chosen on dev. Costs are CPU-seconds per
second of speech; wall time, in the same unit, depends on what else the machine did."""
SEARCH = "CTC with the language model"
_HEADS = {"with the language model": SEARCH}  # labels of a ladder that say too little in a table


def decoders(results: list[Result]) -> str:
    """The section of RESULTS.md; "" if no result has an attention decoder with other decoders beside it."""
    shown = [run for run in results if _several(run)]
    if not shown:
        return ""
    return "\n\n".join([_SECTION, _rates(shown), _MADE, _making(shown)])


def _several(run: Result) -> bool:
    return any(
        method(run.document, name) in (ATTENTION, COMBINED) and len(rungs(run.document, name)) > 1
        for name in run.sets()
    )


def _rates(shown: list[Result]) -> str:
    """A row for each set and metric of a run: the rungs, and the differences."""
    heads: dict[str, str] = {}
    rows = []
    for run in shown:
        for name in run.sets():
            ladder = rungs(run.document, name)
            heads = {rung.name: _HEADS.get(rung.label, rung.label) for rung in ladder} | heads
            for key in ladder[-1].rates:
                rates = {rung.name: rung.rates[key]["value"] for rung in ladder if key in rung.rates}
                changes = {rung.name: rung.changes[key] for rung in ladder if key in rung.changes}
                rows.append(([run.tag, name, metrics()[key].head()], rates, changes))
    order = sorted(heads, key=lambda part: _ORDER.index(part) if part in _ORDER else len(_ORDER))
    against = [part for part in order if any(part in changes for _, _, changes in rows)]
    return table(
        [
            "experiment",
            "set",
            "metric",
            *(heads[part] for part in order),
            *(f"against {heads[p]}" for p in against),
        ],
        [
            [
                *first,
                *(f"{rates[part]:.1f}" if part in rates else "–" for part in order),
                *(_difference(changes[part]) if part in changes else "–" for part in against),
            ]
            for first, rates, changes in rows
        ],
    )


def _difference(change: Change) -> str:
    return points(change["difference"]["value"], change["difference"]["ci95"])


def _making(shown: list[Result]) -> str:
    """How the final texts were put together, and what each part costs."""
    found = []
    for run in shown:
        name = _TEST if _TEST in run.sets() else run.sets()[0]
        found.append(run.document.get("decoding", {}).get(name, {"method": method(run.document, name)}))
    partner = any(PARTNER in (decoding.get("cpu_s_per_s") or {}) for decoding in found)
    parts = {part: head for part, head in _COSTS.items() if partner or part != PARTNER}
    rows = []
    for run, decoding in zip(shown, found, strict=True):
        combination = run.document.get("combination") if decoding["method"] == COMBINED else None
        costs = decoding.get("cpu_s_per_s") or {}
        factor = decoding.get("real_time_factor")
        rows.append(
            [
                run.tag,
                combination["rule"] if combination else decoding["method"],
                _weights(combination["weights"]) if combination else "–",
                *(f"{costs[part]:.3f}" if part in costs else "–" for part in parts),
                f"{sum(costs.values()):.3f}" if costs else "–",
                "–" if factor is None else f"{factor:.3f}",
            ]
        )
    head = ["experiment", "rule", "weights", *parts.values(), "together", "wall time"]
    return table(head, rows)


def _weights(weights: dict) -> str:
    """``ctc 0.4, lm 0.6 0.1, attention 0.5``; those that are 0 stay away."""
    each = {name: given if isinstance(given, list) else [given] for name, given in weights.items()}
    return ", ".join(f"{name} {' '.join(f'{w:.3g}' for w in own)}" for name, own in each.items() if any(own))
