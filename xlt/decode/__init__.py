"""Stage 7: hypotheses in Kaldi ``text`` form, with a score each."""

from __future__ import annotations

import collections
import contextlib
import functools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from xlt.audio.augment import heard_at_once
from xlt.core import jsons
from xlt.core.context import Context, need
from xlt.core.errors import ConfigError, DataError
from xlt.core.executor import Executor, open_executor, workers_of
from xlt.core.log import Progress, say
from xlt.core.registry import DECODERS
from xlt.core.settings import DecodeConfig
from xlt.core.stage import Unit, read_json, refuse_altered, run_unit, write_json
from xlt.decode import fusion, pool
from xlt.decode.partner import Partner, partner
from xlt.decode.work import Model, Utterances, batches, frames_of, open_speech
from xlt.formats.ctm import write_ctm
from xlt.formats.features import read_features
from xlt.formats.model_folder import INFO, Trained, initial_model, model_files, read_info
from xlt.formats.slf import Lattice, Link, write_slf
from xlt.formats.tables import write_table
from xlt.lm import pronounce
from xlt.tokens import check_kind
from xlt.upstreams.freeze import resolved

GREEDY = "greedy"  # text of the best path, beside that of a search
HOTWORDS = ("decode.hotwords", "decode.hotword_weight")  # in the stamp of those that prefer words
LATTICES = ("decode.lattices",)
PARTNER = ("decode.partner",)
BASE = ("decode.method",)  # in the stamp of every decoder


def run(ctx: Context) -> None:
    """Decode each set into ``exp/<tag>/decode_<set>/{text,score,decode.json}``; resumes by utterance.

    Beside ``text`` stand its words with times and confidences in ``ctm``, and a search's n best texts in
    ``nbest.jsonl`` and that of CTC's best path in ``greedy``; with ``decode.lattices`` a file
    ``lattices/<utterance>.slf``. Of a combination, ``beam`` and ``attention`` have the text of each decoder.
    A model without CTC leaves neither ``greedy`` nor ``ctm``.
    The weights of a language model are tuned on dev first, into ``exp/<tag>/fusion``.

    With ``tokens.language_tag`` the language that the model told stands in ``lang``, ``-`` where it told
    none.

    With ``data.split=cross`` the test set has the texts of the models of all folds (:mod:`xlt.decode.pool`).

    The test sets of mixed recipes are decoded as well, also by the model that training started from
    (``before_<set>``).
    """
    need(ctx, ctx.exp / INFO, stage="train")
    trained = Trained(ctx.exp, read_info(ctx.exp))
    need(ctx, *(ctx.exp / name for name in trained.family.weights), stage="train")
    ctx = resolved(ctx)
    check_kind(ctx, trained.info["tokens"]["type"])
    second = partner(ctx, trained)
    with contextlib.ExitStack() as stack:
        # a model is loaded once, and only if a set is to be decoded; one process: a model takes all cores
        @functools.cache
        def executor(folder: Path) -> Executor:
            beside = second.model.folder if second and folder == ctx.exp else None
            refuse_altered(ctx, *model_files(folder), *(model_files(beside) if beside else ()))
            made = open_executor("recognise", Model(ctx, folder, beside), workers_of(ctx.cfg))
            stack.callback(made.close)
            return made

        pronounce.check(ctx.cfg)
        if ctx.cfg.decode.hotwords:
            from xlt.lm.hotwords import check_hotwords

            check_hotwords(ctx.cfg, ctx.exp, trained.info["normaliser"])
        decoded = [name for name in ctx.cfg.scored_sets if name not in ctx.cfg.pooled_sets]
        for name in decoded:  # before anything is tuned on them
            files = trained.family.needs(ctx, name)
            files.need(ctx)
            _same_features(ctx, trained, files.info)
            if second:
                second.needs(name).need(second.ctx)
                _same_features(ctx, second.model, second.needs(name).info)
        decode = fusion.settings(ctx, trained, executor, second)
        # mostly of other languages than the language model; and compared with the source model's texts
        foreign = {name for _, name in ctx.cfg.mixed.values()}
        for name in ctx.cfg.pooled_sets:
            run_unit(ctx, pool.unit(ctx, name))
        for name in decoded:
            how = fusion.plain(ctx, trained) if name in foreign else decode
            run_unit(ctx, _unit(ctx, trained, f"decode_{name}", name, how, executor, second))
        if ctx.cfg.mixed and (source := initial_model(ctx.cfg)):  # what it could do before, for stage 8
            for name in sorted(foreign):
                run_unit(ctx, _unit(ctx, source, f"before_{name}", name, fusion.plain(ctx, source), executor))


def _unit(
    ctx: Context,
    model: Trained,
    out: str,
    name: str,
    decode: DecodeConfig,
    executor: Callable[[Path], Executor],
    second: Partner | None = None,
) -> Unit:
    """Set ``name`` decoded by ``model``, and its partner, into ``exp/<tag>/<out>``."""
    decoder, files = DECODERS.get(decode.method), model.family.needs(ctx, name)
    more = (
        *(HOTWORDS if decode.hotwords else ()),
        *(LATTICES if decode.lattices else ()),
        *(PARTNER if second else ()),
    )
    sure = fusion.confidence(ctx, decode)
    other = second.needs(name) if second else None
    return Unit(
        "decode",
        ctx.exp / out,
        ctx.cfg.section(*BASE, *decoder.settings, *more)
        | fusion.stamp(decode, decoder.settings)
        | ({"confidence": sure} if sure else {}),
        [
            *(model.folder / file for file in model.family.weights),
            files.content,
            files.info,
            ctx.data / name / "utt2audio",
            *decoder.files(ctx),
            *([Path(decode.hotwords)] if decode.hotwords else []),
            *(second.files(name) if second else []),
        ],
        lambda partial: _decode(
            ctx,
            executor(model.folder),
            name,
            Utterances(files, [], decode, fusion.calibration(ctx, sure), other),
            partial,
        ),
        resume=True,
    )


_SAME = ("on_the_fly", "dim", "frame_rate", "upstream", "layers", "storage", "mix_norm")


def _same_features(ctx: Context, model: Trained, path: Path) -> None:
    """Raise ConfigError if the features at ``path`` are not of the kind that the model was trained on."""
    used, there = kind(model.info["features"]), kind(read_features(path.parent))
    differ = [k for k in used if used[k] != there[k]]
    if differ:
        raise ConfigError(
            f"{ctx.display_path(path)}: has { {k: there[k] for k in differ} }, but"
            f" {ctx.display_path(model.folder)} was trained on { {k: used[k] for k in differ} };"
            " train again with --stage 6, or restore the features.*"
            " settings"
        )


def kind(features: dict) -> dict:
    """What must agree between the features of training and of decoding; ``features``: a feats.json, or that
    part of xlt.json.
    """
    mix = features.get("mix") or {}
    mask = heard_at_once(features)
    return {
        **{k: features.get(k) for k in _SAME},
        "storage": features.get("storage", "f32"),
        "mix": mix.get("digest"),
        "chunks": list(mask) if mask else None,
    }


def _decode(ctx: Context, executor: Executor, name: str, how: Utterances, out: Path) -> dict:
    """``how``: of which files, and by what, without ids."""
    if (out / "decode.json").exists():  # written behind the hypotheses: only the cleaning is left
        (out / "hypotheses.jsonl").unlink(missing_ok=True)
        return {"decode": read_json(out / "decode.json", "decode")}
    files, method = how.files, how.decode.method
    utts = list(open_speech(files, ctx.recipe))
    frames, rate = frames_of(files)
    done = _earlier(out / "hypotheses.jsonl")
    todo = sorted((u for u in utts if u not in done), key=lambda u: (frames[u], u))
    messages = [how._replace(ids=batch) for batch in batches(todo, frames, method)]
    if ctx.cfg.executor == "local" or not messages:
        (knows,) = executor.run([how])  # loads the model, which is no part of the speed
    start, spent = time.monotonic(), collections.defaultdict[str, float](float)
    with (
        (out / "hypotheses.jsonl").open("a", encoding="utf-8") as file,
        Progress(f"decode {name}", len(todo), "utterances") as progress,
    ):
        for message, answer in zip(messages, executor.run(messages, keep=out), strict=True):
            knows = answer
            for utt, hypothesis in zip(message.ids, answer.hypotheses, strict=True):
                done[utt] = hypothesis
                file.write(json.dumps([utt, *hypothesis], ensure_ascii=False) + "\n")
            file.flush()
            progress.add(len(message.ids))
            for part, seconds in answer.cpu_s.items():
                spent[part] += seconds
    wall = time.monotonic() - start
    missing = set(utts) - set(done)
    if missing:
        raise DataError(f"{files.scp}: {len(missing)} utterances were not decoded, first {min(missing)!r}")
    write_table(out / "text", {u: done[u][0] for u in utts})
    write_table(out / "score", {u: f"{done[u][1]:.4f}" for u in utts})
    if method != GREEDY and knows.has_ctc:
        write_table(out / GREEDY, {u: done[u][3] for u in utts})
    for part in dict.fromkeys(part for u in utts for part in done[u][7]):
        write_table(out / part, {u: done[u][7][part] for u in utts})
    if any(done[u][4] for u in utts):
        _write_nbest(out / "nbest.jsonl", {u: done[u][4] for u in utts})
    if knows.has_ctc:
        write_ctm(out / "ctm", {u: done[u][5] for u in utts})
    if how.decode.lattices:
        (out / "lattices").mkdir(exist_ok=True)
        for utt in utts:
            times_s, links = done[utt][6]
            found = Lattice(times_s, [Link(*link) for link in links])
            write_slf(out / "lattices" / f"{utt}.slf", utt, found)
    if knows.tells_languages:
        write_table(out / "lang", {u: done[u][2] or "-" for u in utts})
    audio_s = sum(frames[u] for u in todo) / rate
    looped = sorted(u for u in utts if done[u][8])
    if looped:
        say(
            f"  {name}: the attention decoder repeated itself in {len(looped)} of {len(utts)} utterances;"
            " its next best text was taken or the repetition cut:"
            f" {' '.join(looped[:5])}{' … (all in decode.json)' if len(looped) > 5 else ''}"
        )
    facts = {
        "method": method,
        "utterances": len(done),
        **({"looped": looped} if looped else {}),
        "audio_s": round(audio_s, 1),
        "wall_s": round(wall, 2),
        "real_time_factor": round(wall / audio_s, 4) if audio_s else None,
        "cpu_s_per_s": {part: round(s / audio_s, 4) for part, s in spent.items()} if audio_s else None,
    }
    write_json(out / "decode.json", facts)
    (out / "hypotheses.jsonl").unlink()
    return {"decode": facts}


_SCORES = ("acoustic", "lm", "score", "ctc", "attention", "partner")  # see xlt.decode.recognise.Other


def _write_nbest(path: Path, nbest: dict[str, Any]) -> None:
    """The n best texts of each utterance, with their scores; texts that are alike in words stand once."""
    with path.open("w", encoding="utf-8") as file:
        for utt, others in nbest.items():
            rows: dict[str, dict] = {}
            for text, *scores in others:
                words = " ".join(text.split())
                row = {n: round(s, 4) for n, s in zip(_SCORES, scores, strict=True) if s is not None}
                rows.setdefault(words, {"text": words, **row})
            file.write(json.dumps({"id": utt, "nbest": list(rows.values())}, ensure_ascii=False) + "\n")


def _earlier(path: Path) -> dict[str, tuple[str, float, str | None, str, Any, Any, Any, Any, bool]]:
    """Hypotheses that an interrupted run left; a torn last line is dropped from the file."""
    if not path.exists():
        return {}
    rows, whole = {}, []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True):
        try:
            utt, text, score, lang, greedy, nbest, words, lattice, parts, looped = jsons.parse(line)
        except ValueError:
            break
        if not line.endswith("\n"):
            break
        rows[utt] = (text, score, lang, greedy, nbest, words, lattice, parts, looped)
        whole.append(line)
    path.write_text("".join(whole), encoding="utf-8")
    return rows
