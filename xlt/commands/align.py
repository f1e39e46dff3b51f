"""``xlt align RECORDING TRANSCRIPT -o DIR``: when each sentence of a transcript is said, and pieces to train
on.

The model may be of the language or of any other: its letters stand for those that it lacks. What is said and
not in the text, and what is in the text and not said, is left out and told.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.core.errors import ConfigError, DataError
from xlt.core.log import Progress, say
from xlt.core.registry import FORMATS
from xlt.speakers.option import add_option, teller

if TYPE_CHECKING:
    from xlt.align.listen import Track
    from xlt.align.sources import Job
    from xlt.align.spelling import Spelling
    from xlt.align.write import Result
    from xlt.bundle.transcribe import Transcriber
    from xlt.speakers.option import Teller

LONGEST_S, LIMIT_S = 15.0, 30.0
MIN_CONFIDENCE = 0.3
USUAL = "generic-v2"  # normaliser of a language that is not known
SURE, FITS = 0.2, 0.25  # below this confidence and share of speech with text, it is another recording's


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__.replace("`", "")
    add = parser.add_argument
    add(
        "recording",
        type=Path,
        metavar="RECORDING",
        help="sound file; or a folder of recordings with texts called alike; or an .eaf of ELAN",
    )
    add(
        "transcript",
        type=Path,
        nargs="?",
        metavar="TRANSCRIPT",
        help="text of the recording, .txt or .docx: a paragraph a line, or running text",
    )
    add("-o", "--out", type=Path, required=True, metavar="DIR", help="new folder for the result")
    add(
        "--model",
        type=Path,
        metavar="BUNDLE",
        help="bundle with a CTC head, of any language (default: the newest of this checkout's recipes)",
    )
    add(
        "--lang",
        metavar="LANG",
        help="language of the recording, e.g. swh_Latn: how its text is normalised (default: the model's)",
    )
    add(
        "--format",
        default="kaldi",
        metavar="NAME[,NAME]",
        help=f"what to write beside the tables: kaldi, {', '.join(FORMATS.entries)} (default: %(default)s)",
    )
    add(
        "--longest",
        type=float,
        default=LONGEST_S,
        metavar="S",
        help="longest piece in seconds, at most 30 (default: %(default)g)",
    )
    add(
        "--min_confidence",
        type=float,
        default=MIN_CONFIDENCE,
        metavar="P",
        help=(
            "leave out sentences below P: 0 fits as a wrong text does, 1 is what the model would write"
            " (default: %(default)g)"
        ),
    )
    add("--tier", metavar="NAME", help="tier of ELAN's documents that has the texts (default: the only one)")
    add("--encoding", metavar="NAME", help="of texts that are not UTF-8, e.g. cp1250")
    add_option(add)


def main(args: argparse.Namespace) -> None:
    """Align, cut, write. What can be refused is before the model is loaded."""
    from xlt.align.sources import jobs
    from xlt.align.write import KALDI, moved, summary, write
    from xlt.core.files import whole_folder

    forms = list(dict.fromkeys(args.format.split(",")))
    for name in forms:
        if name != KALDI:
            FORMATS.get(name)
    _refuse(args)
    todo = jobs(args.recording, args.transcript, args.encoding, args.tier, args.longest)
    tell = teller(args.speakers)
    model = args.model or _newest(args.lang)
    from xlt.align.listen import refuse_without_ctc
    from xlt.bundle import open_bundle

    transcriber = open_bundle(model).head(None)
    refuse_without_ctc(transcriber, str(model))
    results: list[Result] = []
    failed: list[DataError] = []
    listened = 1 + (tell is not None)
    with Progress("heard", round(listened * sum(_duration_s(job) for job in todo)), "s") as bar:
        for job in todo:
            try:
                results.append(_result(job, transcriber, args, bar, tell))
            except DataError as err:
                failed.append(err)
    if len(todo) == 1 and failed:
        raise failed[0]
    for problem in failed:
        print(f"xlt align: {problem}", file=sys.stderr)
    if not results:
        raise DataError(f"{args.recording}: no recording could be aligned; they are named above")
    settings = (
        f"`xlt align` with {model}, --longest {args.longest:g}, --min_confidence {args.min_confidence:g}"
    )
    with whole_folder(args.out) as partial:
        write(partial, results, forms, f"xlt {model}", settings)
    for result in results:
        for line in (summary(result), *result.notes, *moved(result), *_left_out(result)):
            say(f"{result.job.recording.name}: {line}")
    say(f"wrote {args.out}; report.md and left_out.tsv in it say what was left out, and why")
    if KALDI in forms:
        say(f"next: tools/new_recipe.sh CODE_Script {args.out}   # or data.dir of your recipe; docs/align.md")
    if failed:
        raise DataError(f"{args.recording}: {len(failed)} of {len(todo)} recordings are left out; see above")


def _refuse(args: argparse.Namespace) -> None:
    """ConfigError for options that cannot be."""
    if args.out.exists():
        raise ConfigError(f"--out {args.out}: is there already; name a new folder")
    if not 1 <= args.longest <= LIMIT_S:
        raise ConfigError(f"--longest {args.longest:g}: expected seconds from 1 to {LIMIT_S:g}; 15 is usual")
    if not 0 <= args.min_confidence < 1:
        raise ConfigError(f"--min_confidence {args.min_confidence:g}: expected a number from 0 to below 1")
    if args.lang:
        from xlt.text import languages

        languages.get(args.lang)


def _newest(lang: str | None) -> Path:
    """The newest bundle of this checkout's recipes, of the language if there is one; ConfigError."""
    from xlt.bundle.manifest import MANIFEST, read_manifest
    from xlt.core.config import ROOT

    found = sorted(ROOT.glob(f"egs/*/exp/*/bundle/{MANIFEST}"), key=lambda path: -path.stat().st_mtime)
    if not found:
        raise ConfigError(
            "--model: no recipe of this checkout has a bundle yet; name one, or make one: egs/ron/run.sh"
            " preset=fast; any language will do"
        )
    own = [path for path in found if lang and read_manifest(path.parent).get("lang") == lang]
    chosen = (own or found)[0].parent
    say(f"--model: takes {chosen}, the newest {'of ' + lang if own and lang else 'there is'}")
    return chosen


def _duration_s(job: Job) -> float:
    from xlt.audio.files import audio_header

    return audio_header(job.recording).duration_s


def _result(
    job: Job, transcriber: Transcriber, args: argparse.Namespace, bar: Progress, tell: Teller | None
) -> Result:
    """One recording; DataError if its text does not fit it."""
    from xlt.align.listen import listen
    from xlt.align.pieces import Aligned, cut
    from xlt.align.spelling import Spelling
    from xlt.align.texts import transcript
    from xlt.align.words import find, scale
    from xlt.align.write import Result

    spell = Spelling(transcriber.recogniser.tokenizer)
    normal = _normal(args.lang, transcriber, job, spell)
    texts = [transcript(job.path, part.paragraphs, spell, normal) for part in job.stretches]
    track = listen(str(job.recording), transcriber, bar)
    if not len(track.values):
        raise DataError(f"{job.recording}: nobody speaks in it; name the recording of {job.path.name}")
    voices = tell(str(job.recording), bar) if tell else None
    known = scale(track.values, [unit for text in texts for unit in text.units])
    whole = Aligned(confidence=0.0)
    placed = total = 0
    for text, part in zip(texts, job.stretches, strict=True):
        own = track if part.start_s is None else track.part(part.start_s, part.end_s or track.duration_s)
        found = find(own, text.units, known)
        made = cut(own, text, found, args.longest, args.min_confidence, voices)
        size = sum(len(unit.labels) for unit in text.units)
        placed += sum(len(one.unit.labels) for one in found.said if one.confidence >= args.min_confidence)
        total += size
        whole.confidence += made.confidence * size
        whole.pieces += made.pieces
        whole.left_out += made.left_out
        whole.moved += made.moved
    whole.confidence /= max(1, total)
    spoken_s = len(track.values) / track.rate
    covered = sum(piece.end_s - piece.start_s for piece in whole.pieces) / spoken_s
    if (whole.confidence < SURE and covered < FITS) or not whole.pieces:
        raise DataError(
            f"{job.path}:{job.stretches[0].paragraphs[0].line}: does not fit {job.recording}:"
            f" {100 * placed / max(1, total):.0f}% of it has a place there, in {100 * covered:.0f}% of the"
            f" speech, with confidence {whole.confidence:.2f}, where a wrong text has 0; name the transcript"
            " of this recording, or a --model of a nearer language"
        )
    return Result(job, whole, track.duration_s, _notes(track, spell), voices.count if voices else 0)


def _normal(lang: str | None, transcriber: Transcriber, job: Job, spell: Spelling) -> Callable[[str], str]:
    """How texts are normalised: as the language's are, else as the model's, if it has their letters."""
    from xlt.text import languages
    from xlt.text.normalise import normalise

    if lang:
        return functools.partial(normalise, normaliser=languages.get(lang).normaliser)
    usual = functools.partial(normalise, normaliser=USUAL)
    if spell.foreign(usual(one.text) for part in job.stretches for one in part.paragraphs):
        return usual
    return lambda text: next(iter(transcriber.recogniser.spell(text)))


def _notes(track: Track, spell: Spelling) -> list[str]:
    """What a person should know of sound and letters."""
    notes = [track.sound.told] if track.sound.told else []
    if spell.strange:
        shown = " ".join(char for char, _ in spell.strange.most_common(12))
        notes.append(f"letters that the model lacks, and others stand for: {shown}")
    if spell.lost:
        notes.append(f"letters that nothing stands for, left out: {' '.join(sorted(spell.lost)[:12])}")
    return notes


def _left_out(result: Result) -> list[str]:
    """Counts by reason, with the first place."""
    from xlt.align.pieces import REASONS
    from xlt.align.write import clock

    lines = []
    for reason, (meaning, remedy) in REASONS.items():
        own = [one for one in result.aligned.left_out if one.reason == reason]
        if own:
            first = own[0]
            where = f"line {first.line}" if first.line else clock(first.start_s or 0.0)
            lines.append(f"  {len(own):4} left out: {meaning} (first: {where}); {remedy}")
    return lines
