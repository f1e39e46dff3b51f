"""`xlt forget`: which models have heard a speaker, and how to train them without."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from xlt.core.errors import ConfigError, DataError
from xlt.core.log import say
from xlt.formats.model_folder import BUNDLE, INFO, Trained
from xlt.formats.tables import read_table, write_table

DROP = "forget.txt"  # written beside recipe.yaml, for data.drop
_EXPLAINED = """It looks for clips of the speaker in the training manifests (`heard`) of all experiments and
bundles of the recipe and of the recipes beside it, and writes RECIPE/forget.txt. It deletes and retrains
nothing: it prints what to do."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EXPLAINED
    parser.add_argument(
        "recipe", type=Path, metavar="RECIPE", help="recipe folder with the speaker's recordings"
    )
    parser.add_argument(
        "--speaker", required=True, metavar="ID", help="the speaker, as data/all/utt2spk has it"
    )
    parser.add_argument(
        "--also",
        nargs="+",
        type=Path,
        default=[],
        metavar="FOLDER",
        help="more folders to look for models in",
    )


def main(args: argparse.Namespace) -> None:
    """DataError for a recipe without data, and for a speaker whom it does not have."""
    from xlt.core.config import load

    recipe = args.cwd / args.recipe
    cfg = load(recipe)
    clips = _clips(recipe, args.speaker)
    splits = read_table(recipe / "data" / "all" / "utt2split")
    own = {utt: splits.get(utt, "train") for utt in clips}
    counts = {name: list(own.values()).count(name) for name in dict.fromkeys(own.values())}
    parts = ", ".join(f"{count} in {name}" for name, count in counts.items())
    say(f"{args.speaker}: {len(clips)} utterances, {parts}")
    for place in args.also:
        if not (args.cwd / place).is_dir():
            raise DataError(f"--also {place}: no such folder; name one with experiments or bundles")
    beside = [path.parent / "exp" for path in sorted(recipe.resolve().parent.glob("*/recipe.yaml"))]
    places = [*beside, *(args.cwd / place for place in args.also)]
    heard, silent = _models(dict.fromkeys(places), clips)
    for folder, count in heard.items():
        say(f"{os.path.relpath(folder, args.cwd)}: was trained on {count} of them")
    for folder in silent:
        say(f"{os.path.relpath(folder, args.cwd)}: does not say what it was trained on")
    if not heard:
        say("no model that says so was trained on them")
    _write_drop(recipe, cfg.data.drop, args.speaker, [utt for utt, name in own.items() if name == "train"])
    say(f"wrote {args.recipe / DROP}; train again without them, for each tag that you keep:")
    say(f"  {args.recipe / 'run.sh'} tag=TAG data.drop={args.recipe / DROP}")
    say(
        "then delete the old experiments and bundles, take their heads out of joined bundles (xlt bundle"
        " remove), and remove the recordings from the corpus: stage 1 keeps copies in data/all/wav"
    )
    if held_out := [name for name in counts if name != "train"]:
        say(f"{', '.join(held_out)}: data.drop keeps test material; removing it from the corpus takes it out")


def _clips(recipe: Path, speaker: str) -> dict[str, str]:
    """``{utterance: audio hash}`` of a speaker."""
    path = recipe / "data" / "all" / "utt2spk"
    if not path.exists():
        raise DataError(f"{path}: no such file; stage 1 makes it: {recipe / 'run.sh'} --stop_stage data")
    speakers, audio = read_table(path), read_table(path.with_name("utt2audio"))
    found = {utt: audio.get(utt, "-") for utt, name in speakers.items() if name == speaker}
    if not found:
        names = sorted(set(speakers.values()))
        shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
        raise ConfigError(f"--speaker={speaker}: not in {path}; it has {shown}")
    return found


def _models(places: Mapping[Path, None], clips: Mapping[str, str]) -> tuple[dict[Path, int], list[Path]]:
    """How many of ``clips`` each model in ``places`` has heard, where it has heard any; and those that do not
    say.
    """
    hashes = set(clips.values()) - {"-"}
    heard, silent = {}, []
    for folder in dict.fromkeys(found for place in places for found in _trained(place)):
        manifest = Trained(folder, {}).manifest
        if manifest is None:
            silent.append(folder)
        elif count := sum(
            values[0] in hashes or (values[0] == "-" and utt in clips) for utt, values in manifest.items()
        ):
            heard[folder] = count
    return heard, silent


def _trained(place: Path) -> Iterator[Path]:
    """Folders of models in ``place``, with the heads of bundles; an experiment stands for its own bundle."""
    for folder, inside, files in os.walk(place):
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        if INFO in files:
            inside[:] = [name for name in inside if name != BUNDLE]
            yield Path(folder)


def _write_drop(recipe: Path, drop: str | None, speaker: str, utts: list[str]) -> None:
    """``forget.txt``: what it and ``data.drop`` have already, and the speaker's training utterances."""
    rows: dict[str, str] = {}
    for path in (recipe / DROP, *([Path(drop)] if drop else [])):
        rows |= read_table(path) if path.exists() else {}
    write_table(recipe / DROP, rows | dict.fromkeys(utts, f"withdrawn: {speaker}"))
