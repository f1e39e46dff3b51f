"""Stage 7: hypotheses in Kaldi ``text`` form, with a score each."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

from xlt.errors import ConfigError, DataError
from xlt.freeze import resolved
from xlt.kaldi_io import FeatureReader, read_table, read_wav, write_table
from xlt.log import Progress
from xlt.stage import Context, Unit, need, read_json, run_unit, write_json
from xlt.train.speech import Speech, speech

SAMPLE_RATE = 16000


def run(ctx: Context) -> None:
    """Decode each of ``decode.sets`` into ``exp/<tag>/decode_<set>/{text,score,decode.json}``; resumes by utterance."""
    need(ctx, ctx.exp / "model.pth", ctx.exp / "xlt.json", stage="train")
    ctx = resolved(ctx)
    recognisers: list = []  # the model is loaded once, and only if a set is to be decoded

    def recogniser():
        if not recognisers:
            from xlt.decode.recognise import Recogniser

            recognisers.append(Recogniser(ctx.exp, ctx.cfg.decode))
        return recognisers[0]

    trained = read_json(ctx.exp / "xlt.json", "train")
    for name in ctx.cfg.decode.sets:
        files = speech(ctx, name)
        files.need(ctx)
        _same_features(ctx, trained, files.info)
        run_unit(ctx, Unit("decode", ctx.exp / f"decode_{name}",
                           ctx.cfg.section("decode.method", "decode.beam_size", "decode.ctc_weight"),
                           [ctx.exp / "model.pth", ctx.exp / "config.yaml", files.content, files.info,
                            ctx.data / name / "utt2audio"],
                           lambda out, name=name, files=files: _decode(recogniser(), name, files, out), resume=True))


_SAME = ("on_the_fly", "dim", "frame_rate", "upstream", "layers", "storage", "mix_norm")


def _same_features(ctx: Context, trained: dict, path: Path) -> None:
    """Raise ConfigError if the features at ``path`` are not of the kind that the model was trained on."""
    used, there = _kind(trained["features"]), _kind(read_json(path, "features"))
    differ = [k for k in used if used[k] != there[k]]
    if differ:
        raise ConfigError(f"{ctx.shown(path)}: has { {k: there[k] for k in differ} }, but {ctx.shown(ctx.exp)} was trained on "
                          f"{ {k: used[k] for k in differ} }; train again with --stage 6, or restore the features.* settings")


def _kind(features: dict) -> dict:
    """What must agree between the features of training and of decoding."""
    mix = features.get("mix") or {}
    return {**{k: features.get(k) for k in _SAME}, "storage": features.get("storage", "f32"), "mix": mix.get("digest")}


class _Waves:
    """Waves (N,) by utterance, where the model encodes by itself."""

    def __init__(self, scp: Path):
        self.paths = read_table(scp)

    def __iter__(self):
        return iter(self.paths)

    def __getitem__(self, utt: str):
        return read_wav(self.paths[utt])


def _decode(recogniser, name: str, files: Speech, out: Path) -> dict:
    if (out / "decode.json").exists():  # written behind the hypotheses: only the cleaning is left
        (out / "hypotheses.jsonl").unlink(missing_ok=True)
        return {"decode": read_json(out / "decode.json", "decode")}
    reader = FeatureReader(files.scp) if files.kind != "sound" else _Waves(files.scp)
    rate = read_json(files.info, "features")["frame_rate"]
    per_frame = 1 if files.kind != "sound" else SAMPLE_RATE / rate
    frames = {utt: math.ceil(int(length) / per_frame) for utt, length in read_table(files.lengths).items()}
    done = _earlier(out / "hypotheses.jsonl")
    todo = sorted((u for u in reader if u not in done), key=lambda u: (frames[u], u))
    start = time.monotonic()
    with (out / "hypotheses.jsonl").open("a", encoding="utf-8") as file, \
            Progress(f"decode {name}", len(todo), "utterances") as progress:
        for batch in recogniser.batches(todo, frames):
            found = recogniser([reader[u] for u in batch])
            for utt, (text, score) in zip(batch, found, strict=True):
                done[utt] = (text, score)
                file.write(json.dumps([utt, text, score], ensure_ascii=False) + "\n")
            file.flush()
            progress.add(len(batch))
    wall = time.monotonic() - start
    missing = set(reader) - set(done)
    if missing:
        raise DataError(f"{files.scp}: {len(missing)} utterances were not decoded, first {min(missing)!r}")
    write_table(out / "text", {u: done[u][0] for u in reader})
    write_table(out / "score", {u: f"{done[u][1]:.4f}" for u in reader})
    audio_s = sum(frames[u] for u in todo) / rate
    facts = {"method": recogniser.method, "utterances": len(done), "audio_s": round(audio_s, 1),
             "wall_s": round(wall, 2), "real_time_factor": round(wall / audio_s, 4) if audio_s else None}
    write_json(out / "decode.json", facts)
    (out / "hypotheses.jsonl").unlink()
    return {"decode": facts}


def _earlier(path: Path) -> dict[str, tuple[str, float]]:
    """Hypotheses that an interrupted run left; a torn last line is dropped from the file."""
    if not path.exists():
        return {}
    rows, whole = {}, []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True):
        try:
            utt, text, score = json.loads(line)
        except ValueError:
            break
        if not line.endswith("\n"):
            break
        rows[utt] = (text, score)
        whole.append(line)
    path.write_text("".join(whole), encoding="utf-8")
    return rows
