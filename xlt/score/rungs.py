"""The error rates of one set under each decoder, the ladder that a run ends with: CTC's best path, the search
with the language model, that of a partner, the attention decoder alone, and all combined.
"""

from __future__ import annotations

from typing import NamedTuple

from xlt.formats.results import Change, Interval, Scores
from xlt.metrics.metric import counted

GREEDY, BEAM, ATTENTION, COMBINED = "greedy", "beam", "attention", "combined"  # as decode.method has them
PARTNER, TRANSDUCER = "partner", "transducer"
PARTS = (BEAM, PARTNER, ATTENTION)  # of a combination
_LABELS = {GREEDY: "greedy CTC", "lexicon": "words from phones", "joint": "CTC and attention"}


class Rung(NamedTuple):
    """``name``: the decoder; ``label``: the same in words; ``rates``: ``{metric: rate}``; ``changes``:
    ``{metric: change}`` to the final texts, {} of the final texts themselves."""

    name: str
    label: str
    rates: dict[str, Interval]
    changes: dict[str, Change]


def rungs(scores: Scores, name: str) -> list[Rung]:
    """The decoders that set ``name`` has scores of, the final one last."""
    found = [
        Rung(part, label(scores, part), {key: one["before"] for key, one in changes.items()}, changes)
        for part, changes in (
            (GREEDY, scores.get("greedy", {}).get(name, {})),
            *((part, scores.get("parts", {}).get(name, {}).get(part, {})) for part in PARTS),
        )
        if changes
    ]
    own = scores["sets"][name]
    rates: dict[str, Interval] = {
        key: {"value": own[key]["value"], "ci95": own[key]["ci95"]} for key in counted() if key in own
    }
    final = method(scores, name)
    return [*found, Rung(final, label(scores, final), rates, {})]


def method(scores: Scores, name: str) -> str:
    """What wrote the final texts of a set, e.g. ``combined``, also in results that do not say it."""
    decoded = scores.get("decoding", {}).get(name)
    if decoded:
        return decoded["method"]
    if "lm" in scores:
        return scores["lm"]["fusion"]["method"]
    asked = scores["config"].get("decode.method", "auto")
    return GREEDY if asked == "auto" else asked


def label(scores: Scores, decoder: str) -> str:
    """A decoder in words: ``with the language model``, ``Whisper alone``."""
    config = scores["config"]
    if decoder == BEAM:
        return "with the language model" if "lm" in scores else "CTC beam search"
    if decoder == TRANSDUCER:
        return "transducer and language model" if _weighted(scores) else "transducer"
    if decoder == PARTNER:
        return f"{config.get('decode.partner')}, {label(scores, BEAM)}"
    if decoder == ATTENTION:
        whisper = "whisper" in config.get("train.family", "") or config.get("decode.partner")
        writer = "Whisper" if whisper else "attention decoder"
        as_published = config.get("train.zero_shot") and not config.get("train.init")
        return f"{writer}, zero-shot" if as_published else f"{writer} alone"
    return _LABELS.get(decoder, decoder)


def _weighted(scores: Scores) -> bool:
    """Whether a language model had a weight."""
    weight = scores["lm"]["fusion"].get("lm_weight") if "lm" in scores else None
    return any(weight if isinstance(weight, list) else [weight])


def ladder(scores: Scores, name: str) -> list[str]:
    """The rungs as lines of a table, the metrics side by side; [] where there is one figure alone."""
    found = rungs(scores, name)
    shown = {key: metric for key, metric in counted().items() if key in found[-1].rates}
    if len(found) * len(shown) < 2:
        return []
    heads = [metric.token.plural if metric.token else metric.label for metric in shown.values()]
    rows = [
        (rung.label, [f"{rung.rates[key]['value']:.1f}%" if key in rung.rates else "" for key in shown])
        for rung in found
    ]
    first = f"wrong on {name}"
    width = max(len(first), *(len(words) + 2 for words, _ in rows))
    widths = [max(len(head), 6) for head in heads]

    def line(words: str, cells: list[str]) -> str:
        aligned = (cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
        return f"{words:<{width}}  {'  '.join(aligned)}".rstrip()

    return [line(first, heads), *(line(f"  {words}", cells) for words, cells in rows)]
