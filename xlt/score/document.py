"""Writes a set's scores and the files behind them. The form of ``score.json`` is stable: others parse it.

``{set: {metric: {value, ci95: [low, high], n_ref, sub, del, ins}}}`` for the metrics cer, wer, ser (percent) and chrf
(0 to 100), of a phone experiment per and ser, and beside the sets the keys in :data:`xlt.score.RESERVED`.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xlt import __version__
from xlt.data.text import normalise
from xlt.kaldi_io import read_table
from xlt.log import say
from xlt.metrics import cer, wer
from xlt.metrics.chrf import chrf
from xlt.metrics.per import per
from xlt.metrics.result import Score
from xlt.metrics.ser import ser
from xlt.score import facts
from xlt.score.match import Matched, match
from xlt.stage import read_json, write_json

if TYPE_CHECKING:
    from xlt.stage import Context

METRICS: dict[str, Callable[..., Score]] = {"cer": cer.cer, "wer": wer.wer, "ser": ser, "chrf": chrf}
PHONE_METRICS: dict[str, Callable[..., Score]] = {"per": per, "ser": ser}
# what the files of utterances count: metric → unit and how a text is cut
_UNITS = {"cer": ("char", cer.tokens), "wer": ("word", wer.tokens), "per": ("phone", str.split)}


def write(ctx: Context, normaliser: str, sets: list[str], out: Path) -> dict:
    """Score ``sets`` of the experiment into ``out``; returns facts for its stamp."""
    matched = {}
    phones = ctx.cfg.tokens.type == "phone"  # the texts they come from were normalised
    clean = (lambda text: " ".join(text.split())) if phones else (lambda text: normalise(text, normaliser))
    for name in sets:
        ref, hyp = ctx.text(name), ctx.exp / f"decode_{name}" / "text"
        matched[name] = match(read_table(ref), read_table(hyp), clean, ctx.shown(ref), ctx.shown(hyp))
    if phones:
        found = read_json(ctx.tokens / "tokens.json", "tokens")["g2p"]
        normaliser += "".join(f"+{g2p['g2p'].replace(' ', ':')}" for g2p in found.values())
    document = score_sets(matched, normaliser, ctx.cfg.score.bootstrap, ctx.cfg.seed, out, PHONE_METRICS if phones else METRICS)
    document["data"] = {name: set_facts(ctx.data / name, matched[name]) for name in sets}
    document |= facts.of_experiment(ctx, normaliser)
    write_json(out / "score.json", document)
    return {"utterances": {name: len(m.ids) for name, m in matched.items()}}


def score_sets(matched: dict[str, Matched], normaliser: str, resamples: int, seed: int, out: Path,
               metrics: dict[str, Callable[..., Score]] = METRICS) -> dict:
    """``{set: {metric: …}, "signature": {set: {metric: …}}}``; says each score; each set's files go into ``out``."""
    document: dict = {}
    signatures: dict = {}
    for name, m in matched.items():
        # every metric sees the same resamples
        scores = {key: metric(m.pairs, resamples, np.random.default_rng(seed)) for key, metric in metrics.items()}
        document[name] = {key: score.as_dict() for key, score in scores.items()}
        signatures[name] = {key: s.signature(normaliser, resamples, seed, __version__) for key, s in scores.items()}
        for line in signatures[name].values():
            say(f"  {name}: {line}")
        if m.empty:
            say(f"  {name}: {len(m.empty)} empty references are not scored: {' '.join(m.empty)}")
        units = {_UNITS[key]: score for key, score in scores.items() if key in _UNITS}
        write_utterances(out / f"{name}.tsv", m, {unit: score for (unit, _), score in units.items()})
        for unit, tokens in units:
            write_trn(out / f"{name}.{unit}.ref.trn", m.ids, [tokens(ref) for ref, _ in m.pairs])
            write_trn(out / f"{name}.{unit}.hyp.trn", m.ids, [tokens(hyp) for _, hyp in m.pairs])
    return {**document, "signature": signatures}


def set_facts(folder: Path, m: Matched) -> dict:
    """Size of a set: utterances scored, minutes of speech of all its utterances, ids with an empty reference."""
    return {"utterances": len(m.ids), "speech_min": facts.minutes(folder), "empty_references": m.empty,
            "empty_hypotheses": sum(not hyp for _, hyp in m.pairs)}


def write_utterances(path: Path, m: Matched, units: dict[str, Score]) -> None:
    """A line an utterance: id, the counts of each unit (characters and words, or phones), reference, hypothesis."""
    with path.open("w", encoding="utf-8", newline="") as handle:
        table = csv.writer(handle, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE)
        counts = [f"{unit}_{count}" for unit in units for count in ("n_ref", "sub", "del", "ins")]
        table.writerow(["id", *counts, "ref", "hyp"])
        rows = zip(*(score.utterances for score in units.values()), strict=True)
        for utt, (ref, hyp), of_units in zip(m.ids, m.pairs, rows, strict=True):
            table.writerow([utt, *(n for unit in of_units for n in unit), ref, hyp])


def write_trn(path: Path, ids: Sequence[str], tokens: Sequence[Sequence[str]]) -> None:
    """sclite's transcript form, ``token … (id)``, for ``sclite -i spu_id -s -e utf-8 -r REF trn -h HYP trn``."""
    lines = (" ".join([*words, f"({utt})"]) + "\n" for utt, words in zip(ids, tokens, strict=True))
    path.write_text("".join(lines), encoding="utf-8")
