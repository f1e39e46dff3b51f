"""What figures mean for a person: of a hundred words so many right, and how that compares."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from xlt.metrics.metric import Metric, counted
from xlt.report.markdown import main_of
from xlt.report.results import Experiment, Result, Typical, published_title
from xlt.score.compare import Difference, System, compare_all
from xlt.score.voices import in_words


def spoken(e: Experiment, name: str) -> tuple[Metric, Typical] | None:
    """The metric that people understand best, words before characters, and its score on set ``name``."""
    known = [(metric, e.typical(name, key)) for key, metric in counted(e.runs[0].kind).items()]
    scored = [(metric, shown) for metric, shown in known if shown]
    return max(scored, key=lambda pair: pair[0].label == "WER", default=None)


def key_of(metric: Metric) -> str:
    return next(key for key, own in counted().items() if own is metric)


def right_of_100(metric: Metric, shown: Typical, name: str) -> int:
    """How many of a hundred reference tokens were recognised: all but the substituted and the deleted."""
    entry = shown.run.score(name, key_of(metric))
    wrong = (entry["sub"] or 0) + (entry["del"] or 0)
    return round(100 * (entry["n_ref"] - wrong) / entry["n_ref"])


def of_recipe(found: list[Experiment], name: str) -> list[str]:
    """Sentences on the main experiment of a recipe, and on it against each published model."""
    main = main_of(found, name)
    if not (known := spoken(main, name)):
        return []
    metric, shown = known
    token = metric.token.plural if metric.token else "tokens"
    data = shown.run.document["data"][name]
    size = f"{data['utterances']} recordings"
    size += f", {data['speech_min']:.1f} minutes" if data["speech_min"] else ""
    said = [
        f"Of 100 {token} in the {_recordings(name)}, {main.name} gets {right_of_100(metric, shown, name)} right.",
        f"Wrong, missing and added {token} together are {shown.value:.0f} in 100 (95% interval"
        f" {shown.low:.0f} to {shown.high:.0f}; {size}).",
    ]
    if voices := in_words(data):
        said.append(voices)
    if shown.run.speech_min is not None and not shown.run.config.get("train.zero_shot"):
        said.append(f"It learned from {shown.run.speech_min:.1f} minutes of transcribed speech.")
    anchors = [e for e in found if e.runs[0].published and e is not main and e.typical(name, key_of(metric))]
    return said + [_against(e, shown, metric, name) for e in anchors]


def _against(anchor: Experiment, ours: Typical, metric: Metric, name: str) -> str:
    """``For comparison, Whisper-base: 45 errors in 100 words; ours makes 64% fewer errors (95% interval …).``"""
    key = key_of(metric)
    theirs = anchor.typical(name, key)
    if theirs is None:
        raise ValueError(f"{anchor.name} has no {key} on {name}")
    token = metric.token.plural if metric.token else "tokens"
    said = f"For comparison, {published_title(theirs.run)}: {theirs.value:.0f} errors in 100 {token}"
    pairs = compare_all([system(theirs.run), system(ours.run)], name)
    test = next((own for own in pairs.get((0, 1), []) if own.metric == key), None)
    if test:
        return f"{said}; {fewer(test, ours.run.tag)}."
    if not theirs.value:
        return f"{said}."
    change = 100 * (ours.value / theirs.value - 1)
    which = "fewer" if change < 0 else "more"
    return f"{said}; {ours.run.tag} makes {abs(change):.0f}% {which} (no paired test: there are no counts by utterance)."


def fewer(found: Difference, who: str) -> str:
    """What B, called ``who``, makes of A's errors: ``B makes 64% fewer errors (95% interval 55 to 75%, p
    0.0002)``.
    """
    test = found.paired
    if found.same:
        return f"{who} makes as many errors in each utterance"
    if not test.difference:
        return f"{who} makes as many errors in all"
    if test.relative is None or test.relative_ci95 is None:
        size, ends, unit = test.difference, test.difference_ci95, " points"
    else:
        size, ends, unit = test.relative, test.relative_ci95, "%"
    sign = -1 if size < 0 else 1
    low, high = sorted(sign * end for end in ends)
    which = "fewer" if sign < 0 else "more"
    span = f"95% interval {low:.0f} to {high:.0f}{unit}, p {test.p:.2g}".replace("-", "−")
    doubt = "" if found.b_is_better is not None else "no difference that the test set could show: "
    return f"{doubt}{who} makes {abs(size):.0f}{unit} {which} errors ({span})"


def system(run: Result) -> System:
    """A result as what can be compared."""
    scores = run.document
    return System(run.tag, Path(), scores if "counts" in scores else {**scores, "counts": {}})


def of_all(recipes: dict[str, list[Experiment]], titles: dict[str, str], name: str) -> list[str]:
    """Sentences on the main experiments of all recipes of one language."""
    rates: list[tuple[int, str]] = []
    anchors: dict[str, list[int]] = {}
    tokens: set[str] = set()
    for recipe, found in recipes.items():
        main = main_of(found, name)
        known = spoken(main, name)
        if not known or not known[0].token or main.runs[0].published:
            continue
        metric, shown = known
        tokens.add(known[0].token.plural)
        rates.append((right_of_100(metric, shown, name), titles[recipe]))
        for e in found:
            theirs = spoken(e, name)
            if e.runs[0].published and theirs and theirs[0] is metric:
                right = right_of_100(metric, theirs[1], name)
                anchors.setdefault(published_title(e.runs[0]), []).append(right)
    if len(tokens) != 1 or len(rates) < 2:
        return []
    (token,) = tokens
    low, high = min(rates), max(rates)
    said = [
        f"Of 100 {token} in the {_recordings(name)}, the main model of each language gets {_span([n for n, _ in rates])}"
        f" right: least in {low[1]}, most in {high[1]}."
    ]
    for title, own in anchors.items():
        some = "" if len(own) == len(rates) else f", in {len(own)} of the {len(rates)} languages"
        said.append(f"For comparison, {title}: {_span(own)}{some}.")
    return said


def _recordings(name: str) -> str:
    return f"{name} recordings" if name in ("test", "dev") else f"recordings of {name}"


def _span(values: Sequence[int]) -> str:
    """``84``, or ``between 45 and 84 (median 75)``."""
    low, high = min(values), max(values)
    return f"{low}" if low == high else f"between {low} and {high} (median {median(values):.0f})"
