"""Stage 10: one folder that transcribes anywhere: model, tokens, statistics, the upstream's weights or their
name.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
from pathlib import Path

from xlt import __version__
from xlt.core.context import Context, need
from xlt.core.errors import DataError
from xlt.core.log import say
from xlt.core.stage import Unit, read_json, run_unit, write_json
from xlt.formats.model_folder import FILES, NEEDED


def run(ctx: Context) -> None:
    """Pack ``exp/<tag>/bundle``."""
    need(ctx, *(ctx.exp / name for name in NEEDED), stage="train")
    inputs = [ctx.exp / name for name in (*FILES, "upstream") if (ctx.exp / name).exists()]
    run_unit(
        ctx,
        Unit(
            "bundle",
            ctx.exp / "bundle",
            ctx.cfg.section("bundle", "decode"),
            inputs,
            lambda out: _pack(ctx, out),
        ),
    )


def _pack(ctx: Context, out: Path) -> dict:
    for name in FILES:
        if (ctx.exp / name).exists():
            shutil.copyfile(ctx.exp / name, out / name)
    trained = read_json(ctx.exp / "xlt.json", "train")
    if (ctx.exp / "upstream").is_dir():  # how a tuned upstream is built; its weights are in model.pth
        shutil.copytree(ctx.exp / "upstream", out / "upstream")
    elif ctx.cfg.bundle.with_upstream:
        from xlt.features import find_source

        source = find_source(ctx.cfg)
        if source.identity != trained["features"]["upstream"]:
            raise DataError(
                f"{ctx.shown(ctx.exp)}: was trained on {trained['features']['upstream']}, but the upstream "
                f"found now is {source.identity}; restore features.* or set bundle.with_upstream=false"
            )
        for file in source.files:
            (out / "upstream").mkdir(exist_ok=True)
            shutil.copyfile(file, out / "upstream" / Path(file).name)
    manifest = {
        "format": 1,
        "xlt": __version__,
        "lang": trained["lang"],
        "tag": ctx.cfg.tag,
        "decode": {k.removeprefix("decode."): v for k, v in ctx.cfg.section("decode").items()},
        "files": {
            str(p.relative_to(out)): _sha256(p)
            for p in sorted(out.rglob("*"))
            if p.is_file() and not p.name.startswith(".") and p.name != "request.json"
        },
    }
    write_json(out / "bundle.json", manifest)
    size = sum(p.stat().st_size for p in out.rglob("*") if p.is_file())
    place = os.path.relpath(ctx.exp / "bundle", os.environ.get("XLT_CWD"))  # from where the user stands
    say(f"  {size / 1e6:.0f} MB; use it with: xlt transcribe {shlex.quote(place)} FILE.wav …")
    return {}


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def read_manifest(folder: Path) -> dict:
    """``bundle.json``, once every file that it names is there and unchanged; else DataError."""
    path = folder / "bundle.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(
            f"{path}: no such file; give the folder that stage 10 (bundle) made, e.g. egs/ron/exp/main/bundle"
        ) from None
    except ValueError:
        manifest = None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise DataError(f"{path}: damaged; run stage 10 (bundle) again")
    for name, digest in manifest["files"].items():
        if not (folder / name).is_file():
            raise DataError(f"{folder / name}: missing; copy the whole bundle again")
        if _sha256(folder / name) != digest:
            raise DataError(f"{folder / name}: altered or damaged since the bundle was made; copy it again")
    return manifest
