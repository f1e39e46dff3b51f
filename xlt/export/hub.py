"""`xlt export hub`: a bundle as a folder for the Hugging Face hub. Nothing is uploaded.

It is the bundle, which `xlt transcribe` runs as before, with README.md, the model card, and where
:mod:`xlt.export.wav2vec2` can write it, with the form that transformers loads. Names of clips and speakers,
texts and paths of the machine are left out: ``heard`` keeps the hashes of audio alone. Weights are
safetensors.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from xlt.bundle.card import Card
from xlt.bundle.joined import Joined, manifest_of, refuse_links
from xlt.bundle.manifest import LM, PARTNER, check_files, is_joined, read_manifest, write_manifest
from xlt.core.files import sha256
from xlt.core.stage import write_json
from xlt.export import model_card
from xlt.export.model_card import Part
from xlt.formats.model_folder import HEADS, INFO, Trained, read_info
from xlt.formats.model_folder import MANIFEST as HEARD
from xlt.formats.tables import write_table
from xlt.formats.weights import SAVED, convert

README = "README.md"


def export(bundle: Path, out: Path, name: str) -> list[str]:
    """Write the folder into the empty folder ``out``; ``name``: of the model in its card. Returns what is
    lacking there for want of a setting or of an older bundle, a line each.

    DataError if the bundle is damaged.
    """
    parts = _export_joined(bundle, out) if is_joined(bundle) else [_export_single(bundle, out)]
    (out / README).write_text(model_card.text(name, parts), encoding="utf-8")
    return model_card.lacking(parts)


def _export_single(bundle: Path, out: Path) -> Part:
    from xlt.export import wav2vec2

    part = _copied(bundle, out)
    why = wav2vec2.write(bundle, Trained(bundle, part.info), out)
    return replace(part, untransformed=why)


def _export_joined(bundle: Path, out: Path) -> list[Part]:
    made = Joined.read(bundle)
    made.check_backbone(bundle)
    made.check_lid(bundle)
    for file in made.files:
        if not file.startswith(f"{HEADS}/"):
            (out / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(bundle / file, out / file)
    parts = []
    for name, head in sorted(made.heads.items()):
        made.check_head(bundle, name)
        parts.append(_copied(bundle / HEADS / name, out / HEADS / name))
        made = made.with_head(name, head, sha256(out / manifest_of(name)))
    made.write(out)
    return [replace(part, untransformed="it is one of several over one encoder") for part in parts]


def _copied(bundle: Path, out: Path) -> Part:
    """Copy the bundle of one language without names, texts and paths."""
    manifest, info = read_manifest(bundle), read_info(bundle, "copy the bundle again")
    for file in manifest["files"]:
        refuse_links(bundle, file)
    check_files(bundle, manifest)
    for file in manifest["files"]:
        (out / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(bundle / file, out / file)
    for folder in (out, out / PARTNER):
        _anonymise(folder)
        for path in folder.glob(f"*{SAVED}"):
            convert(path)
    write_manifest(out, {k: v for k, v in manifest.items() if k not in ("files", "format")})
    name = bundle.name if bundle.parent.name == HEADS else str(info["lang"])
    return Part(name, info, manifest, Card.read(bundle), sorted(read_manifest(out)["files"]))


def _anonymise(folder: Path) -> None:
    """Take out what says whose speech it was, or on whose machine the model was made."""
    if (folder / HEARD).exists():
        found = Trained(folder, {}).manifest or {}
        audio = sorted({values[0] for values in found.values()} - {"-"})
        write_table(folder / HEARD, {f"clip{number:07}": f"{one} -" for number, one in enumerate(audio, 1)})
    for name, change in (
        (INFO, lambda info: _in_settings(info.get("features", {}).get("settings", {}))),
        (f"{LM}/lm.json", lambda lm: list(map(_in_settings, lm.get("sources", [])))),
    ):
        _edit(folder / name, change)
    config = folder / "config.yaml"
    if config.exists():
        arguments = yaml.safe_load(config.read_text(encoding="utf-8"))
        if _in_settings(arguments.get("frontend_conf") or {}):
            config.write_text(
                yaml.safe_dump(arguments, allow_unicode=True, sort_keys=False), encoding="utf-8"
            )


def _edit(path: Path, change: Callable[[Any], object]) -> None:
    if path.exists():
        found = json.loads(path.read_text(encoding="utf-8"))
        change(found)
        write_json(path, found)


def _in_settings(found: dict[str, Any]) -> bool:
    """Shorten absolute paths to their last parts; the bundle has its own copies of what they name. Whether
    there were any.
    """
    places = [key for key, value in found.items() if isinstance(value, str) and os.path.isabs(value)]
    for key in places:
        found[key] = Path(found[key]).name
    return bool(places)
