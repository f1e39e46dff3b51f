"""What is lost and gained where a bundle is exported: texts, error rates, cost, memory, size.

    python tests/bench/runtime.py egs/ron egs/cat egs/bel [--tag main] [--sherpa]

after stages 1 to 10 of these recipes; prints a table and writes results/runtime.json, where what is not
measured again stays. Four runs over dev and test a language, each in a process of its own on one thread:
today's `xlt transcribe` with torch, the export in float32 and in one byte, and with ``--sherpa`` sherpa-onnx
in float32 and one byte, which is compared with the bundle's own greedy decoding. Costs are seconds of
processor time for a second of sound, loading left out; memory is the largest resident set of the process.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from xlt.audio.files import SAMPLE_RATE, read_wav
from xlt.core.config import load
from xlt.formats.tables import read_scp, read_table
from xlt.library import cer, wer
from xlt.text.normalise import put_together

SETS = ("dev", "test")
RESULTS = Path(__file__).parent / "results" / "runtime.json"
EXPORTS = {"onnx": ("onnx",), "onnx_int8": ("onnx", "--int8")}
SHERPA = {"sherpa": ("sherpa",), "sherpa_int8": ("sherpa", "--int8")}


def hear(folder: str, kind: str, paths: dict[str, str]) -> dict:
    """In a process of its own: the text of each clip, and what it cost."""
    started = time.process_time()
    if kind.startswith("sherpa"):
        transcribe = by_sherpa(Path(folder))
    else:
        from xlt.bundle import open_bundle

        head = open_bundle(Path(folder)).head()
        if kind == "greedy":
            head.recogniser.decode = dataclasses.replace(head.recogniser.decode, method="greedy")

        def transcribe(path: str) -> str:
            return put_together([piece["text"] for piece in head(path)])

    first = next(iter(paths.values()))
    transcribe(first)  # what is loaded with the first clip
    loaded = time.process_time()
    texts = {utt: transcribe(path) for utt, path in paths.items()}
    cost = time.process_time() - loaded
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"texts": texts, "cpu_s": cost, "load_s": loaded - started, "peak_mb": peak}


def by_sherpa(folder: Path):
    from sherpa_onnx import OfflineRecognizer

    known = OfflineRecognizer.from_omnilingual_asr_ctc(str(folder / "model.onnx"), str(folder / "tokens.txt"))

    def transcribe(path: str) -> str:
        stream = known.create_stream()
        stream.accept_waveform(SAMPLE_RATE, read_wav(path))
        known.decode_stream(stream)
        return str(stream.result.text).strip()

    return transcribe


def measured(folder: Path, kind: str, paths: dict[str, str], scratch: Path) -> dict:
    """:func:`hear` in a new process on one thread."""
    task, out = scratch / "task.json", scratch / "heard.json"
    task.write_text(json.dumps([str(folder), kind, paths]))
    subprocess.run([sys.executable, __file__, "--hear", str(task), str(out)], check=True)
    return json.loads(out.read_text())


def row(refs: dict[str, dict[str, str]], found: dict, audio_s: float, size_mb: float) -> dict:
    texts = found["texts"]
    made = {"rtf": found["cpu_s"] / audio_s, "load_s": found["load_s"], "peak_mb": found["peak_mb"]}
    for name, ref in refs.items():
        hyp = {utt: texts[utt] for utt in ref}
        made[f"cer_{name}"] = cer(list(ref.values()), list(hyp.values()))
        made[f"wer_{name}"] = wer(list(ref.values()), list(hyp.values()))
    return {key: round(value, 4) for key, value in (made | {"size_mb": size_mb}).items()}


def size_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def language(recipe: Path, tag: str, sherpa: bool) -> dict[str, dict]:
    bundle = recipe / "exp" / tag / "bundle"
    refs = {name: read_table(recipe / "data" / name / "text") for name in SETS}
    paths = {u: p for name in SETS for u, p in read_scp(recipe / "data" / name / "wav.scp", recipe).items()}
    audio_s = sum(float(s) for name in SETS for s in read_table(recipe / "data" / name / "utt2dur").values())
    found: dict[str, dict] = {}
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        heard = measured(bundle, "torch", paths, root)
        expected = heard["texts"]
        found["torch"] = row(refs, heard, audio_s, size_mb(bundle))
        for kind, words in {**EXPORTS, **(SHERPA if sherpa else {})}.items():
            command = [
                sys.executable,
                "-m",
                "xlt.cli",
                "export",
                *words,
                str(bundle),
                "--out",
                str(root / kind),
            ]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            if kind == "sherpa":
                heard = measured(root / "onnx", "greedy", paths, root)
                expected = heard["texts"]
                found["greedy"] = row(refs, heard, audio_s, size_mb(root / "onnx"))
            heard = measured(root / kind, kind, paths, root)
            found[kind] = row(refs, heard, audio_s, size_mb(root / kind))
            found[kind]["other_texts"] = sum(heard["texts"][u] != expected[u] for u in refs["test"])
            found[kind]["texts"] = len(refs["test"])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipes", nargs="*", type=Path)
    parser.add_argument("--tag", default="main")
    parser.add_argument("--sherpa", action="store_true")
    parser.add_argument("--hear", nargs=2, type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.hear:
        args.hear[1].write_text(json.dumps(hear(*json.loads(args.hear[0].read_text()))))
        return
    for recipe in args.recipes:
        lang, found = load(recipe).lang, language(recipe, args.tag, args.sherpa)
        results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        results.setdefault(lang, {}).update(found)
        for kind, values in results[lang].items():
            print(lang, kind, *(f"{key} {value:g}" for key, value in values.items()), sep="  ", flush=True)
        RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
