"""The parsers of stages and commands; only what is asked for is imported, and nothing heavy."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from typing import Any

from xlt import __version__

COMMANDS = {  # name → (module with add_arguments(parser) and main(args), what it does)
    "transcribe": ("xlt.commands.transcribe", "transcribe sound files with a bundle"),
    "stream": ("xlt.commands.stream", "write text while somebody speaks, from the microphone or a pipe"),
    "align": ("xlt.commands.align", "align long recordings with their transcripts, and cut them"),
    "serve": ("xlt.commands.serve", "serve a bundle over HTTP and WebSockets"),
    "run": ("xlt.commands.run", "run stages of a recipe, as its run.sh does"),
    "cache": ("xlt.commands.cache", "list, clean up or verify the stored features that recipes share"),
    "experiment": ("xlt.commands.experiment", "run the experiments that a YAML file describes"),
    "adapter": ("xlt.commands.adapter", "write, list and use the languages of one backbone (MMS adapters)"),
    "bundle": ("xlt.commands.bundle", "join bundles of languages over one encoder; change, list, verify"),
    "lid": ("xlt.commands.lid", "teach a bundle of several languages to tell them apart"),
    "export": ("xlt.commands.export", "export a recipe's data as lhotse manifests or as a table"),
    "lm": ("xlt.commands.lm", "adapt a bundle's language model to your texts, or export it as ARPA files"),
    "new_recipe": (
        "xlt.commands.new_recipe",
        "create the recipe of a new language from a corpus",
    ),
    "pretrain": ("xlt.commands.pretrain", "pre-train an encoder on speech without texts"),
    "probe": ("xlt.commands.probe", "try encoders on minutes of a recipe's speech and rank them"),
    "selftrain": ("xlt.commands.selftrain", "train on recordings without texts, in rounds"),
    "learn": ("xlt.commands.learn", "train a bundle's model further on corrected pieces"),
    "suggest": ("xlt.commands.suggest", "choose recordings to transcribe next, with drafts to correct"),
    "phones": ("xlt.commands.phones", "compare the phones of a language with those of source languages"),
    "completion": ("xlt.commands.completion", "print what a shell needs to complete commands and settings"),
    "forget": ("xlt.commands.forget", "find the models that heard a speaker, and how to train without"),
    "verify": ("xlt.commands.verify", "compare all that was made with the digests noted then"),
    "report": ("xlt.commands.report", "outside a recipe: tables of all languages, report.html, LaTeX, CSV"),
}


def _keys_of(stage: str) -> str:
    """The settings that a stage's section has, with their comments, from base.yaml; stage 4 makes the phones,
    too.
    """
    from xlt.core.config import documented_keys

    reads = ["phones"] if stage == "tokens" else []
    own = {k: v for k, v in documented_keys().items() if "." not in k or k.split(".")[0] in (stage, *reads)}
    rows = [(name, *(part.strip() for part in text.partition("# ")[::2])) for name, text in own.items()]
    lines = [f"  {f'{name}={default}':36} {meaning}" for name, default, meaning in rows]
    return "settings with their defaults:\n" + "\n".join(lines)


def _overview() -> str:
    from xlt.core.context import STAGES

    lines = [f"  {s.number:2} {s.name:10} {s.does}" for s in STAGES]
    lines += [f"     {name:10} {does}" for name, (_, does) in COMMANDS.items()]
    return (
        "stages, run in a recipe folder such as egs/ron (egs/ron/run.sh runs them all), and commands:\n"
        + "\n".join(lines)
        + "\n\n`xlt STAGE --help` lists the settings of a stage."
    )


def is_command(words: list[str]) -> bool:
    """Whether ``words`` name a command, not a stage; ``report`` is a stage in a recipe and a command
    elsewhere, ``lm`` and ``bundle`` are commands if a subcommand follows, e.g. ``adapt``, also a mistyped
    one: what follows a stage are options and settings.
    """
    from xlt.core.context import STAGES

    if words and words[0] in ("lm", "bundle"):
        return words[1:2] != [] and not words[1].startswith("-") and "=" not in words[1]
    in_recipe = Path("recipe.yaml").exists() or any(word.split("=")[0] == "--recipe" for word in words)
    return bool(words) and words[0] in COMMANDS and not (in_recipe and words[0] in {s.name for s in STAGES})


def parser_of(words: list[str]) -> argparse.ArgumentParser:
    """A parser for the stage or command that ``words`` name; only that one's arguments are built."""
    from xlt.core.context import STAGES

    name = words[0] if words else ""
    if name in {s.name for s in STAGES} and not is_command(words):
        return stage_parser(name)
    return command_parser(name) if name in COMMANDS else _main_parser()


def _parser(**more: Any) -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    return argparse.ArgumentParser(formatter_class=raw, allow_abbrev=False, **more)


def stage_parser(name: str) -> argparse.ArgumentParser:
    """Of a stage."""
    from xlt.commands.run import add_stage_arguments
    from xlt.core.context import find

    stage = find(name)
    parser = _parser(
        prog=f"xlt {name}", description=f"Stage {stage.number}: {stage.does}", epilog=_keys_of(name)
    )
    add_stage_arguments(parser)
    if name == "check":
        parser.add_argument(
            "--fix",
            type=Path,
            metavar="NEW_FOLDER",
            help=("only write a repaired copy of the data to NEW_FOLDER; its fix.md lists the changes"),
        )
    if name == "score":
        parser.add_argument(
            "--compare",
            nargs=2,
            metavar=("A", "B"),
            help=(
                "only say which of two systems is better; each is exp/<tag>, a score.json or "
                "results/<tag>.json of the recipe"
            ),
        )
        parser.add_argument("--set", help="compare: set to compare on (default: every set that both have)")
    return parser


def command_parser(name: str) -> argparse.ArgumentParser:
    """Of a command."""
    module, does = COMMANDS[name]
    parser = _parser(prog=f"xlt {name}", description=does)
    importlib.import_module(module).add_arguments(parser)
    return parser


def _main_parser() -> argparse.ArgumentParser:
    """Of xlt without a stage or command."""
    from xlt.core.context import STAGES

    parser = _parser(
        prog="xlt", epilog=_overview(), description="Speech recognition for languages with little data."
    )
    parser.add_argument("--version", action="version", version=f"xlt {__version__}")
    parser.add_argument(
        "command", choices=sorted({*(s.name for s in STAGES), *COMMANDS}), metavar="STAGE|COMMAND"
    )
    return parser
