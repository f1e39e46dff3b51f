"""Stages of a recipe, run in this process."""

from __future__ import annotations

import errno
import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from xlt.core import log
from xlt.core.config import load
from xlt.core.context import Context, find
from xlt.core.errors import MissingInput, XltError

INTERRUPTED, NOT_READ = 130, 141  # exit statuses, as of a program that a signal has ended
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


@dataclass(frozen=True)
class Call:
    """How stages are called. ``settings``: ``key=value`` words; ``cwd``: where the user stands, which
    relative paths in ``settings`` count from, None for the recipe; ``fix``: for stage 2, see
    :class:`Context`.
    """

    recipe: Path
    settings: tuple[str, ...] = ()
    force: bool = False
    dry_run: bool = False
    nj: int | None = None
    ngpu: int | None = None
    cwd: Path | None = None
    fix: Path | None = None

    def context(self) -> Context:
        """What the stages get; ConfigError if the settings cannot be."""
        words = [*self.settings, *([f"nj={self.nj}"] if self.nj is not None else [])]
        if self.ngpu is not None:
            words += [f"features.ngpu={self.ngpu}", f"train.ngpu={self.ngpu}"]
        cfg = load(self.recipe, words, self.cwd)
        command = "./run.sh" + "".join(f" {shlex.quote(word)}" for word in self.settings)
        return Context(self.recipe, cfg, self.force, self.dry_run, command, self.fix, self.cwd)


def run_stage(name: str, call: Call) -> None:
    """Run one stage, with its log beside the recipe; XltError. A dry run says what would be missing."""
    ctx = call.context()
    with log.to_file(None if ctx.dry_run else ctx.recipe / "log" / ctx.cfg.tag / f"{name}.log"):
        try:
            find(name).run(ctx)
        except MissingInput as err:
            if not ctx.dry_run:
                raise
            number = find(err.stage).number
            log.say(f"{name}: would run after stage {number} ({err.stage}), whose output it needs")


def guarded(what: str, work: Callable[[], None]) -> int:
    """The exit status of ``work``: 0, 2 for an error that the user can mend, 130 after Ctrl-C; the message of
    an error is printed, and ``what`` says in it who speaks.
    """
    try:
        work()
    except XltError as err:
        print(f"xlt {what}: {err}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\nxlt {what}: interrupted; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOT_READ
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
