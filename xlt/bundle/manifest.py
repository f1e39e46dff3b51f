"""``bundle.json`` of a bundle of one language: what its files are, and how they are decoded."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from xlt.core import jsons
from xlt.core.errors import DataError
from xlt.core.files import sha256
from xlt.core.stage import write_json
from xlt.formats.model_folder import HEADS
from xlt.formats.versioned import Format

MANIFEST = "bundle.json"
LIKE_VERSION_1 = {"method": "greedy", "beam_size": 10}  # its defaults; it had no language model


def _from_version_1(old: dict[str, Any]) -> dict[str, Any]:
    decode = old.get("decode")
    return old | {"decode": LIKE_VERSION_1 | decode} if isinstance(decode, dict) else old


MANY = 3  # the format of a bundle of several languages (xlt/bundle/joined.py)
FORMAT = Format(MANIFEST, 2, {1: _from_version_1})
LM = "lm"  # the folder with it
HOTWORDS = "hotwords.txt"
PARTNER = "partner"  # the folder with the second model of decode.partner


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
    if is_joined(folder):
        raise DataError(
            f"{folder / MANIFEST}: holds several languages, expected one; give the folder of one of them,"
            f" {folder / HEADS / 'LANG'}"
        )
    manifest = FORMAT.read(folder / MANIFEST, "run stage 10 (bundle) again")
    if not isinstance(manifest.get("files"), dict) or not isinstance(manifest.get("decode"), dict):
        raise DataError(f"{folder / MANIFEST}: damaged; run stage 10 (bundle) again")
    outside = [name for name in manifest["files"] if not is_inside(name)]
    if manifest["decode"].get("hotwords") not in (None, HOTWORDS):
        outside.append(str(manifest["decode"]["hotwords"]))
    if outside:
        raise DataError(
            f"{folder / MANIFEST}: names {outside[0][:80]!r}, which is no file of a bundle; take it from whom"
            " you trust"
        )
    return manifest


def is_joined(folder: Path) -> bool:
    """Whether there is the ``bundle.json`` of several languages; what cannot be read is none."""
    try:
        found = jsons.parse((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    version = found.get("format") if isinstance(found, dict) else None
    return isinstance(version, int) and (version == MANY or (version > MANY and "heads" in found))


def is_inside(name: str) -> bool:
    """Whether a file of that name lies in the folder that names it."""
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts


def check_files(folder: Path, manifest: dict[str, Any]) -> None:
    """DataError unless every file that the manifest names is there and unchanged."""
    for name, digest in manifest["files"].items():
        if not (folder / name).is_file():
            raise DataError(f"{folder / name}: missing; copy the whole bundle again")
        if sha256(folder / name) != digest:
            raise DataError(f"{folder / name}: altered or damaged since the bundle was made; copy it again")
