"""Stage 6: a CTC head, with or without an attention decoder, trained by ESPnet on a frozen upstream or
together with it.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from xlt.core.context import Context, need
from xlt.core.errors import ConfigError
from xlt.core.stage import Unit, run_unit
from xlt.data import normaliser_of
from xlt.features.speech import speech
from xlt.formats.model_folder import origin
from xlt.upstreams.freeze import resolved, tell


def run(ctx: Context) -> None:
    """Train ``exp/<tag>``; resumes after the last finished epoch."""
    given, ctx = ctx, resolved(ctx)
    cfg = ctx.cfg
    if (cfg.train.decoder == "none") != (cfg.train.ctc_weight == 1.0):
        raise ConfigError(
            f"train.decoder={cfg.train.decoder} and train.ctc_weight={cfg.train.ctc_weight} do not fit: "
            "without a decoder the weight is 1.0, with one it is below 1.0 (preset hybrid_ssl)"
        )
    if cfg.train.warmup_steps and cfg.train.schedule == "cosine":
        raise ConfigError(
            f"train.warmup_steps={cfg.train.warmup_steps}: only train.schedule=plateau has a warm-up"
        )
    if cfg.train.balance is not None and any(cfg.train.mix.values()):
        raise ConfigError("train.balance and train.mix: both say what the batches are made of; keep one")
    normaliser_of(cfg)  # which the model is stored with: what it refuses is refused before hours of training
    source = origin(cfg)
    if cfg.train.forget_limit is not None and not (source and cfg.mixed):
        raise ConfigError(
            f"train.forget_limit={cfg.train.forget_limit}: needs a model that could forget, train.init, and a"
            " language to watch, train.mix={spa: 0.1} (a share of 0 only watches)"
        )
    sets = [(name, speech(ctx, name)) for name in (*cfg.learned_sets, "dev")]
    for _, files in sets:
        files.need(ctx)
    need(ctx, ctx.tokens / "tokens.txt", stage="tokens")
    inputs = [ctx.tokens / "tokens.txt"]
    if source:
        inputs += [
            source.folder / name for name in ("model.pth", "tokens.txt", "xlt.json", "feats_stats.npz")
        ]
    for name, files in sets:
        inputs += [files.content, files.lengths, files.info, files.text, ctx.data / name / "utt2audio"]
    if cfg.train.balance is not None:
        need(ctx, ctx.data / cfg.train_set / "utt2lang", stage="data")
        inputs.append(ctx.data / cfg.train_set / "utt2lang")
    if cfg.tokens.language_tag:
        inputs += [ctx.data / name / "utt2lang" for name, _ in sets]
    settings = cfg.section(
        "train",
        "features.upstream",
        "features.path",
        "features.on_the_fly",
        "tokens",
        "seed",
        "data.train_minutes",
    )  # what else there is to the features stands in feats.json

    def make(out: Path) -> dict:
        from xlt.models.espnet.fit import fit

        tell(given)
        return fit(ctx, out)

    run_unit(
        ctx,
        Unit(
            "train",
            ctx.exp,
            settings,
            inputs,
            make,
            resume=True,
            versions={n: version(n) for n in ("espnet", "torch")},
        ),
    )
