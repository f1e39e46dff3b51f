"""What language models were made of, and what they brought: a section of RESULTS.md."""

from __future__ import annotations

import statistics

from xlt.formats.markdown import table
from xlt.formats.results import Change
from xlt.metrics.metric import TEXT, counted, metrics
from xlt.report.results import Experiment, Result, published_title, titles
from xlt.score.rungs import ATTENTION, COMBINED, method

_TEST = "test"
_GAINS = (
    "Error rates of CTC's best path (greedy) and of the search with the language model, on the same probabilities."
    " Intervals are those of a paired bootstrap over utterances. Weights were tuned on dev."
)


def language_models(results: list[Result]) -> str:
    """The section; "" if no result has a language model."""
    with_lm = [run for run in results if run.document.get("lm")]
    searched = [run for run in with_lm if not by_attention(run)]
    if not with_lm:
        return ""
    return "\n\n".join(
        [
            "## Language models",
            *([_GAINS, _gains(searched)] if searched else []),
            "What they were made of. Perplexity is that of dev, a character, or a token; unknown words are words of"
            " dev that neither texts nor word list have.",
            _sources(with_lm),
        ]
    )


def by_attention(run: Result) -> bool:
    """Whether an attention decoder had a say in the texts."""
    return any(method(run.document, name) in (ATTENTION, COMBINED) for name in run.sets())


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
    if fusion["method"] == ATTENTION or weights is None:
        return "the attention decoder alone was better on dev"
    each = weights if isinstance(weights, list) else [weights]
    return f"{', '.join(f'{weight:g}' for weight in each)}; {fusion['length_bonus']:g}"


def over_languages(recipes: dict[str, list[Experiment]]) -> str:
    """A section for the page of all languages: what language models brought on test, and Whisper's own
    decoder beside it; "" without any.

    Of each recipe the experiment that learned from its own speech alone and is best on dev stands here.
    """
    chosen = {name: best for name, found in recipes.items() if (best := _best(found))}
    if not chosen:
        return ""
    units = counted(TEXT)
    head = ["language", "training speech", "seeds"]
    for metric in units.values():
        head += [f"{metric.label} greedy", f"{metric.label} with language model", "relative"]
    peers = sorted(
        {published_title(e.runs[0]) for found in recipes.values() for e in found if e.runs[0].published}
    )
    head += [f"{metric.label} {peer}" for peer in peers for metric in units.values()]
    rows: list[list] = []
    relative: dict[str, list[float]] = {key: [] for key in units}
    named = titles(recipes)
    for name, e in chosen.items():
        run = e.runs[0]
        row = [named[name], f"{run.speech_min:.1f} min", len(e.runs)]
        for key in units:
            before, after = (
                statistics.median(run.document["greedy"][_TEST][key][side]["value"] for run in e.runs)
                for side in ("before", "after")
            )
            relative[key].append(100 * (after / before - 1))
            row += [f"{before:.1f}", f"{after:.1f}", f"{relative[key][-1]:+.0f}%"]
        for peer in peers:
            same = [
                one for one in recipes[name] if one.runs[0].published and published_title(one.runs[0]) == peer
            ]
            row += [f"{same[0].median(_TEST, key):.1f}" if same else "–" for key in units]
        rows.append(row)
    if len(rows) > 1:
        means = [cell for key in units for cell in ("", "", f"{statistics.fmean(relative[key]):+.0f}%")]
        rows.append(["mean", "", "", *means, *([""] * (len(peers) * len(units)))])
    return (
        "## What language models bring\n\nOn test, medians over seeds: CTC's best path (greedy), and the search"
        " with the language model that stage 5 makes from the training texts and a word list, if there is one for"
        f" the language.\n\n{table(head, rows)}"
    )


def _best(found: list[Experiment]) -> Experiment | None:
    """The experiment with a language model that is best on dev, of those that start from no other model."""
    own = [
        e
        for e in found
        if all(_TEST in run.document.get("greedy", {}) and run.kind == TEXT for run in e.runs)
        and not e.runs[0].config.get("train.init")
        and not any(by_attention(run) for run in e.runs)
    ]
    return min(own, key=lambda e: e.rank, default=None)
