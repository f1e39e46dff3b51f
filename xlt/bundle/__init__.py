"""Stage 10: one folder that transcribes anywhere: model, tokens, statistics, the upstream's weights or their
name.
"""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlt import __version__, lm
from xlt.bundle import card
from xlt.bundle.manifest import HOTWORDS, LM, PARTNER, write_manifest
from xlt.core import digests
from xlt.core.context import Context, need
from xlt.core.errors import ConfigError, DataError
from xlt.core.log import say
from xlt.core.registry import DECODERS
from xlt.core.settings import DecodeConfig
from xlt.core.stage import Unit, run_unit
from xlt.decode import fusion
from xlt.decode.partner import Partner, dispensable, partner
from xlt.formats.model_folder import INFO, Trained, read_info

if TYPE_CHECKING:
    from xlt.bundle.opened import Bundle


def open_bundle(folder: Path) -> Bundle:
    """The bundle in ``folder``, of one language or of several, whose models are loaded as they are asked for;
    DataError if it is none.
    """
    from xlt.bundle.opened import opened

    return opened(Path(folder))


def run(ctx: Context) -> None:
    """Pack ``exp/<tag>/bundle``."""
    need(ctx, ctx.exp / INFO, stage="train")
    trained = Trained(ctx.exp, read_info(ctx.exp))
    need(ctx, *(ctx.exp / name for name in trained.family.needed), stage="train")
    decode = fusion.decided(ctx)
    second = partner(ctx, trained)
    if second and dispensable(trained.info, second.model.info, decode.combination):
        second = None
    own = _files(ctx, decode)
    if foreign := [path for path in own if path != lm.folder(ctx)]:
        raise ConfigError(
            f"decode.method={decode.method}: reads {ctx.display_path(foreign[0])}, which a bundle cannot"
            " hold; give decode.method=auto or greedy for the bundle"
        )
    inputs = [ctx.exp / name for name in trained.family.files if (ctx.exp / name).exists()]
    inputs += [*own, fusion.folder(ctx)]
    if second:
        inputs += [
            path for path in map(second.model.folder.joinpath, second.model.family.files) if path.exists()
        ]
    inputs += [Path(decode.hotwords)] if decode.hotwords else []
    inputs += card.inputs(ctx)
    inputs += [clips] if (clips := ctx.data / ctx.cfg.train_set / "utt2dur").exists() else []
    run_unit(
        ctx,
        Unit(
            "bundle",
            ctx.exp / "bundle",
            ctx.cfg.section("bundle", "decode", "lm.type"),
            inputs,
            lambda out: _pack(ctx, trained, second, decode, out),
        ),
    )


def _files(ctx: Context, decode: DecodeConfig) -> list[Path]:
    """What is read beside the model; where a combination was tuned, hotwords are decoded by it."""
    return DECODERS.get(decode.method if decode.combination is None else fusion.COMBINED).files(ctx)


def _pack(ctx: Context, model: Trained, second: Partner | None, decode: DecodeConfig, out: Path) -> dict:
    _pack_model(ctx, model, out)
    if second:
        (out / PARTNER).mkdir()
        _pack_model(second.ctx, second.model, out / PARTNER)
    trained = model.info
    if decode.hotwords:
        shutil.copyfile(decode.hotwords, out / HOTWORDS)
        decode = dataclasses.replace(decode, hotwords=HOTWORDS)
    manifest: dict[str, Any] = {"xlt": __version__, "lang": trained["lang"], "tag": ctx.cfg.tag}
    if "teacher" in trained:
        manifest["teacher"] = trained["teacher"]
    manifest["decode"] = dataclasses.asdict(decode)
    if _files(ctx, decode):
        own = [p for p in lm.folder(ctx).iterdir() if p.name[0] != "." and p.name not in digests.OWN]
        (out / LM).mkdir()
        for path in own:  # a link to the user's own model becomes a copy
            shutil.copyfile(path, out / LM / path.name)
        manifest["lm"] = ctx.cfg.lm.type
    if sure := fusion.confidence(ctx, decode):
        manifest["confidence"] = sure
    from xlt.bundle.clips import training_clips

    if clips := training_clips(ctx):
        manifest["clips"] = clips.to_json()
    card.card_of(ctx, model.manifest, out / LM if (out / LM).is_dir() else None).write(out)
    write_manifest(out, manifest)
    size = sum(p.stat().st_size for p in out.rglob("*") if p.is_file())
    say(f"  {size / 1e6:.0f} MB")
    return {}


def _pack_model(ctx: Context, model: Trained, out: Path) -> None:
    """The files of a model, and its upstream's."""
    for path in (model.folder / name for name in model.family.files):
        if path.is_dir():  # upstream: how a tuned one is built; its weights are in model.pth
            shutil.copytree(path, out / path.name)
        elif path.exists():
            shutil.copyfile(path, out / path.name)
    features = model.info["features"]
    inside = model.family.holds_upstream and features.get("on_the_fly")
    if ctx.cfg.bundle.with_upstream and not inside and not (out / "upstream").exists():
        from xlt.features import find_source

        source = find_source(ctx.cfg)
        if source.identity != features["upstream"]:
            raise DataError(
                f"{ctx.display_path(model.folder)}: was trained on {features['upstream']}, but the upstream"
                f" found now is {source.identity}; restore features.* or set bundle.with_upstream=false"
            )
        for file in source.files:
            (out / "upstream").mkdir(exist_ok=True)
            shutil.copyfile(file, out / "upstream" / Path(file).name)
