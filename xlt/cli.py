"""The command line. Parses only: nothing heavy is imported before a stage needs it."""

from __future__ import annotations

import difflib
import importlib
import os
import signal
import sys
from pathlib import Path

from xlt.commands.parsers import COMMANDS, is_command, parser_of
from xlt.core.errors import ConfigError


def _run(words: list[str], cwd: Path) -> None:
    from xlt.core.context import STAGES

    parser = parser_of(words)
    known = {s.name for s in STAGES} | set(COMMANDS)
    if words and not words[0].startswith("-") and words[0] not in known:
        close = difflib.get_close_matches(words[0], known, n=1)
        hint = f"did you mean {close[0]}?" if close else "xlt --help lists them"
        raise ConfigError(f"{words[0]}: no stage or command of xlt; {hint}")
    if not words or words[0] not in known:
        parser.parse_args(words or ["--help"])
    args = parser.parse_intermixed_args(words[1:])
    args.cwd = cwd
    if is_command(words):
        importlib.import_module(COMMANDS[words[0]][0]).main(args)
        return
    if words[0] == "score" and (args.compare or args.set):
        importlib.import_module("xlt.commands.compare").main(args)
        return
    from xlt.commands.run import call_of, run_in_folds

    fix = getattr(args, "fix", None) and args.cwd / args.fix
    run_in_folds(words[0], call_of(args, fix).contexts())


def main(words: list[str] | None = None) -> int:
    """Entry point; returns the exit status: 0, 2 for an error that the user can mend, 130 after Ctrl-C, 1 for
    a defect of xlt.
    """
    from xlt.commands.run import guarded
    from xlt.core import log

    words = sys.argv[1:] if words is None else words
    cwd = Path(os.environ.get("XLT_CWD") or os.getcwd())  # where the user stands: run.sh goes elsewhere

    def work() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # run.sh holds Ctrl-C back until here
        _run(words, cwd)

    with log.standing_in(cwd):
        return guarded(words[0] if words else "", work)


if __name__ == "__main__":
    code = main()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is written, and run.sh has seen it too
    sys.exit(code)
