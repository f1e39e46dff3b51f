"""Bundles to export, made without training."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np

from tests.tiny import make_tiny_whisper
from xlt.bundle.manifest import read_manifest, write_manifest
from xlt.core.config import ROOT
from xlt.upstreams.whisper import WhisperEncoder

TONES = ROOT / "tests/fixtures/bundle_v1"  # log-mels, a BLSTM, greedy


def altered(bundle: Path, **info) -> Path:
    """The bundle with other values in its xlt.json, and hashes that are right."""
    path = bundle / "xlt.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **info}))
    manifest = read_manifest(bundle)
    write_manifest(bundle, {key: manifest[key] for key in ("xlt", "lang", "tag", "decode")})
    return bundle


def over_whisper(out: Path) -> Path:
    """The head of TONES over a random Whisper, whose mixed layers have as many dimensions as its log-mels. It
    hears nothing in them, and is made to write something.
    """
    import torch

    shutil.copytree(TONES, out)
    state = torch.load(out / "model.pth", weights_only=True)
    state["ctc.ctc_lo.bias"][0] -= 8  # of the blank
    torch.save(state, out / "model.pth")
    make_tiny_whisper(out / "upstream", layers=2, dim=80)
    source = WhisperEncoder.find("whisper_base", str(out / "upstream"), out)
    features = json.loads((out / "xlt.json").read_text())["features"]
    features["settings"]["features.upstream"] = "whisper_base"
    features |= {"upstream": source.identity, "layers": "mix", "frame_rate": 50.0, "storage": "f32"}
    with np.load(out / "feats_stats.npz") as stats:  # of log-mels: let the mix be of their size
        usual = stats["sum"] / stats["count"]
    std = np.linspace(0.1, 0.3, 240).reshape(3, 80)
    arrays = {"mean": -usual * std, "std": std}
    np.savez(out / "mix.npz", weights=np.array([0.2, 0.3, 0.5]), **arrays)
    (out / "mix.json").write_text(json.dumps({"layers": [0, 1, 2], "norm": "corpus"}))
    return altered(out, features=features, frame_rate=25.0)
