"""RESULTS.md of a recipe, a function of its results/*.json alone."""

from __future__ import annotations

from xlt.report.md import HEAD, table
from xlt.report.results import Experiment, Result, cell, describe, experiments

_METRICS = {
    "cer": {
        "cer": "CER %",
        "wer": "WER %",
        "ser": "SER %",
        "chrf": "chrF2",
    },  # by what an experiment is compared by
    "per": {"per": "PER %", "fer": "FER %", "ser": "SER %"},
}
_INTRODUCTION = """Medians over seeds; in brackets the 95% bootstrap interval over utterances, of the run nearest to the
median. Lower is better, but for chrF2. CER counts the space between words; errors are counted as sclite counts them."""
_PHONES = (
    "PER counts phones, SER utterances with a wrong phone; the references are what the signatures' g2p makes"
    " of the texts."
)
_FEATURES = (
    "FER is PER in which writing one phone for another costs the share of panphon's features in which they"
    " differ."
)


def render(results: list[Result]) -> str:
    """The page; without results it says so."""
    from xlt.report.finer import finer  # which takes its tables from here

    if not results:
        return HEAD + "# Results\n\nNone yet: `./run.sh` makes them.\n"
    found = experiments(results)
    first = results[0].experiment
    sets = sorted(
        {name for result in results for name in result.sets()}, key=lambda name: (name != "test", name)
    )
    main = main_of(found, sets[0])
    parts = [f"{HEAD}# {first['language']} ({first['lang']}): results", _INTRODUCTION]
    parts += [_scores(found, name, metric) for name in sets for metric in _METRICS]
    parts += [
        finer(main, sets[0]),
        _languages_told(results),
        _forgetting(results),
        _making(found),
        _environments(found),
        _examples(main),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def main_of(found: list[Experiment], name: str) -> Experiment:
    """The experiment whose utterances are shown: ``main``, or else the best one of ours on dev (or
    ``name``).
    """
    ours = [e for e in found if not e.runs[0].peer] or found
    named = [e for e in ours if e.name == "main"]
    ours = [
        e for e in ours if e.metric == "cer"
    ] or ours  # a rate of phones and one of characters do not compare
    chosen_by = "dev" if all("dev" in e.runs[0].sets() for e in ours) else name
    return named[0] if named else min(ours, key=lambda e: (e.median(chosen_by, e.metric) or 1e9, e.name))


def _scores(found: list[Experiment], name: str, metric: str) -> str:
    """The table of a set's experiments that are compared by ``metric``; "" if there are none."""
    from xlt.report.finer import means

    scored = [e for e in found if e.metric == metric and e.median(name, metric) is not None]
    if not scored:
        return ""
    scored.sort(key=lambda e: (e.median(name, metric), e.name))
    titles = {
        key: title for key, title in _METRICS[metric].items() if any(e.scored(name, key) for e in scored)
    }
    size = "; ".join(sorted({size_of(run, name) for e in scored for run in e.runs if name in run.sets()}))
    rows = [
        [
            e.name,
            describe(e.runs[0]),
            speech(e.runs[0]),
            *(cell(e, name, key) for key in titles),
            " ".join(f"{value:.1f}" for value in e.values(name, metric)) if len(e.runs) > 1 else "",
        ]
        for e in scored
    ]
    empty = sorted({
        utt
        for e in scored
        for run in e.runs
        if name in run.sets()
        for utt in run.document["data"][name]["empty_references"]
    })
    note = [f"Not scored, as the reference is empty: {', '.join(empty)}."] if empty else []
    note += [_PHONES] if metric == "per" else []
    note += [_FEATURES] if "fer" in titles else []
    return "\n\n".join([
        f"## {name}: {size}",
        table(
            ["experiment", "model", "training speech", *titles.values(), f"{metric.upper()} of each seed"],
            rows,
        ),
        *means(scored, name),
        *_by_language(scored, name, metric),
        *note,
        "Signatures:\n\n" + "\n".join(f"    {line}" for line in signatures(scored, name)),
    ])


def _by_language(found: list[Experiment], name: str, metric: str) -> list[str]:
    """A table for each error rate, a row an experiment and a column a language, where a set has several."""
    languages = sorted({lang for e in found for run in e.runs for lang in run.languages(name)})
    rows = [e for e in found if any(e.scored(name, metric, lang) for lang in languages)]
    return [
        f"### {name} by language: {_METRICS[metric][rate]}\n\n"
        + table(
            ["experiment", *languages],
            [[e.name, *(cell(e, name, rate, lang) for lang in languages)] for e in rows],
        )
        for rate in ((metric,) if metric == "per" else ("cer", "wer"))
        if rows
    ]


def _languages_told(results: list[Result]) -> str:
    """How often models with ``tokens.language_tag`` told the right language, and their most frequent errors;
    "" without any.
    """
    rows = []
    for run in results:
        for name, found in run.document.get("language_told", {}).items():
            mixed_up = sorted(
                (
                    (count, lang, told)
                    for lang, own in found["told"].items()
                    for told, count in own.items()
                    if told != lang
                ),
                reverse=True,
            )
            rows.append([
                run.tag,
                name,
                found["n"],
                "{:.1f} [{:.1f}, {:.1f}]".format(found["value"], *found["ci95"]),
                ", ".join(f"{lang} as {told} {count}" for count, lang, told in mixed_up[:3]) or "–",
            ])
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
            rows.append([
                run.tag,
                name,
                *(f"{found[part]['value']:.1f}" for part in ("before", "after")),
                f"{found['difference']['value']:+.1f} [{low:+.1f}, {high:+.1f}]",
                relative,
            ])
    if not rows:
        return ""
    head = ["experiment", "set", "before", "after", "difference", "relative"]
    return (
        "## Forgetting\n\nThe error rate of other recipes' test sets, before this training and behind it;"
        f" the interval is that of a paired bootstrap over utterances.\n\n{table(head, rows)}"
    )


def size_of(run: Result, name: str) -> str:
    data = run.document["data"][name]
    units = {"cer": "characters", "wer": "words", "per": "phones"}
    counted = [f"{run.score(name, key)['n_ref']} {unit}" for key, unit in units.items() if run.has(name, key)]
    return ", ".join([f"{data['utterances']} clips, {data['speech_min']} minutes", *counted])


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
    minutes = (
        None
        if result.config.get("train.zero_shot")
        else result.document.get("training", {}).get("speech_min")
    )
    return "–" if minutes is None else f"{minutes:.1f} min"


def _making(found: list[Experiment]) -> str:
    rows = []
    for e in found:
        run, times = e.runs[0], e.runs[0].document.get("stages", {})
        training = run.document.get("training", {})
        rows.append([
            e.name,
            ", ".join(str(r.seed) for r in e.runs) if not run.peer else "–",
            f"`{run.document['command']}`",
            ", ".join(sorted({r.document["commit"] for r in e.runs})),
            training.get("epochs", "–"),
            f"{training['parameters']:,}" if "parameters" in training else "–",
            ", ".join(f"{stage} {seconds:.0f}" for stage, seconds in times.items()) or "–",
        ])
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
                f"{machine['system']}\n"
                + ", ".join(map(" ".join, run.document["versions"].items()))
            )
            blocks.setdefault(text, []).append(run.tag)
    lines = [
        f"```\n{text}\n```" + (f"\n\nfor {', '.join(sorted(tags))}" if len(blocks) > 1 else "")
        for text, tags in blocks.items()
    ]
    return "## Environment\n\n" + "\n\n".join(lines)


def _examples(experiment: Experiment) -> str:
    shown = experiment.runs[0].document.get("examples")
    if not shown:
        return ""
    ((name, kinds),) = shown.items()
    first = experiment.runs[0]
    rate = experiment.metric
    parts = [f"## Utterances of {name}, by {rate.upper()}: {experiment.name}, seed {first.seed}"]
    for kind, rows in kinds.items():
        parts.append(
            f"### {len(rows)} {kind}\n\n"
            + table(
                ["utterance", f"{rate.upper()} %", "reference", "hypothesis"],
                [[r["id"], r[rate], r["ref"], r["hyp"]] for r in rows],
            )
        )
    return "\n\n".join(parts)
