"""RESULTS.md of a recipe, a function of its results/*.json alone."""

from __future__ import annotations

from collections.abc import Sequence

from xlt.formats.markdown import block, code, escaped, table
from xlt.formats.pretrained import Record
from xlt.metrics.metric import PHONES, TEXT, counted, main_metric, metrics, tokens
from xlt.report.decoders import decoders
from xlt.report.encoders import section
from xlt.report.finer import finer, means
from xlt.report.lm import language_models
from xlt.report.md import HEAD
from xlt.report.results import Experiment, Result, cell, describe, experiments
from xlt.report.robust import robust
from xlt.score.voices import in_words

_INTRODUCTION = """Medians over seeds; in brackets the 95% bootstrap interval over utterances, of the run nearest to the
median. Lower is better, but for {}. CER counts the space between words; errors are counted as sclite counts them."""


def render(results: list[Result], encoders: Sequence[Record] = ()) -> str:
    """The page; without results and ``encoders`` that were pre-trained it says so."""
    made = section(encoders)
    if not results and made:
        return f"{HEAD}# Results\n\n{made}\n"
    if not results:
        return HEAD + "# Results\n\nNone yet: `./run.sh` makes them.\n"
    found = experiments(results)
    first = results[0].experiment
    sets = sorted(
        {name for result in results for name in result.sets()}, key=lambda name: (name != "test", name)
    )
    main = main_of(found, sets[0])
    raised = [metric.label for metric in metrics().values() if metric.better == "higher"]
    parts = [
        f"{HEAD}# {escaped(first['language'])} ({escaped(first['lang'])}): results",
        _INTRODUCTION.format(", ".join(raised)),
    ]
    parts += [_scores(found, name, kind) for name in sets for kind in (TEXT, PHONES)]
    parts += [
        robust(found),
        finer(main, sets[0]),
        _language_accuracy(results),
        _forgetting(results),
        language_models(results),
        decoders(results),
        made,
        _making(found),
        _environments(found),
        _examples(main),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def main_of(found: list[Experiment], name: str) -> Experiment:
    """The experiment whose utterances are shown: ``main``, or else the best one of ours on dev (or
    ``name``).
    """
    ours = [e for e in found if not e.runs[0].rival] or found
    named = [e for e in ours if e.name == "main"]
    ours = [
        e for e in ours if e.runs[0].kind == TEXT
    ] or ours  # a rate of phones and one of characters do not compare
    chosen_by = "dev" if all("dev" in e.runs[0].sets() for e in ours) else name
    return named[0] if named else min(ours, key=lambda e: (e.median(chosen_by, e.metric) or 1e9, e.name))


def _scores(found: list[Experiment], name: str, kind: str) -> str:
    """The table of a set's experiments with this kind of transcripts; "" if there are none."""
    main = main_metric(kind)
    scored = [e for e in found if e.metric == main and e.median(name, main) is not None]
    if not scored:
        return ""
    scored.sort(key=lambda e: (e.median(name, main), e.name))
    shown = {key: one for key, one in metrics(kind).items() if any(e.scored(name, key) for e in scored)}
    runs = [run for e in scored for run in e.runs if name in run.sets()]
    head = ["experiment", "model", "training speech", *(one.head() for one in shown.values())]
    rows = []
    for e in scored:
        row = [e.name, describe(e.runs[0]), speech(e.runs[0]), *(cell(e, name, key) for key in shown)]
        row.append(" ".join(f"{value:.1f}" for value in e.values(name, main)) if len(e.runs) > 1 else "")
        rows.append(row)
    empty = sorted({utt for run in runs for utt in run.document["data"][name]["empty_references"]})
    notes = [f"Not scored, as the reference is empty: {escaped(', '.join(empty))}."] if empty else []
    notes += [one.note for one in shown.values() if one.note]
    return "\n\n".join(
        [
            f"## {name}: {'; '.join(sorted({size_of(run, name) for run in runs}))}",
            *_voices(scored, name),
            table([*head, f"{shown[main].label} of each seed"], rows),
            *means(scored, name),
            *_by_language(scored, name, kind),
            *notes,
            "Signatures:\n\n"
            + "\n".join(f"    {' '.join(line.splitlines())}" for line in signatures(scored, name)),
        ]
    )


def _voices(found: list[Experiment], name: str) -> list[str]:
    """Whose voices the set has, a sentence for each answer, with the experiments where they differ; [] where
    no result says it.
    """
    said: dict[str, list[str]] = {}
    for e in found:
        for words in dict.fromkeys(
            in_words(run.document["data"][name]) for run in e.runs if name in run.sets()
        ):
            said.setdefault(words, []).append(e.name)
    if len(said) == 1:
        return [words for words in said if words]
    return [f"{escaped(', '.join(names))}: {words}" for words, names in said.items() if words]


def _by_language(found: list[Experiment], name: str, kind: str) -> list[str]:
    """A table for each error rate, a row an experiment and a column a language, where a set has several."""
    languages = sorted({lang for e in found for run in e.runs for lang in run.languages(name)})
    main = main_metric(kind)
    rows = [e for e in found if any(e.scored(name, main, lang) for lang in languages)]
    parts = []
    for key, metric in counted(kind).items():
        if any(e.scored(name, key, lang) for e in rows for lang in languages):
            cells = [[e.name, *(cell(e, name, key, lang) for lang in languages)] for e in rows]
            made = table(["experiment", *languages], cells)
            parts.append(f"### {name} by language: {metric.head()}\n\n{made}")
    return parts


def _language_accuracy(results: list[Result]) -> str:
    """How often models with ``tokens.language_tag`` predicted the right language, and their most frequent
    errors; "" without any.
    """
    rows = []
    for run in results:
        for name, found in run.document.get("language_accuracy", {}).items():
            mixed_up = []
            for lang, own in found["predicted"].items():
                mixed_up += [(count, lang, other) for other, count in own.items() if other != lang]
            mixed_up.sort(reverse=True)
            rows.append(
                [
                    run.tag,
                    name,
                    found["n"],
                    "{:.1f} [{:.1f}, {:.1f}]".format(found["value"], *found["ci95"]),
                    ", ".join(f"{lang} as {other} {count}" for count, lang, other in mixed_up[:3]) or "–",
                ]
            )
    if not rows:
        return ""
    head = ["experiment", "set", "utterances", "accuracy, %", "most frequent errors"]
    return f"## Language told by the model\n\nIts first label of each utterance.\n\n{table(head, rows)}"


def _forgetting(results: list[Result]) -> str:
    """Test sets of mixed recipes under the model that training started from, and under the new one; ""
    without any.
    """
    rows = []
    for run in results:
        for name, found in run.document.get("forgetting", {}).items():
            low, high = found["difference"]["ci95"]
            relative = "–" if found["relative"] is None else f"{found['relative']:+.1f}%"
            rows.append(
                [
                    run.tag,
                    name,
                    *(f"{found[part]['value']:.1f}" for part in ("before", "after")),
                    f"{found['difference']['value']:+.1f} [{low:+.1f}, {high:+.1f}]",
                    relative,
                ]
            )
    if not rows:
        return ""
    head = ["experiment", "set", "before", "after", "difference", "relative"]
    return (
        "## Forgetting\n\nThe error rate of other recipes' test sets, before this training and behind it;"
        f" the interval is that of a paired bootstrap over utterances.\n\n{table(head, rows)}"
    )


def size_of(run: Result, name: str) -> str:
    data = run.document["data"][name]
    sizes = [f"{data['utterances']} clips, {data['speech_min']} minutes"]
    for key, token in tokens().items():
        if run.has(name, key):
            sizes.append(f"{run.score(name, key)['n_ref']} {token.plural}")
    return ", ".join(sizes)


def signatures(found: list[Experiment], name: str) -> list[str]:
    """The signatures without values, each once, with the seeds put together."""
    seeds: dict[str, set[int]] = {}
    for result in (run for e in found for run in e.runs if name in run.sets()):
        for line in result.document["signature"][name].values():
            score, _, options = line.partition(" | ")
            options, _, seed = options.rpartition(" | seed:")
            seeds.setdefault(f"{score.split()[0]} | {options}", set()).add(int(seed))
    return [f"{line} | seed:{','.join(map(str, sorted(own)))}" for line, own in sorted(seeds.items())]


def speech(result: Result) -> str:
    """Of this language; a model that is used as it is learned from none."""
    minutes = None if result.config.get("train.zero_shot") else result.speech_min
    return "–" if minutes is None else f"{minutes:.1f} min"


def _making(found: list[Experiment]) -> str:
    rows = []
    for e in found:
        run, times = e.runs[0], e.runs[0].document.get("stages", {})
        training = run.document.get("training", {})
        rows.append(
            [
                e.name,
                ", ".join(str(r.seed) for r in e.runs) if not run.peer else "–",
                code(run.document["command"]),
                ", ".join(sorted({r.document["commit"] for r in e.runs})),
                training.get("epochs", "–"),
                f"{training['parameters']:,}" if "parameters" in training else "–",
                ", ".join(f"{stage} {seconds:.0f}" for stage, seconds in times.items()) or "–",
            ]
        )
    note = "Command, epochs and seconds of each stage are those of the first seed."
    return f"## How they were made\n\n{note}\n\n" + table(
        ["experiment", "seeds", "command", "commit", "epochs", "parameters", "seconds"], rows
    )


def _environments(found: list[Experiment]) -> str:
    blocks: dict[str, list[str]] = {}
    for e in found:
        for run in e.runs:
            machine = run.document["environment"]
            text = (
                f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
                f"{machine['system']}\n" + ", ".join(map(" ".join, run.document["versions"].items()))
            )
            blocks.setdefault(text, []).append(run.tag)
    lines = [
        block(text) + (f"\n\nfor {escaped(', '.join(sorted(tags)))}" if len(blocks) > 1 else "")
        for text, tags in blocks.items()
    ]
    return "## Environment\n\n" + "\n\n".join(lines)


def _examples(experiment: Experiment) -> str:
    first = experiment.runs[0]
    shown = first.details.get("examples")
    if not shown:
        return ""
    ((name, kinds),) = shown.items()
    label = metrics()[experiment.metric].label
    parts = [f"## Utterances of {name}, by {label}: {escaped(experiment.name)}, seed {first.seed}"]
    for kind, rows in kinds.items():
        made = table(
            ["utterance", f"{label} %", "reference", "hypothesis"],
            [[r["id"], r["rate"], r["ref"], r["hyp"]] for r in rows],
        )
        parts.append(f"### {len(rows)} {kind}\n\n{made}")
    return "\n\n".join(parts)
