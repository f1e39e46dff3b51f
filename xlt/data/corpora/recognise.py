"""Which reader a corpus is for: each says whether it knows the form, and the first in the registry's order
gets it.
"""

from __future__ import annotations

import importlib
import os
from collections import Counter
from itertools import islice
from pathlib import Path

from xlt.core.errors import DataError
from xlt.core.registry import READERS
from xlt.data.corpora.archive import is_archive, listing
from xlt.data.corpora.sounds import SUFFIXES as SOUNDS
from xlt.data.corpora.unpack import SUFFIXES

_LOOKED_AT = 10000  # files that the error counts


def recognise(place: Path) -> str:
    """The name of the reader for the folder or file ``place``; DataError that lists what was looked for if
    none knows it.
    """
    if not place.exists():
        raise DataError(f"{place}: no such file or folder; name the corpus")
    if name := _reader(place):
        return name
    inside = (
        {
            sub: name
            for sub in sorted(place.iterdir())
            if (sub.is_dir() or is_archive(sub)) and (name := _reader(sub))
        }
        if place.is_dir()
        else {}
    )
    if inside:
        shown = ", ".join(f"{sub} ({name})" for sub, name in islice(inside.items(), 10))
        raise DataError(
            f"{place}: is no corpus itself, but holds {len(inside)}: {shown}; name the one that is meant"
        )
    looked_for = "\n".join(f"  {name:12} {about(name)}" for name in READERS.entries if _module(name))
    raise DataError(
        f"{place}: no reader knows this form. It has {_endings(place)}{_packed(place)}. Looked for, in this"
        f" order:\n{looked_for}\n{_to_align(place)}The simplest way out: a table beside the sound files,"
        " corpus.tsv, whose first line is path, a tab, text, and then a line for each file"
    )


def _module(name: str):
    """The module of a reader that can recognise a corpus, or None: ``join`` and ``recipes`` read what others
    have read.
    """
    module = importlib.import_module(READERS.entries[name].partition(":")[0])
    return module if hasattr(module, "recognise") else None


def _reader(place: Path) -> str | None:
    return next(
        (name for name in READERS.entries if (module := _module(name)) and module.recognise(place)), None
    )


def about(name: str) -> str:
    """What the reader ``name`` reads, the first sentence of its module."""
    paragraph = " ".join((_module(name).__doc__ or "").strip().partition("\n\n")[0].split())
    return paragraph.split(". ")[0].removesuffix(".")


def _to_align(place: Path) -> str:
    """What to do with texts in Word's documents beside sound files."""
    endings = {os.path.splitext(name)[1].lower() for name in listing(place)}
    if ".docx" not in endings or not endings & SOUNDS:
        return ""
    return (
        "Recordings with their whole texts in .docx are aligned and cut first: xlt align FOLDER -o aligned"
        " --model BUNDLE (docs/align.md)\n"
    )


def _packed(place: Path) -> str:
    """What to do with archives that lie inside."""
    found = [name for name in listing(place) if name.lower().endswith(SUFFIXES)]
    if not found or found == [place.name]:
        return ""
    return f"; archives inside are not opened, such as {found[0]}: unpack everything, then name the folder"


def _endings(place: Path) -> str:
    """``12 .wav, 1 .docx``; what lies in a folder, most frequent first."""
    if place.is_file():
        return f"the ending {place.suffix or '(none)'}"
    files = islice((name for _, _, names in os.walk(place) for name in names), _LOOKED_AT)
    count = Counter(Path(name).suffix.lower() or "(no ending)" for name in files)
    return ", ".join(f"{number} {ending}" for ending, number in count.most_common(8)) or "no files"
