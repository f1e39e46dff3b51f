"""Makes the scores of an experiment, of the form :class:`xlt.formats.results.Scores`, and the files behind
them.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xlt import __version__
from xlt.core.log import say, to_log
from xlt.core.stage import atomic_text, read_json
from xlt.data.normalisers import normalise_utterance, normalisers
from xlt.formats.results import SCORES, Change, Counts, Entry, Errors, Scored, SetFacts, dump
from xlt.formats.tables import read_table
from xlt.metrics.bootstrap import Bootstrap
from xlt.metrics.metric import PHONES, TEXT, counted, main_metric, metrics, tokens
from xlt.score import facts, further, language, voices
from xlt.score.change import change
from xlt.score.match import Matched, match
from xlt.score.rungs import rungs
from xlt.score.words import Words

if TYPE_CHECKING:
    from xlt.core.context import Context
    from xlt.metrics.result import Score


class Transcripts:
    """What an experiment's texts are scored with. ``kind``: phones, or texts as they are spelled."""

    def __init__(self, ctx: Context, normaliser: str, sets: list[str]):
        self.ctx, self.sets = ctx, sets
        self.kind = PHONES if ctx.cfg.tokens.type == "phone" and not ctx.cfg.lm.spell else TEXT
        self.boot = Bootstrap(ctx.cfg.score.bootstrap, ctx.cfg.seed)
        self.languages = {name: self._languages(name) for name in sets}
        self.normaliser = normaliser
        if self.kind == PHONES:
            converters = read_json(ctx.tokens / "tokens.json", "tokens")["g2p"].values()
            self.normaliser += "".join(f"+{g2p['g2p'].replace(' ', ':')}" for g2p in converters)

    def _languages(self, name: str) -> dict[str, str]:
        path = self.ctx.data / name / "utt2lang"
        return read_table(path) if path.exists() else {}

    def language(self, name: str, utt: str) -> str:
        return self.languages[name].get(utt, self.ctx.cfg.language)

    def match(self, name: str, decoded: str, table: str = "text") -> Matched:
        """References of a set with the hypotheses in ``exp/<tag>/<decoded>/<table>``."""
        ctx = self.ctx
        ref, hyp = ctx.reference(name), ctx.exp / decoded / table
        clean: Callable[[str, str], str] = _spaced  # the texts that phones come from were normalised
        if self.kind == TEXT:
            languages = ctx.display_path(ctx.data / name / "utt2lang")
            clean = normalise_utterance(ctx.cfg, self.languages[name], languages)
        return match(read_table(ref), read_table(hyp), clean, ctx.display_path(ref), ctx.display_path(hyp))


def _spaced(utt: str, text: str) -> str:
    return " ".join(text.split())


def write(ctx: Context, normaliser: str, sets: list[str], out: Path) -> dict:
    """Score ``sets`` of the experiment into ``out``; returns facts for its stamp."""
    texts = Transcripts(ctx, normaliser, sets)
    matched = {name: texts.match(name, f"decode_{name}") for name in sets}
    words = Words(ctx) if texts.kind == TEXT else None  # says faults of lists before anything is scored
    scores = {name: measure(m, texts.boot, texts.kind) for name, m in matched.items()}
    document: dict = {**score_sets(matched, scores, texts.normaliser, texts.boot, out)}
    document |= _languages(texts, matched)
    document |= _forgetting(texts, matched)
    document |= _against_others(texts, matched, scores)
    document |= facts.decoding(ctx, sets)
    document["slices"] = {}
    for name, m in matched.items():
        folder = ctx.data / name
        document["slices"][name] = further.slices_of(name, folder, m, scores[name], texts.boot)
    if words:
        document |= _of_words(texts, words, matched)
    document["data"] = {
        name: {**set_facts(ctx.data / name, m), **voices.facts(ctx, name)} for name, m in matched.items()
    }
    document |= facts.of_experiment(ctx, texts.normaliser)
    atomic_text(out / "score.json", dump(SCORES.stamped(document)))
    metric = main_metric(texts.kind)
    for name, measured in scores.items():
        main = measured[metric]
        others = [
            f"{rung.label} {rung.rates[metric]['value']:.1f}%"
            for rung in rungs(document, name)  # type: ignore[arg-type]
            if rung.changes
        ]
        result = metrics()[metric].in_words(main.value, main.ci95)
        whose = voices.label(document["data"][name])
        say(f"  {name}{whose}: {result}, {main.n} utterances{'; ' if others else ''}{', '.join(others)}")
    say(f"  all scores, with their signatures: {ctx.display_path(ctx.exp / 'score.json')}")
    return {"utterances": {name: len(m.ids) for name, m in matched.items()}}


def score_sets(
    matched: dict[str, Matched],
    measured: dict[str, dict[str, Score]],
    normaliser: str,
    boot: Bootstrap,
    out: Path,
) -> Scored:
    """The scores of the sets, with signatures, means and counts; a set's files go into ``out``."""
    document: Scored = {"sets": {}, "signature": {}, "means": {}, "counts": {}}
    for name, m in matched.items():
        scores = measured[name]
        signatures = {
            key: score.signature(normaliser, boot.resamples, boot.seed, __version__)
            for key, score in scores.items()
        }
        document["sets"][name] = {key: score.as_dict() for key, score in scores.items()}
        document["signature"][name] = signatures
        document["means"][name] = further.means(scores, boot)
        document["counts"][name] = error_counts(m, scores)
        for line in signatures.values():
            to_log(f"  {name}: {line}")
        if m.empty:
            say(f"  {name}: {len(m.empty)} empty references are not scored: {' '.join(m.empty)}")
        _write_files(out, name, m, scores)
    return document


def measure(m: Matched, boot: Bootstrap, kind: str = TEXT) -> dict[str, Score]:
    """``{metric: score}`` of all metrics for this kind of transcripts; each sees the same resamples."""
    return {name: metric.score(m.pairs, boot.resamples, boot.rng()) for name, metric in metrics(kind).items()}


def error_counts(m: Matched, scores: dict[str, Score]) -> Counts:
    """What a paired test needs of a set."""
    found: dict[str, Errors] = {}
    for key in counted():
        if key in scores:
            utterances = scores[key].utterances
            found[key] = {"errors": [c.errors for c in utterances], "n_ref": [c.n_ref for c in utterances]}
    return {"ids": hashlib.sha256("\n".join(m.ids).encode()).hexdigest()[:20], "metrics": found}


def _languages(texts: Transcripts, matched: dict[str, Matched]) -> dict:
    """Scores by language of the sets that have several, and how well the model predicted the language."""
    by_language: dict[str, dict[str, dict[str, Entry]]] = {}
    for name, m in matched.items():
        found = _by_language(texts, name, m)
        if found:
            by_language[name] = found
    predicted = {}
    for name, m in matched.items():
        table = texts.ctx.exp / f"decode_{name}" / "lang"
        if table.exists():
            right = {utt: texts.language(name, utt) for utt in m.ids}
            predicted[name] = language.accuracy(name, right, read_table(table), texts.boot)
    made: dict = {"languages": by_language} if by_language else {}
    return made | ({"language_accuracy": predicted} if predicted else {})


def _by_language(texts: Transcripts, name: str, m: Matched) -> dict[str, dict[str, Entry]]:
    """``{language: scores}``, {} where there is one; says the main metric of each."""
    ids: dict[str, set[str]] = {}
    for utt in m.ids:
        ids.setdefault(texts.languages[name].get(utt, ""), set()).add(utt)
    if len(ids) < 2:
        return {}
    found, metric = {}, main_metric(texts.kind)
    for lang, own in sorted(ids.items()):
        scores = measure(m.part(own), texts.boot, texts.kind)
        found[lang] = {key: score.as_dict() for key, score in scores.items()}
        main = scores[metric]
        say(f"  {name}, {lang}: {metrics()[metric].in_words(main.value, main.ci95)}, {main.n} utterances")
    return found


def _forgetting(texts: Transcripts, matched: dict[str, Matched]) -> dict:
    """What changed on the sets that were decoded with the model that training started from, too."""
    metric, boot = metrics()[main_metric(texts.kind)], texts.boot
    found = {}
    for name, after in matched.items():
        if (texts.ctx.exp / f"before_{name}" / "text").exists():
            before = texts.match(name, f"before_{name}")
            old, new = (metric.score(m.pairs, boot.resamples, boot.rng()) for m in (before, after))
            found[name] = change(old, new, boot)
    return {"forgetting": found} if found else {}


def _against_others(
    texts: Transcripts, matched: dict[str, Matched], scores: dict[str, dict[str, Score]]
) -> dict:
    """What the decoding changed: against the best path of CTC, and against each part of combined decoders."""
    from xlt.score.rungs import GREEDY, PARTS

    greedy, parts = {}, {}
    for name in () if texts.ctx.cfg.lm.spell else matched:  # its best paths are phones
        found = {
            table: _changes(texts, name, table, scores[name])
            for table in (GREEDY, *PARTS)
            if (texts.ctx.exp / f"decode_{name}" / table).exists()
        }
        if GREEDY in found:
            greedy[name] = found.pop(GREEDY)
        if found:
            parts[name] = found
    return ({"greedy": greedy} if greedy else {}) | ({"parts": parts} if parts else {})


def _changes(texts: Transcripts, name: str, table: str, scores: dict[str, Score]) -> dict[str, Change]:
    """``{metric: change}`` from the texts in ``decode_<set>/<table>`` to those that are scored."""
    other = texts.match(name, f"decode_{name}", table)
    before = {
        key: metrics()[key].score(other.pairs, texts.boot.resamples, texts.boot.rng())
        for key in counted(texts.kind)
    }
    return {key: change(score, scores[key], texts.boot) for key, score in before.items()}


def _of_words(texts: Transcripts, words: Words, matched: dict[str, Matched]) -> dict:
    """What only texts have: classes of words, and a script."""
    micro = {}
    for name, m in matched.items():
        micro[name] = further.micro_of(name, m, words, texts.languages[name], texts.boot)
    script = {}
    for name, m in matched.items():
        langs = {texts.language(name, utt) for utt in m.ids}
        script[name] = further.script_of(name, m, langs, lambda: set(normalisers(texts.ctx.cfg)))
    return {"micro": micro, "script": script}


def set_facts(folder: Path, m: Matched) -> SetFacts:
    """Size of a set: utterances scored, minutes of speech of all its utterances, ids with an empty
    reference.
    """
    return {
        "utterances": len(m.ids),
        "speech_min": facts.minutes(folder),
        "empty_references": m.empty,
        "empty_hypotheses": sum(not hyp for _, hyp in m.pairs),
    }


def _write_files(out: Path, name: str, m: Matched, scores: dict[str, Score]) -> None:
    """A set's table of utterances, and sclite's files for each kind of token."""
    own = {key: token for key, token in tokens().items() if key in scores}
    write_utterances(out / f"{name}.tsv", m, {token.name: scores[key] for key, token in own.items()})
    for token in own.values():
        write_trn(out / f"{name}.{token.name}.ref.trn", m.ids, [token.cut(ref) for ref, _ in m.pairs])
        write_trn(out / f"{name}.{token.name}.hyp.trn", m.ids, [token.cut(hyp) for _, hyp in m.pairs])


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
