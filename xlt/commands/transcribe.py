"""``xlt transcribe BUNDLE FILE…``: the text of sound files of any format, rate and length."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from xlt.core.errors import DataError


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
        "--segments",
        action="store_true",
        help="print each piece of a long file with its start and end, in seconds",
    )
    parser.add_argument(
        "--json", action="store_true", help="print a JSON object for each file, with pieces, times and scores"
    )


def main(args: argparse.Namespace) -> None:
    """Print ``FILE<tab>TEXT`` for each file. Files that cannot be read are named at the end, with
    DataError.
    """
    from xlt.bundle.transcribe import Transcriber
    from xlt.text.normalise import put_together

    transcriber = Transcriber(args.bundle)
    failed = 0
    for name in args.files:
        try:
            pieces = transcriber(name)
        except DataError as err:
            failed += 1
            print(f"xlt transcribe: {err}", file=sys.stderr)
            continue
        text = put_together([p["text"] for p in pieces])
        if args.json:
            print(
                json.dumps({"file": name, "text": text, "segments": pieces}, ensure_ascii=False), flush=True
            )
        elif args.segments:
            for p in pieces:
                print(f"{name}\t{p['start_s']:.2f}\t{p['end_s']:.2f}\t{p['text']}", flush=True)
        else:
            print(f"{name}\t{text}", flush=True)
    if failed:
        raise DataError(f"{failed} of {len(args.files)} files could not be transcribed; they are named above")
