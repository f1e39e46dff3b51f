"""What score.json says beside the scores of whole sets: means, micro error rates, slices, characters of other
scripts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from xlt.core.log import say, to_log
from xlt.formats.results import ClassErrors, Interval, Micro, Outside, Script, Slices
from xlt.metrics import script
from xlt.metrics.align import Counts
from xlt.metrics.bootstrap import Bootstrap
from xlt.metrics.micro import micro, word_errors
from xlt.metrics.result import Score
from xlt.score.slices import slices, tags
from xlt.score.words import TOGETHER, Places, Words
from xlt.text.languages import MULTIPLE, get
from xlt.text.scripts import parts

if TYPE_CHECKING:
    from pathlib import Path

    from xlt.score.match import Matched

_OFFENDERS = 10  # characters of other scripts that are listed


def means(scores: dict[str, Score], boot: Bootstrap) -> dict[str, Interval]:
    """Of each metric, the mean of the utterances' own scores."""
    return {key: score.mean(boot.resamples, boot.rng()) for key, score in scores.items()}


def micro_of(name: str, m: Matched, words: Words, utt2lang: dict[str, str], boot: Bootstrap) -> Micro:
    """Error rates of classes of words; logs each."""
    classes = words.classes(name, m, utt2lang)
    errors = [word_errors(ref.split(), hyp.split()) for ref, hyp in m.pairs]
    found: dict[str, ClassErrors] = {}
    for one, places in _with_unions(classes.places, errors).items():
        score = micro(one, errors, places, boot.resamples, boot.rng())
        if score is None or score.counts is None:
            continue
        found[one] = {
            **score.as_dict(),
            "n": score.n,
            "correct": score.n_ref - score.counts.sub - score.counts.dels,
            "mean": score.mean(boot.resamples, boot.rng()),
        }
        to_log(
            f"  {name}: WER of {TOGETHER.get(one, one)} {score.value:.1f} [{score.ci95[0]:.1f},"
            f" {score.ci95[1]:.1f}], {score.n_ref} words in n:{score.n}"
        )
    for one, note in classes.notes.items():
        found[one]["note"] = note
    if classes.absent:
        to_log(f"  {name}: no WER of " + "; ".join(f"{one} ({why})" for one, why in classes.absent.items()))
    return {
        "classes": {k: v for k, v in found.items() if k not in TOGETHER},
        "all": found.get("all"),
        "rest": found.get("rest"),
        "absent": classes.absent,
    }


def _with_unions(classes: dict[str, Places], errors: list[list[Counts]]) -> dict[str, Places]:
    """The classes, and the words of any class and of none; {} without classes."""
    if not classes:
        return {}
    union = [set().union(*places) for places in zip(*classes.values(), strict=True)]
    rest = [set(range(len(own))) - places for own, places in zip(errors, union, strict=True)]
    return {**classes, "all": union, "rest": rest}


def slices_of(
    name: str, folder: Path, m: Matched, scores: dict[str, Score], boot: Bootstrap
) -> dict[str, Slices]:
    """The slices by each tag; logs the worst of each."""
    with_counts = {key: score for key, score in scores.items() if score.utterances}
    found = {}
    for tag, values in tags(folder, m.ids).items():
        found[tag] = one = slices(values, with_counts, boot)
        if one["spread"] and one["worst"]:
            key, score = next(iter(with_counts.items()))
            worst = one["slices"][one["worst"]]
            low, high = worst["scores"][key]["ci95"]
            to_log(
                f"  {name}, by {tag}: {score.name} {one['spread']['low']:.1f} to {one['spread']['high']:.1f},"
                f" worst {one['worst']}, n:{worst['n']}, [{low:.1f}, {high:.1f}]"
            )
    return found


def script_of(name: str, m: Matched, langs: set[str], of_all: Callable[[], set[str]]) -> Script:
    """Characters outside the script of the languages; says the most frequent.

    ``langs``: the languages of the set; for the language of several (``mul_Zyyy``) stand those that
    ``of_all`` gives. ``share`` is in percent of characters with a script of their own, None without any;
    ``utterances``: hypotheses with a character outside. ``{"absent": why}`` where the script is not
    determined.
    """
    codes = {get(lang).code[4:] for lang in (of_all() if MULTIPLE in langs else langs)}
    lacking = sorted(code for code in codes if not parts(code))
    if lacking:
        say(
            f"  {name}: characters of other scripts are not counted: Unicode has no script"
            f" {', '.join(lacking)}"
        )
        return {"absent": f"{', '.join(lacking)} is no script of Unicode's"}
    scripts = sorted({one for code in codes for one in parts(code)})
    sides = {"references": [ref for ref, _ in m.pairs], "hypotheses": [hyp for _, hyp in m.pairs]}
    shares: dict[str, Outside] = {}
    for side, texts in sides.items():
        chars, outside = script.shares(texts, scripts)
        share = round(100 * outside.total() / chars, 3) if chars else None
        shares[side] = {"chars": chars, "outside": outside.total(), "share": share}
    often = sorted(outside.items(), key=lambda item: (-item[1], item[0]))[:_OFFENDERS]
    found: Script = {
        "scripts": scripts,
        "references": shares["references"],
        "hypotheses": shares["hypotheses"],
        "utterances": sum(any(char in outside for char in hyp) for hyp in sides["hypotheses"]),
        "offenders": [{"char": char, "name": script.describe(char), "count": n} for char, n in often],
    }
    if outside:
        shown = ", ".join(f"{one['char']} {one['name']} ({one['count']})" for one in found["offenders"][:3])
        say(
            f"  {name}: {found['hypotheses']['share']:.2f}% of the characters are outside"
            f" {', '.join(scripts)}: {shown}"
        )
    return found
