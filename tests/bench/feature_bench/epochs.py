"""Part 1: time of an epoch and of a whole training, with the upstream on the fly and with cached features.

Both ways go through the same stages with the same head, data, batches and seed. An epoch's time is ESPnet's
own, from the line that starts it to the line with its results (a pass over the training set and one over
dev), so no import is in it. The first epoch is kept apart: allocations are in it.
"""

from __future__ import annotations

import argparse
import datetime
import re
import shutil
from pathlib import Path

from tests.bench.feature_bench.common import (
    TITLES,
    Bench,
    Target,
    linked_cache,
    median,
    stages,
    upstream_settings,
    xlt_apart,
)
from xlt.core.stage import read_stamp
from xlt.formats.markdown import table

UNIT, LOGARITHMIC = "seconds", True
UPSTREAMS = {"whisper_base": 5.0, "xls_r_size": 1.5, "tiny": 5.0}  # → minutes of training speech
HEADS = {"fast": "BLSTM", "ctc_linear": "linear"}
WAYS = {"onfly": "on the fly", "cached": "cached"}
TIMES = {
    ("whisper_base", "fast"): 8,
    ("xls_r_size", "fast"): 50,
    ("whisper_base", "ctc_linear"): 40,
    ("xls_r_size", "ctc_linear"): 300,
}  # targets, epoch against epoch
WHOLE_TIMES = 6  # whisper_base, BLSTM, 20 epochs, extraction included
PROBE = [
    "features.mix_minutes=0.5",
    "features.mix_updates=2",
]  # what the weights are does not matter for an epoch's time
WHOLE = {"onfly": "on the fly", "mix": "cached, the mix learned in the run", "last": "cached, last layer"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--epochs", type=int, default=6, help="epochs: epochs of a cached training; on the fly 2 or 3"
    )
    parser.add_argument("--whole_epochs", type=int, default=20, help="epochs: epochs of the whole runs")
    parser.add_argument(
        "--epoch_minutes", type=float, help="epochs: training speech (default: 1.5 for XLS-R's size, else 5)"
    )


def run(bench: Bench, args: argparse.Namespace) -> None:
    names = args.upstreams.split(",") + (["tiny"] if args.upstreams == "whisper_base,xls_r_size" else [])
    for name in names:
        minutes = args.epoch_minutes or UPSTREAMS[name]
        for head in HEADS:
            for way in WAYS:
                epochs = args.epochs if way == "cached" else (2 if name == "xls_r_size" else 3)
                key = {
                    "measured": "epoch",
                    "upstream": name,
                    "head": head,
                    "way": way,
                    "epochs": epochs,
                    "seed": 0,
                    "language": args.languages[0],
                    "train_minutes": minutes,
                }
                bench.measure("epochs", key, lambda k=key: _epochs(bench, k))
    if "whisper_base" in names:
        for way in WHOLE:
            key = {
                "measured": "whole",
                "upstream": "whisper_base",
                "head": "fast",
                "way": way,
                "epochs": args.whole_epochs,
                "seed": 0,
                "language": args.languages[0],
                "train_minutes": args.epoch_minutes or UPSTREAMS["whisper_base"],
            }
            bench.measure("epochs", key, lambda k=key: _whole(bench, k))


def _settings(bench: Bench, key: dict) -> list[str]:
    onfly = key["way"] == "onfly"
    preset = "onfly_ssl" if onfly and key["head"] == "fast" else key["head"]
    layers = "last" if key["way"] == "last" else "mix"
    return [
        *upstream_settings(bench, key["upstream"]),
        f"preset={preset}",
        f"seed={key['seed']}",
        "nj=1",
        "train.min_updates=0",
        f"train.max_epochs={key['epochs']}",
        f"data.train_minutes={key['train_minutes']:g}",
        f"features.layers={layers}",
        f"features.on_the_fly={'true' if onfly else 'false'}",
        f"tag={key['head']}_{key['way']}",
    ]


def _recipe(bench: Bench, key: dict, name: str) -> Path:
    recipe = bench.recipe(key["language"], name)
    stages(recipe, ["data", "tokens"], f"data.train_minutes={key['train_minutes']:g}")
    return recipe


def _epochs(bench: Bench, key: dict) -> dict:
    recipe, settings = (
        _recipe(bench, key, f"{key['language']}-epochs-{key['upstream']}"),
        _settings(bench, key),
    )
    probe = PROBE if key["way"] == "cached" else []
    stages(recipe, ["features"], *settings, *probe)
    exp = recipe / "exp" / f"{key['head']}_{key['way']}"
    shutil.rmtree(exp, ignore_errors=True)
    shutil.rmtree(exp.parent / f".{exp.name}.partial", ignore_errors=True)
    xlt_apart(bench, ["train", "--recipe", str(recipe), *settings, *probe])
    found = read_log((exp / "train.log").read_text(encoding="utf-8"))
    shutil.rmtree(exp)
    return {
        "first_s": found[0]["epoch_s"],
        "epoch_s": round(median([e["epoch_s"] for e in found[1:]]), 3),
        "train_s": round(median([e["train_s"] for e in found[1:]]), 3),
        "batches": found[0]["batches"],
        "each_epoch_s": [e["epoch_s"] for e in found],
    }


def _whole(bench: Bench, key: dict) -> dict:
    """From the speech to the trained model, each stage a process of its own as run.sh has it, with an empty
    store.
    """
    recipe, settings = _recipe(bench, key, f"{key['language']}-whole-{key['way']}"), _settings(bench, key)
    for made in ("dump", "exp"):
        shutil.rmtree(recipe / made, ignore_errors=True)
    cache = linked_cache(bench.scratch("whole"))
    took = {
        stage: xlt_apart(bench, [stage, "--recipe", str(recipe), *settings], XLT_CACHE=str(cache))
        for stage in ("features", "train")
    }
    stamp = read_stamp(recipe / "exp" / f"{key['head']}_{key['way']}") or {}
    shutil.rmtree(cache)
    return {
        "features_s": round(took["features"].wall_s, 1),
        "train_s": round(took["train"].wall_s, 1),
        "total_s": round(sum(u.wall_s for u in took.values()), 1),
        "cpu_s": round(sum(u.cpu_s for u in took.values()), 1),
        "epochs": stamp["epochs"],
        "utterances": stamp["train"]["utterances"],
    }


_LINE = re.compile(
    r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) \w+ \w+: (\d+)(/\d+epoch started|epoch results: (.*))"
)


def read_log(text: str) -> list[dict]:
    """``[{"epoch_s", "train_s", "batches"}, …]`` of ESPnet's log: the epochs that were started and ended."""
    found, started, counted = [], {}, 0
    for line in text.splitlines():
        match = _LINE.match(line)
        if not match:
            continue
        stamp, epoch, what, results = match.groups()
        at = datetime.datetime.strptime(stamp, "%Y-%m-%d %H:%M:%S,%f")
        if what.endswith("started"):
            started[epoch] = at
            continue
        train = results.partition("[train]")[2].partition("[valid]")[0]
        total = int(re.search(r"total_count=(\d+)", train).group(1))  # batches since the first epoch
        found.append(
            {
                "epoch_s": round((at - started[epoch]).total_seconds(), 3),
                "batches": total - counted,
                "train_s": seconds(re.search(r"(?:^|[\s,])time=(.*?), total_count", train).group(1)),
            }
        )
        counted = total
    return found


def seconds(text: str) -> float:
    """ESPnet's spans: ``2.61 seconds``, ``1 minute and 50.83 seconds``, ``1 hour, 2 minutes and 3 seconds``.

    >>> seconds("1 hour, 2 minutes and 3.5 seconds")
    3723.5
    """
    units = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
    return round(
        sum(float(n) * units[unit] for n, unit in re.findall(r"([\d.]+) (second|minute|hour|day)", text)), 3
    )


def _pairs(entries: list[dict]) -> dict[tuple, dict[str, dict]]:
    """``{(upstream, head): {way: figures}}`` of the epochs' entries."""
    found: dict[tuple, dict[str, dict]] = {}
    for e in entries:
        if e["key"]["measured"] == "epoch":
            found.setdefault((e["key"]["upstream"], e["key"]["head"]), {})[e["key"]["way"]] = e["figures"]
    return found


def targets(entries: list[dict]) -> list[Target]:
    found, pairs = [], _pairs(entries)
    for (upstream, head), least in TIMES.items():
        ways = pairs.get((upstream, head), {})
        if len(ways) == 2:
            times = ways["onfly"]["epoch_s"] / ways["cached"]["epoch_s"]
            what = f"{TITLES[upstream]}, {HEADS[head]} head: cached epochs are shorter"
            found.append(Target("epochs", what, f"≥ {least} times", f"{times:.1f} times", times >= least))
    whole = {e["key"]["way"]: e["figures"]["total_s"] for e in entries if e["key"]["measured"] == "whole"}
    for way in ("mix", "last"):
        if {way, "onfly"} <= set(whole):
            times = whole["onfly"] / whole[way]
            found.append(
                Target(
                    "epochs",
                    f"whisper_base, BLSTM head, whole run, {WHOLE[way]}: shorter",
                    f"≥ {WHOLE_TIMES} times",
                    f"{times:.1f} times",
                    times >= WHOLE_TIMES,
                )
            )
    return found


def page(entries: list[dict]) -> list[str]:
    rows, setups = [], set()
    for (upstream, head), ways in _pairs(entries).items():
        for way, figures in ways.items():
            times = (
                ways["onfly"]["epoch_s"] / figures["epoch_s"] if "onfly" in ways and way != "onfly" else None
            )
            rows.append(
                [
                    TITLES[upstream],
                    HEADS[head],
                    WAYS[way],
                    f"{figures['first_s']:.2f}",
                    f"{figures['epoch_s']:.2f}",
                    f"{figures['train_s']:.2f}",
                    figures["batches"],
                    f"{times:.1f}" if times else "–",
                ]
            )
    runs = {e["key"]["way"]: e for e in entries if e["key"]["measured"] == "whole"}
    whole = [
        [
            title,
            runs[way]["key"]["epochs"],
            *(f"{runs[way]['figures'][k]:.0f}" for k in ("features_s", "train_s", "total_s", "cpu_s")),
        ]
        for way, title in WHOLE.items()
        if way in runs
    ]
    for e in entries:
        setups.add(
            f"{TITLES[e['key']['upstream']]}: {e['key']['train_minutes']:g} min of {e['key']['language']}"
        )
    parts = [
        (
            "Seconds of an epoch (training and dev pass), the first apart, of the others the median; one"
            f" process with one thread. All layers are mixed in both. {'; '.join(sorted(setups))}."
        ),
        table(
            [
                "upstream",
                "head",
                "upstream's outputs",
                "first epoch",
                "epoch",
                "its training pass",
                "batches",
                "times shorter",
            ],
            rows,
        ),
    ]
    if whole:
        parts += [
            (
                "Whole runs of stages 3 and 6, whisper_base, BLSTM head: processes with their imports, an"
                " empty store, one thread."
            ),
            table(["upstream's outputs", "epochs", "stage 3, s", "stage 6, s", "both, s", "CPU s"], whole),
        ]
    return parts


def bars(entries: list[dict]) -> list[tuple[str, float]]:
    return [
        (f"epoch, {TITLES[upstream].partition(',')[0]}, {HEADS[head]}, {WAYS[way]}", figures["epoch_s"])
        for (upstream, head), ways in _pairs(entries).items()
        for way, figures in ways.items()
    ] + [
        (f"whole run, whisper_base, {WHOLE[e['key']['way']]}", e["figures"]["total_s"])
        for e in entries
        if e["key"]["measured"] == "whole"
    ]
