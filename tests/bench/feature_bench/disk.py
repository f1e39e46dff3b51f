"""Part 2: bytes on disk for an hour of speech, by storage and layers, of archives that stage 3 really writes.

Counted is all that stage 3 leaves for the speech: archives, indexes and descriptions in the store, and the recipe's tables.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from tests.bench.feature_bench.common import (
    TITLES,
    Bench,
    Target,
    environment_variables,
    features_config,
    linked_cache,
    stages,
    upstream_settings,
)
from xlt.kaldi_io import read_table
from xlt.report.markdown import table

UNIT, LOGARITHMIC = "GB (10⁹ bytes) for an hour of speech", True
LIMIT_GB = 0.2  # target: XLS-R-300M, mixed, one byte a value
STORAGES = ("f32", "cm2", "cm1")
LAYERS = {"last": "the last layer", "mix": "all layers mixed", "all": "all layers"}
PROBE = ["features.mix_minutes=0.5", "features.mix_updates=2"]  # a mix that means nothing: only its size counts here


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--train_minutes", type=float, default=1.0, help="disk: training speech, minutes; dev and test too")


def run(bench: Bench, args: argparse.Namespace) -> None:
    recipe = bench.recipe(args.languages[0], f"{args.languages[0]}-disk")
    budget = f"data.train_minutes={args.train_minutes:g}"
    stages(recipe, ["data"], budget)
    for name in args.upstreams.split(","):
        chosen = [*upstream_settings(bench, name), budget, "nj=1"]
        for layers in LAYERS:
            for storage in STORAGES:
                key = {"upstream": name, "layers": layers, "storage": storage, "language": args.languages[0],
                       "train_minutes": args.train_minutes}
                bench.measure("disk", key, lambda c=chosen, la=layers, s=storage: _store(bench, recipe, c, la, s))


def _store(bench: Bench, recipe: Path, chosen: list[str], layers: str, storage: str) -> dict:
    """Run stage 3 with an empty store; what it holds then, and for how much speech."""
    wanted = {"last": "last", "mix": "mix", "all": "[" + ",".join(map(str, range(_count(recipe, chosen)))) + "]"}[layers]
    shutil.rmtree(recipe / "dump", ignore_errors=True)
    cache = linked_cache(bench.scratch("disk"))
    with environment_variables(XLT_CACHE=str(cache)):
        stages(recipe, ["features"], *chosen, *(PROBE if layers == "mix" else []), f"features.layers={wanted}",
               f"features.storage={storage}")
    size = sum(f.stat().st_size for top in (cache / "features", recipe / "dump") for f in top.rglob("*") if f.is_file())
    sets = [f.parent.name for f in (recipe / "dump").glob("*/*/feats.scp")]
    speech = {}  # of each audio once, as the store holds it
    for name in sets:
        hashes, durations = (read_table(recipe / "data" / name / t) for t in ("utt2audio", "utt2dur"))
        speech |= {hashes[u]: float(durations[u]) for u in durations}
    seconds = sum(speech.values())
    shutil.rmtree(cache)
    return {"bytes": size, "speech_s": round(seconds, 1), "gb_an_hour": round(size / seconds * 3600 / 1e9, 4)}


def _count(recipe: Path, chosen: list[str]) -> int:
    from xlt.data.fetch import cache_root
    from xlt.features.extract import load

    return load(features_config(recipe, *chosen), cache_root(None)).num_layers


def targets(entries: list[dict]) -> list[Target]:
    found = {tuple(e["key"][k] for k in ("upstream", "layers", "storage")): e["figures"]["gb_an_hour"] for e in entries}
    value = found.get(("xls_r_size", "mix", "cm1"))
    if value is None:
        return []
    return [Target("disk", "XLS-R-300M size, one byte a value, all layers mixed: GB for an hour of speech", f"≤ {LIMIT_GB}",
                   f"{value:.3f}", value <= LIMIT_GB)]


def page(entries: list[dict]) -> list[str]:
    rows = []
    for upstream, layers in dict.fromkeys((e["key"]["upstream"], e["key"]["layers"]) for e in entries):
        sizes = {e["key"]["storage"]: e["figures"]["gb_an_hour"] for e in entries
                 if (e["key"]["upstream"], e["key"]["layers"]) == (upstream, layers)}
        rows.append([TITLES[upstream], LAYERS[layers], *(f"{sizes[s]:.3f}" if s in sizes else "–" for s in STORAGES)])
    speech = sorted({e["figures"]["speech_s"] for e in entries})
    return [f"GB (10⁹ bytes) for an hour of speech: archives, indexes and tables that stage 3 left for "
            f"{' or '.join(f'{s / 60:.1f}' for s in speech)} minutes, scaled. f32: four bytes a value; cm2, cm1: Kaldi's "
            "compressed matrices of two bytes and one byte a value.",
            table(["upstream", "stored for a frame", *STORAGES], rows)]


def bars(entries: list[dict]) -> list[tuple[str, float]]:
    return [(f"{TITLES[e['key']['upstream']].partition(',')[0]}, {LAYERS[e['key']['layers']]}, {e['key']['storage']}",
             e["figures"]["gb_an_hour"]) for e in entries]
