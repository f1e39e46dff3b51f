"""How well `xlt align` finds the sentences of long recordings: clips of a corpus, joined.

    python tests/bench/align_long.py egs/ces egs/rus_read --model egs/ron/exp/main/bundle --minutes 30

after stage 1 of these recipes and stage 10 of the model's. Between two clips stands 0.2 to 1.2 s of faint noise,
and before every tenth 8 s of music (``--music``: a folder of sound files). The recording is heard once; its
transcript, a line a clip, is then given in full, with every fifth line missing, with every tenth line one of
another text, with two of its thirds exchanged, and as that of another recording. Prints a table and writes
results/align_long.json, where what is not measured again stays. A minute of recording takes three seconds of
processor time with Whisper-base.

Borders: pieces whose start and end are both right within 0.2 s, that is, not so far inside their own speech or
in that of a neighbour, by voice activity in the clips alone. Leaks: pieces that have more than 0.2 s of speech
of a clip whose text they do not have. Kept: share of the letters that are said and written and are in pieces.
Wrong: share of the letters of wrong texts that are in pieces.

With ``--corpora OUT`` it writes instead, for one recipe, OUT/cut and OUT/true: Kaldi corpora with the recipe's
dev and test, and for train the joined training clips as xlt align cuts them, and as they are. To compare
recognisers trained on them:

    egs/ron/run.sh preset=fast data.reader=kaldi data.dir=OUT/cut tag=cut
    egs/ron/run.sh preset=fast data.reader=kaldi data.dir=OUT/true tag=true
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from xlt.align.listen import listen
from xlt.align.pieces import Aligned, Piece, cut
from xlt.align.spelling import Spelling
from xlt.align.texts import Paragraph, Transcript, transcript
from xlt.align.words import find
from xlt.audio.cut import phrases
from xlt.audio.files import SAMPLE_RATE, read_wav
from xlt.audio.voice import FRAME_S, Voice
from xlt.bundle.transcribe import Transcriber
from xlt.data.corpora.names import span
from xlt.formats.tables import read_scp, read_table, write_table
from xlt.text.normalise import normalise

RESULTS = Path(__file__).parent / "results" / "align_long.json"
LONGEST_S, MIN_CONFIDENCE = 15.0, 0.3
EDGE_S = 0.2
MUSIC_S, MUSIC_EACH = 8.0, 10


class Clip(NamedTuple):
    """In the joined recording: where its speech is, in seconds, and where the clip itself begins and ends."""

    text: str
    start_s: float
    end_s: float
    whole: tuple[float, float] = (0.0, 0.0)


class Case(NamedTuple):
    """A transcript: of each line the number of its clip, None for a wrong text."""

    lines: Sequence[str]
    clips: Sequence[int | None]


def joined(
    recipe: Path, minutes: float, music: Path | None, sets: Sequence[str]
) -> tuple[np.ndarray, list[Clip], list[str]]:
    """Samples, the clips in them, and texts that are not said."""
    texts = read_table(recipe / "data/all/text")
    wavs = read_scp(recipe / "data/all/wav.scp", recipe)
    utts = [utt for name in sets for utt in read_table(recipe / "data" / name / "text")]
    rng, noise, voice = random.Random(0), np.random.default_rng(0), Voice()
    songs = sorted(music.glob("*.ogg")) if music else []
    parts: list[np.ndarray] = []
    clips: list[Clip] = []
    at, used = 0, 0
    for number, utt in enumerate(utts):
        if at > 60 * minutes * SAMPLE_RATE:
            break
        if songs and number % MUSIC_EACH == 0:
            song = read_wav(songs[(number // MUSIC_EACH) % len(songs)], longest_s=600)
            song = 0.5 * song[: int(MUSIC_S * SAMPLE_RATE)]
            parts.append(song)
            at += len(song)
        samples = read_wav(wavs[utt])
        voice.reset()
        spoken = phrases(voice(samples)) or [(0, int(len(samples) / SAMPLE_RATE / FRAME_S))]
        first_s, last_s = (at / SAMPLE_RATE + FRAME_S * edge for edge in (spoken[0][0], spoken[-1][1]))
        whole = (at / SAMPLE_RATE, (at + len(samples)) / SAMPLE_RATE)
        clips.append(Clip(texts[utt], first_s, last_s, whole))
        pause = int(rng.uniform(0.2, 1.2) * SAMPLE_RATE)
        parts += [samples, (1e-4 * noise.standard_normal(pause)).astype(np.float32)]
        at += len(samples) + pause
        used = number + 1
    unsaid = [texts[utt] for utt in utts[used:]] or [" ".join(reversed(clip.text.split())) for clip in clips]
    return np.concatenate(parts), clips, unsaid


def cases(clips: Sequence[Clip], unsaid: Sequence[str]) -> dict[str, Case]:
    full = list(range(len(clips)))
    third = len(full) // 3
    order = [*full[third : 2 * third], *full[:third], *full[2 * third :]]
    wrong = [unsaid[n % len(unsaid)] if n % 10 == 5 else clip.text for n, clip in enumerate(clips)]
    few = [n for n in full if n % 5]
    return {
        "full": Case([clip.text for clip in clips], full),
        "every fifth text missing": Case([clips[n].text for n in few], few),
        "every tenth text wrong": Case(wrong, [None if n % 10 == 5 else n for n in full]),
        "two thirds exchanged": Case([clips[n].text for n in order], order),
        "of another recording": Case([unsaid[n % len(unsaid)] for n in full], [None] * len(full)),
    }


def corpora(recipe: Path, transcriber: Transcriber, args: argparse.Namespace) -> None:
    """Write OUT/cut and OUT/true."""
    samples, clips, _ = joined(recipe, 1e9, args.music, [args.train_set])
    args.corpora.mkdir(parents=True)
    path = args.corpora / "train.wav"
    soundfile.write(path, samples, SAMPLE_RATE, subtype="PCM_16")
    text = written([clip.text for clip in clips], transcriber)
    track = listen(str(path), transcriber)
    made = cut(track, text, find(track, text.units), LONGEST_S, MIN_CONFIDENCE)
    speaker = next(iter(read_table(recipe / "data/all/utt2spk").values()))
    parts = {
        "cut": [(piece.text, piece.start_s, piece.end_s) for piece in made.pieces],
        "true": [(clip.text, *clip.whole) for clip in clips],
    }
    for name, rows in parts.items():
        tables: dict[str, dict[str, str]] = {table: {} for table in ("text", "segments", "utt2spk")}
        for own, start_s, end_s in rows:
            utt = f"{speaker}-{span(start_s, end_s)}"
            tables["text"][utt], tables["utt2spk"][utt] = own, speaker
            tables["segments"][utt] = f"{speaker} {start_s:.3f} {end_s:.3f}"
        tables["wav.scp"] = {speaker: str(path.resolve())}
        _write(args.corpora / name / "train", tables)
        for held_out in ("dev", "test"):
            data = recipe / "data" / held_out
            own = {table: read_table(data / table) for table in ("text", "utt2spk")}
            _write(args.corpora / name / held_out, own | {"wav.scp": read_scp(data / "wav.scp", recipe)})
        print(f"{name}: {len(rows)} utterances, {sum(b - a for _, a, b in rows) / 60:.1f} minutes of train")


def _write(folder: Path, tables: dict[str, dict[str, str]]) -> None:
    folder.mkdir(parents=True)
    for name, table in tables.items():
        write_table(folder / name, table)


def written(lines: Sequence[str], transcriber: Transcriber) -> Transcript:
    """A transcript, a line a paragraph."""
    return transcript(
        Path("text"),
        [Paragraph(line, number) for number, line in enumerate(lines, 1)],
        Spelling(transcriber.recogniser.tokenizer),
        lambda one: normalise(one, "generic-v2"),
    )


def letters(text: str) -> int:
    return len("".join(text.split()))


def measured(made: Aligned, case: Case, clips: Sequence[Clip]) -> dict[str, float]:
    """Of one transcript; see above."""
    right = leaks = counted = 0
    kept = wrong = 0
    for piece in made.pieces:
        own = [case.clips[line - 1] for line in piece.lines]
        if None in own:
            wrong += letters(piece.text)
            continue
        numbers = [n for n in own if n is not None]
        leak = any(
            min(piece.end_s, clip.end_s) - max(piece.start_s, clip.start_s) > EDGE_S
            for n, clip in enumerate(clips)
            if n not in numbers
        )
        leaks += leak
        kept += 0 if leak else letters(piece.text)
        counted += 1
        right += _right(piece, numbers, case, clips)
    said = sum(letters(line) for line, n in zip(case.lines, case.clips, strict=True) if n is not None)
    lies = sum(letters(line) for line, n in zip(case.lines, case.clips, strict=True) if n is None)
    return {
        "pieces": len(made.pieces),
        "mean_s": round(float(np.mean([p.end_s - p.start_s for p in made.pieces] or [0])), 2),
        "borders": round(100 * right / max(1, counted), 1),
        "leaks": round(100 * leaks / max(1, counted), 1),
        "kept": round(100 * kept / max(1, said), 1),
        "wrong": round(100 * wrong / lies, 1) if lies else 0.0,
        "confidence": round(made.confidence, 2),
        "moved": len(made.moved),
    }


def _right(piece: Piece, numbers: Sequence[int], case: Case, clips: Sequence[Clip]) -> bool:
    """Whether both borders are; one inside a clip, at a pause, counts as right if it is in that clip."""
    first, last = clips[numbers[0]], clips[numbers[-1]]
    before = clips[numbers[0] - 1].end_s if numbers[0] else 0.0
    behind = clips[numbers[-1] + 1].start_s if numbers[-1] + 1 < len(clips) else piece.end_s
    words = piece.text.split()
    whole_start = first.text.split()[: len(words)][:3] == words[:3]
    whole_end = last.text.split()[-3:] == words[-3:]
    latest = first.start_s if whole_start else first.end_s
    earliest = last.end_s if whole_end else last.start_s
    return (
        before - EDGE_S <= piece.start_s <= latest + EDGE_S
        and earliest - EDGE_S <= piece.end_s <= behind + EDGE_S
    )


def language(recipe: Path, transcriber: Transcriber, args: argparse.Namespace) -> dict:
    samples, clips, unsaid = joined(recipe, args.minutes, args.music, args.sets)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "joined.wav"
        soundfile.write(path, samples, SAMPLE_RATE, subtype="PCM_16")
        del samples
        start = time.process_time()
        track = listen(str(path), transcriber)
    found: dict = {
        "minutes": round(track.duration_s / 60, 1),
        "clips": len(clips),
        "listen_cpu_s": round(time.process_time() - start, 1),
    }
    for name, case in cases(clips, unsaid).items():
        start = time.process_time()
        text = written(case.lines, transcriber)
        made = cut(track, text, find(track, text.units), LONGEST_S, MIN_CONFIDENCE)
        found[name] = measured(made, case, clips)
        found[name]["cpu_s"] = round(time.process_time() - start, 1)
        print(recipe.name, name, found[name], flush=True)
    found["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return found


def table(results: dict[str, dict]) -> str:
    """In Markdown."""
    lines = [
        "| recording | transcript | pieces | borders within 0.2 s | leaks | kept | wrong texts kept | confidence |"
        " CPU-s: hearing | aligning |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, one in results.items():
        for case, row in one.items():
            if isinstance(row, dict):
                lines.append(
                    f"| {name} | {case} | {row['pieces']} of {row['mean_s']:.1f} s | {row['borders']:.1f}% |"
                    f" {row['leaks']:.1f}% | {row['kept']:.1f}% | {row['wrong']:.1f}% | {row['confidence']:.2f} |"
                    f" {one['listen_cpu_s']:.0f} | {row['cpu_s']:.0f} |"
                )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipes", nargs="+", type=Path)
    parser.add_argument("--model", type=Path, required=True, metavar="BUNDLE")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--music", type=Path, metavar="DIR")
    parser.add_argument("--sets", nargs="+", default=["train", "dev", "test"], help="whose clips are joined")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--corpora", type=Path, metavar="OUT", help="write corpora to train on instead")
    parser.add_argument("--train_set", default="train", help="with --corpora: the set that is joined")
    args = parser.parse_args()
    if args.corpora:
        corpora(args.recipes[0].resolve(), Transcriber(args.model), args)
        return
    results = json.loads(args.out.read_text(encoding="utf-8")) if args.out.exists() else {}
    transcriber = Transcriber(args.model)
    for recipe in args.recipes:
        own = f"{recipe.name}, {args.minutes:g} minutes"
        results[own] = language(recipe.resolve(), transcriber, args)
        args.out.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(table(results))


if __name__ == "__main__":
    main()
