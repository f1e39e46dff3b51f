"""`xlt export onnx`: a bundle as a folder that transcribes without torch and ESPnet.

It is a bundle like any other, whose model is of the family ``onnx`` (:mod:`xlt.models.onnx`): backbone.onnx,
the same for all languages, head.onnx, and everything else as it was, with the network that detects voice
activity. Of a bundle of several languages it is one of several, too, which has both networks once.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from xlt.audio.augment import heard_at_once
from xlt.audio.voice import NETWORK, find_network
from xlt.bundle.card import CARD
from xlt.bundle.joined import AGAIN, Foundation, Joined
from xlt.bundle.manifest import (
    HOTWORDS,
    LM,
    MANIFEST,
    PARTNER,
    check_files,
    is_joined,
    read_manifest,
    write_manifest,
)
from xlt.core.digests import files_in
from xlt.core.errors import ConfigError
from xlt.core.files import sha256
from xlt.features.mix import FILES as MIX
from xlt.features.mix import Mix
from xlt.formats.model_folder import BACKBONE, HEADS, ONNX, read_info, write_info
from xlt.formats.model_folder import MANIFEST as HEARD
from xlt.lid.store import LID
from xlt.models.family import open_model
from xlt.models.onnx import BACKBONE as ENCODER
from xlt.models.onnx import HEAD
from xlt.models.onnx.model import FBANK, WHISPER
from xlt.models.onnx.shared import identity

METHODS = ("greedy", "beam", "lexicon")  # decoders that need CTC only
TRACED, OTHERS = 60, ((1, 33), (2, 121))  # frames that a head is traced on; rows and frames it is proven on
TRACED_S, OTHERS_S = 5, (10,)  # of a backbone, in seconds


class Parts(NamedTuple):
    """A bundle that can be exported: its manifest, its xlt.json, and its networks as traceable modules;
    ``backbone`` is None for log-mels. ``least``: the fewest frames that the head takes.
    """

    manifest: dict[str, Any]
    info: dict[str, Any]
    head: Any
    backbone: Any
    least: int


def parts_of(bundle: Path, upstreams: Sequence[str] = (WHISPER, FBANK), encoder: bool = True) -> Parts:
    """DataError if the bundle is damaged; ConfigError, with the reason, if it cannot be exported, as where it
    reads features of none of ``upstreams``. ``encoder``: whether to load that.
    """
    from xlt.export.networks import Backbone, Head

    manifest = read_manifest(bundle)
    check_files(bundle, manifest)
    info = read_info(bundle, "copy the bundle again")
    refuse(bundle, manifest, info, upstreams)
    model: Any = open_model(bundle)
    heavy = encoder and _upstream(info) == WHISPER
    backbone = Backbone(_encoder(bundle, info)).eval() if heavy else None
    return Parts(manifest, info, Head(model.net.cpu()).eval(), backbone, model.least)


def refuse(bundle: Path, manifest: dict[str, Any], info: dict[str, Any], upstreams: Sequence[str]) -> None:
    """ConfigError for what cannot be exported, with the reason."""
    why = None
    if info["family"] == ONNX:
        why = "is exported already"
    elif info["family"] != "espnet":
        why = (
            f"is a model of the family {info['family']}; only CTC models of the family espnet can be exported"
        )
    elif (bundle / PARTNER).is_dir():
        why = "decodes with a second model (decode.partner); bundle it without"
    elif info["features"].get("on_the_fly"):
        why = "has a tuned encoder (train.freeze); only those with frozen ones can be exported"
    elif _upstream(info) not in upstreams:
        why = f"reads features of {_upstream(info)}; only those of {' and '.join(upstreams)} can be exported"
    elif _upstream(info) != FBANK and heard_at_once(info["features"]):
        why = "hears speech in chunks (features.chunk_s), which an exported encoder does not"
    elif manifest["decode"].get("method") not in METHODS:
        why = f"decodes by {manifest['decode'].get('method')}; only {', '.join(METHODS)} can be exported"
    if why:
        raise ConfigError(f"{bundle}: {why}; transcribe with the bundle itself")


def _upstream(info: dict[str, Any]) -> str:
    return str(info["features"]["upstream"].get("upstream"))


def _encoder(bundle: Path, info: dict[str, Any]) -> Any:
    """transformers' encoder, of the bundle's own weights or of those that are found."""
    from xlt.features import trained_setup
    from xlt.upstreams.whisper import load_encoder

    return load_encoder(trained_setup(info["features"], bundle).source.folder)


def export(bundle: Path, out: Path, int8: bool) -> dict[str, float]:
    """Write the exported bundle into the empty folder ``out``; how far each network is from torch's."""
    if is_joined(bundle):
        return _export_joined(bundle, out, int8)
    parts = parts_of(bundle)
    found = _write_networks(parts, out, int8)
    shutil.copyfile(find_network(), out / NETWORK)
    _write_rest(bundle, out, parts, {**parts.info["features"], "on_the_fly": True}, int8)
    return found


def _export_joined(bundle: Path, out: Path, int8: bool) -> dict[str, float]:
    """A bundle of several languages as one: the encoder once, heads that read of it, and what tells their
    languages.
    """
    joined, found = Joined.read(bundle), dict[str, float]()
    joined.check_backbone(bundle)
    joined.check_lid(bundle)
    for name in joined.heads:  # what is refused is refused before networks are written
        manifest = joined.check_head(bundle, name)
        refuse(bundle / HEADS / name, manifest, read_info(bundle / HEADS / name, AGAIN), (WHISPER, FBANK))
    base = Foundation(identity(joined.foundation.upstream), "int8" if int8 else joined.foundation.dtype)
    made = Joined(base)
    for part in (BACKBONE, HEADS):
        (out / part).mkdir()
    shutil.copyfile(find_network(), out / BACKBONE / NETWORK)
    for name, head in sorted(joined.heads.items()):
        source, place = bundle / HEADS / name, out / HEADS / name
        parts = parts_of(source, encoder=not found)
        place.mkdir()
        for network, far in _write_networks(parts, place, int8).items():
            found[network] = max(far, found.get(network, 0.0))
        if (place / ENCODER).exists():
            (place / ENCODER).rename(out / BACKBONE / ENCODER)
        _write_rest(source, place, parts, parts.info["features"], int8)
        made = made.with_head(name, head, sha256(place / MANIFEST))
    if joined.lid is not None:
        (out / LID).mkdir()
        shutil.copyfile(bundle / joined.lid.file, out / joined.lid.file)
        made = made.with_lid(joined.lid, joined.files[joined.lid.file])
    files = {f"{BACKBONE}/{path.name}": sha256(path) for path in files_in(out / BACKBONE)}
    dataclasses.replace(made, files={**made.files, **files}).write(out)
    return found


def _write_rest(bundle: Path, out: Path, parts: Parts, features: dict[str, Any], int8: bool) -> None:
    """What the exported bundle has beside networks; xlt.json says that it reads ``features``."""
    for name in (*MIX, "tokens.txt", "bpe.model", HOTWORDS, CARD, HEARD):
        if (bundle / name).exists():
            shutil.copyfile(bundle / name, out / name)
    if (bundle / LM).is_dir():
        shutil.copytree(bundle / LM, out / LM)
    own = {"least_frames": parts.least, "precision": "int8" if int8 else "float32"}
    write_info(out, {**parts.info, "family": ONNX, "features": features, ONNX: own})
    manifest = {key: value for key, value in parts.manifest.items() if key not in ("format", "files")}
    write_manifest(out, manifest | {"exported_from": sha256(bundle / MANIFEST)})


def _write_networks(parts: Parts, out: Path, int8: bool) -> dict[str, float]:
    import torch

    from xlt.export import graph

    rng = torch.Generator().manual_seed(0)
    dim = int(parts.info["features"]["dim"])
    found = {}
    head = [torch.randn(rows, frames, dim, generator=rng) for rows, frames in ((1, TRACED), *OTHERS)]
    axes = {"features": {0: "batch", 1: "frames"}, "log_probs": {0: "batch", 1: "frames_out"}}
    graph.write(parts.head, head[0], out / HEAD, axes)
    found["head"] = graph.proven(parts.head, out / HEAD, head[1:])
    if parts.backbone is not None:
        bands = parts.backbone.net.conv1.in_channels
        mels = [torch.randn(1, bands, 100 * seconds, generator=rng) for seconds in (TRACED_S, *OTHERS_S)]
        axes = {"mels": {0: "batch", 2: "steps"}, "hidden": {1: "batch", 2: "frames"}}
        graph.write(parts.backbone, mels[0], out / ENCODER, axes)
        found["backbone"] = graph.proven(parts.backbone, out / ENCODER, mels[1:])
    if int8:
        for name in found:
            graph.quantise(out / f"{name}.onnx")
    return found


def mix_of(bundle: Path, info: dict[str, Any]) -> Mix | None:
    """The layer mix of a bundle; None if it has none."""
    return Mix.load(bundle) if info["features"].get("layers") == "mix" else None
