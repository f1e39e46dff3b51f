"""``xlt learn BUNDLE --corrections DIR``: train the model of a bundle further, on its old training data and
corrected pieces, and say by a paired test on dev whether it became better.

The training is that of a recipe: its folder, RECIPE/learn, has the settings of the bundle's experiment, a
corpus of the old sets with the corrections in train, and what the stages make of them. The same command
continues it. Test is not decoded, and the old bundle stays as it is.
"""

from __future__ import annotations

import argparse
import gc
import os
import shlex
import shutil
from pathlib import Path
from typing import Any

import yaml

from xlt.commands.run import Call, from_recipe, run_stage
from xlt.core import schema
from xlt.core.config import CROSS, Config, defaults
from xlt.core.context import Context
from xlt.core.errors import ConfigError, DataError
from xlt.core.files import atomic_text, sha256
from xlt.core.log import say
from xlt.core.stage import read_stamp
from xlt.formats.model_folder import Trained
from xlt.formats.weights import stored
from xlt.score.compare import System, compare, read

FOLDER, TAG = "learn", "learned"
STAGES = ("data", "check", "features", "tokens", "lm", "train", "decode", "score")
_DEV = "dev"
_EPOCHS = 5
_RESET = (  # of the training that made the bundle
    "train.zero_shot",
    "train.teacher",
    "train.unlabelled",
    "train.posterior_weight",
    "train.average_source",
    "features.mix_from",
)
_ALONE: dict[str, Any] = {"train.mix": {}, "tokens.union": []}  # settings that name recipes beside this one


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__.replace("`", "")
    add = parser.add_argument
    add("bundle", type=Path, metavar="BUNDLE", help="the bundle, made by stage 10 of the recipe")
    add("settings", nargs="*", metavar="key=value", help="settings of this training, e.g. train.lr=0.0005")
    add(
        "--corrections",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of xlt serve --corrections, or a Kaldi directory with texts",
    )
    add("--recipe", type=Path, metavar="DIR", help="recipe that made the bundle (default: where it lies)")
    add("--epochs", type=int, default=_EPOCHS, metavar="N", help="epochs to train (default: %(default)d)")
    add("--out", type=Path, metavar="NEW", help="write the new bundle there (default: none is written)")
    add("--dry_run", action="store_true", help="check and count the corrections, train nothing")


def main(args: argparse.Namespace) -> None:
    """Learn, compare, say. What can be refused is before anything is trained."""
    from xlt.data.corrected import REASONS, corrected, settings_of_corpus, write_corpus

    cwd = args.cwd
    out = None if args.out is None else cwd / args.out
    if args.epochs < 1:
        raise ConfigError(f"--epochs {args.epochs}: expected a number from 1")
    if out is not None and out.exists():
        raise ConfigError(
            f"--out {args.out}: is there already; name a folder that is not: no bundle is replaced"
        )
    bundle, ctx = _experiment(args)
    before = read(ctx.exp, f"exp/{ctx.cfg.tag}")
    if _DEV not in before.sets:
        raise DataError(f"{before.path}: has no scores of dev; run stages 7 and 8 with dev in decode.sets")
    pieces = corrected(ctx, cwd / args.corrections)
    say(f"learn: {len(pieces.rows)} corrections, {pieces.seconds / 60:.1f} minutes")
    for reason, utts in pieces.left_out.items():
        if utts:
            say(f"  {len(utts):6} left out: {REASONS[reason]} ({utts[0]} …)")
    if args.dry_run:
        say("learn: would train; no correction is a clip of dev or test")
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and torch read it
    place = ctx.recipe / FOLDER
    write_corpus(ctx, pieces, place / "corpus")
    own = settings_of_corpus(ctx.cfg, place / "corpus")
    own |= _training(bundle, args.epochs)
    _write_recipe(ctx.cfg, own, place)
    for stage in (*STAGES, *(["bundle"] if out else [])):
        say(f"[{stage}]")
        run_stage(stage, Call(place).context())
        gc.collect()
    _verdict(before, read(place / "exp" / TAG, "learned"))
    if out:
        _copy(place / "exp" / TAG / "bundle", out)
        say(f"new bundle: {args.out}; the old one is as it was: {args.bundle}")
        say(f"transcribe recordings: xlt transcribe {shlex.quote(str(args.out))} FILE.wav")
    else:
        say("no bundle was written; the same command with --out NEW writes it")


def _experiment(args: argparse.Namespace) -> tuple[Path, Context]:
    """The bundle's folder and the context of the experiment that it was made of: its settings as they were,
    with those of the command line. ConfigError or DataError if the recipe has no such experiment.
    """
    from xlt.bundle.manifest import read_manifest

    bundle = Path(os.path.abspath(args.cwd / args.bundle))
    tag = str(read_manifest(bundle).get("tag"))
    model = Trained.load(bundle, "BUNDLE")
    recipe = args.cwd / args.recipe if args.recipe else bundle.parent.parent.parent
    if not (recipe / "recipe.yaml").is_file():
        raise ConfigError(
            f"--recipe {args.recipe or recipe}: no recipe.yaml there; name the recipe of {bundle}"
        )
    exp = recipe / "exp" / tag
    weights = model.family.weights[0]
    if not (exp / weights).is_file() or sha256(exp / weights) != sha256(stored(bundle / weights)):
        raise DataError(
            f"{args.bundle}: its model is not that of {exp}, so what it learned from is unknown; name the"
            " recipe that made it with --recipe"
        )
    stamp = read_stamp(exp) or {}
    known = {**model.info["features"]["settings"], **stamp.get("config", {})}
    words = [_word(name, value) for name, value in known.items() if name in schema.schema()]
    for word in args.settings:
        if word.startswith(("tag=", "train.init=", "train.max_epochs=", "data.")):
            raise ConfigError(f"{word}: is not for xlt learn, which sets it; leave it out")
    words += [from_recipe(word, args.cwd) for word in args.settings]
    ctx = Call(recipe, (*words, f"tag={tag}")).context()
    _refuse(ctx.cfg)
    return bundle, ctx


def _word(name: str, value: Any) -> str:
    """``name=value``, as YAML reads it back: to it, JSON's 5e-05 is a text."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**6)
    return f"{name}={text.removesuffix('\n').removesuffix('\n...')}"


def _refuse(cfg: Config) -> None:
    """ConfigError for recipes whose data are not one corpus of one language."""
    if cfg.data.reader == "recipes" or cfg.lang is None:
        raise ConfigError(
            f"data.reader={cfg.data.reader}: this recipe joins several; name the bundle of one language"
        )
    if cfg.data.split == CROSS:
        raise ConfigError("data.split=cross: has no dev that one model is compared on; train without it")
    for name, empty in _ALONE.items():
        if (found := cfg.as_given(name)) != empty:
            raise ConfigError(f"{name}={found}: xlt learn has the recipe's own speech only; leave it out")


def _training(bundle: Path, epochs: int) -> dict[str, Any]:
    """The settings of a short training from ``bundle``; its tokens stay, letters that are new are added."""
    return {
        **{name: defaults()[name] for name in _RESET},
        "train.init": str(bundle),
        "train.init_tokens": "match",
        "train.max_epochs": epochs,
        "train.min_updates": 0,
        "decode.sets": [_DEV],
        "tag": TAG,
    }


def _write_recipe(cfg: Config, own: dict[str, Any], place: Path) -> None:
    """``place/recipe.yaml``: everything as in ``cfg``, with absolute paths, but for ``own``."""
    flat = {name: cfg.paths[name][1] if name in cfg.paths else value for name, value in cfg.flat().items()}
    tree: dict[str, Any] = {}
    for name, value in {**flat, **own}.items():
        section, _, key = name.rpartition(".")
        (tree.setdefault(section, {}) if section else tree)[key] = value
    text = "# Made by xlt learn, which writes it anew.\n" + yaml.safe_dump(
        tree, allow_unicode=True, sort_keys=False
    )
    atomic_text(place / "recipe.yaml", text)


def _verdict(before: System, after: System) -> None:
    """Whether the model became better on dev, in words."""
    from xlt.commands.compare import sentences
    from xlt.score.compare import BOOT

    found = compare(before, after, _DEV)
    say(f"\nA {before.name}, B {after.name}")
    for difference in found:
        say(sentences(difference))
    say(f"paired bootstrap over utterances | boot:{BOOT.resamples} | seed:{BOOT.seed}; test was not decoded")
    words = {
        True: "the new model is better on dev",
        False: "the new model is WORSE on dev: keep the old bundle",
        None: f"no difference is decided on the {found[0].n} utterances of dev: keep the old bundle, or"
        " collect more corrections",
    }
    say(words[found[0].b_is_better])


def _copy(made: Path, out: Path) -> None:
    """The bundle under its new name, whole or not at all."""
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(made, partial)
    partial.rename(out)
