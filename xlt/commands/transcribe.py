"""``xlt transcribe BUNDLE FILE…``: the text of sound files of any format, rate and length."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.core.errors import ConfigError, DataError
from xlt.core.registry import FORMATS

if TYPE_CHECKING:
    from xlt.formats.transcripts import Piece

DEFAULT = "tsv"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "bundle", type=Path, help="folder made by stage 10 (bundle), e.g. egs/ron/exp/main/bundle"
    )
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="sound files: wav, flac, ogg, mp3; any sampling rate and length",
    )
    parser.add_argument(
        "--format",
        default=DEFAULT,
        metavar="NAME",
        help=(
            f"what to print, one of {', '.join(FORMATS.entries)} (default: {DEFAULT}, FILE and text;"
            " segments and json have the times of the pieces of a long file, srt and vtt are subtitles)"
        ),
    )
    parser.add_argument(
        "--segments",
        action="store_const",
        dest="format",
        const="segments",
        default=argparse.SUPPRESS,
        help="short for --format segments: each piece of a long file with its start and end, in seconds",
    )
    parser.add_argument(
        "--json",
        action="store_const",
        dest="format",
        const="json",
        default=argparse.SUPPRESS,
        help="short for --format json: an object for each file, with pieces, times and scores",
    )
    parser.add_argument(
        "--words",
        type=Path,
        metavar="FILE",
        help="text file with words and phrases to prefer, such as names, one a line",
    )
    parser.add_argument(
        "--words_weight",
        type=float,
        metavar="W",
        help="log probability added for each character of --words (default: the bundle's, mostly 2)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write a file for each sound file into DIR, print nothing"
    )


def main(args: argparse.Namespace) -> None:
    """Print the transcript of each file, or write it into ``--out``. Files that cannot be read are named at
    the end, with DataError.
    """
    form = FORMATS.get(args.format)
    places = _places(args.files, args.out, form.suffix) if args.out else {}
    if not form.several and not places and len(args.files) > 1:
        raise ConfigError(
            f"--format {args.format}: found {len(args.files)} files, expected one, as each needs its"
            " own output file; add --out DIR"
        )
    from xlt.bundle.transcribe import Transcriber
    from xlt.formats.transcripts import Transcript
    from xlt.text.normalise import put_together

    if args.words_weight is not None and args.words is None:
        raise ConfigError(
            f"--words_weight {args.words_weight:g}: weights --words, which is not there; add it"
        )
    transcriber = Transcriber(args.bundle)
    hotwords = transcriber.hotwords(args.words, args.words_weight) if args.words else None
    failed = 0
    for name in args.files:
        try:
            pieces: list[Piece] = transcriber(name, hotwords)
        except DataError as err:
            failed += 1
            print(f"xlt transcribe: {err}", file=sys.stderr)
            continue
        _tell_loops(name, pieces)
        text = form.render(Transcript(name, put_together([p["text"] for p in pieces]), pieces))
        if places:
            _write(places[name], text)
        else:
            print(text, end="", flush=True)
    if failed:
        raise DataError(f"{failed} of {len(args.files)} files could not be transcribed; they are named above")


def _tell_loops(name: str, pieces: list[Piece]) -> None:
    """Warn of pieces in which the attention decoder repeated itself."""
    looped = [f"{piece['start_s']:.1f}–{piece['end_s']:.1f} s" for piece in pieces if piece.get("looped")]
    if looped:
        print(
            f"xlt transcribe: {name}: the attention decoder repeated itself at {', '.join(looped)}; its next"
            " best text was taken or the repetition cut: check these pieces",
            file=sys.stderr,
        )


def _places(files: list[str], out: Path, suffix: str) -> dict[str, Path]:
    """``{sound file: file of its transcript}``; ConfigError where two would be one."""
    taken: dict[Path, str] = {}
    for name in dict.fromkeys(files):
        place = out / f"{Path(name).stem}{suffix}"
        if place in taken:
            raise ConfigError(
                f"--out {out}: {taken[place]} and {name} would both become {place.name}; rename one, or"
                " transcribe them into different folders"
            )
        taken[place] = name
    return {name: place for place, name in taken.items()}


def _write(place: Path, text: str) -> None:
    from xlt.core.log import say
    from xlt.core.stage import atomic_text

    place.parent.mkdir(parents=True, exist_ok=True)
    atomic_text(place, text)
    say(f"wrote {place}")
