"""Part 2: bytes on disk for an hour of speech, by storage and layers, of archives that stage 3 really writes.

Counted is all that stage 3 leaves: archives, indexes and descriptions in the store, the mix, and the tables
of the recipe.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
from pathlib import Path

from tests.bench.feature_bench import clips
from tests.bench.feature_bench.common import (
    TITLES,
    Bench,
    Target,
    features_config,
    linked_cache,
    stages,
    upstream_settings,
    xlt_apart,
)
from xlt.fetch.files import cache_root
from xlt.formats.markdown import table
from xlt.formats.tables import read_table

UNIT, LOGARITHMIC = "GB (10⁹ bytes) for an hour of speech in long clips", True
LIMIT_GB = 0.2  # target: XLS-R-300M, mixed, one byte a value
STORAGES = ("f32", "cm2", "cm1")
LAYERS = {"last": "the last layer", "mix": "all layers mixed", "all": "all layers"}
PROBE = [
    "features.mix_minutes=0.5",
    "features.mix_updates=2",
]  # a mix that means nothing: only its size counts here


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--disk_seconds", type=float, default=90.0, help="disk: speech that is stored, seconds"
    )


def run(bench: Bench, args: argparse.Namespace) -> None:
    source = bench.recipe(args.languages[0], args.languages[0])
    stages(source, ["data"])
    for kind in clips.KINDS:
        recipe = bench.scratch("disk") / "recipe"
        seconds = clips.corpus(source / "data" / "train", recipe, kind, args.disk_seconds)
        for name, layers, storage in itertools.product(args.upstreams.split(","), LAYERS, STORAGES):
            key = {
                "upstream": name,
                "clips": kind,
                "layers": layers,
                "storage": storage,
                "language": args.languages[0],
                "seconds": args.disk_seconds,
            }
            bench.measure("disk", key, lambda r=recipe, s=seconds, k=key: _store(bench, r, s, k))


def _store(bench: Bench, recipe: Path, seconds: float, key: dict) -> dict:
    """Run stage 3 with an empty store; what it holds then, and for how much speech."""
    chosen = [*upstream_settings(bench, key["upstream"]), "data.train_minutes=null", "nj=1"]
    layers = json.dumps(list(range(_count(recipe, chosen)))) if key["layers"] == "all" else key["layers"]
    cache = linked_cache(recipe.parent / "cache")
    xlt_apart(
        bench,
        [
            "features",
            "--recipe",
            str(recipe),
            *chosen,
            *(PROBE if layers == "mix" else []),
            f"features.layers={layers}",
            f"features.storage={key['storage']}",
        ],
        XLT_CACHE=str(cache),
    )
    files = [f for top in (cache / "features", recipe / "dump") for f in top.rglob("*") if f.is_file()]
    grows = sum(
        f.stat().st_size for f in files if f.suffix in (".ark", ".idx", ".scp") or f.name.startswith("utt2")
    )
    fixed = sum(f.stat().st_size for f in files) - grows
    clips_there = sum(len(read_table(scp)) for scp in recipe.glob("data/*/wav.scp"))
    shutil.rmtree(cache)
    shutil.rmtree(recipe / "dump")
    return {
        "bytes": grows,
        "fixed_bytes": fixed,
        "speech_s": round(seconds, 1),
        "clips": clips_there,
        "gb_an_hour": round((grows / seconds * 3600 + fixed) / 1e9, 4),
    }


def _count(recipe: Path, chosen: list[str]) -> int:
    """Hidden states of an upstream: its layers and what goes into the first."""
    from xlt.features.extract import prepare

    folder = Path(prepare(features_config(recipe, *chosen), cache_root(None)).source.path)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return 1 + (
        config["encoder_layers"] if config["model_type"] == "whisper" else config["num_hidden_layers"]
    )


def targets(entries: list[dict]) -> list[Target]:
    return [
        Target(
            "disk",
            f"XLS-R-300M size, one byte a value, all layers mixed, {e['key']['clips']} clips: GB for an hour"
            " of speech",
            f"≤ {LIMIT_GB}",
            f"{e['figures']['gb_an_hour']:.3f}",
            e["figures"]["gb_an_hour"] <= LIMIT_GB,
        )
        for e in entries
        if [e["key"][k] for k in ("upstream", "layers", "storage")] == ["xls_r_size", "mix", "cm1"]
    ]


def page(entries: list[dict]) -> list[str]:
    rows, speech = [], {}
    for upstream, kind, layers in dict.fromkeys(_row(e["key"]) for e in entries):
        sizes = {
            e["key"]["storage"]: e["figures"]["gb_an_hour"]
            for e in entries
            if _row(e["key"]) == (upstream, kind, layers)
        }
        rows.append(
            [
                TITLES[upstream],
                kind,
                LAYERS[layers],
                *(f"{sizes[s]:.3f}" if s in sizes else "–" for s in STORAGES),
            ]
        )
    for e in entries:
        speech[e["key"]["clips"]] = e["figures"]["speech_s"] / e["figures"]["clips"]
    lengths = ", ".join(f"{kind} clips ({clips.KINDS[kind]}) {mean:.1f} s" for kind, mean in speech.items())
    return [
        (
            "GB (10⁹ bytes) for an hour of speech: archives, indexes and tables that stage 3 left for about"
            f" {entries[0]['key']['seconds']:g} s, scaled, and what does not grow (descriptions, the mix)"
            " once. f32: four bytes a value; cm2, cm1: Kaldi's compressed matrices of two bytes and one byte"
            " a value. Each clip has a name, a place and, compressed, a header, so short clips cost more; on"
            f" average they last: {lengths}."
        ),
        table(["upstream", "clips", "stored for a frame", *STORAGES], rows),
    ]


def _row(key: dict) -> tuple[str, str, str]:
    return key["upstream"], key["clips"], key["layers"]


def bars(entries: list[dict]) -> list[tuple[str, float]]:
    return [
        (
            (
                f"{TITLES[e['key']['upstream']].partition(',')[0]}, {LAYERS[e['key']['layers']]},"
                f" {e['key']['storage']}"
            ),
            e["figures"]["gb_an_hour"],
        )
        for e in entries
        if e["key"]["clips"] == "long"
    ]
