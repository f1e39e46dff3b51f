"""``xlt lid train BUNDLE``: teach a bundle of several languages to tell them apart."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.core.errors import ConfigError, DataError
from xlt.core.log import Progress, say

if TYPE_CHECKING:
    import numpy as np

    from xlt.features.backbone import Backbone
    from xlt.lid.training import Trained
    from xlt.models.onnx.shared import Shared

MOST_S = 10  # of a clip that are listened to
SUBCOMMANDS = ("train",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("action", choices=SUBCOMMANDS, help="train: fit, calibrate and store it in the bundle")
    add("bundle", type=Path, metavar="BUNDLE", help="bundle of several languages, made by xlt bundle join")
    add(
        "--data",
        nargs="+",
        action="extend",
        default=[],
        metavar="LANG=DIR",
        help=(
            "speech to learn from: a folder with a wav.scp, or of sound files; several of one LANG are put"
            " together. A LANG that the bundle does not have is learnt as none of its languages (default for"
            " each language: data/train of its recipe in egs/)"
        ),
    )
    add(
        "--held_out",
        nargs="+",
        action="extend",
        default=[],
        metavar="LANG=DIR",
        help=(
            "speech for the calibration and the threshold, best of other microphones than --data (default:"
            " every fifth clip of --data)"
        ),
    )
    add("--clips", type=int, default=200, metavar="N", help="clips of each language and option (200)")
    add("--seed", type=int, default=0, metavar="N", help="which clips and which parts of them (0)")


def main(args: argparse.Namespace) -> None:
    """ConfigError or DataError for what cannot be learnt from; the bundle is then as it was."""
    from xlt.bundle.join import refuse_single, set_lid
    from xlt.bundle.joined import Joined
    from xlt.bundle.opened import load_backbone
    from xlt.lid.pool import upper_layers
    from xlt.lid.training import held_apart, train

    if args.clips < 1:
        raise ConfigError(f"--clips {args.clips}: expected a number from 1; leave it out for 200")
    refuse_single(args.bundle)
    joined = Joined.read(args.bundle)
    named = _folders(args.data, joined.heads, "--data")
    for name, head in joined.heads.items():
        if name not in named:
            named[name] = [_of_recipe(name, head.lang)]
    files = {lang: _files(folders, args) for lang, folders in sorted(named.items())}
    beside = _folders(args.held_out, joined.heads, "--held_out")
    apart = {lang: _files(folders, args) for lang, folders in sorted(beside.items())}
    backbone = load_backbone(args.bundle, joined)
    layers = upper_layers(backbone.num_layers)
    total = sum(map(len, [*files.values(), *apart.values()]))
    with Progress("heard", total, "clips") as bar:
        clips = examples_of(backbone, layers, files, args.seed, bar.add)
        held_out = examples_of(backbone, layers, apart, args.seed, bar.add)
    if not held_out:
        clips, held_out = held_apart(clips)
    found = train(clips, held_out)
    counts = [{lang: len(own) for lang, own in part.items()} for part in (clips, held_out)]
    set_lid(args.bundle, found.classifier, layers, *counts)
    _tell(args, found, own=not beside)


def _folders(words: Iterable[str], heads: Iterable[str], option: str) -> dict[str, list[Path]]:
    """The folders of each language, which bears the name of its head if there is one."""
    found: dict[str, list[Path]] = {}
    for word in words:
        where = f"{option} {word}"
        lang, equals, place = word.partition("=")
        if not lang or not equals or not place:
            raise ConfigError(f"{where}: expected LANG=DIR, e.g. ron=egs/ron/data/train; write it so")
        meant = [name for name in heads if lang in (name, name.partition("_")[0])]
        if len(meant) > 1 and lang not in meant:
            raise ConfigError(f"{where}: may be {' or '.join(meant)}; give the whole name")
        name = lang if lang in meant or not meant else meant[0]
        found.setdefault(name, []).append(Path(place))
    return found


def _of_recipe(name: str, lang: str) -> Path:
    from xlt.core.config import ROOT

    folder = ROOT / "egs" / lang.partition("_")[0] / "data" / "train"
    if not (folder / "wav.scp").is_file():
        raise DataError(
            f"{folder / 'wav.scp'}: no such file; run stage 1 (data) of that recipe, or name speech of"
            f" {name}: --data {name}=DIR"
        )
    return folder


def _files(folders: Iterable[Path], args: argparse.Namespace) -> list[str]:
    """At most --clips of the sound files in folders, drawn by the seed."""
    import numpy as np

    found = sorted({file for folder in folders for file in _listed(folder)})
    drawn = np.random.default_rng(args.seed).permutation(len(found))[: args.clips]
    return [found[n] for n in drawn]


def _listed(folder: Path) -> list[str]:
    from xlt.commands.recordings import find
    from xlt.formats.tables import read_scp

    table = folder / "wav.scp"
    if table.is_file():
        found = list(read_scp(table, folder.resolve().parents[1]).values())  # of egs/ron/data/train: egs/ron
        if not found:
            raise DataError(f"{table}: holds no recordings; give another folder")
        return found
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; give one with a wav.scp, or of sound files")
    recordings, bad = find([str(folder)])
    if bad:
        raise bad[0]
    return [one.name for one in recordings]


def examples_of(
    backbone: Backbone | Shared,
    layers: list[int],
    files: Mapping[str, list[str]],
    seed: int,
    heard: Callable[[float], None] = lambda clips: None,
) -> dict[str, list[np.ndarray]]:
    """Sound files of languages → what the classifier learns of each, (n, D). DataError for a file that cannot
    be read.
    """
    import numpy as np

    from xlt.audio.files import SAMPLE_RATE, read_wav
    from xlt.lid.pool import examples

    rng = np.random.default_rng(seed)
    found: dict[str, list[np.ndarray]] = {}
    for lang, paths in files.items():
        found[lang] = []
        for path in paths:
            (features,) = backbone.layers([read_wav(path)[: MOST_S * SAMPLE_RATE]], layers)
            found[lang].append(examples(features, backbone.frame_rate, rng))
            heard(1)
    return found


def _tell(args: argparse.Namespace, found: Trained, own: bool) -> None:
    made = found.classifier
    say(
        f"{args.bundle}: tells {', '.join(made.languages)}; {found.balanced:.0%} of held-out speech rightly"
        f" (temperature {made.temperature:.2f})"
    )
    refused = "" if found.refused is None else f", and {found.refused:.0%} of languages left out are refused"
    say(f"from {made.threshold:.0%} sure on it decides: {found.kept:.0%} of what it tells rightly{refused}")
    if own:
        say(
            "these figures are of the speakers and microphones that it learnt from; elsewhere it errs far"
            " more (docs/lid.md): give speech from elsewhere with --held_out"
        )
    say(f"next: xlt transcribe {args.bundle} FILE --lang auto")
