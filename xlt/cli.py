"""The command line. Parses only: nothing heavy is imported before a stage needs it."""

from __future__ import annotations

import argparse
import contextlib
import errno
import importlib
import os
import shlex
import signal
import sys
from pathlib import Path

from xlt import __version__

COMMANDS = {  # name → (module with add_arguments(parser) and main(args), what it does)
    "transcribe": ("xlt.commands.transcribe", "write the text of sound files, with a bundle"),
    "cache": ("xlt.commands.cache", "list, clean up or check the features that recipes share"),
    "experiment": ("xlt.commands.experiment", "run a grid of experiments from a YAML file"),
    "export": ("xlt.commands.export", "write a recipe's data in another form: lhotse, table"),
    "new_recipe": (
        "xlt.commands.new_recipe",
        "make the recipe of a new language from a corpus; tools/new_recipe.sh installs first",
    ),
    "phones": ("xlt.commands.phones", "compare a language's phones with those of source languages"),
    "report": ("xlt.commands.report", "outside a recipe: tables over all languages, report.html, LaTeX, CSV"),
}
_SPACE, _RIGHTS = "free some space or choose another place", "make it writable or choose another place"
_KIND = "a file stands where a folder belongs, or the other way round: move it away"
REMEDIES = {  # errors of the operating system that the user can mend; all others are shown as defects of xlt
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EFBIG: _SPACE,
    errno.EROFS: _RIGHTS,
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EISDIR: _KIND,
    errno.ENOTDIR: _KIND,
    errno.EEXIST: _KIND,
}


def _keys_of(stage: str) -> str:
    """The settings that a stage's section has, with their comments, from base.yaml; stage 4 makes the phones,
    too.
    """
    from xlt.core.config import documented_keys

    reads = ["phones"] if stage == "tokens" else []
    own = {k: v for k, v in documented_keys().items() if "." not in k or k.split(".")[0] in (stage, *reads)}
    lines = [f"  {name:26} {text}" for name, text in own.items()]
    return "settings (key=value), with their defaults:\n" + "\n".join(lines)


def _overview() -> str:
    from xlt.core.context import STAGES

    lines = [f"  {s.number:2} {s.name:10} {s.does}" for s in STAGES]
    lines += [f"     {name:10} {does}" for name, (_, does) in COMMANDS.items()]
    return (
        "stages, run in a recipe directory such as egs/ron (egs/ron/run.sh runs them all), and commands:\n"
        + "\n".join(lines)
        + "\n\n`xlt STAGE --help` lists the settings of a stage."
    )


def _add_recipe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--recipe", type=Path, default=Path("."), metavar="DIR", help="recipe directory (default: here)"
    )
    parser.add_argument("settings", nargs="*", metavar="key=value", help="settings that override recipe.yaml")


def _is_command(words: list[str]) -> bool:
    """Whether ``words`` name a command, not a stage; ``report`` is a stage in a recipe and a command
    elsewhere.
    """
    from xlt.core.context import STAGES

    in_recipe = Path("recipe.yaml").exists() or any(word.split("=")[0] == "--recipe" for word in words)
    return bool(words) and words[0] in COMMANDS and not (in_recipe and words[0] in {s.name for s in STAGES})


def _parser(words: list[str]) -> argparse.ArgumentParser:
    """A parser for the stage or command that ``words`` name; only that one's arguments are built."""
    from xlt.core.context import STAGES

    raw = argparse.RawDescriptionHelpFormatter
    name = words[0] if words else ""
    if name in {s.name for s in STAGES} and not _is_command(words):
        stage = next(s for s in STAGES if s.name == name)
        parser = argparse.ArgumentParser(
            prog=f"xlt {name}",
            formatter_class=raw,
            allow_abbrev=False,
            description=f"Stage {stage.number}: {stage.does}",
            epilog=_keys_of(name),
        )
        _add_recipe(parser)
        parser.add_argument("--force", action="store_true", help="run even if the output is up to date")
        parser.add_argument("--dry_run", action="store_true", help="say what would be done, do nothing")
        if name == "check":
            parser.add_argument(
                "--fix",
                type=Path,
                metavar="NEW_FOLDER",
                help=(
                    "write a repaired copy of the data there, and "
                    "nothing else; what was changed stands in NEW_FOLDER/fix.md"
                ),
            )
        parser.add_argument("--nj", type=int, help="parallel processes (the setting nj)")
        parser.add_argument("--ngpu", type=int, help="GPUs (the settings features.ngpu and train.ngpu)")
        if name == "score":
            parser.add_argument(
                "--compare",
                nargs=2,
                metavar=("A", "B"),
                help=(
                    "score nothing, say which of two systems is "
                    "better; each is exp/<tag>, a score.json or results/<tag>.json, seen from the recipe"
                ),
            )
            parser.add_argument("--set", help="compare: the set (default: all that both have)")
    elif name in COMMANDS:
        module, does = COMMANDS[name]
        parser = argparse.ArgumentParser(
            prog=f"xlt {name}", formatter_class=raw, allow_abbrev=False, description=does
        )
        importlib.import_module(module).add_arguments(parser)
    else:
        parser = argparse.ArgumentParser(
            prog="xlt",
            formatter_class=raw,
            allow_abbrev=False,
            epilog=_overview(),
            description="Recipes for cross-lingual speech transfer.",
        )
        parser.add_argument("--version", action="version", version=f"xlt {__version__}")
        parser.add_argument(
            "command", choices=sorted({*(s.name for s in STAGES), *COMMANDS}), metavar="STAGE|COMMAND"
        )
    return parser


def _run(words: list[str]) -> None:
    from xlt.core import log
    from xlt.core.context import STAGES, Context, find
    from xlt.core.errors import MissingInput

    parser = _parser(words)
    if not words or words[0] not in {s.name for s in STAGES} | set(COMMANDS):
        parser.parse_args(words or ["--help"])
    args = parser.parse_intermixed_args(words[1:])
    if _is_command(words):
        importlib.import_module(COMMANDS[words[0]][0]).main(args)
        return
    if words[0] == "score" and (args.compare or args.set):
        importlib.import_module("xlt.commands.compare").main(args)
        return
    from xlt.core.config import load

    settings = args.settings + ([f"nj={args.nj}"] if args.nj is not None else [])
    settings += [f"features.ngpu={args.ngpu}", f"train.ngpu={args.ngpu}"] if args.ngpu is not None else []
    cfg = load(args.recipe, settings)
    fix = getattr(args, "fix", None) and Path(os.environ.get("XLT_CWD", os.getcwd()), args.fix)
    command = "./run.sh" + "".join(f" {shlex.quote(s)}" for s in args.settings)
    with contextlib.chdir(args.recipe):  # paths in scp files are relative to the recipe, as in Kaldi
        if not args.dry_run:
            log.to_file(Path("log") / cfg.tag / f"{words[0]}.log")
        try:
            find(words[0]).run(
                Context(Path("."), cfg, force=args.force, dry_run=args.dry_run, command=command, fix=fix)
            )
        except MissingInput as err:
            if not args.dry_run:
                raise
            log.say(
                f"{words[0]}: would run after stage {find(err.stage).number} ({err.stage}), whose output it"
                " needs"
            )
        finally:
            log.to_file(None)


def main(words: list[str] | None = None) -> int:
    """Entry point; returns the exit status: 0, 2 for an error that the user can mend, 130 after Ctrl-C."""
    from xlt.core.errors import XltError

    words = sys.argv[1:] if words is None else words
    what = words[0] if words else ""
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # run.sh holds Ctrl-C back until here
        _run(words)
    except XltError as err:
        print(f"xlt {what}: {err}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\nxlt {what}: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as err:
        if err.errno not in REMEDIES:
            raise
        where = f" ({err.filename2 or err.filename})" if err.filename else ""
        print(
            f"xlt {what}: {os.strerror(err.errno)}{where}; {REMEDIES[err.errno]}, then run the same command:"
            " it goes on from here",
            file=sys.stderr,
        )
        return 2
    return 0


if __name__ == "__main__":
    code = main()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is written, and run.sh has seen it too
    sys.exit(code)
