"""results.csv: a line for each language, experiment, set and metric."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from xlt.formats.cells import as_text
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
    table = csv.DictWriter(out, HEAD, lineterminator="\n")
    table.writeheader()
    for recipe, found in recipes.items():
        for e in found:
            for name in dict.fromkeys(name for run in e.runs for name in run.sets()):
                langs = dict.fromkeys(lang for run in e.runs for lang in run.languages(name))
                for lang in (None, *langs):
                    for line in _lines(e, name, lang):
                        row = {"recipe": recipe, **line}
                        table.writerow({k: as_text(v) if isinstance(v, str) else v for k, v in row.items()})
    return out.getvalue()


def _lines(e: Experiment, name: str, lang: str | None) -> Iterator[dict[str, object]]:
    """A line for each metric of a set, or of a language in it."""
    for metric in metrics():
        shown = e.typical(name, metric, lang)
        if shown:
            run = shown.run
            yield {
                "lang": lang or run.experiment["lang"],
                "language": run.experiment["language"],
                "experiment": e.name,
                "model": describe(run),
                "train_min": run.speech_min,
                "set": name,
                "metric": metric,
                "value": round(shown.value, 3),
                "low": shown.low,
                "high": shown.high,
                "n": run.score(name, metric, lang)["n_ref"],
                "utterances": run.document["data"][name]["utterances"] if lang is None else "",
                "seeds": len(e.scored(name, metric, lang)),
                "commit": run.document["commit"],
            }
