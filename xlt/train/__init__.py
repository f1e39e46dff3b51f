"""Stage 6: a CTC head, with or without an attention decoder, trained by ESPnet on the extracted features."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from xlt.errors import ConfigError
from xlt.stage import Context, Unit, need, run_unit


def run(ctx: Context) -> None:
    """Train ``exp/<tag>``; resumes after the last finished epoch."""
    cfg = ctx.cfg
    if (cfg.train.decoder == "none") != (cfg.train.ctc_weight == 1.0):
        raise ConfigError(f"train.decoder={cfg.train.decoder} and train.ctc_weight={cfg.train.ctc_weight} do not fit: "
                          "without a decoder the weight is 1.0, with one it is below 1.0 (preset hybrid_ssl)")
    if cfg.train.warmup_steps and cfg.train.schedule == "cosine":
        raise ConfigError(f"train.warmup_steps={cfg.train.warmup_steps}: only train.schedule=plateau has a warm-up")
    sets = (cfg.train_set, "dev")
    for name in sets:
        need(ctx, ctx.data / name / "text", stage="data")
        need(ctx, ctx.dump / name / "feats.scp", ctx.dump / name / "feats.json", stage="features")
    need(ctx, ctx.tokens / "tokens.txt", stage="tokens")
    inputs = [ctx.tokens / "tokens.txt"]
    for name in sets:
        inputs += [ctx.data / name / "text", ctx.data / name / "utt2audio",
                   ctx.dump / name / "feats.scp", ctx.dump / name / "feats.json"]

    def make(out: Path) -> dict:
        from xlt.train.fit import fit

        return fit(ctx, out)

    run_unit(ctx, Unit("train", ctx.exp, cfg.section("train", "features", "tokens", "seed", "data.train_minutes"), inputs,
                       make, resume=True, versions={n: version(n) for n in ("espnet", "torch")}))
