"""Stage 10: one folder that transcribes anywhere: model, tokens, statistics, the upstream's weights or their
name.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from xlt import __version__
from xlt.core.context import Context, need
from xlt.core.errors import ConfigError, DataError
from xlt.core.log import say
from xlt.core.registry import DECODERS
from xlt.core.stage import Unit, run_unit, write_json
from xlt.fetch.files import sha256
from xlt.formats.model_folder import INFO, Trained, read_info
from xlt.formats.versioned import Format

MANIFEST = "bundle.json"
FORMAT = Format(MANIFEST, 1)


def run(ctx: Context) -> None:
    """Pack ``exp/<tag>/bundle``."""
    need(ctx, ctx.exp / INFO, stage="train")
    trained = Trained(ctx.exp, read_info(ctx.exp))
    need(ctx, *(ctx.exp / name for name in trained.family.needed), stage="train")
    if needed := DECODERS.get(ctx.cfg.decode.method).files(ctx):
        raise ConfigError(
            f"decode.method={ctx.cfg.decode.method}: reads {ctx.display_path(needed[0])}, which a bundle"
            " cannot hold yet; give decode.method=greedy for the bundle"
        )
    inputs = [ctx.exp / name for name in trained.family.files if (ctx.exp / name).exists()]
    run_unit(
        ctx,
        Unit(
            "bundle",
            ctx.exp / "bundle",
            ctx.cfg.section("bundle", "decode"),
            inputs,
            lambda out: _pack(ctx, trained, out),
        ),
    )


def _pack(ctx: Context, model: Trained, out: Path) -> dict:
    for path in (ctx.exp / name for name in model.family.files):
        if path.is_dir():  # upstream: how a tuned one is built; its weights are in model.pth
            shutil.copytree(path, out / path.name)
        elif path.exists():
            shutil.copyfile(path, out / path.name)
    trained = model.info
    if ctx.cfg.bundle.with_upstream and not (out / "upstream").exists():
        from xlt.features import find_source

        source = find_source(ctx.cfg)
        if source.identity != trained["features"]["upstream"]:
            raise DataError(
                f"{ctx.display_path(ctx.exp)}: was trained on {trained['features']['upstream']}, but the"
                f" upstream found now is {source.identity}; restore features.* or set"
                " bundle.with_upstream=false"
            )
        for file in source.files:
            (out / "upstream").mkdir(exist_ok=True)
            shutil.copyfile(file, out / "upstream" / Path(file).name)
    manifest = FORMAT.stamped(
        {
            "xlt": __version__,
            "lang": trained["lang"],
            "tag": ctx.cfg.tag,
            "decode": {k.removeprefix("decode."): v for k, v in ctx.cfg.section("decode").items()},
            "files": {
                str(p.relative_to(out)): sha256(p)
                for p in sorted(out.rglob("*"))
                if p.is_file() and not p.name.startswith(".") and p.name != "request.json"
            },
        }
    )
    write_json(out / MANIFEST, manifest)
    size = sum(p.stat().st_size for p in out.rglob("*") if p.is_file())
    say(f"  {size / 1e6:.0f} MB")
    return {}


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
    return manifest


def check_files(folder: Path, manifest: dict[str, Any]) -> None:
    """DataError unless every file that the manifest names is there and unchanged."""
    for name, digest in manifest["files"].items():
        if not (folder / name).is_file():
            raise DataError(f"{folder / name}: missing; copy the whole bundle again")
        if sha256(folder / name) != digest:
            raise DataError(f"{folder / name}: altered or damaged since the bundle was made; copy it again")
