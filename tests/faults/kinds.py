"""What strangers give beside corpora: models, features, results, settings, and what stages leave."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import random
import tempfile
import zipfile
from pathlib import Path
from unittest import mock

import numpy as np

from tests.faults.mutate import damaged, damaged_json, damaged_text, damaged_value
from tests.faults.spreadsheets import SPREADSHEETS
from tests.faults.strangers import CLIPS, CORPORA, LOADED, TEXTS, Files, Kind, gzipped, lines_of, recipe_in
from xlt.core.config import ROOT, load
from xlt.core.errors import DataError


def _result(rng: random.Random) -> Files:
    from tests.report.documents import document

    return {
        "a.json": json.dumps(document("a")).encode(),
        "b.json": json.dumps(document("b", 1, 8.5)).encode(),
    }


def _open_results(folder: Path) -> None:
    from xlt.report.markdown import render
    from xlt.report.results import load as results

    render(results(folder))


def _stamp(rng: random.Random) -> Files:
    stamp = {
        "stage": "tokens",
        "config": {"a": 1},
        "inputs": {"x": "0"},
        "versions": {"xlt": "0"},
        "seed": 0,
        "git": "x",
        "wall_s": 1.5,
        "archives": {"a.ark": 3},
        "weights": {},
        "outputs": {"text": 3},
    }
    return {"stage.json": json.dumps(stamp).encode(), "text": b"abc"}


def _open_stamp(folder: Path) -> None:
    from xlt.core.context import Context
    from xlt.core.stage import Unit, read_stamp, run_unit

    recipe = recipe_in(folder.parent / "recipe")
    ctx = Context(recipe, LOADED.setdefault("recipe", load(recipe)))
    read_stamp(folder)
    with mock.patch("xlt.core.stage.git_revision", lambda: "x"):  # which starts git
        run_unit(ctx, Unit("tokens", folder, {"a": 1}, [], lambda out: {}))


def _settings(rng: random.Random) -> Files:
    return {"recipe.yaml": (ROOT / "egs/ron/recipe.yaml").read_bytes()}


_ARPA = rb"""\data\
ngram 1=5
ngram 2=3

\1-grams:
-1.0\t<unk>
-99\t<s>\t-0.3
-0.7\t</s>
-0.5\ta\t-0.2
-0.9\t<space>\t-0.1

\2-grams:
-0.2\t<s> a
-0.4\ta <space>
-0.6\ta </s>

\end\
""".replace(rb"\t", b"\t")


def _language_model(rng: random.Random) -> Files:
    from xlt.lm.arpa import read_arpa

    with tempfile.TemporaryDirectory() as folder:
        arpa, arrays = Path(folder, "a.arpa"), Path(folder, "a.npz")
        arpa.write_bytes(_ARPA)
        read_arpa(arpa).save(arrays)
        return rng.choice(({"a.npz": arrays.read_bytes()}, {"a.arpa": _ARPA}, {"a.arpa.gz": gzipped(_ARPA)}))


def _damaged_model(data: bytes, rng: random.Random) -> bytes:
    if data.startswith(b"PK"):
        return _repacked(data, rng) if rng.random() < 0.8 else damaged(data, rng)
    if data.startswith(b"\x1f\x8b") and rng.random() < 0.6:
        return gzipped(damaged_text(gzip.decompress(data), rng))
    return damaged(data, rng) if data.startswith(b"\x1f\x8b") else damaged_text(data, rng)


def _open_model(folder: Path) -> None:
    from xlt.lm.kenlm import open_lm
    from xlt.lm.ngram import NGram

    (path,) = folder.iterdir()
    model = NGram.load(path) if path.suffix == ".npz" else open_lm(path)
    state = model.start()
    for symbol in ("a", " ", "b", "</s>"):
        _, state = model.step(state, model.id(symbol))


def _features(rng: random.Random) -> Files:
    from xlt.formats.archives import ArkWriter
    from xlt.formats.tables import write_table

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with ArkWriter(folder / "feats.1.ark", rng.choice(("f32", "cm2", "cm1"))) as ark:
            made = {f"u{i}": ark.write(f"u{i}", np.ones((3 + i, 4), np.float32) * i) for i in range(3)}
        write_table(folder / "feats.scp", {utt: f"feats.1.ark:{entry.offset}" for utt, entry in made.items()})
        if rng.random() < 0.5:
            write_table(folder / "utt2crc", {utt: f"{entry.crc:08x}" for utt, entry in made.items()})
        return {path.name: path.read_bytes() for path in folder.iterdir()}


def _damaged_features(data: bytes, rng: random.Random) -> bytes:
    return damaged(data, rng) if b"\0" in data else damaged_text(data, rng)


def _open_features(folder: Path) -> None:
    from xlt.formats.archives import ArkWriter, FeatureReader, read_index

    reader = FeatureReader(folder / "feats.scp", folder)
    for utt in list(reader):
        with contextlib.suppress(DataError):
            reader[utt]
    with contextlib.suppress(DataError):
        read_index(folder / "feats.1.ark")
    with ArkWriter(folder / "feats.1.ark") as ark:
        ark.write("new", np.ones((2, 4), np.float32))


def _data(rng: random.Random) -> Files:
    tables = {}
    for number, part in enumerate(("train", "dev", "test")):
        utts = [f"s{number}-{i}" for i in range(3)]
        own = {
            "wav.scp": [f"{utt} {part}/{utt}.wav" for utt in utts],
            "text": [f"{utt} {text}{'abc'[number]}" for utt, text in zip(utts, TEXTS, strict=False)],
            "utt2spk": [f"{utt} s{number}" for utt in utts],
            "spk2utt": [f"s{number} {' '.join(utts)}"],
            "utt2dur": [f"{utt} 2.0000" for utt in utts],
            "utt2lang": [f"{utt} ron_Latn" for utt in utts],
            "utt2audio": [f"{utt} {number}{i}" for i, utt in enumerate(utts)],
        }
        tables |= {f"data/{part}/{table}": lines_of(*rows) for table, rows in own.items()}
        tables |= {f"{part}/{utt}.wav": CLIPS[f"{c}.wav"] for c, utt in zip("abc", utts, strict=True)}
    return {"recipe.yaml": b"lang: ron_Latn\nnj: 1\n", **tables}


def _check(folder: Path) -> None:
    from xlt.core.context import Context, find

    with mock.patch("xlt.core.stage.git_revision", lambda: "x"):
        find("check").run(Context(folder, load(folder)))


BUNDLE = {path.name: path.read_bytes() for path in (ROOT / "tests/fixtures/bundle_v1").iterdir()}


def _damaged_bundle_file(data: bytes, rng: random.Random) -> bytes:
    if data.startswith(b"{"):
        return damaged_json(data, rng)
    if data.startswith(b"PK"):
        return _repacked(data, rng) if rng.random() < 0.7 else damaged(data, rng)
    import yaml

    if b"\nfrontend:" in data and rng.random() < 0.7:
        return yaml.safe_dump(damaged_value(yaml.safe_load(data), rng)).encode("utf-8", "replace")
    return damaged_text(data, rng)


def _repacked(data: bytes, rng: random.Random) -> bytes:
    """A zip, such as PyTorch's, with one of its members damaged and right checksums."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        names = old.namelist()
        hit = rng.choice([name for name in names if name.endswith("data.pkl")] * 3 + names)
        for name in names:
            inside = old.read(name)
            new.writestr(zipfile.ZipInfo(name), damaged(inside, rng) if name == hit else inside)
    return out.getvalue()


_NOISE = np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32)  # half a second


def _open_bundle(folder: Path) -> None:
    """As a stranger may sign it: so that what is behind the checksums is asked, too."""
    from xlt.bundle.transcribe import Transcriber
    from xlt.fetch.files import sha256

    manifest = folder / "bundle.json"
    if manifest.read_bytes() == BUNDLE["bundle.json"]:
        document = json.loads(BUNDLE["bundle.json"])
        document["files"] = {name: sha256(folder / name) for name in document["files"]}
        manifest.write_text(json.dumps(document), encoding="utf-8")
    opened = Transcriber(folder)
    opened.recogniser(opened.encode([_NOISE]))


def _joined(rng: random.Random) -> Files:
    """The ``bundle.json`` of a bundle of two languages over log-mels, and those of its heads."""
    from xlt.bundle.joined import Foundation, Head, Joined, manifest_of
    from xlt.lid import store
    from xlt.lid.classifier import Classifier

    upstream = json.loads(BUNDLE["xlt.json"])["features"]["upstream"]
    made, files = Joined(Foundation(upstream, "float32")), {}
    for name in ("eng_Latn", "ron_Latn"):
        files |= {f"heads/{name}/{file}": data for file, data in BUNDLE.items()}
        digest = hashlib.sha256(BUNDLE["bundle.json"]).hexdigest()
        made = made.with_head(name, Head(name, "main", rng.choice(("last", 0, [0]))), digest)
        assert manifest_of(name) in files
    numbers = np.zeros(160), np.ones(160), np.zeros((160, 2)), np.zeros(2)  # means and deviations of 80 mels
    known = Classifier(("eng_Latn", "ron_Latn"), *numbers)
    with tempfile.TemporaryDirectory() as folder:
        entry, digest = store.write(Path(folder), known, [0], {"eng_Latn": 9}, {})
        made.with_lid(entry, digest).write(Path(folder))
        return files | {name: Path(folder, name).read_bytes() for name in ("bundle.json", entry.file)}


def _open_joined(folder: Path) -> None:
    """As a stranger may sign it."""
    from xlt.bundle.joined import Joined, digest_of
    from xlt.bundle.opened import load_backbone, opened

    manifest = folder / "bundle.json"
    with contextlib.suppress(ValueError, TypeError):
        document = dict(json.loads(manifest.read_text(encoding="utf-8")))
        document.pop("digest", None)
        manifest.write_text(json.dumps({**document, "digest": digest_of(document)}), encoding="utf-8")
    bundle, made = opened(folder), Joined.read(folder)
    assert bundle.languages
    if bundle.identify:
        bundle.identify()(_NOISE)
    for name in made.heads:
        made.check_head(folder, name)
    load_backbone(folder, made)


_TABLES = ("wav.scp", "text", "utt2spk", "spk2utt", "utt2dur", "utt2lang", "utt2audio")
KINDS = {
    **CORPORA,
    **SPREADSHEETS,
    "results": Kind(_result, damaged_json, ("json",), _open_results, 3),
    "stamp": Kind(_stamp, damaged_json, ("json",), _open_stamp, 2),
    "settings": Kind(_settings, damaged_text, ("yaml",), load, 2),
    "model": Kind(_language_model, _damaged_model, ("",), _open_model, 2),
    "features": Kind(_features, _damaged_features, ("",), _open_features, 2),
    "check": Kind(_data, damaged_text, _TABLES, _check, 0),  # slow: by --kind check alone
    "bundle": Kind(lambda rng: dict(BUNDLE), _damaged_bundle_file, ("",), _open_bundle, 8),
    "joined": Kind(_joined, damaged_json, ("bundle.json",), _open_joined, 2),
}
