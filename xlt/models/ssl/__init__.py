"""Encoders that learn from speech without texts, one file a method: stage 6 of a recipe with
``pretrain.method``.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from xlt.core.context import Context, need
from xlt.core.errors import ConfigError
from xlt.core.stage import Unit
from xlt.formats.model_folder import INFO
from xlt.upstreams import upstream_class

_READ = ("method", "model", "batch_s", "epochs", "lr", "warm_up", "least_codes")


def unit(ctx: Context) -> Unit:
    """``exp/<tag>``; MissingInput without stage 1's sets, ConfigError where a recogniser is in its place,
    UpstreamError without the encoder that it starts from.
    """
    cfg = ctx.cfg
    need(ctx, *(ctx.data / name / "wav.scp" for name in (cfg.heard_set, "dev")), stage="data")
    if (ctx.exp / INFO).exists():
        raise ConfigError(
            f"tag={cfg.tag}: {ctx.display_path(ctx.exp)} is a recogniser, which the encoder would replace;"
            " give the encoder a tag of its own, e.g. tag=encoder"
        )
    config = cfg.section(*(f"pretrain.{name}" for name in _READ), "seed")
    source = None
    if cfg.continues:
        from xlt.fetch.files import cache_root

        name = cfg.features.upstream
        if not upstream_class(name).can_tune(name, cfg.features.path):
            raise ConfigError(
                f"features.upstream={name}: has nothing that can be trained; a continued pre-training starts"
                " from whisper_base, or from hf with a folder in features.path"
            )
        source = upstream_class(name).find(name, cfg.features.path, cache_root(cfg.data.cache))
        config["encoder"] = source.identity
    if cfg.train.max_hours is not None:
        config |= cfg.section("train.max_hours")

    def make(out: Path) -> dict:
        from xlt.models.ssl.pretraining import fit

        return fit(ctx, source, out)

    reads = [ctx.data / name / "utt2audio" for name in (cfg.heard_set, "dev")]
    if cfg.pretrain.model.get("ctc_weight"):  # of xlt.models.ssl.chunked
        reads += [path for name in (cfg.heard_set, "dev") if (path := ctx.data / name / "text").exists()]
    return Unit(
        "train",
        ctx.exp,
        config,
        reads,
        make,
        resume=True,
        versions={name: version(name) for name in ("torch", "transformers")},
    )
