"""report.html: one file, a function of the results and, where it stays on this machine, of what lies beside
them: texts of all utterances, their sound, and the course of the trainings.

Its policy lets a browser load nothing but sound beside it, and run no script but its own; every text goes
through Jinja's escaping.
"""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

from markdown_it import MarkdownIt
from markupsafe import Markup

from xlt.audio.players import Sounds
from xlt.formats import html
from xlt.formats import svg as figure
from xlt.metrics.marked import marked
from xlt.metrics.metric import TEXT, Metric, metrics, tokens
from xlt.report import benchmark, encoders, letters, transfer, utterances, words
from xlt.report.colours import colours
from xlt.report.epochs import courses
from xlt.report.finer import finer
from xlt.report.here import Here
from xlt.report.learning import Learning, learning
from xlt.report.markdown import main_of, signatures, size_of, speech
from xlt.report.results import Experiment, Result, describe, titles
from xlt.text import languages

_FILES = Path(__file__).parent / "templates"
_TEST = "test"
_REGION = '<div class="wide" role="region" tabindex="0" aria-label="Table">'


def render(egs: Path, out: Path | None = None) -> str:
    """The page over all recipes in ``egs``; DataError for a file that is not a result.

    ``out``: the folder that it is written into, which is not published: with texts of all utterances, links to
    sound, and histories of trainings, where they are. Without it, all of it is in results/.
    """
    recipes = benchmark.read_all(egs)
    rows = benchmark.one_language(recipes)
    columns = benchmark.columns_of([e for found in rows.values() for e in benchmark.on_test(found)])
    titled = titles(recipes)
    curves, drawn_as = learning(rows, titled), colours(recipes.values())
    alphabets = {name: known for name, found in rows.items() if (known := _alphabet(found))}
    sounds = Sounds(out, out) if out else None
    trained = [name for name in recipes if any((egs / name / "exp").glob("*/score"))]
    most_texts = utterances.MOST_TEXTS // max(1, len(trained))
    made = []
    for name, found in recipes.items():
        here = None if sounds is None else Here(egs / name, sounds, most_texts)
        made.append(_recipe(name, titled[name], found, alphabets.get(name)) | _look(found, here, drawn_as))
    return html.render(
        _FILES,
        "report.html",
        ("base.css", "player.css", "report.css", "table.js", "player.js", "report.js"),
        sound=sounds is not None and sounds.heard,
        columns=columns,
        names=titled,
        tables=(
            [_table(key, metric, rows, titled) for key, metric in benchmark.headlines().items()]
            if rows
            else []
        ),
        legend=_legend(curves),
        panels={name: Markup(panel) for name, panel in curves.panels.items()},
        coverage=letters.coverage(alphabets) if len(alphabets) > 1 else {},
        anchor=anchor,
        without_alphabet=[titled[name] for name in rows if name not in alphabets],
        transfer=_html(transfer.sections(egs)),
        encoders=_encoders(egs),
        recipes=made,
        words=words.of_all(rows, titled, _TEST),
        sounds_told=sounds.told if sounds is not None else "",
        count=sum(len(e.runs) for found in recipes.values() for e in found),
        commits=sorted(
            {run.document["commit"] for found in recipes.values() for e in found for run in e.runs}
        ),
    )


def _table(key: str, metric: Metric, rows: dict[str, list[Experiment]], titled: dict[str, str]) -> dict:
    """A table over languages with its chart, in which ``rows`` stand by their titles."""
    columns = benchmark.columns_of([e for found in rows.values() for e in benchmark.on_test(found)])
    return {
        "metric": key,
        "title": metric.title,
        "unit": f", {metric.unit}" if metric.unit else "",
        "rows": [_row(name, titled[name], found, columns, key) for name, found in rows.items()],
        "chart": Markup(benchmark.chart({titled[name]: found for name, found in rows.items()}, key)),
    }


def _encoders(egs: Path) -> list[dict]:
    """Of all encoders that were pre-trained here, what came out and the course of the training."""
    found = [
        (folder.parent.parent.name, made)
        for folder in sorted(egs.glob(f"*/results/{encoders.FOLDER}"))
        for made in encoders.load(folder.parent)
    ]
    return [
        {
            "name": f"{recipe}/{made['tag']}",
            "said": encoders.said(made),
            "chart": Markup(encoders.chart(made)),
            "legend": [(Markup(mark), name) for mark, name in encoders.legend(made)],
        }
        for recipe, made in found
    ]


def _html(markdown: str, below: int = 0) -> Markup:
    """Tables and paragraphs of our own pages, headings ``below`` levels deeper; HTML and links in them are
    shown as text.
    """
    reader = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["image", "link", "autolink"])
    tokens = reader.parse(markdown)
    for token in tokens:
        if token.type.startswith("heading"):
            token.tag = f"h{int(token.tag[1]) + below}"
    made = reader.renderer.render(tokens, reader.options, {})
    return Markup(made.replace("<table>", f"{_REGION}<table>").replace("</table>", "</table></div>"))


def _legend(curves: Learning) -> list[tuple[Markup, str]]:
    every = [*((name, False) for name in curves.families), *((name, True) for name in curves.peers)]
    drawn = zip(curves.looks, every, strict=True)
    return [(Markup(figure.sign(look, level)), name) for look, (name, level) in drawn]


def anchor(recipe: str, experiment: str = "") -> str:
    """The place of a recipe or of an experiment in the page."""
    return quote(f"egs/{recipe}/{experiment}" if experiment else f"egs/{recipe}", safe="/")


def _row(name: str, title: str, found: list[Experiment], columns: list[str], metric: str) -> dict:
    first = benchmark.on_test(found)[0].runs[0]
    data = first.document["data"][_TEST]
    chosen = [benchmark.best_in(found, column) for column in columns]
    cells = [_cell(name, e, _TEST, metric) if e else None for e in chosen]
    choose = min if metrics()[metric].better == "lower" else max
    best = choose((cell["value"] for cell in cells if cell), default=None)
    return {
        "recipe": anchor(name),
        "language": title,
        "lang": first.experiment["lang"],
        "clips": data["utterances"],
        "minutes": data["speech_min"],
        "all": benchmark.all_minutes(found),
        "cells": cells,
        "best": best,
    }


def _cell(recipe: str, e: Experiment, name: str, metric: str) -> dict | None:
    """A score, and where the page says how it came about."""
    shown = e.typical(name, metric)
    if not shown:
        return None
    own = {"value": shown.value, "low": shown.low, "high": shown.high}
    return {**own, "to": anchor(recipe, e.name), "seeds": len(e.runs)}


def _recipe(name: str, title: str, found: list[Experiment], alphabet: dict[str, int] | None) -> dict:
    """All that the page says of one recipe."""
    first = found[0].runs[0].experiment
    sets = _sets(found)
    ours = [e for e in found if not e.runs[0].peer]
    shared = _shared(run for e in ours for run in e.runs)
    counted = [e for e in found if e.runs[0].details.get("confusions")]
    confused = _confused(name, main_of(counted, sets[0])) if counted else None
    tested = confused["counts"] if confused else None
    shown = main_of(found, sets[0])
    listed, left_off = (
        letters.letters(alphabet, tested["n"] if tested and tested["unit"] == "char" else {})
        if alphabet
        else ([], 0)
    )
    return {
        "id": anchor(name),
        "name": name,
        "language": title,
        "lang": first["lang"],
        "tag": _tag(first["lang"]),
        "sets": [_set(name, found, s) for s in sets],
        "shared": shared,
        "confused": confused,
        "finer": _html(finer(shown, sets[0]), below=1),
        "letters": listed,
        "letters_left_off": left_off,
        "words": words.of_recipe(found, sets[0]),
        "metric": metrics()[shown.metric].label,
        "experiments": [_experiment(name, e, sets, shared) for e in found],
    }


def _confused(recipe: str, e: Experiment) -> dict:
    """Which characters an experiment takes for which."""
    ((name, counts), *_) = e.runs[0].details["confusions"].items()
    return {
        "experiment": e.name,
        "to": anchor(recipe, e.name),
        "matrix": letters.matrix(counts),
        "set": name,
        "counts": counts,
    }


def _set(recipe: str, found: list[Experiment], name: str) -> dict:
    """The table of a set, best first; rates of phones after those of characters."""
    scored = [e for e in found if e.median(name, e.metric) is not None]
    scored.sort(key=lambda e: (e.runs[0].kind != TEXT, e.median(name, e.metric), e.name))
    shown = {key: m for key, m in metrics().items() if any(e.median(name, key) is not None for e in scored)}
    langs = sorted({lang for e in scored for run in e.runs for lang in run.languages(name)})
    return {
        "name": name,
        "size": sorted({size_of(run, name) for e in scored for run in e.runs if name in run.sets()}),
        "titles": [metric.head(", ") for metric in shown.values()],
        "rows": [
            {
                "name": e.name,
                "to": anchor(recipe, e.name),
                "describe": describe(e.runs[0]),
                "speech": speech(e.runs[0]),
                "minutes": e.runs[0].speech_min or 0,
                "cells": [_cell(recipe, e, name, key) for key in shown],
                "langs": [e.median(name, e.metric, lang) for lang in langs],
            }
            for e in scored
        ],
        "langs": langs,
    }


def _experiment(recipe: str, e: Experiment, sets: list[str], shared: dict[str, str]) -> dict:
    """How an experiment's numbers were made."""
    first = e.runs[0]
    return {
        "id": anchor(recipe, e.name),
        "name": e.name,
        "describe": describe(first),
        "runs": [_run(run) for run in e.runs],
        "signatures": [
            (name, signatures([e], name)) for name in sets if any(name in run.sets() for run in e.runs)
        ],
        "settings": {
            key: value for key, value in _settings(first).items() if key not in shared and key != "seed"
        },
    }


def _run(run: Result) -> dict:
    training, machine = run.document.get("training", {}), run.document["environment"]
    facts = {
        "training speech": None if run.speech_min is None else f"{run.speech_min} min",
        "utterances": training.get("utterances"),
        "epochs": training.get("epochs"),
        "parameters": f"{training['parameters']:,}" if "parameters" in training else None,
        "seconds": ", ".join(f"{stage} {s:.0f}" for stage, s in run.document.get("stages", {}).items()),
        "machine": (
            f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB,"
            f" {machine['system']}"
        ),
        "versions": ", ".join(map(" ".join, run.document["versions"].items())),
    }
    return {
        "seed": run.seed,
        "peer": run.peer,
        "command": run.document["command"],
        "commit": run.document["commit"],
        "facts": {key: value for key, value in facts.items() if value not in (None, "")},
    }


def _settings(run: Result) -> dict[str, str]:
    return {
        key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for key, value in sorted(run.config.items())
    }


def _shared(runs) -> dict[str, str]:
    """The settings that are the same in all ``runs``."""
    first, *others = [_settings(run) for run in runs] or [{}]
    return {
        key: value
        for key, value in first.items()
        if key != "seed" and all(o.get(key) == value for o in others)
    }


def _alphabet(found: list[Experiment]) -> dict[str, int] | None:
    """Characters of the training texts, of the experiment with the most speech; None where no result says
    them.
    """
    spelled = [run for e in found for run in e.runs if run.kind == TEXT]
    alphabets = [known for run in spelled if (known := run.details.get("alphabet"))]
    return max(alphabets, key=lambda known: sum(known.values()), default=None)


def _sets(found: list[Experiment]) -> list[str]:
    """The scored sets of a recipe, test first."""
    return sorted({s for e in found for run in e.runs for s in run.sets()}, key=lambda s: (s != _TEST, s))


def _look(found: list[Experiment], here: Here | None, drawn_as: dict[str | None, str]) -> dict:
    """What of a recipe is looked at, heard and compared."""
    name = _sets(found)[0]
    tag = _tag(found[0].runs[0].experiment["lang"])
    of = utterances.models(found, name, here)
    shown = main_of(found, name)
    every = {run.tag: run for run in [*of.runs, *(run for e in found for run in e.runs)]}
    drawn, more = courses(every.values(), here, drawn_as) if here else ([], 0)
    kinds = utterances.kinds(of, here) if here else []
    return {
        "examples": kinds or _examples(shown),
        "shown": of.first.tag if kinds and of.first else shown.name,
        "data": utterances.data(of, here, tag),
        "listed": len(of.texts[of.first.tag]) if of.first else 0,
        "told": utterances.told(of, here) if here else [],
        "courses": drawn,
        "courses_left_out": more,
    }


def _examples(e: Experiment) -> list[dict]:
    """Utterances of results/examples with what is wrong in them marked; none where it has none."""
    unit = tokens()[e.metric].name
    found = []
    for name, kinds in e.runs[0].details.get("examples", {}).items():
        for kind, rows in kinds.items():
            shown = []
            for row in rows:
                texts = marked(row["ref"], row["hyp"], unit)
                shown.append({"id": row["id"], "rate": row["rate"], "texts": texts, "sound": None})
            if shown:
                found.append({"set": name, "kind": kind, "rows": shown})
    return found


def _tag(code: str) -> str:
    """BCP 47: ``cat_Latn`` → ``ca-Latn``."""
    language = languages.get(code)
    return f"{language.iso1 or language.iso}-{code[-4:]}"
