"""results.csv: a line for each language, experiment, set and metric."""

from __future__ import annotations

import csv
import io

from xlt.metrics.metric import metrics
from xlt.report.results import Experiment, describe

HEAD = (
    "recipe",
    "lang",
    "language",
    "experiment",
    "model",
    "train_min",
    "set",
    "metric",
    "value",
    "low",
    "high",
    "n",
    "utterances",
    "seeds",
    "commit",
)


def render(recipes: dict[str, list[Experiment]]) -> str:
    """The table. ``value`` is the median over ``seeds`` runs; ``low`` and ``high``, the 95% interval, ``n``,
    the reference tokens (of ser the utterances), and ``commit`` are those of the run nearest to it. Sets of
    several languages have a line for each of them, too, without ``utterances``."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(HEAD)
    for recipe, found in recipes.items():
        for e in found:
            sets = dict.fromkeys(name for run in e.runs for name in run.sets())
            parts = [
                (name, lang)
                for name in sets
                for lang in [None, *dict.fromkeys(lang for run in e.runs for lang in run.languages(name))]
            ]
            table.writerows(
                _line(recipe, e, name, lang, metric)
                for name, lang in parts
                for metric in metrics()
                if e.median(name, metric, lang) is not None
            )
    return out.getvalue()


def _line(recipe: str, e: Experiment, name: str, lang: str | None, metric: str) -> tuple:
    run = e.typical(name, metric, lang)
    score, about = run.score(name, metric, lang), run.experiment
    utterances = run.document["data"][name]["utterances"] if lang is None else ""
    return (
        recipe,
        lang or about["lang"],
        about["language"],
        e.name,
        describe(run),
        run.speech_min,
        name,
        metric,
        round(e.median(name, metric, lang), 3),
        *score["ci95"],
        score["n_ref"],
        utterances,
        len(e.scored(name, metric, lang)),
        run.document["commit"],
    )
