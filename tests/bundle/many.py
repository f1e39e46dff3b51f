"""Bundles of one language on log-mels, and what a stranger can change of one of several."""

import json
import shutil

import numpy as np

from xlt.bundle.joined import digest_of
from xlt.bundle.manifest import MANIFEST, read_manifest, write_manifest
from xlt.core.config import ROOT
from xlt.core.digests import files_in

ONE = ROOT / "tests/fixtures/bundle_v1"


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), encoding="utf-8")


def sign(bundle):
    """As whoever makes a bundle can."""
    manifest = read_manifest(bundle)
    write_manifest(bundle, {k: v for k, v in manifest.items() if k not in ("files", "format")})


def single(place, lang="eng_Latn", weights=0, **features):
    """A bundle of one language; ``weights``: seed of a change of its parameters."""
    bundle = shutil.copytree(ONE, place)
    info = json.loads((bundle / "xlt.json").read_text("utf-8"))
    edit(bundle / "xlt.json", lang=lang, features=info["features"] | features)
    edit(bundle / MANIFEST, lang=lang)
    if weights:
        import torch

        state, rng = torch.load(bundle / "model.pth", weights_only=True), np.random.default_rng(weights)
        for value in state.values():
            if value.is_floating_point():
                value += torch.from_numpy(rng.normal(0, 0.1, value.shape)).to(value)
        torch.save(state, bundle / "model.pth")
    sign(bundle)
    return bundle


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files_in(folder)}


def resign(bundle, **changes):
    """Change ``bundle.json`` of several languages and sign it anew."""
    document = json.loads((bundle / MANIFEST).read_text("utf-8")) | changes
    document.pop("digest")
    (bundle / MANIFEST).write_text(json.dumps({**document, "digest": digest_of(document)}))
