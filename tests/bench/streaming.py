"""How soon what somebody says is on the screen, what that costs, and what it loses.

    python -m tests.bench.streaming BUNDLE --data egs/ron/data/dev [--clips 20] [--chunks 0.32,0.64,1.28]
        [--sessions 1,2,4] [--clock cpu] [--final BUNDLE] [--int8] [--untrained [--look_ahead 0.32]] [--json FILE]

Clips with texts follow each other with a second of silence between them, as a microphone would give them: each
0.1 s when it is over, never sooner. The sessions share one model and one thread. With ``--clock wall`` time is the
clock on the wall; run it under ``taskset -c 0`` on a machine that has nothing else to do. With ``--clock cpu`` time
goes on by the processor time that is used, and jumps to the next sound where nothing is to be done: what one core
would do if nothing else ran on it.

- latency: algorithmic, from a sound to its letter, at most; first partial: from the beginning of the first word.
- word: from the end of a word, by forced alignment of the final text with the model that hears whole pieces, until
  it is on the screen to stay; p50, p90, p99. What only the final text has counts as shown with it.
- turn: from the end of the last word of a piece to its final text.
- revised: words on the screen that another partial result, or the final text, changed, for each word of final texts.
- compute: processor seconds for each second of sound; behind: the longest that sound waited to be heard.
- errors: of the chunks alone (``--one_pass``), and of final texts, over whole clips.

``--int8`` computes the encoder of the chunks in int8, as ``xlt stream --int8`` does; final texts as always.
``--untrained`` hears chunks with a bundle that was trained on whole clips (a network of train.encoder=blstm over
Whisper): times are those of a trained one, errors are what such a model loses.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml

from tests.export.bundles import altered
from xlt.audio.files import SAMPLE_RATE, read_wav
from xlt.bundle import open_bundle
from xlt.formats.tables import read_scp, read_table
from xlt.library import cer, wer
from xlt.stream import Final, Partial, Session
from xlt.stream.opened import Options, open_model
from xlt.stream.sources import BLOCK_S

SILENCE_S = 1.0
LEFT_S = 5.0
STEP = round(BLOCK_S * SAMPLE_RATE)


class Wall:
    def __init__(self):
        self._start = time.monotonic()

    def now(self) -> float:
        return time.monotonic() - self._start

    def wait(self, until: float) -> None:
        time.sleep(max(0.0, until - self.now()))


class Cpu:
    """Of one core that has nothing else to do."""

    def __init__(self):
        self._idle, self._start = 0.0, time.process_time()

    def now(self) -> float:
        return time.process_time() - self._start + self._idle

    def wait(self, until: float) -> None:
        self._idle += max(0.0, until - self.now())


CLOCKS = {"wall": Wall, "cpu": Cpu}


def untrained(bundle: Path, out: Path, chunks_s: list[float], ahead_s: float = 0.0) -> Path:
    """A copy of a bundle of whole clips that hears chunks, with the same weights; ``ahead_s``: the look-ahead
    of its encoder."""
    shutil.copytree(bundle, out)
    config = yaml.safe_load((out / "config.yaml").read_text())
    if config["encoder"] != "blstm":
        sys.exit(f"--untrained: {bundle} has the network {config['encoder']}, expected blstm")
    info = json.loads((out / "xlt.json").read_text())
    config["encoder"] = "lc_blstm"
    config["encoder_conf"] |= {"chunk_s": chunks_s, "frame_rate": info["frame_rate"]}
    (out / "config.yaml").write_text(yaml.safe_dump(config))
    manifest = json.loads((out / "bundle.json").read_text())
    features = info["features"] | {"chunk_s": [0.0, *chunks_s], "left_s": LEFT_S, "look_ahead_s": ahead_s}
    altered(out, features=features)
    made = json.loads((out / "bundle.json").read_text())
    (out / "bundle.json").write_text(json.dumps({**manifest, "files": made["files"]}))
    return out


def joined(waves: list[np.ndarray], count: int) -> list[np.ndarray]:
    """A stream for each of ``count`` sessions: the clips from another one on, with silence between."""
    silence = np.zeros(round(SILENCE_S * SAMPLE_RATE), np.float32)
    streams = []
    for number in range(count):
        start = number * len(waves) // count
        turned = [*waves[start:], *waves[:start]]
        streams.append(np.concatenate([silence, *(part for wave in turned for part in (wave, silence))]))
    return streams


def replayed(model, streams: list[np.ndarray], clock) -> tuple[list[list], float]:
    """What each session says and when, [(seconds, event)], and the longest that sound waited."""
    sessions, said, behind = [Session(model) for _ in streams], [[] for _ in streams], 0.0
    phases = [number * BLOCK_S / len(streams) for number in range(len(streams))]
    for start in range(0, max(map(len, streams)), STEP):
        for number, (session, stream) in enumerate(zip(sessions, streams, strict=True)):
            if start >= len(stream):
                continue
            due = (start + STEP) / SAMPLE_RATE + phases[number]
            clock.wait(due)
            behind = max(behind, clock.now() - due)
            for event in session.hear(stream[start : start + STEP]):
                said[number].append((clock.now() - phases[number], event))
    for session, own in zip(sessions, said, strict=True):
        own += [(clock.now(), event) for event in session.end()]
    return said, behind


def delays(said: list[tuple[float, object]]) -> dict[str, list[float]]:
    """Of one session, in seconds."""
    found: dict[str, list[float]] = {"first": [], "word": [], "turn": [], "revised": [], "words": []}
    shown: list[tuple[float, list[str]]] = []
    for at, event in said:
        if isinstance(event, Partial):
            shown.append((at, event.text.split()))
        elif isinstance(event, Final):
            words = event.piece["words"]
            if words:
                of_piece(shown, at, [(word["text"], word["start_s"], word["end_s"]) for word in words], found)
            shown = []
    return found


def of_piece(shown, at: float, words, found: dict[str, list[float]]) -> None:
    """Add what one piece, whose final text came ``at``, has to say to ``found``."""
    texts = [text for text, _, _ in words]
    displays = [*shown, (at, texts)]
    first = next(when for when, text in displays if text)
    found["first"].append(first - words[0][1])
    found["turn"].append(at - words[-1][2])
    for place, (text, _, end_s) in enumerate(words):
        when = at
        for earlier, display in reversed(shown):
            if display[place : place + 1] != [text]:
                break
            when = earlier
        found["word"].append(max(0.0, when - end_s))
    changed = 0
    for (_, before), (_, after) in zip(displays[:-1], displays[1:], strict=True):
        pairs = zip(before, [*after, *[None] * len(before)], strict=False)
        changed += sum(a != b for a, b in pairs if b is None or not b.startswith(a))
    found["revised"].append(changed)
    found["words"].append(len(words))


def percent(values: list[float]) -> dict[str, float]:
    if len(values) < 2:
        return {"p50": values[0]} if values else {}
    cut = statistics.quantiles(values, n=100, method="inclusive")
    return {"p50": round(cut[49], 3), "p90": round(cut[89], 3), "p99": round(cut[98], 3)}


def timed(model, waves: list[np.ndarray], count: int, clock: str) -> dict:
    streams = joined(waves, count)
    before = time.process_time()
    said, behind = replayed(model, streams, CLOCKS[clock]())
    heard_s = sum(map(len, streams)) / SAMPLE_RATE
    parts = [delays(one) for one in said]
    found = {key: [value for part in parts for value in part[key]] for key in parts[0]}
    return {
        "sessions": count,
        "clock": clock,
        "first partial (s)": percent(found["first"]),
        "word (s)": percent(found["word"]),
        "turn (s)": percent(found["turn"]),
        "revised": round(sum(found["revised"]) / max(1, sum(found["words"])), 3),
        "words": sum(found["words"]),
        "compute": round((time.process_time() - before) / heard_s, 4),
        "behind (s)": round(behind, 3),
    }


def errors(model, waves: dict[str, np.ndarray], refs: dict[str, str]) -> dict:
    """Of the chunks, and of whole clips; each clip is one piece."""
    from xlt.audio.cut import Cut

    ways = {"chunks": {}, "final": {}}
    for utt, wave in waves.items():
        live = model.open(0)
        live.push(wave)
        ways["chunks"][utt] = live.end(Cut(0, wave))["text"]
        ways["final"][utt] = model.final(Cut(0, wave))["text"]
    return {
        name: {
            "cer": round(cer([refs[utt] for utt in texts], list(texts.values())), 2),
            "wer": round(wer([refs[utt] for utt in texts], list(texts.values())), 2),
        }
        for name, texts in ways.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder with wav.scp and text")
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--chunks", default="0.64")
    parser.add_argument("--sessions", default="1,4")
    parser.add_argument("--clock", choices=CLOCKS, default="cpu")
    parser.add_argument("--final", type=Path)
    parser.add_argument("--untrained", action="store_true")
    parser.add_argument("--look_ahead", type=float, default=0.0, help="seconds, with --untrained")
    parser.add_argument("--int8", action="store_true", help="the encoder hears chunks in int8")
    parser.add_argument("--no_errors", action="store_true")
    parser.add_argument("--json", type=Path, help="file to which the figures are added, one JSON a line")
    args = parser.parse_args()
    chunks_s = [float(one) for one in args.chunks.split(",")]
    texts = read_table(args.data / "text")
    paths = read_scp(args.data / "wav.scp", args.data.resolve().parent.parent)
    utts = list(texts)[: args.clips]
    waves = {utt: read_wav(paths[utt]) for utt in utts}
    with tempfile.TemporaryDirectory() as scratch:
        folder = (
            untrained(args.bundle, Path(scratch) / "b", chunks_s, args.look_ahead)
            if args.untrained
            else args.bundle
        )
        bundle, final = open_bundle(folder), open_bundle(args.final) if args.final else None
        for chunk_s in chunks_s:
            model = open_model(bundle, options=Options(chunk_s=chunk_s, final=final, int8=args.int8))
            first = next(iter(waves.values()))
            replayed(model, [first], Cpu())  # what is loaded late is there
            found = {
                "chunk_s": chunk_s,
                "dtype": "int8" if args.int8 else "float32",
                "clips": len(waves),
                "latency (s)": round(model.streams.latency_s, 3),
            }
            if not args.no_errors:
                found["errors"] = errors(model, waves, texts)
            found["replay"] = [
                timed(model, list(waves.values()), int(count), args.clock)
                for count in args.sessions.split(",")
            ]
            print(json.dumps(found, indent=1), flush=True)
            if args.json:
                with args.json.open("a") as file:
                    file.write(json.dumps({"bundle": args.bundle.name, **found}) + "\n")


if __name__ == "__main__":
    main()
