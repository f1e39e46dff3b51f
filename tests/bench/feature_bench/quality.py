"""Part 3: what layers and storage are worth in character errors, on real speech, through the recipes' own
stages.

The arms are fixed here. The settings of the probe that are xlt's defaults were chosen on dev among the arms
called probe (head, updates, minutes of speech), with the first seed. The best single layer is chosen on dev,
with the first seed, as the mean over the languages; its other seeds are trained then. Test is shown for the
arms that were fixed beforehand and for the chosen layer alone.

In the arm ``joint`` the layer weights are learned with the head by the preset ``onfly_ssl``, the on-the-fly
path as users have it, but for one thing: what the frozen upstream gives for a wave is kept in memory after
the first time, since encoding ten minutes anew in each of thirty epochs would take hours. Nothing is timed in
this part. Comparisons are over the languages and seeds that both arms have.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import statistics
from collections.abc import Iterator
from pathlib import Path

from tests.bench.feature_bench.common import Bench, Target, features_config, stages
from xlt.core.log import say
from xlt.formats.markdown import table

UNIT, LOGARITHMIC = "CER on test, %, mean over languages and seeds", False
PART = "quality"
_STAGES = ["data", "features", "tokens", "train", "decode", "score"]
_MIX = ("mix_norm", "mix_head", "mix_minutes", "mix_updates", "mix_seed")
FIXED = {
    "last": ["features.layers=last", "features.storage=f32"],
    "mix f32": ["features.layers=mix", "features.storage=f32"],
    "joint": ["preset=onfly_ssl", "features.layers=mix"],
    "mix cm1": ["features.layers=mix", "features.storage=cm1"],
    "mix cm2": ["features.layers=mix", "features.storage=cm2"],
}
SINGLE = {
    f"layer {n}": [f"features.layers={n}", "features.storage=f32"] for n in (4, 5)
}  # 2, 3: worse than the last on ron
PROBES = {
    f"probe {head} {updates} {minutes}": [
        "features.layers=mix",
        "features.storage=f32",
        f"features.mix_head={head}",
        f"features.mix_updates={updates}",
        f"features.mix_minutes={minutes}",
    ]
    for head, updates, minutes in (("linear", 400, 5), ("blstm", 800, 10))
}
INT8 = {
    "last int8": ["features.layers=last", "features.storage=f32", "features.dtype=int8"]
}  # first seed only
TITLES = {
    "last": "the last layer",
    "mix f32": "mix, four bytes a value",
    "mix cm2": "mix, two bytes",
    "mix cm1": "mix, one byte",
    "joint": "all layers on the fly, weights learned with the head",
    "last int8": "the last layer, encoded in int8",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--quality_minutes", type=float, default=10.0, help="quality: training speech, minutes"
    )
    parser.add_argument("--arms", default="", help="quality: only these arms, comma between them")
    parser.add_argument(
        "--quality_set",
        action="append",
        default=[],
        metavar="key=value",
        help="quality: a setting for every arm, e.g. train.max_epochs=2",
    )


def run(bench: Bench, args: argparse.Namespace) -> None:
    lane, lanes = map(int, args.lane.split("/"))
    mine = args.languages[lane - 1 :: lanes]
    wanted = {
        a: s
        for a, s in (FIXED | SINGLE | PROBES | INT8).items()
        if not args.arms or a in args.arms.split(",")
    }
    for seed in range(args.seeds):
        for language in mine:
            with encoded_once():
                for arm, settings in wanted.items():
                    if seed == 0 or arm in FIXED:
                        _arm(bench, args, language, arm, settings, seed)
    best = best_single(bench.entries(PART), args.languages)
    if best is None or best not in wanted:
        say(
            "quality: the best single layer is not known before every language has its first seed; then run"
            " this again"
        )
        return
    for seed in range(1, args.seeds):
        for language in mine:
            _arm(bench, args, language, best, wanted[best], seed)


def _arm(
    bench: Bench, args: argparse.Namespace, language: str, arm: str, settings: list[str], seed: int
) -> None:
    recipe = bench.recipe(language, f"{language}-quality")
    tag = f"{arm.replace(' ', '_')}_s{seed}"
    words = [
        *settings,
        f"data.train_minutes={args.quality_minutes:g}",
        "features.upstream=whisper_base",
        *args.quality_set,
    ]
    key = {"language": language, "arm": arm, "seed": seed, "settings": words}
    if "features.layers=mix" in settings and arm != "joint":  # which learns no mix beforehand
        config = features_config(recipe, *words)
        key["mix"] = [f"{k}={getattr(config, k)}" for k in _MIX]
    bench.measure(PART, key, lambda: _train(recipe, tag, [*words, f"seed={seed}", f"tag={tag}", "nj=1"]))


def _train(recipe: Path, tag: str, words: list[str]) -> dict:
    stages(recipe, _STAGES, *words)
    document = json.loads((recipe / "exp" / tag / "score.json").read_text(encoding="utf-8"))
    scores = {
        name: {k: document[name]["cer"][k] for k in ("value", "sub", "del", "ins", "n_ref")}
        for name in ("dev", "test")
    }
    mix = document["features"].get("mix") or {}
    return scores | {"epochs": document["training"]["epochs"], "weights": mix.get("weights")}


@contextlib.contextmanager
def encoded_once() -> Iterator[None]:
    """The on-the-fly frontend encodes a wave when it first sees it, and has it in memory after that."""
    from xlt.models.espnet.frontends import upstream as frontend

    true, kept = frontend.encode_waves, {}

    def encode(upstream, waves, layers, batch_s):
        names = [(tuple(layers), hashlib.sha256(wave.tobytes()).digest()) for wave in waves]
        new = {name: wave for name, wave in zip(names, waves, strict=True) if name not in kept}
        kept.update(zip(new, true(upstream, list(new.values()), layers, batch_s), strict=True) if new else ())
        return [kept[name] for name in names]

    frontend.encode_waves = encode
    try:
        yield
    finally:
        frontend.encode_waves = true


def _values(entries: list[dict], arm: str, name: str) -> dict[tuple[str, int], float]:
    """``{(language, seed): CER}`` of an arm."""
    return {
        (e["key"]["language"], e["key"]["seed"]): e["figures"][name]["value"]
        for e in entries
        if e["key"]["arm"] == arm
    }


def best_single(entries: list[dict], languages: list[str]) -> str | None:
    """The layer with the least mean CER on dev over ``languages``, first seed; None before all are there."""
    means = {}
    for arm in SINGLE:
        values = _values(entries, arm, "dev")
        if not all((language, 0) in values for language in languages):
            return None
        means[arm] = statistics.mean(values[language, 0] for language in languages)
    return min(means, key=means.get)


def _compare(entries: list[dict], arm: str, other: str, name: str) -> list[float] | None:
    """Mean CER of two arms over the (language, seed) that both have; None without any."""
    a, b = _values(entries, arm, name), _values(entries, other, name)
    common = sorted(a.keys() & b.keys())
    return [_mean({k: x[k] for k in common}) for x in (a, b)] if common else None


def _mean(values: dict[tuple[str, int], float]) -> float:
    """Mean over languages of the means over their seeds: each language counts once, however many runs
    it has.
    """
    languages = dict.fromkeys(language for language, _ in values)
    return statistics.mean(
        statistics.mean(v for (of, _), v in values.items() if of == language) for language in languages
    )


def targets(entries: list[dict]) -> list[Target]:
    found = []
    if both := _compare(entries, "mix f32", "joint", "test"):
        found.append(
            Target(
                PART,
                "mix against all layers on the fly, mean CER on test",
                "≤ 0.2 more",
                f"{both[0] - both[1]:+.2f}",
                both[0] - both[1] <= 0.2,
            )
        )
    if both := _compare(entries, "mix f32", "last", "test"):
        better = 100 * (1 - both[0] / both[1])
        found.append(
            Target(
                PART,
                "mix against the last layer, mean CER on test",
                "≥ 10% better",
                f"{better:.1f}% better",
                better >= 10,
            )
        )
    if both := _compare(entries, "mix cm1", "mix f32", "test"):
        found.append(
            Target(
                PART,
                "one byte a value against four, mean CER on test",
                "within 0.2",
                f"{both[0] - both[1]:+.2f}",
                abs(both[0] - both[1]) <= 0.2,
            )
        )
    if both := _compare(entries, "last int8", "last", "dev"):
        found.append(
            Target(
                PART,
                "encoding in int8 against float32, last layer, mean CER on dev",
                "within 0.2",
                f"{both[0] - both[1]:+.2f}",
                abs(both[0] - both[1]) <= 0.2,
            )
        )
    return found


def page(entries: list[dict]) -> list[str]:
    languages = list(dict.fromkeys(e["key"]["language"] for e in entries))
    best = best_single(entries, languages)
    parts = [__doc__.partition("\n\n")[2].strip()]
    for name in ("test", "dev"):
        arms = [*FIXED, *([best] if best else [])] if name == "test" else [*FIXED, *SINGLE, *PROBES, *INT8]
        rows = [row for arm in arms if (row := _row(entries, arm, name, languages, best))]
        parts += [
            f"### CER on {name}, %: mean over seeds",
            table(["features", *languages, "mean", "seeds of each", "against the last layer"], rows),
        ]
    weights = {
        e["key"]["language"]: e["figures"]["weights"]
        for e in entries
        if e["key"]["arm"] == "mix f32" and e["figures"]["weights"]
    }
    if weights:
        head = ["language", *map(str, range(len(next(iter(weights.values())))))]
        parts += [
            "### Weights of the mix, by hidden state",
            table(head, [[language, *(f"{w:.2f}" for w in ws)] for language, ws in weights.items()]),
        ]
    return parts


def _row(
    entries: list[dict], arm: str, name: str, languages: list[str], best: str | None
) -> list[str] | None:
    values = _values(entries, arm, name)
    if not values:
        return None
    means = {language: [v for (of, _), v in values.items() if of == language] for language in languages}
    cells = [f"{statistics.mean(m):.1f}" if m else "–" for m in means.values()]
    mean = f"{_mean(values):.2f}" if all(means.values()) else "–"
    runs = " ".join(str(len(m)) for m in means.values())
    both = _compare(entries, arm, "last", name)
    against = f"{100 * (both[0] / both[1] - 1):+.1f}%" if both and arm != "last" else ""
    title = TITLES.get(arm, arm + (", the best single one on dev" if arm == best else ""))
    return [title, *cells, mean, runs, against]


def bars(entries: list[dict]) -> list[tuple[str, float]]:
    return [(TITLES[arm], _mean(values)) for arm in FIXED if (values := _values(entries, arm, "test"))]
