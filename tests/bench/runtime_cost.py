"""What a bundle costs with torch and exported in float32 and one byte, side by side in one process.

    python -m tests.bench.runtime_cost egs/ron [egs/cat …] --tag words_10min_s0 [--clips 10] [--rounds 3]

after stage 10 of these recipes; tests/bench/runtime.py measures memory and sherpa-onnx. The three recognisers
take turns on each of the clips, and the least processor time of the rounds counts: on a busy machine, others
slow one run down by half, but seldom all of them. Texts and error rates are of all of dev and test, which are
heard once. Writes results/runtime_cost.json, with the load of the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

from tests.bench.runtime import SETS, size_mb
from xlt.audio.files import audio_header
from xlt.bundle import open_bundle
from xlt.core.config import load
from xlt.export.onnx import export
from xlt.formats.tables import read_scp, read_table
from xlt.library import cer, wer
from xlt.text.normalise import put_together

RESULTS = Path(__file__).parent / "results" / "runtime_cost.json"


def language(recipe: Path, tag: str, clips: int, rounds: int) -> dict[str, dict]:
    """Figures of each kind."""
    bundle = recipe / "exp" / tag / "bundle"
    refs = {name: read_table(recipe / "data" / name / "text") for name in SETS}
    paths = {u: p for name in SETS for u, p in read_scp(recipe / "data" / name / "wav.scp", recipe).items()}
    found: dict[str, dict] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folders = {"torch": bundle, "float32": Path(scratch, "float32"), "int8": Path(scratch, "int8")}
        for kind in ("float32", "int8"):
            folders[kind].mkdir()
            export(bundle, folders[kind], kind == "int8")
        heads = {kind: open_bundle(folder).head() for kind, folder in folders.items()}
        texts = {
            kind: {utt: put_together([piece["text"] for piece in head(path)]) for utt, path in paths.items()}
            for kind, head in heads.items()
        }
        costs = beside(heads, [paths[utt] for utt in list(refs["test"])[:clips]], rounds)
        for kind, folder in folders.items():
            row = {"rtf": round(costs[kind], 4), "of torch": round(costs[kind] / costs["torch"], 3)}
            for name, ref in refs.items():
                said = [texts[kind][utt] for utt in ref]
                row[f"cer_{name}"] = round(cer(list(ref.values()), said), 3)
                row[f"wer_{name}"] = round(wer(list(ref.values()), said), 3)
                row[f"other_{name}"] = sum(texts[kind][utt] != texts["torch"][utt] for utt in ref)
            found[kind] = {**row, "size_mb": round(size_mb(folder), 1)}
    return found


def beside(heads: dict, paths: list[str], rounds: int) -> dict[str, float]:
    """Processor seconds of each kind for a second of sound."""
    least = {kind: [float("inf")] * len(paths) for kind in heads}
    for _ in range(rounds):
        for place, path in enumerate(paths):
            for kind, head in heads.items():
                start = time.process_time()
                head(path)
                least[kind][place] = min(least[kind][place], time.process_time() - start)
    heard_s = sum(audio_header(path).duration_s for path in paths)
    return {kind: sum(own) / heard_s for kind, own in least.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipes", nargs="+", type=Path)
    parser.add_argument("--tag", default="main")
    parser.add_argument("--clips", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    for recipe in args.recipes:
        before = os.getloadavg()[0]
        found: dict = language(recipe, args.tag, args.clips, args.rounds)
        found["load of the machine"] = [round(before, 1), round(os.getloadavg()[0], 1)]
        results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        results[load(recipe).lang] = found
        print(load(recipe).lang, json.dumps(found), flush=True)
        RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
