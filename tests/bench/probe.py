"""Does `xlt probe` rank encoders as full trainings do?

usage: python tests/bench/probe.py [--egs egs] [--out tests/bench/results/probe.json] LANGUAGE ...

Reads egs/LANGUAGE/data/probe.json, which `tools/xlt probe egs/LANGUAGE` has left, and the published results of
trainings on ten minutes with the same head (preset fast, without language model). Prints, for each language,
the CER of both on dev and Spearman's rank correlation; then its mean, the share of pairs of encoders that
both order alike, and what trainings with language model have as a share of the probe's CER.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import sys
from pathlib import Path
from statistics import fmean, median
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from xlt.core.errors import DataError  # noqa: E402
from xlt.core.log import say  # noqa: E402
from xlt.formats.markdown import table  # noqa: E402
from xlt.metrics.spearman import spearman  # noqa: E402

# encoder as the probe calls it → tags of its trainings without language model; s0, s1 … are seeds
TRAININGS = {
    "fbank": r"fbank_10min_s\d",
    "whisper_base": r"whisper_base_10min_s\d",
    "whisper_base:last": r"(layer_)?last(_10min)?_s\d",
    "whisper_base:0": r"layer_0_10min_s\d",
    "whisper_base:4": r"layer_4_10min_s\d",
}
WITH_LM = r"words_10min_s\d"  # of whisper_base


def trained(results: Path, tags: str) -> float | None:
    """The median CER on dev of the results whose names are ``tags``; None if there are none."""
    found = [
        json.loads(path.read_text(encoding="utf-8"))["sets"]["dev"]["cer"]["value"]
        for path in sorted(results.glob("*.json"))
        if re.fullmatch(tags, path.stem)
    ]
    return median(found) if found else None


def compare(egs: Path, language: str) -> dict[str, Any]:
    """``{"encoders": {name: [CER of the probe, of trainings]}, "spearman": …, "alike": [pairs that both order
    alike, pairs], "with_lm": share}`` of a language; DataError if it has not been probed.
    """
    path = egs / language / "data" / "probe.json"
    if not path.exists():
        raise DataError(f"{path}: no such file; make it with tools/xlt probe {egs / language}")
    probed = {
        row["name"]: row["cer"]["blstm"]["value"]
        for row in json.loads(path.read_text(encoding="utf-8"))["encoders"]
    }
    results = egs / language / "results"
    both = {
        name: [cer, full]
        for name, cer in probed.items()
        if name in TRAININGS and (full := trained(results, TRAININGS[name])) is not None
    }
    pairs = [
        (a[0] < b[0]) == (a[1] < b[1]) for a, b in itertools.combinations(both.values(), 2) if a[1] != b[1]
    ]
    best = min(probed.values())
    with_lm = trained(results, WITH_LM)
    return {
        "encoders": both,
        "spearman": spearman(*zip(*both.values(), strict=True)) if len(both) > 1 else None,
        "alike": [sum(pairs), len(pairs)],
        "with_lm": round(with_lm / best, 3) if with_lm is not None else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("languages", nargs="+", metavar="LANGUAGE")
    parser.add_argument("--egs", type=Path, default=ROOT / "egs")
    parser.add_argument("--out", type=Path, help="JSON file to write as well")
    args = parser.parse_args()
    found = {language: compare(args.egs, language) for language in args.languages}
    names = [name for name in TRAININGS if any(name in one["encoders"] for one in found.values())]
    rows = [
        [
            language,
            *(" → ".join(f"{cer:.1f}" for cer in one["encoders"].get(name, [])) for name in names),
            "" if one["spearman"] is None else f"{one['spearman']:.2f}",
            one["with_lm"] or "",
        ]
        for language, one in found.items()
    ]
    say("CER on dev, %: probe → training on ten minutes\n")
    say(table(["language", *names, "Spearman", "with language model / probe"], rows))
    ranks = [one["spearman"] for one in found.values() if one["spearman"] is not None]
    alike, pairs = (sum(one["alike"][n] for one in found.values()) for n in (0, 1))
    if ranks:
        say(f"\nmean rank correlation {fmean(ranks):.2f} over {len(ranks)} languages")
    say(f"{alike} of {pairs} pairs of encoders in the same order")
    if shares := [one["with_lm"] for one in found.values() if one["with_lm"]]:
        say(f"trainings with language model have {median(shares):.2f} of the probe's CER (median)")
    if args.out:
        args.out.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
