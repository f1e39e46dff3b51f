"""What a stage says: plain lines on standard output and in its log file, a progress bar only on a
terminal.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import re
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import TextIO

from xlt.core.errors import XltError
from xlt.core.paths import ROOT, plain

BAR = 24  # columns of a progress bar
RED, YELLOW = "31", "33"  # ECMA-48 colours

# of this thread, so that two recipes can run beside each other
_file: ContextVar[TextIO | None] = ContextVar("log file", default=None)
_recipe: ContextVar[Path | None] = ContextVar("recipe", default=None)
_cwd: ContextVar[Path | None] = ContextVar("where the user stands", default=None)


@contextlib.contextmanager
def to_file(path: Path | None) -> Iterator[None]:
    """Append everything said inside to ``path`` as well, with the time; None: only say it."""
    if path is None:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        before = _file.set(file)
        try:
            yield
        finally:
            _file.reset(before)


@contextlib.contextmanager
def standing_in(cwd: Path) -> Iterator[None]:
    """Commands in what is said inside can be copied by a user who stands in the folder ``cwd``."""
    before = _cwd.set(cwd)
    try:
        yield
    finally:
        _cwd.reset(before)


def with_commands(text: str) -> str:
    """A message in which ``: xlt WORDS`` and `` `xlt WORDS` `` say how the user can call xlt."""
    script, cwd = ROOT / "tools" / "xlt", _cwd.get()
    if cwd is None or not script.exists():
        return text
    typed = shlex.quote(min(os.path.relpath(script, cwd), os.fspath(script), key=len))
    return re.sub(r"(: |`)xlt (?=[a-z-]+)", lambda found: f"{found[1]}{typed} ", text)


@contextlib.contextmanager
def messages_of(recipe: Path) -> Iterator[None]:
    """What is said inside, and the errors that leave it, name files as seen from the folder ``recipe``."""
    before = _recipe.set(recipe)
    try:
        yield
    except XltError as err:
        err.args = tuple(plain(part, recipe) if isinstance(part, str) else part for part in err.args)
        raise
    except OSError as err:
        for name in ("filename", "filename2"):
            if isinstance(path := getattr(err, name), str):
                setattr(err, name, plain(path, recipe))
        raise
    finally:
        _recipe.reset(before)


def say(text: str) -> None:
    """One line (or several) for the user."""
    recipe = _recipe.get()
    text = with_commands(plain(text, recipe) if recipe else text)
    print(_painted(text, YELLOW, sys.stdout) if text.startswith("  warning: ") else text, flush=True)
    to_log(text)


def complain(text: str) -> None:
    """An error, on standard error."""
    print(_painted(text, RED, sys.stderr), file=sys.stderr)


def _painted(text: str, colour: str, stream: TextIO) -> str:
    """The first word of ``text`` with a colon in ``colour``, on a terminal and without NO_COLOR
    (https://no-color.org).
    """
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not stream.isatty():
        return text
    head, colon, rest = text.partition(": ")
    return f"\033[{colour}m{head}{colon.rstrip()}\033[0m {rest}" if colon else text


def left(minutes: float) -> str:
    """``, about 13 min left``; nothing for less than half a minute."""
    if minutes < 0.5:
        return ""
    return f", about {minutes:.0f} min left" if minutes < 100 else f", about {minutes / 60:.1f} h left"


def spent(seconds: float) -> str:
    """``0.3 s``, ``40 s``, ``12 min``, ``2.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 1 else f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def epochs(count: int) -> str:
    """``1 epoch``, ``6 epochs``."""
    return f"{count} epoch{'' if count == 1 else 's'}"


def to_log(text: str) -> None:
    """One line for the log file only."""
    file = _file.get()
    if file is not None:
        stamp = datetime.datetime.now().isoformat(sep=" ", timespec="seconds")
        for line in text.splitlines() or [""]:
            file.write(f"{stamp} {line}\n")
        file.flush()


class Progress:
    """Progress of long work: a bar that redraws on a terminal, otherwise a line every ``every_s`` seconds.

    Use as a context manager and call :meth:`add`; ``note`` is shown behind the counts, e.g. a real-time
    factor. ``to``: None for standard output and the log file, or another stream; ``quiet``: show nothing.
    """

    def __init__(
        self,
        what: str,
        total: float,
        unit: str = "",
        every_s: float = 15.0,
        to: TextIO | None = None,
        quiet: bool = False,
    ):
        self.what, self.total, self.unit, self.every_s = what, total, unit, every_s
        self.done, self.note = 0.0, ""
        self.start = self.last = time.monotonic()
        self.to, self.quiet = to, quiet
        self.bar = (to or sys.stdout).isatty()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind, value, trace) -> None:
        if self.quiet:
            return
        if self.bar:
            print("\r\033[K", end="", file=self.to, flush=True)
        if kind is None and self.done:
            self._say(self._line())

    def _say(self, text: str) -> None:
        if self.to is None:
            say(text)
        else:
            print(text, file=self.to, flush=True)

    def _line(self) -> str:
        passed = time.monotonic() - self.start
        left = passed / self.done * (self.total - self.done) if self.done else 0.0
        text = f"  {self.what}: {self.done:g}/{self.total:g} {self.unit} in {passed:.0f} s"
        if self.done < self.total:
            text += f", about {left:.0f} s left"
        return text + (f", {self.note}" if self.note else "")

    def add(self, count: float = 1, note: str | None = None) -> None:
        self.done = round(self.done + count, 6)
        self.note = self.note if note is None else note
        now = time.monotonic()
        if (
            self.quiet or now - self.last < (0.2 if self.bar else self.every_s) or self.done >= self.total
        ):  # the end is said on leaving
            return
        self.last = now
        if self.bar:
            width = shutil.get_terminal_size().columns - 1  # in the last column, some terminals begin a line
            share = int(BAR * min(1.0, self.done / self.total)) if self.total else BAR
            text = f"[{'=' * share}{' ' * (BAR - share)}]{self._line()}"
            print(f"\r\033[K{text[:width]}", end="", file=self.to, flush=True)
            to_log(self._line())
        else:
            self._say(self._line())
