"""The texts that ``train.teacher`` writes for ``train.unlabelled``, and which of them are learned.

``data/labels/<tag of the teacher>`` has ``text`` and ``confidence`` of all its recordings, and of dev, by
which the least confidence is found. It serves every experiment that learns from the same teacher.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

from xlt.core import jsons
from xlt.core.config import UNLABELLED
from xlt.core.context import Context, need
from xlt.core.errors import ConfigError, DataError
from xlt.core.executor import open_executor, workers_of
from xlt.core.log import Progress, say
from xlt.core.registry import FAMILIES
from xlt.core.stage import Unit, run_unit
from xlt.data.normalisers import normaliser_of
from xlt.formats.model_folder import BUNDLE_MANIFEST, Trained
from xlt.formats.tables import read_scp, read_table, write_table
from xlt.metrics.align import count_edits
from xlt.metrics.cer import tokens
from xlt.models.labels import Clip, Labels, Threshold, threshold
from xlt.models.resolved import origin_facts
from xlt.text.normalise import normalise
from xlt.tokens.tokenizer import Tokenizer
from xlt.train.posteriors import posteriors
from xlt.upstreams.freeze import resolved

AT_ONCE = 8  # utterances of a message; what a stopped run did before its last message is kept
REASONS = {
    "empty": "the teacher heard no words",
    "unsure": "the teacher is less sure than train.label_cer asks for",
    "other letters": "characters that the training texts do not have",
    "too fast": "more text than can be said: over data.max_chars_per_s",
    "too slow": "too little text for the clip: under data.min_chars_per_s",
}


def labels(ctx: Context, model: Trained) -> Labels | None:
    """What is learned of the teacher ``model`` beside the training set; it transcribes what it has not yet.
    None in a dry run. DataError if none of its texts is sure enough.
    """
    ctx = resolved(ctx)
    outputs = posteriors(ctx, model) if ctx.cfg.train.posterior_weight else None
    asked = [outputs, model.folder / BUNDLE_MANIFEST] if outputs else []
    if ctx.cfg.train.unlabelled is None:
        return Labels(model, posteriors=outputs, inputs=asked)
    for name in (UNLABELLED, "dev"):
        need(ctx, ctx.data / name / "wav.scp", ctx.data / name / "utt2audio", stage="data")
    out = ctx.data / "labels" / model.experiment.name
    run_unit(ctx, _unit(ctx, model, out))
    if not out.exists():  # of a dry run
        return None
    found = _chosen(ctx, model, out)
    return dataclasses.replace(found, posteriors=outputs, inputs=[*found.inputs, *asked])


def _unit(ctx: Context, model: Trained, out: Path) -> Unit:
    sets = (UNLABELLED, "dev")
    return Unit(
        "train",
        out,
        {"teacher": origin_facts(model)},
        [model.folder / BUNDLE_MANIFEST, *(ctx.data / name / "utt2audio" for name in sets)],
        lambda partial: _transcribe(ctx, model, sets, partial),
        resume=True,
    )


def _transcribe(ctx: Context, model: Trained, sets: tuple[str, ...], out: Path) -> dict:
    """Write ``text`` and ``confidence`` of the speech without texts, ``dev.text`` and ``dev.confidence``."""
    log = out / "labels.jsonl"
    done = {(name, utt): (text, sure) for name, utt, text, sure in jsons.whole_lines(log)}
    waves = {name: read_scp(ctx.data / name / "wav.scp", ctx.recipe) for name in sets}
    todo = [(name, utt) for name in sets for utt in waves[name] if (name, utt) not in done]
    batches = [todo[at : at + AT_ONCE] for at in range(0, len(todo), AT_ONCE)]
    say(f"  {ctx.cfg.as_given('train.teacher')} transcribes {len(todo)} utterances")
    executor = open_executor("transcribe", model.folder, workers_of(ctx.cfg))
    try:
        messages = [[Clip(waves[name][utt]) for name, utt in batch] for batch in batches]
        with log.open("a", encoding="utf-8") as file, Progress("labels", len(todo), "utterances") as bar:
            for batch, answer in zip(batches, executor.run(messages, keep=out), strict=True):
                for (name, utt), label in zip(batch, answer, strict=True):
                    done[name, utt] = tuple(label)
                    file.write(json.dumps([name, utt, *label], ensure_ascii=False) + "\n")
                file.flush()
                bar.add(len(batch))
    finally:
        executor.close()
    for name in sets:
        before = "" if name == UNLABELLED else f"{name}."
        write_table(out / f"{before}text", {utt: done[name, utt][0] for utt in waves[name]})
        write_table(out / f"{before}confidence", {utt: f"{done[name, utt][1]:.4f}" for utt in waves[name]})
    log.unlink()
    return {"utterances": len(done)}


def _chosen(ctx: Context, model: Trained, out: Path) -> Labels:
    """The texts that are sure enough, and that the recipe's model can learn."""
    cfg = ctx.cfg
    name = normaliser_of(cfg)

    def spell(text: str) -> str:
        return normalise(text, name)

    limit = _limit(ctx, out, spell)
    found = {utt: spell(text) for utt, text in read_table(out / "text").items()}
    sure = {utt: float(value) for utt, value in read_table(out / "confidence").items()}
    seconds = {utt: float(s) for utt, s in read_table(ctx.data / UNLABELLED / "utt2dur").items()}
    letters = Tokenizer(ctx.tokens).symbols()
    left_out: dict[str, list[str]] = {reason: [] for reason in REASONS}
    kept: dict[str, str] = {}
    for utt, text in found.items():
        rate = len(text) / seconds[utt]
        why = {
            "empty": not text,
            "unsure": sure[utt] < limit.confidence,
            "other letters": not letters.issuperset(text),
            "too fast": rate > cfg.data.max_chars_per_s,
            "too slow": rate < cfg.data.min_chars_per_s,
        }
        reason = next((reason for reason, holds in why.items() if holds), None)
        if reason is None:
            kept[utt] = text
        else:
            left_out[reason].append(utt)
    counts = {reason: len(utts) for reason, utts in left_out.items() if utts}
    if not kept:
        said = ", ".join(f"{reason} {count}" for reason, count in counts.items())
        raise DataError(
            f"{out / 'text'}: none of the {len(found)} texts of the teacher can be learned ({said}); raise"
            " train.label_cer, take a better teacher, or leave train.teacher out"
        )
    minutes = sum(seconds[utt] for utt in kept) / 60
    _say(cfg.train.label_cer, limit, kept, minutes, found, left_out)
    facts = {
        "label_cer": cfg.train.label_cer,
        "dev": {name: round(value, 4) for name, value in limit._asdict().items()},
        "utterances": len(kept),
        "minutes": round(minutes, 2),
        "of": len(found),
        "left_out": counts,
    }
    files = [out / name for name in ("text", "confidence", "dev.text", "dev.confidence")]
    data = ctx.data / UNLABELLED
    inputs = [*files, data / "utt2audio", ctx.data / "dev" / "text"]
    speech = FAMILIES.get(cfg.train.family).needs(ctx, UNLABELLED)
    own = dataclasses.replace(speech, text=out / "text")
    return Labels(model, own, kept, facts, inputs=inputs)


def _limit(ctx: Context, out: Path, spell: Callable[[str], str]) -> Threshold:
    """The least confidence, by the teacher's texts of dev; ConfigError if dev has no texts that are right
    enough.
    """
    most = ctx.cfg.train.label_cer
    refs, sure = read_table(ctx.data / "dev" / "text"), read_table(out / "dev.confidence")
    hyps = read_table(out / "dev.text")
    counts = [count_edits(tokens(refs[utt]), tokens(spell(hyps[utt]))) for utt in refs]
    found = threshold([float(sure[utt]) for utt in refs], counts, most)
    if found is None:
        errors, characters = sum(c.errors for c in counts), sum(c.n_ref for c in counts)
        raise ConfigError(
            f"train.label_cer={most:g}: no confidence of {ctx.cfg.as_given('train.teacher')} leaves so few"
            f" wrong characters on dev, where {100 * errors / characters:.1f}% of all are wrong; raise it, or"
            " take a better teacher"
        )
    return found


def _say(
    most: float,
    limit: Threshold,
    kept: dict[str, str],
    minutes: float,
    found: dict[str, str],
    left_out: dict[str, list[str]],
) -> None:
    say(
        f"  learns {len(kept)} of {len(found)} texts of the teacher, {minutes:.2f} minutes, those with a"
        f" confidence of at least {limit.confidence:.2f}: on dev {100 * limit.cer:.1f}% of their characters"
        f" are wrong, of all texts {100 * limit.cer_of_all:.1f}% (train.label_cer={most:g})"
    )
    for reason, utts in left_out.items():
        if utts:
            say(f"  {len(utts):6} left out: {REASONS[reason]} ({utts[0]} …)")
