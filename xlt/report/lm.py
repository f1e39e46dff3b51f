"""What language models were made of, and what they brought: a section of RESULTS.md."""

from __future__ import annotations

from xlt.formats.results import Change
from xlt.metrics.metric import metrics
from xlt.report.md import table
from xlt.report.results import Result


def language_models(results: list[Result]) -> str:
    """The section; "" if no result has a language model."""
    with_lm = [run for run in results if run.document.get("lm")]
    if not with_lm:
        return ""
    return "\n\n".join(
        [
            "## Language models",
            "Error rates of CTC's best path (greedy) and of the search with the language model, on the same"
            " probabilities. Intervals are those of a paired bootstrap over utterances. Weights were tuned on dev.",
            _gains(with_lm),
            "What they were made of. Perplexity is that of dev, a character, or a token; unknown words are words of"
            " dev that neither texts nor word list have.",
            _sources(with_lm),
        ]
    )


def _gains(results: list[Result]) -> str:
    rows = []
    for run in results:
        for name, found in run.document.get("greedy", {}).items():
            for key, change in found.items():
                rows.append([run.tag, name, metrics()[key].head(), *_change(change)])
    return table(
        ["experiment", "set", "metric", "greedy", "with language model", "difference", "relative"], rows
    )


def _change(change: Change) -> list[str]:
    low, high = change["difference"]["ci95"]
    return [
        f"{change['before']['value']:.1f}",
        f"{change['after']['value']:.1f}",
        f"{change['difference']['value']:+.1f} [{low:+.1f}, {high:+.1f}]",
        "–" if change["relative"] is None else f"{change['relative']:+.0f}%",
    ]


def _sources(results: list[Result]) -> str:
    rows = []
    for run in results:
        lm = run.document["lm"]
        dev, fusion = lm["dev"], lm["fusion"]
        unknown = dev["not_in_texts_or_list"]
        rows.append(
            [
                run.tag,
                "; ".join(map(_source, lm["sources"])),
                f"{dev['perplexity']:.2f}",
                f"{100 * unknown / dev['words']:.0f}% of {dev['words']}" if dev["words"] else "–",
                _weights(fusion),
            ]
        )
    return table(["experiment", "sources", "perplexity", "unknown words", "weight, bonus"], rows)


def _source(source: dict) -> str:
    size = f"{source['words']:,} words" if source.get("words") else f"{source['lines']:,} lines"
    licence = f", {source['licence']}" if source.get("licence") else ""
    return f"{source['what']} ({size}{licence})"


def _weights(fusion: dict) -> str:
    if fusion["method"] == "greedy":
        return "greedy was better on dev"
    weights = fusion["lm_weight"]
    each = weights if isinstance(weights, list) else [weights]
    return f"{', '.join(f'{weight:g}' for weight in each)}; {fusion['length_bonus']:g}"
