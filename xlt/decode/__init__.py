"""Stage 7: hypotheses in Kaldi ``text`` form, with a score each."""

from __future__ import annotations

import json
import time
from pathlib import Path

from xlt.errors import ConfigError, DataError
from xlt.kaldi_io import FeatureReader, read_table, write_table
from xlt.log import Progress
from xlt.stage import Context, Unit, need, read_json, run_unit, write_json


def run(ctx: Context) -> None:
    """Decode each of ``decode.sets`` into ``exp/<tag>/decode_<set>/{text,score,decode.json}``; resumes by utterance."""
    need(ctx, ctx.exp / "model.pth", ctx.exp / "xlt.json", stage="train")
    recognisers: list = []  # the model is loaded once, and only if a set is to be decoded

    def recogniser():
        if not recognisers:
            from xlt.decode.recognise import Recogniser

            recognisers.append(Recogniser(ctx.exp, ctx.cfg.decode))
        return recognisers[0]

    trained = read_json(ctx.exp / "xlt.json", "train")
    for name in ctx.cfg.decode.sets:
        feats = ctx.dump / name
        need(ctx, feats / "feats.scp", feats / "feats.json", stage="features")
        _same_features(ctx, trained, feats / "feats.json")
        run_unit(ctx, Unit("decode", ctx.exp / f"decode_{name}",
                           ctx.cfg.section("decode.method", "decode.beam_size", "decode.ctc_weight"),
                           [ctx.exp / "model.pth", ctx.exp / "config.yaml", feats / "feats.scp", feats / "feats.json",
                            ctx.data / name / "utt2audio"],
                           lambda out, feats=feats: _decode(recogniser(), feats, out), resume=True))


def _same_features(ctx: Context, trained: dict, path: Path) -> None:
    """Raise ConfigError if the features at ``path`` are not of the kind that the model was trained on."""
    used = {k: v for k, v in trained["features"].items() if k in ("dim", "frame_rate", "upstream", "layers")}
    there = read_json(path, "features")
    there = {k: there.get(k) for k in used}
    if used != there:
        raise ConfigError(f"{ctx.shown(path)}: has {there}, but {ctx.shown(ctx.exp)} was trained on {used}; "
                          "train again with --stage 6, or restore the features.* settings")


def _decode(recogniser, feats: Path, out: Path) -> dict:
    if (out / "decode.json").exists():  # written behind the hypotheses: only the cleaning is left
        (out / "hypotheses.jsonl").unlink(missing_ok=True)
        return {"decode": read_json(out / "decode.json", "decode")}
    frames = read_table(feats / "utt2num_frames")
    reader = FeatureReader(feats / "feats.scp")
    rate = read_json(feats / "feats.json", "features")["frame_rate"]
    done = _earlier(out / "hypotheses.jsonl")
    todo = sorted((u for u in reader if u not in done), key=lambda u: (int(frames[u]), u))
    start = time.monotonic()
    with (out / "hypotheses.jsonl").open("a", encoding="utf-8") as file, \
            Progress(f"decode {feats.name}", len(todo), "utterances") as progress:
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
        raise DataError(f"{feats}: {len(missing)} utterances were not decoded, first {min(missing)!r}")
    write_table(out / "text", {u: done[u][0] for u in reader})
    write_table(out / "score", {u: f"{done[u][1]:.4f}" for u in reader})
    audio_s = sum(int(frames[u]) for u in todo) / rate
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
