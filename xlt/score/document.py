"""Writes a set's scores and the files behind them. The form of ``score.json`` is stable: others parse it.

``{set: {metric: {value, ci95: [low, high], n_ref, sub, del, ins}}}`` for the metrics cer, wer, ser (percent)
and chrf (0 to 100), of a phone experiment per, fer (phones by their features, :mod:`xlt.metrics.fer`) and
ser. Rates are over the sum of a set's reference tokens, as sclite's; sub, del and ins are null where a metric
has none. An utterance whose reference is empty after normalisation has no rate: it is in no figure, and
listed in ``data``. An empty hypothesis is all deletions.

Beside the sets stand the keys in :data:`xlt.score.RESERVED`. Those that are scores as well:

- ``means``: ``{set: {metric: {value, ci95}}}``, the mean of the utterances' own scores, as in the ML-SUPERB
  leaderboard.
- ``languages``: ``{set: {language: {metric: …}}}`` of sets with several.
- ``language_told``: ``{set: {value, ci95, n, told: {language: {told: utterances}}}}`` of models that tell the
  language (``tokens.language_tag``): their accuracy in percent, :mod:`xlt.score.language`.
- ``counts``: ``{set: {ids, errors, n_ref[, wer: {errors, n_ref}]}}``: the errors and the reference tokens of
  each utterance by the set's first metric, in the order of ids, for paired tests; and those of words. ``ids``
  is the SHA-256 of the ids, a line each without the last end of line, 20 hex digits: only counts of the same
  utterances can be paired.
- ``micro``: ``{set: {classes: {class: …}, all, rest, absent: {class: why}}}``: WER over the reference words
  of a class (:mod:`xlt.score.words`, :mod:`xlt.metrics.micro`), over those of any class (micro-WER) and over
  the others. Each: value, ci95, n_ref, sub, del, ins, correct, n (utterances with such words), mean ({value,
  ci95}), and a note where there is one to know; null without such words. Not of phones.
- ``slices``: ``{set: {tag: {n, slices: {value: {n, few, metric: {…, mean}}}, worst, spread}}}``
  (:mod:`xlt.score.slices`): error rates by speaker, duration, lang, and the user's tags; ``few``: too few
  utterances to say much.
- ``script``: ``{set: {scripts, references, hypotheses, utterances, offenders}}``: characters outside the
  language's script (:mod:`xlt.metrics.script`), ``{chars, outside, share}`` in percent a side; or ``{absent:
  why}``. Not of phones.
- ``forgetting``: see :mod:`xlt.score.forgetting`.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xlt import __version__
from xlt.core.log import say
from xlt.core.stage import read_json, write_json
from xlt.data import normalise_utterance, normalisers
from xlt.formats.tables import read_table
from xlt.metrics import cer, wer
from xlt.metrics.chrf import chrf
from xlt.metrics.fer import fer
from xlt.metrics.per import per
from xlt.metrics.result import Score
from xlt.metrics.ser import ser
from xlt.phones.features import substitution_costs
from xlt.score import facts, further, language
from xlt.score.forgetting import compare
from xlt.score.match import Matched, match
from xlt.score.words import Words

if TYPE_CHECKING:
    from xlt.core.context import Context


def _fer(pairs: list[tuple[str, str]], resamples: int, rng: np.random.Generator) -> Score:
    return fer(pairs, substitution_costs, resamples, rng)


METRICS: dict[str, Callable[..., Score]] = {"cer": cer.cer, "wer": wer.wer, "ser": ser, "chrf": chrf}
PHONE_METRICS: dict[str, Callable[..., Score]] = {"per": per, "fer": _fer, "ser": ser}
# what the files of utterances count: metric → unit and how a text is cut
_UNITS = {"cer": ("char", cer.tokens), "wer": ("word", wer.tokens), "per": ("phone", str.split)}


def write(ctx: Context, normaliser: str, sets: list[str], out: Path) -> dict:
    """Score ``sets`` of the experiment into ``out``; returns facts for its stamp."""
    phones = ctx.cfg.tokens.type == "phone"  # the texts they come from were normalised
    tables = {name: ctx.data / name / "utt2lang" for name in sets}
    languages = {name: read_table(path) if path.exists() else {} for name, path in tables.items()}

    def matching(name: str, decoded: str) -> Matched:
        ref, hyp = ctx.text(name), ctx.exp / decoded / "text"
        clean = (
            (lambda utt, text: " ".join(text.split()))
            if phones
            else normalise_utterance(ctx.cfg, languages[name], ctx.shown(tables[name]))
        )
        return match(read_table(ref), read_table(hyp), clean, ctx.shown(ref), ctx.shown(hyp))

    matched = {name: matching(name, f"decode_{name}") for name in sets}
    if phones:
        found = read_json(ctx.tokens / "tokens.json", "tokens")["g2p"]
        normaliser += "".join(f"+{g2p['g2p'].replace(' ', ':')}" for g2p in found.values())
    metrics, resamples, seed = PHONE_METRICS if phones else METRICS, ctx.cfg.score.bootstrap, ctx.cfg.seed
    words = None if phones else Words(ctx)
    scores = {name: measure(m, resamples, seed, metrics) for name, m in matched.items()}
    document = score_sets(matched, scores, normaliser, resamples, seed, out)
    document |= score_languages(matched, languages, resamples, seed, metrics)
    tagged = [name for name in sets if (ctx.exp / f"decode_{name}" / "lang").exists()]
    if tagged:
        document["language_told"] = {
            name: language.told(
                name,
                matched[name].ids,
                {utt: languages[name].get(utt, ctx.cfg.lang) for utt in matched[name].ids},
                read_table(ctx.exp / f"decode_{name}" / "lang"),
                resamples,
                seed,
            )
            for name in tagged
        }
    before = {
        name: matching(name, f"before_{name}")
        for name in sets
        if (ctx.exp / f"before_{name}" / "text").exists()
    }
    if before:
        document["forgetting"] = {
            name: compare(
                *(_first(m[name], resamples, seed, metrics) for m in (before, matched)), resamples, seed
            )
            for name in before
        }
    document["slices"] = {
        name: further.slices_of(name, ctx.data / name, m, scores[name], resamples, seed)
        for name, m in matched.items()
    }
    if words:
        document["micro"] = {
            name: further.micro_of(name, m, words, languages[name], resamples, seed)
            for name, m in matched.items()
        }
        document["script"] = {
            name: further.script_of(
                name,
                m,
                {languages[name].get(utt, ctx.cfg.lang) for utt in m.ids},
                lambda: set(normalisers(ctx.cfg)),
            )
            for name, m in matched.items()
        }
    document["data"] = {name: set_facts(ctx.data / name, matched[name]) for name in sets}
    document |= facts.of_experiment(ctx, normaliser)
    write_json(out / "score.json", document)
    return {"utterances": {name: len(m.ids) for name, m in matched.items()}}


def score_sets(
    matched: dict[str, Matched],
    measured: dict[str, dict[str, Score]],
    normaliser: str,
    resamples: int,
    seed: int,
    out: Path,
) -> dict:
    """The sets with ``signature``, ``means`` and ``counts``; says each score; a set's files go into
    ``out``.
    """
    document: dict = {}
    signatures: dict = {}
    counts: dict = {}
    means: dict = {}
    for name, m in matched.items():
        scores = measured[name]
        counts[name] = error_counts(m, scores)
        means[name] = further.means(scores, resamples, seed)
        document[name] = {key: score.as_dict() for key, score in scores.items()}
        signatures[name] = {
            key: s.signature(normaliser, resamples, seed, __version__) for key, s in scores.items()
        }
        for line in signatures[name].values():
            say(f"  {name}: {line}")
        if m.empty:
            say(f"  {name}: {len(m.empty)} empty references are not scored: {' '.join(m.empty)}")
        units = {_UNITS[key]: score for key, score in scores.items() if key in _UNITS}
        write_utterances(out / f"{name}.tsv", m, {unit: score for (unit, _), score in units.items()})
        for unit, tokens in units:
            write_trn(out / f"{name}.{unit}.ref.trn", m.ids, [tokens(ref) for ref, _ in m.pairs])
            write_trn(out / f"{name}.{unit}.hyp.trn", m.ids, [tokens(hyp) for _, hyp in m.pairs])
    return {**document, "signature": signatures, "means": means, "counts": counts}


def measure(
    m: Matched, resamples: int, seed: int, metrics: dict[str, Callable[..., Score]] = METRICS
) -> dict[str, Score]:
    """``{metric: score}``; every metric sees the same resamples."""
    return {key: metric(m.pairs, resamples, np.random.default_rng(seed)) for key, metric in metrics.items()}


def _first(m: Matched, resamples: int, seed: int, metrics: dict[str, Callable[..., Score]]) -> Score:
    """The score that sets are compared by: CER, or PER."""
    name = next(iter(metrics))
    return measure(m, resamples, seed, {name: metrics[name]})[name]


def error_counts(m: Matched, scores: dict[str, Score]) -> dict:
    """What a paired test needs of a set."""
    first = next(iter(scores))
    of = {
        key: {"errors": [c.errors for c in score.utterances], "n_ref": [c.n_ref for c in score.utterances]}
        for key, score in scores.items()
        if key in (first, "wer")
    }
    return {"ids": hashlib.sha256("\n".join(m.ids).encode()).hexdigest()[:20], **of.pop(first), **of}


def score_languages(
    matched: dict[str, Matched],
    languages: dict[str, dict[str, str]],
    resamples: int,
    seed: int,
    metrics: dict[str, Callable[..., Score]] = METRICS,
) -> dict:
    """``{"languages": {set: {language: {metric: …}}}}`` of the sets that have several; says the first metric
    of each.
    """
    found: dict = {}
    for name, m in matched.items():
        by_language: dict[str, set[str]] = {}
        for utt in m.ids:
            by_language.setdefault(languages[name].get(utt, ""), set()).add(utt)
        for lang, ids in sorted(by_language.items()) if len(by_language) > 1 else []:
            scores = measure(m.part(ids), resamples, seed, metrics)
            found.setdefault(name, {})[lang] = {key: score.as_dict() for key, score in scores.items()}
            first = next(iter(scores.values()))
            say(
                f"  {name}, {lang}: {first.name} {first.value:.1f} [{first.ci95[0]:.1f},"
                f" {first.ci95[1]:.1f}], n:{first.n}"
            )
    return {"languages": found} if found else {}


def set_facts(folder: Path, m: Matched) -> dict:
    """Size of a set: utterances scored, minutes of speech of all its utterances, ids with an empty
    reference.
    """
    return {
        "utterances": len(m.ids),
        "speech_min": facts.minutes(folder),
        "empty_references": m.empty,
        "empty_hypotheses": sum(not hyp for _, hyp in m.pairs),
    }


def write_utterances(path: Path, m: Matched, units: dict[str, Score]) -> None:
    """A line an utterance: id, the counts of each unit (characters and words, or phones), reference,
    hypothesis.
    """
    with path.open("w", encoding="utf-8", newline="") as handle:
        table = csv.writer(handle, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE)
        counts = [f"{unit}_{count}" for unit in units for count in ("n_ref", "sub", "del", "ins")]
        table.writerow(["id", *counts, "ref", "hyp"])
        rows = zip(*(score.utterances for score in units.values()), strict=True)
        for utt, (ref, hyp), of_units in zip(m.ids, m.pairs, rows, strict=True):
            table.writerow([utt, *(n for unit in of_units for n in unit), ref, hyp])


def write_trn(path: Path, ids: Sequence[str], tokens: Sequence[Sequence[str]]) -> None:
    """sclite's transcript form, ``token … (id)``, for ``sclite -i spu_id -s -e utf-8 -r REF trn -h HYP
    trn``.
    """
    lines = (" ".join([*words, f"({utt})"]) + "\n" for utt, words in zip(ids, tokens, strict=True))
    path.write_text("".join(lines), encoding="utf-8")
