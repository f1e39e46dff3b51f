"""``xlt transcribe BUNDLE FILE…``: the text of sound files of any format, rate and length."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from xlt.errors import DataError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, help="folder that stage 10 (bundle) made, e.g. egs/ron/exp/main/bundle")
    parser.add_argument("files", nargs="+", metavar="FILE", help="sound files: wav, flac, ogg, mp3; any rate and length")
    parser.add_argument("--segments", action="store_true", help="a line for each piece of a long file, with its times")
    parser.add_argument("--json", action="store_true", help="a JSON object for each file, with pieces, times and scores")


def main(args: argparse.Namespace) -> None:
    """Print ``FILE<tab>TEXT`` for each file. Files that cannot be read are named at the end, with DataError."""
    from xlt.bundle import read_manifest
    from xlt.data.text import put_together

    read_manifest(args.bundle)
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
            print(json.dumps({"file": name, "text": text, "segments": pieces}, ensure_ascii=False), flush=True)
        elif args.segments:
            for p in pieces:
                print(f"{name}\t{p['start_s']:.2f}\t{p['end_s']:.2f}\t{p['text']}", flush=True)
        else:
            print(f"{name}\t{text}", flush=True)
    if failed:
        raise DataError(f"{failed} of {len(args.files)} files could not be transcribed; they are named above")


class Transcriber:
    """A loaded bundle. Call it with a sound file's path: pieces with ``start_s``, ``end_s``, ``text``, ``score``, and with
    ``tokens.language_tag`` the ``lang`` that the model told."""

    def __init__(self, bundle: Path):
        from xlt.decode.recognise import Recogniser
        from xlt.features import load_trained
        from xlt.sections import DecodeConfig

        manifest = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
        trained = json.loads((bundle / "xlt.json").read_text(encoding="utf-8"))
        self.encode = load_trained(trained["features"], bundle)
        self.recogniser = Recogniser(bundle, DecodeConfig(**manifest["decode"]))

    def __call__(self, path: str) -> list[dict]:
        """Transcribe a file; DataError if it cannot be read as audio."""
        from xlt.bundle.segment import cut_at_silences
        from xlt.kaldi_io import read_wav

        rate = 16000
        samples = read_wav(path, rate)  # (N,)
        ranges = cut_at_silences(samples, rate)
        feats = self.encode([samples[a:b] for a, b in ranges])
        pieces = []
        for (start, end), matrix in zip(ranges, feats, strict=True):
            found = self.recogniser([matrix])[0]
            pieces.append({"start_s": start / rate, "end_s": end / rate, "text": found.text, "score": round(found.score, 4),
                           **({"lang": found.lang} if self.recogniser.tokenizer.tags else {})})
        return pieces
