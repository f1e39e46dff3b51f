"""Stage 10: one folder that transcribes anywhere: model, tokens, statistics, the upstream's weights or their
name.
"""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path, PurePosixPath
from typing import Any

from xlt import __version__, lm
from xlt.core import digests
from xlt.core.context import Context, need
from xlt.core.errors import ConfigError, DataError
from xlt.core.files import sha256
from xlt.core.log import say
from xlt.core.registry import DECODERS
from xlt.core.settings import DecodeConfig
from xlt.core.stage import Unit, run_unit, write_json
from xlt.decode import fusion
from xlt.decode.partner import Partner, dispensable, partner
from xlt.formats.model_folder import INFO, Trained, read_info
from xlt.formats.versioned import Format

MANIFEST = "bundle.json"
LIKE_VERSION_1 = {"method": "greedy", "beam_size": 10}  # its defaults; it had no language model


def _from_version_1(old: dict[str, Any]) -> dict[str, Any]:
    decode = old.get("decode")
    return old | {"decode": LIKE_VERSION_1 | decode} if isinstance(decode, dict) else old


FORMAT = Format(MANIFEST, 2, {1: _from_version_1})
LM = "lm"  # the folder with it
HOTWORDS = "hotwords.txt"
PARTNER = "partner"  # the folder with the second model of decode.partner


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


def write_manifest(out: Path, manifest: dict[str, Any]) -> None:
    """Write ``bundle.json`` with the hashes of all files in ``out``."""
    files = {
        str(p.relative_to(out)): sha256(p)
        for p in sorted(out.rglob("*"))
        if p.is_file() and not p.name.startswith(".") and p.name not in ("request.json", MANIFEST)
    }
    write_json(out / MANIFEST, FORMAT.stamped({**manifest, "files": files}))


def read_manifest(folder: Path) -> dict[str, Any]:
    """``bundle.json`` in today's version; DataError if it is damaged, missing, or of a newer xlt."""
    if not (folder / MANIFEST).exists():
        raise DataError(
            f"{folder / MANIFEST}: no such file; give the folder that stage 10 (bundle) made, e.g."
            " egs/ron/exp/main/bundle"
        )
    manifest = FORMAT.read(folder / MANIFEST, "run stage 10 (bundle) again")
    if not isinstance(manifest.get("files"), dict) or not isinstance(manifest.get("decode"), dict):
        raise DataError(f"{folder / MANIFEST}: damaged; run stage 10 (bundle) again")
    outside = [name for name in manifest["files"] if not _is_inside(name)]
    if manifest["decode"].get("hotwords") not in (None, HOTWORDS):
        outside.append(str(manifest["decode"]["hotwords"]))
    if outside:
        raise DataError(
            f"{folder / MANIFEST}: names {outside[0][:80]!r}, which is no file of a bundle; take it from whom"
            " you trust"
        )
    return manifest


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts


def check_files(folder: Path, manifest: dict[str, Any]) -> None:
    """DataError unless every file that the manifest names is there and unchanged."""
    for name, digest in manifest["files"].items():
        if not (folder / name).is_file():
            raise DataError(f"{folder / name}: missing; copy the whole bundle again")
        if sha256(folder / name) != digest:
            raise DataError(f"{folder / name}: altered or damaged since the bundle was made; copy it again")
