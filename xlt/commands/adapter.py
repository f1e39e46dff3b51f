"""``xlt adapter``: languages over one frozen wav2vec 2.0, each a file of adapters and its letters, as MMS has
them: write one from a trained model, list those of a folder, transcribe with some of them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from xlt.core.errors import ConfigError, XltError
from xlt.core.log import say

_EXPLAINED = """export MODEL DIR: write DIR/adapter.LANG.safetensors and DIR/vocab.json of exp/<tag> or a
bundle that was trained with preset=mms_adapter. DIR may be the folder of the backbone; other languages stay
as they are.
list DIR: the languages in the folder of a backbone such as mms-1b-all, and whether their adapters fit it.
transcribe DIR SOUND…: the text of sound files in each of the languages of --lang."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EXPLAINED
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("what", choices=["export", "list", "transcribe"], help="what to do")
    parser.add_argument(
        "place", type=Path, metavar="MODEL|DIR", help="trained model, or folder of a backbone"
    )
    parser.add_argument("more", nargs="*", metavar="DIR|SOUND", help="folder to write to, or sound files")
    parser.add_argument(
        "--lang",
        metavar="LANG[,LANG]",
        help="names of the adapters (export: the name to write, by default the language's ISO 639-3 code)",
    )
    parser.add_argument(
        "--adapters", type=Path, metavar="DIR", help="folder with the adapters, if not that of the backbone"
    )
    parser.add_argument("--replace", action="store_true", help="export: replace the adapter of this name")


def main(args: argparse.Namespace) -> None:
    {"export": _export, "list": _list, "transcribe": _transcribe}[args.what](args)


def _export(args: argparse.Namespace) -> None:
    from xlt.bundle.adapters import export

    if len(args.more) != 1:
        raise ConfigError("DIR: xlt adapter export needs one folder to write to; see xlt adapter --help")
    made = export(args.place, Path(args.more[0]), args.lang, args.replace)
    size = made.path.stat().st_size / 1e6
    say(
        f"wrote {made.path}: {size:.1f} MB, {len(made.letters)} outputs, backbone sha256"
        f" {made.backbone[:12]}…"
    )


def _list(args: argparse.Namespace) -> None:
    from xlt.formats.adapter_file import languages_in
    from xlt.upstreams.languages import Languages

    folder = args.adapters or args.place
    names = args.lang.split(",") if args.lang else languages_in(folder)
    if not names:
        raise ConfigError(
            f"{folder}: has no adapter.LANG.safetensors; name a folder with adapters in --adapters"
        )
    languages, bad = Languages(args.place), 0
    for lang in names:
        try:
            added = languages.add(lang, folder)
        except XltError as err:
            bad += 1
            say(f"{lang}\trefused: {err}")
            continue
        finally:
            languages.known.clear()  # a thousand of them are 9 GB
        width = added.adapters[0].linear_1.out_features
        sure = "of this backbone" if added.checked else _unsure(folder, lang)
        say(f"{lang}\t{len(added.letters)} outputs, width {width}; {sure}")
    if bad:
        raise ConfigError(f"{folder}: {bad} of {len(names)} adapters cannot be used; the lines above say why")


def _transcribe(args: argparse.Namespace) -> None:
    from xlt.audio.cut import Lengths, pieces
    from xlt.audio.files import read_blocks
    from xlt.audio.voice import Voice
    from xlt.upstreams.languages import Languages

    if not args.lang or not args.more:
        raise ConfigError(
            "--lang: xlt adapter transcribe needs languages and sound files, e.g. --lang ron a.wav"
        )
    languages = Languages(args.place)
    for lang in args.lang.split(","):
        if not languages.add(lang, args.adapters).checked:
            say(f"  {_unsure(args.adapters or args.place, lang)}")
    for path in args.more:
        cuts = [cut.samples for cut in pieces(read_blocks(path), Lengths(), Voice())]
        for lang in languages.known:
            print(path, lang, " ".join(filter(None, languages.texts(lang, cuts))), sep="\t")


def _unsure(folder: Path, lang: str) -> str:
    return (
        f"{folder}: the adapter of {lang} does not say for which backbone it was trained, so only its"
        " shapes could be compared"
    )
