"""Stage 7: hypotheses in Kaldi ``text`` form, with a score each."""

from __future__ import annotations

import contextlib
import functools
import json
import math
import time
from collections.abc import Callable
from pathlib import Path

from xlt.audio.files import SAMPLE_RATE
from xlt.core.context import Context, need
from xlt.core.errors import ConfigError, DataError
from xlt.core.executor import Executor, Workers, open_executor
from xlt.core.log import Progress
from xlt.core.registry import DECODERS
from xlt.core.stage import Unit, read_json, run_unit, write_json
from xlt.decode.work import Model, Utterances, batches, open_speech
from xlt.features.speech import Speech
from xlt.formats.features import read_features
from xlt.formats.model_folder import INFO, Trained, initial_model, read_info
from xlt.formats.tables import read_table, write_table
from xlt.tokens import check_kind
from xlt.upstreams.freeze import resolved

BASE = ("decode.method", "decode.beam_size", "decode.ctc_weight")  # in the stamp of every decoder


def run(ctx: Context) -> None:
    """Decode each set into ``exp/<tag>/decode_<set>/{text,score,decode.json}``; resumes by utterance.

    With ``tokens.language_tag`` the language that the model told stands in ``lang``, ``-`` where it told
    none.

    The test sets of mixed recipes are decoded as well, also by the model that training started from
    (``before_<set>``).
    """
    need(ctx, ctx.exp / INFO, stage="train")
    trained = Trained(ctx.exp, read_info(ctx.exp))
    need(ctx, *(ctx.exp / name for name in trained.family.weights), stage="train")
    ctx = resolved(ctx)
    check_kind(ctx, trained.info["tokens"]["type"])
    with contextlib.ExitStack() as stack:
        # a model is loaded once, and only if a set is to be decoded; one process: a model takes all cores
        @functools.cache
        def executor(folder: Path) -> Executor:
            made = open_executor("recognise", Model(ctx, folder), Workers(1))
            stack.callback(made.close)
            return made

        for name in ctx.cfg.scored_sets:
            files = trained.family.needs(ctx, name)
            files.need(ctx)
            _same_features(ctx, trained.info, files.info)
            run_unit(ctx, _unit(ctx, trained, f"decode_{name}", name, executor))
        if ctx.cfg.mixed and (source := initial_model(ctx.cfg)):  # what it could do before, for stage 8
            for _, name in ctx.cfg.mixed.values():
                run_unit(ctx, _unit(ctx, source, f"before_{name}", name, executor))


def _unit(
    ctx: Context, model: Trained, out: str, name: str, executor: Callable[[Path], Executor]
) -> Unit:
    """Set ``name`` decoded by ``model`` into ``exp/<tag>/<out>``."""
    decoder, files = DECODERS.get(ctx.cfg.decode.method), model.family.needs(ctx, name)
    return Unit(
        "decode",
        ctx.exp / out,
        ctx.cfg.section(*BASE, *decoder.settings),
        [
            *(model.folder / file for file in model.family.weights),
            files.content,
            files.info,
            ctx.data / name / "utt2audio",
            *decoder.files(ctx),
        ],
        lambda partial: _decode(ctx, executor(model.folder), name, files, partial),
        resume=True,
    )


_SAME = ("on_the_fly", "dim", "frame_rate", "upstream", "layers", "storage", "mix_norm")


def _same_features(ctx: Context, trained: dict, path: Path) -> None:
    """Raise ConfigError if the features at ``path`` are not of the kind that the model was trained on."""
    used, there = kind(trained["features"]), kind(read_features(path.parent))
    differ = [k for k in used if used[k] != there[k]]
    if differ:
        raise ConfigError(
            f"{ctx.display_path(path)}: has { {k: there[k] for k in differ} }, but"
            f" {ctx.display_path(ctx.exp)} was trained on { {k: used[k] for k in differ} };"
            " train again with --stage 6, or restore the features.*"
            " settings"
        )


def kind(features: dict) -> dict:
    """What must agree between the features of training and of decoding; ``features``: a feats.json, or that
    part of xlt.json.
    """
    mix = features.get("mix") or {}
    return {
        **{k: features.get(k) for k in _SAME},
        "storage": features.get("storage", "f32"),
        "mix": mix.get("digest"),
    }


def _decode(ctx: Context, executor: Executor, name: str, files: Speech, out: Path) -> dict:
    if (out / "decode.json").exists():  # written behind the hypotheses: only the cleaning is left
        (out / "hypotheses.jsonl").unlink(missing_ok=True)
        return {"decode": read_json(out / "decode.json", "decode")}
    utts = list(open_speech(files, ctx.recipe))
    rate = read_features(files.info.parent)["frame_rate"]
    per_frame = 1 if files.kind != "sound" else SAMPLE_RATE / rate
    frames = {utt: math.ceil(int(length) / per_frame) for utt, length in read_table(files.lengths).items()}
    done = _earlier(out / "hypotheses.jsonl")
    todo = sorted((u for u in utts if u not in done), key=lambda u: (frames[u], u))
    method = ctx.cfg.decode.method
    messages = [Utterances(files, batch) for batch in batches(todo, frames, method)]
    (knows,) = executor.run([Utterances(files, [])])  # loads the model, which is no part of the speed
    start = time.monotonic()
    with (
        (out / "hypotheses.jsonl").open("a", encoding="utf-8") as file,
        Progress(f"decode {name}", len(todo), "utterances") as progress,
    ):
        for message, answer in zip(messages, executor.run(messages), strict=True):
            for utt, hypothesis in zip(message.ids, answer.hypotheses, strict=True):
                done[utt] = hypothesis
                file.write(json.dumps([utt, *hypothesis], ensure_ascii=False) + "\n")
            file.flush()
            progress.add(len(message.ids))
    wall = time.monotonic() - start
    missing = set(utts) - set(done)
    if missing:
        raise DataError(f"{files.scp}: {len(missing)} utterances were not decoded, first {min(missing)!r}")
    write_table(out / "text", {u: done[u][0] for u in utts})
    write_table(out / "score", {u: f"{done[u][1]:.4f}" for u in utts})
    if knows.tells_languages:
        write_table(out / "lang", {u: done[u][2] or "-" for u in utts})
    audio_s = sum(frames[u] for u in todo) / rate
    facts = {
        "method": method,
        "utterances": len(done),
        "audio_s": round(audio_s, 1),
        "wall_s": round(wall, 2),
        "real_time_factor": round(wall / audio_s, 4) if audio_s else None,
    }
    write_json(out / "decode.json", facts)
    (out / "hypotheses.jsonl").unlink()
    return {"decode": facts}


def _earlier(path: Path) -> dict[str, tuple[str, float, str | None]]:
    """Hypotheses that an interrupted run left; a torn last line is dropped from the file."""
    if not path.exists():
        return {}
    rows, whole = {}, []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True):
        try:
            utt, text, score, lang = json.loads(line)
        except ValueError:
            break
        if not line.endswith("\n"):
            break
        rows[utt] = (text, score, lang)
        whole.append(line)
    path.write_text("".join(whole), encoding="utf-8")
    return rows
