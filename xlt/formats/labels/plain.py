"""Text alone: the whole file is what is said in the whole recording."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from xlt.core.errors import DataError
from xlt.formats.labels import Label, LabelForm

_OTHERS = {  # beginnings of what is no plain text
    "{\\rtf": "Rich Text; save it as plain text in UTF-8",
    "<?xml": "XML; save it as plain text in UTF-8",
    "<!doctype": "a web page; save it as plain text in UTF-8",
    "<html": "a web page; save it as plain text in UTF-8",
    "#!mlf!#": "HTK's master label file, of many recordings; write a .lab beside each recording",
}


def fits(text: str) -> bool:
    return True


def parse(text: str, path: Path) -> Iterator[Label]:
    """One label, without times; none of an empty file."""
    stripped = text.lstrip()
    head = stripped[:20].casefold()
    for begin, what in _OTHERS.items():
        if head.startswith(begin):
            raise DataError(f"{path}:1: is {what}")
    if stripped:
        yield Label(stripped, text[: len(text) - len(stripped)].count("\n") + 1)


PLAIN = LabelForm("plain text", (".txt", ".lab"), fits, parse, timed=False)
