"""How much of a bundle's quality is left in a long recording: the clips of a test set, joined.

    python tests/bench/long_recording.py egs/ron egs/cat egs/bel tag=words2_10min_s0

after stages 1 to 8 and 10 of these recipes with that tag; prints a table and writes
results/long_recording.json, where what is not measured again stays. One to three minutes of processor time
a language. Between two clips stands half a second of digital silence, or with ``--pauses room`` of the
corpus's own pauses: noise of the room, cut out of training clips. Clip by clip is what stage 7 wrote.
Without ``--plain`` the recording is heard as
`xlt transcribe` does by default; with it, also as xlt did before it had voice activity detection: everything,
in pieces of up to 20 s.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from xlt.audio.cut import Lengths
from xlt.audio.files import SAMPLE_RATE, read_wav
from xlt.bundle.transcribe import Transcriber
from xlt.core.config import load
from xlt.core.context import Context
from xlt.data import empty
from xlt.decode.confidence import measures, right_words
from xlt.decode.confidence import words as words_of
from xlt.formats.tables import read_scp, read_table
from xlt.library import cer, wer
from xlt.text.normalise import put_together

PAUSE_S = 0.5
OLD = Lengths(20.0, 20.0)
KINDS = {"silence": "joined", "room": "room"}  # of pauses → the key of the results
RESULTS = Path(__file__).parent / "results" / "long_recording.json"


def joined(paths: list[str], room: list[np.ndarray], out: Path) -> float:
    """Write the clips one after another, with pauses of ``room`` between them, of silence if there is none;
    returns seconds.
    """
    rng, count = np.random.default_rng(0), int(PAUSE_S * SAMPLE_RATE)
    parts = []
    for path in paths:
        pause = empty.joined(count, room, rng) if room else np.zeros(count)
        parts += [read_wav(path), pause.astype(np.float32)]
    samples = np.concatenate(parts[:-1])
    soundfile.write(out, samples, SAMPLE_RATE, subtype="FLOAT")
    return len(samples) / SAMPLE_RATE


def heard(transcriber: Transcriber, path: Path, ref: str, vad: bool | None) -> dict:
    """Error rates, pieces, cost and calibration on one recording."""
    start = time.process_time()
    pieces = list(transcriber.pieces(str(path), vad=vad))
    cpu_s = time.process_time() - start
    text = put_together([piece["text"] for piece in pieces])
    words = [word for piece in pieces for word in piece["words"]]
    sure = [word["confidence"] for word in words]
    trusted = {}
    if words_of(text) == [word["text"] for word in words] and None not in sure:
        trusted = measures([p for p in sure if p is not None], right_words(ref, text))
    spans = [piece["end_s"] - piece["start_s"] for piece in pieces]
    return {
        "cer": round(cer(ref, text), 2),
        "wer": round(wer(ref, text), 1),
        "pieces": len(pieces),
        "mean_s": round(float(np.mean(spans)), 2),
        "cpu_s": round(cpu_s, 1),
        "confidence": trusted,
    }


def room_of(ctx: Context) -> list[np.ndarray]:
    """Pauses of the training clips."""
    paths = read_scp(ctx.data / ctx.cfg.train_set / "wav.scp", ctx.recipe)
    return empty.pauses([Path(path) for path in paths.values()], np.random.default_rng(0))


def language(recipe: Path, settings: list[str], kinds: list[str], plain: bool) -> dict:
    ctx = Context(recipe, load(recipe, settings))
    refs = read_table(ctx.data / "test" / "text")
    paths = read_scp(ctx.data / "test" / "wav.scp", ctx.recipe)
    hyps = read_table(ctx.exp / "decode_test" / "text")
    found = {
        "clips": len(refs),
        "by_clip": {
            "cer": round(cer(list(refs.values()), [hyps[utt] for utt in refs]), 2),
            "wer": round(wer(list(refs.values()), [hyps[utt] for utt in refs]), 1),
        },
    }
    transcriber = Transcriber(ctx.exp / "bundle")
    found["lengths"] = dataclasses.asdict(transcriber.clips.lengths)
    ref = " ".join(refs.values())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "joined.wav"
        for kind in kinds:
            room = room_of(ctx) if kind == "room" else []
            found["seconds"] = round(joined([paths[utt] for utt in refs], room, path), 1)
            found[KINDS[kind]] = heard(transcriber, path, ref, None)
            if room:
                found["room_s"] = round(sum(map(len, room)) / SAMPLE_RATE, 1)
        if plain:
            transcriber.clips = dataclasses.replace(transcriber.clips, lengths=OLD)
            found["plain"] = heard(transcriber, path, ref, False)
    return found


def table(found: dict[str, dict]) -> str:
    """In Markdown."""
    lines = [
        "| language | recording | pauses | clip by clip: CER | WER | joined: CER | WER | change of CER |"
        " pieces | in pieces of 20 s: CER | WER | CPU-s per s | ECE |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    rows = [(name, one, kind) for name, one in found.items() for kind, key in KINDS.items() if key in one]
    for name, one, kind in rows:
        clip, whole, plain = one["by_clip"], one[KINDS[kind]], one.get("plain") if kind == "silence" else None
        change = 100 * (whole["cer"] / clip["cer"] - 1)
        cells = [
            name,
            f"{one['clips']} clips, {one['seconds']:.0f} s",
            kind,
            *(f"{value:.1f}" for value in (clip["cer"], clip["wer"], whole["cer"], whole["wer"])),
            f"{change:+.0f}%",
            f"{whole['pieces']} of {whole['mean_s']:.1f} s",
            *((f"{plain['cer']:.1f}", f"{plain['wer']:.1f}") if plain else ("", "")),
            f"{whole['cpu_s'] / one['seconds']:.2f}",
            f"{whole['confidence'].get('ece', float('nan')):.2f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipes", nargs="+", metavar="RECIPE|key=value")
    parser.add_argument("--pauses", nargs="+", choices=KINDS, default=["silence"], help="kinds of pauses")
    parser.add_argument("--plain", action="store_true", help="also as xlt did before")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    settings = [word for word in args.recipes if "=" in word]
    recipes = [Path(word).resolve() for word in args.recipes if "=" not in word]
    found = json.loads(args.out.read_text(encoding="utf-8")) if args.out.exists() else {}
    for recipe in recipes:
        measured = language(recipe, settings, args.pauses, args.plain)
        found[recipe.name] = found.get(recipe.name, {}) | measured
        args.out.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(table(found))


if __name__ == "__main__":
    main()
