"""``xlt transcribe BUNDLE FILE…``: the text of sound files of any format, rate and length."""

from __future__ import annotations

import argparse
import heapq
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from xlt.audio.files import Heard
from xlt.bundle.auto import AUTO, Auto, summary
from xlt.bundle.noticed import repetitions, without_text
from xlt.core.errors import ConfigError, DataError
from xlt.core.log import Progress, say
from xlt.core.registry import FORMATS
from xlt.formats.model_folder import HEADS

if TYPE_CHECKING:
    from xlt.bundle.opened import Bundle
    from xlt.bundle.transcribe import Transcriber
    from xlt.commands.recordings import Recording
    from xlt.formats.transcripts import Piece, Transcript, TranscriptFormat

DEFAULT = "tsv"


class _Noticed(NamedTuple):
    """What a person should know of a transcript: how the sound was read, and its pieces, without words."""

    sound: Heard
    pieces: list[Piece]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("bundle", type=Path, help="folder made by stage 10 (bundle), e.g. egs/ron/exp/main/bundle")
    add(
        "files",
        nargs="+",
        metavar="FILE",
        help=(
            "sound files (wav, flac, ogg, mp3; any sampling rate and length), folders of them, .eaf files of"
            " ELAN, or lists (.txt, .lst, .scp): a path on each line, or an id and a path"
        ),
    )
    add(
        "--lang",
        metavar="LANG",
        help=(
            "language of the recordings, e.g. ron, for a bundle of several (default: the bundle's only one);"
            " auto: told for each piece, where xlt lid has trained that"
        ),
    )
    add(
        "--format",
        default=DEFAULT,
        metavar="NAME[,NAME]",
        help=(
            f"what to write: {', '.join(FORMATS.entries)} (default: {DEFAULT}, FILE and text). segments and"
            " json have the times of pieces, json and ctm those of words; srt and vtt are subtitles, textgrid"
            " is for Praat, eaf for ELAN: a tier in a copy of RECORDING.eaf where there is one. Several need"
            " --out"
        ),
    )
    for name, does in (
        ("segments", "each piece of a long file with its start and end, in seconds"),
        ("json", "an object for each file, with pieces, words, times and confidences"),
    ):
        add(
            f"--{name}",
            action="store_const",
            dest="format",
            const=name,
            default=argparse.SUPPRESS,
            help=f"short for --format {name}: {does}",
        )
    add(
        "--out",
        type=Path,
        metavar="DIR",
        help=(
            "write a file for each sound file and format into DIR, print nothing; what is there already is"
            " left as it is"
        ),
    )
    add("--force", action="store_true", help="with --out: write files anew that are there already")
    add("--channels", action="store_true", help="each channel is one speaker, as in recorded telephone calls")
    add(
        "--unsure",
        type=float,
        metavar="P",
        help="mark words that are right with a probability below P, from 0 to 1, like [this?]",
    )
    add(
        "--vad",
        choices=("on", "off"),
        help=(
            "voice activity detection: on = transcribe only where somebody speaks, off = everything, cut at"
            " quiet places (default: on, unless it hears nothing in the bundle's training speech)"
        ),
    )
    add(
        "--words",
        type=Path,
        metavar="FILE",
        help="text file with words and phrases to prefer, such as names, one a line",
    )
    add(
        "--words_weight",
        type=float,
        metavar="W",
        help="log probability added for each character of --words (default: the bundle's, mostly 2)",
    )


def main(args: argparse.Namespace) -> None:
    """Print the transcript of each recording, or write it into ``--out``. All files are looked at before the
    model is loaded. Those that cannot be read are named, and DataError ends the command.
    """
    from xlt.commands.recordings import find, places

    forms = {name: FORMATS.get(name) for name in dict.fromkeys(args.format.split(","))}
    _refuse(args, forms)
    recordings, bad = find(args.files)
    for problem in bad:
        print(f"xlt transcribe: {problem}", file=sys.stderr)
    single = [name for name, form in forms.items() if not form.several]
    if single and not args.out and len(recordings) > 1:
        raise ConfigError(
            f"--format {single[0]}: found {len(recordings)} files, expected one, as each needs its own output"
            " file; add --out DIR"
        )
    outputs = places(recordings, args.out, {n: form.suffix for n, form in forms.items()}) if args.out else {}
    todo = [one for one in recordings if not args.out or _is_missing(outputs[one.name], args.force)]
    if len(todo) < len(recordings):
        there = len(recordings) - len(todo)
        say(f"{there} of {len(recordings)} are in {args.out} already; --force makes them anew")
    failed = len(bad)
    if todo:
        failed += _transcribe(args, todo, forms, outputs)
    if failed:
        count = len(recordings) + len(bad)
        raise DataError(f"{failed} of {count} files could not be transcribed; they are named above")


def _refuse(args: argparse.Namespace, forms: Mapping[str, TranscriptFormat]) -> None:
    """ConfigError for options that do not fit each other."""
    if len(forms) > 1 and not args.out:
        raise ConfigError(f"--format {args.format}: several need a folder to be written to; add --out DIR")
    if args.force and not args.out:
        raise ConfigError("--force: is for files in --out, which is not there; leave it out")
    if args.words_weight is not None and args.words is None:
        raise ConfigError(
            f"--words_weight {args.words_weight:g}: weights --words, which is not there; add it"
        )
    if args.lang == AUTO and args.words:
        raise ConfigError(
            f"--words {args.words}: are words of one language, which --lang {AUTO} does not name; leave one"
            " out"
        )
    if args.unsure is not None and not 0 <= args.unsure <= 1:
        raise ConfigError(f"--unsure {args.unsure:g}: expected a probability from 0 to 1; 0.5 is a good one")


def _is_missing(outputs: Mapping[str, Path], force: bool) -> bool:
    return force or not all(place.exists() for place in outputs.values())


def _transcribe(
    args: argparse.Namespace,
    recordings: list[Recording],
    forms: Mapping[str, TranscriptFormat],
    outputs: Mapping[str, Mapping[str, Path]],
) -> int:
    """How many recordings could not be read after all."""
    from xlt.bundle import open_bundle

    transcriber: Transcriber | Auto
    bundle, hotwords = open_bundle(args.bundle), None
    if args.lang == AUTO:
        transcriber = _auto(bundle)
    else:
        transcriber = bundle.head(args.lang)
        hotwords = transcriber.hotwords(args.words, args.words_weight) if args.words else None
    _refuse_without_words(transcriber, args, forms)
    total = sum(one.duration_s * (one.channels if args.channels else 1) for one in recordings)
    failed = 0
    with _progress(total, bool(args.out)) as bar:
        for one in recordings:
            noticed = _Noticed(Heard(), [])
            found = _transcript(args, transcriber, hotwords, one, bar, noticed)
            try:
                if args.out:
                    pieces = list(found.pieces)
                    for name, form in forms.items():
                        found.pieces = pieces
                        _write(outputs[one.name][name], "".join(form.render(found)), args.force)
                else:
                    for part in next(iter(forms.values())).render(found):
                        print(part, end="", flush=True)
            except DataError as err:
                failed += 1
                print(f"xlt transcribe: {err}", file=sys.stderr)
            else:
                _tell(one.name, without_text(noticed.pieces))
            _tell(one.name, repetitions(noticed.pieces))
            _tell(one.name, summary(piece for piece in noticed.pieces if "lang_confidence" in piece))
            _tell(one.name, noticed.sound.told)
    return failed


def _tell(name: str, what: str) -> None:
    if what:
        print(f"xlt transcribe: {name}: {what}", file=sys.stderr)


def _auto(bundle: Bundle) -> Auto:
    """With a warning of languages that are never told."""
    found = Auto(bundle)
    if found.unknown:
        print(
            f"xlt transcribe: --lang {AUTO}: never tells {', '.join(found.unknown)}, which joined the bundle"
            f" after: xlt lid train {bundle.folder}",
            file=sys.stderr,
        )
    return found


def _progress(total_s: float, to_files: bool) -> Progress:
    """Beside what is printed, only on a terminal that does not show the text itself."""
    if to_files:
        return Progress("transcribed", round(total_s), "s")
    quiet = sys.stdout.isatty() or not sys.stderr.isatty()
    return Progress("transcribed", round(total_s), "s", to=sys.stderr, quiet=quiet)


def _refuse_without_words(
    transcriber: Transcriber | Auto, args: argparse.Namespace, forms: Mapping[str, TranscriptFormat]
) -> None:
    """ConfigError if words are asked for of a model that does not know when they were said."""
    timed = [name for name, form in forms.items() if form.needs_words]
    if not timed:
        return
    if isinstance(transcriber, Auto):
        untimed = [f"{args.bundle}/{HEADS}/{lang}" for lang in transcriber.untimed]
    else:
        untimed = [] if transcriber.recogniser.has_ctc else [str(args.bundle)]
    if untimed:
        raise ConfigError(
            f"--format {timed[0]}: the model in {untimed[0]} has no CTC head, which says when words were"
            " said; give another format"
        )


def _transcript(
    args: argparse.Namespace,
    transcriber: Transcriber | Auto,
    hotwords: Mapping[str, float] | None,
    recording: Recording,
    bar: Progress,
    noticed: _Noticed,
) -> Transcript:
    """Its pieces are recognised as they are asked for; ``noticed`` is told on the way."""
    from xlt.bundle.unsure import marked
    from xlt.formats.transcripts import Transcript
    from xlt.text.normalise import put_together

    vad = None if args.vad is None else args.vad == "on"
    per_channel = args.channels and recording.channels > 1
    found = Transcript(
        recording.name,
        (),
        put_together,
        args.channels,
        recording.duration_s,
        recording.eaf,
        f"xlt {args.bundle}",
    )

    def pieces(channel: int | None) -> Iterator[Piece]:
        how = (channel, vad, bar.add, noticed.sound)
        path = str(recording.path)
        if isinstance(transcriber, Auto):
            said = transcriber.pieces(path, *how)
        else:
            said = transcriber.pieces(path, hotwords, *how)
        for piece in said:
            noticed.pieces.append({**piece, "words": []})
            if args.channels:
                piece["speaker"] = str((channel or 0) + 1)
            yield marked(piece, args.unsure) if args.unsure is not None else piece

    channels = range(recording.channels) if per_channel else [None]
    found.pieces = heapq.merge(*map(pieces, channels), key=lambda piece: piece["start_s"])
    return found


def _write(place: Path, text: str, force: bool) -> None:
    """Files that were there already stay, unless ``force``."""
    from xlt.core.stage import atomic_text

    if place.exists() and not force:
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    atomic_text(place, text)
    say(f"wrote {place}")
