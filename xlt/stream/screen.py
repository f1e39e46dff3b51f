"""How ``xlt stream`` writes: final texts on lines, partial ones on one line of a terminal."""

from __future__ import annotations

import json
import shutil
import sys
import unicodedata
from typing import Any, Protocol, TextIO

from xlt.formats.transcripts import Transcript
from xlt.formats.transcripts.srt import render
from xlt.stream.events import Event, Final, Lost, Partial

FORMS = ("txt", "jsonl", "srt")
_DIM, _PLAIN, _AGAIN = "\033[2m", "\033[0m", "\r\033[K"  # ECMA-48


class Writer(Protocol):
    """Writes what a session says."""

    def write(self, event: Event) -> None: ...

    def tell(self, what: str) -> None:
        """A remark for a person, on standard error."""

    def close(self) -> None:
        """Leave an empty line to whoever writes next."""


def writer(form: str, out: TextIO, beside: TextIO | None = None) -> Writer:
    """For one of :data:`FORMS`. ``beside``: where partial results are shown if it is a terminal and ``out``
    is none; standard error if None."""
    return _Lines(out) if form == "jsonl" else _Texts(form, out, beside or sys.stderr)


def to_json(event: Event) -> dict[str, Any]:
    """An event as an object; ``type`` is partial, final or lost."""
    if isinstance(event, Final):
        return {"type": "final", **event.piece}
    kind = "partial" if isinstance(event, Partial) else "lost"
    times = {"start_s": round(event.start_s, 3), "end_s": round(event.end_s, 3)}
    said = {"text": event.text, "stable": event.stable} if isinstance(event, Partial) else {}
    return {"type": kind, **times, **said}


class _Lines:
    """Each event as a JSON object on a line."""

    def __init__(self, out: TextIO):
        self._out = out

    def write(self, event: Event) -> None:
        print(json.dumps(to_json(event), ensure_ascii=False), file=self._out, flush=True)

    def tell(self, what: str) -> None:
        _remark(what)

    def close(self) -> None:
        pass


class _Texts:
    """Final texts; partial ones if there is a terminal."""

    def __init__(self, form: str, out: TextIO, beside: TextIO):
        self._srt, self._out, self._number = form == "srt", out, 0
        self._terminal = next((one for one in (out, beside) if one.isatty()), None)

    def write(self, event: Event) -> None:
        if isinstance(event, Partial):
            if self._terminal:
                print(_AGAIN + line(event, _columns()), end="", file=self._terminal, flush=True)
            return
        self.close()
        if isinstance(event, Final) and event.piece["text"]:
            self._number += 1
            print(self._text(event), end="", file=self._out, flush=True)
        if isinstance(event, Lost):
            _remark(f"{event.start_s:.1f}–{event.end_s:.1f} s: sound was lost; silence stands for it")

    def tell(self, what: str) -> None:
        self.close()
        _remark(what)

    def close(self) -> None:
        if self._terminal:
            print(_AGAIN, end="", file=self._terminal, flush=True)

    def _text(self, event: Final) -> str:
        if not self._srt:
            return f"{event.piece['text']}\n"
        (block,) = render(Transcript("-", [event.piece]))
        return f"{self._number}\n{block.partition('\n')[2]}"


def _remark(what: str) -> None:
    print(f"xlt stream: {what}", file=sys.stderr, flush=True)


def line(event: Partial, columns: int) -> str:
    """The end of a partial text that fits into ``columns``, what may change in it dim.

    >>> line(Partial("una casa", "una ", 0.0, 1.0), 7)
    'na \\x1b[2mcasa\\x1b[0m'
    """
    first, left = len(event.text), columns
    while first > 0 and (left := left - _width(event.text[first - 1])) >= 0:
        first -= 1
    stable = event.text[first : len(event.stable)]
    rest = event.text[max(first, len(event.stable)) :]
    return stable + (f"{_DIM}{rest}{_PLAIN}" if rest else "")


def _columns() -> int:
    return shutil.get_terminal_size().columns - 1  # in the last column, some terminals begin a line


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
