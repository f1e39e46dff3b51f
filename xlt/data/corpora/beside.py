"""Label files and their recordings: which belong together, and which of several label files is taken."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from xlt.core.errors import DataError
from xlt.core.log import say
from xlt.core.registry import LABELS, TABLES
from xlt.data.corpora.names import names_language
from xlt.data.corpora.rows import decoded
from xlt.data.corpora.sounds import SUFFIXES, Sounds
from xlt.formats.labels import Label, LabelForm
from xlt.formats.text_file import encoding_of
from xlt.text import encodings
from xlt.text.languages import Language

_ABOUT = re.compile(
    r"(?:readme|licen[cs]e|copying|copyright|changelog|changes|authors|about|index|notes?|lisezmoi|liesmich|"
    r"leeme|leiame|requirements)\b.*",
    re.IGNORECASE,
)
_CODE = re.compile(r"[a-z]{2,3}(?:[-_][a-z0-9]{2,8})*", re.IGNORECASE)
_KINDS = "transcripts?|transcription|trans|text|txt|labels?|label track|annotations?|subtitles?"
_WHAT = re.compile(rf"(.+?)[ _.-]+(?:{_KINDS})", re.IGNORECASE)  # a_transcript.txt, a-labels.txt
_NO_NAME = re.compile(rf"(?:{_KINDS})[ _.-]*\d*", re.IGNORECASE)
_BINARY = b"ooBinaryFile"


class LabelFile(NamedTuple):
    """``form``: its name in LABELS; ``sound``: its recording."""

    path: Path
    sound: Path
    form: str
    encoding: str
    labels: list[Label]


def forms() -> dict[str, LabelForm]:
    """All forms by name, in the order in which they are tried."""
    return {name: LABELS.get(name) for name in LABELS.entries}


def suffixes() -> set[str]:
    """Of files that may have labels."""
    return {suffix for form in forms().values() for suffix in form.suffixes}


def sure_suffixes() -> set[str]:
    """Of files that have labels for sure."""
    return {form.suffixes[0] for form in forms().values() if form.timed}


def bare_names(stem: str) -> list[str]:
    """What the recording of a label file may be called, without its ending, in lower case."""
    own = [stem]
    name, _, code = stem.rpartition(".")
    if _CODE.fullmatch(code):
        own.append(name)
    if what := _WHAT.fullmatch(stem):
        own.append(what[1])
    return [folded(name) for name in own if name]


def folded(name: str) -> str:
    """What is compared of a file's name: case does not count, nor that macOS parts accents from letters."""
    return unicodedata.normalize("NFC", name).casefold()


def label_files(root: Path) -> Iterator[Path]:
    """The files below ``root`` whose names say that they may have labels."""
    wanted = suffixes()
    for folder, folders, names in os.walk(root, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            stem, suffix = os.path.splitext(name)
            if suffix.lower() in wanted and not name.startswith(".") and not _ABOUT.fullmatch(stem):
                yield Path(folder, name)


def form_of(path: Path, text: str) -> str:
    """The form of a label file: the first of its ending that its text fits, else the first of its ending."""
    own = {name: form for name, form in forms().items() if path.suffix.lower() in form.suffixes}
    main = next(
        (name for name, form in own.items() if form.suffixes[0] == path.suffix.lower()), next(iter(own))
    )
    return next((name for name, form in own.items() if form.fits(text)), main)


def encodings_of(paths: list[Path], lang: str, named: str | None) -> dict[Path, str]:
    """The encoding of each file that is not UTF-8 and has no byte order mark: ``named``, data.encoding, or
    one for all of them, as texts of a sentence are too short to tell it from.
    """
    odd = {path: raw for path in paths if not _is_utf8(raw := path.read_bytes()) and b"\0" not in raw}
    if not odd or named:
        return dict.fromkeys(odd, named or "")
    best = encodings.guess(b"\n".join(odd.values()), lang)
    if best is None:
        return {}
    first = next(iter(odd))
    others = f" and {len(odd) - 1} other label files are" if len(odd) > 1 else " is"
    say(f"  {first.name}{others} not UTF-8; taken as {best}; data.encoding=NAME sets another")
    return dict.fromkeys(odd, best.encoding)


def _is_utf8(raw: bytes) -> bool:
    """Whether it is, or says by its mark what it is."""
    try:
        raw.decode(encoding_of(raw[:4]))
    except UnicodeDecodeError:
        return False
    return True


def read_labels(path: Path, sound: Path, lang: str, encoding: str | None = None) -> LabelFile:
    """The labels of a file, whose encoding may be known; DataError."""
    with path.open("rb") as file:
        if file.read(len(_BINARY)) == _BINARY:
            raise DataError(
                f"{path}: a binary file of Praat, expected text; open it in Praat and save it as a text file"
            )
    text, encoding = decoded(path, encoding, lang or None)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    name = form_of(path, text)
    return LabelFile(path, sound, name, encoding, list(forms()[name].parse(text, path)))


def only_pair(folder: Path) -> tuple[Path, Path] | None:
    """The label file and the recording of a folder that has one of each, if the name of the label file says
    no more than that, as Audacity's ``Label Track.txt`` does, and its labels have times; else None. Never
    raises.
    """
    try:
        files = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
        sounds = [path for path in files if path.suffix.lower() in SUFFIXES]
        labels = [path for path in files if path.suffix.lower() in suffixes()]
        labels = [path for path in labels if not _ABOUT.fullmatch(path.stem)]
        if len(sounds) != 1 or len(labels) != 1 or not _NO_NAME.fullmatch(labels[0].stem):
            return None
        found = read_labels(labels[0], sounds[0], "", None).labels
    except (OSError, DataError):
        return None
    return (labels[0], sounds[0]) if any(label.end_s is not None for label in found) else None


class Pairs:
    """``files``: the label file of each recording that has one; ``left_out``: reason → paths of others."""

    def __init__(self, paths: list[Path], sounds: Sounds, lang: Language, encoding: str | None = None):
        self.sounds, self.lang = sounds, lang
        self.files: list[LabelFile] = []
        self.left_out: dict[str, list[str]] = defaultdict(list)
        of_sound: dict[Path, list[Path]] = defaultdict(list)
        for path in paths:
            if (sound := self._sound_of(path)) is not None:
                of_sound[sound].append(path)
        known = encodings_of([path for own in of_sound.values() for path in own], lang.code, encoding)
        for sound, own in sorted(of_sound.items()):
            self._add([read_labels(path, sound, lang.code, known.get(path)) for path in own])

    def _inside(self, path: Path) -> str:
        return os.path.relpath(path, self.sounds.root)

    def _sound_of(self, path: Path) -> Path | None:
        """The recording of a label file by its name, ``a.txt``, ``a.lug.srt`` or ``a_labels.txt`` of
        ``a.wav``, the nearest of several.
        """
        inside = os.path.splitext(self._inside(path))[0]
        hits = self.sounds.find(inside)
        stem, _, code = inside.rpartition(".")
        if not hits and _CODE.fullmatch(code) and (hits := self.sounds.find(stem)):
            if not names_language(code, self.lang):
                self.left_out["another language"].append(self._inside(path))
                return None
        if not hits and (what := _WHAT.fullmatch(inside)):
            hits = self.sounds.find(what[1])
        if not hits and (pair := only_pair(path.parent)) and pair[0] == path:
            hits = self.sounds.find(self._inside(pair[1]))
            say(f"  {path.name} is taken for the labels of {pair[1].name}, the only recording beside it")
        if not hits and path.suffix.lower() in TABLES.entries.keys() - {".txt"}:  # of people, say
            return None
        if not hits:
            self.left_out["text without audio"].append(self._inside(path))
            return None
        near = {hit: _shared(path, hit) for hit in hits}
        best = [hit for hit in hits if near[hit] == max(near.values())]
        if len({hit.with_suffix("") for hit in best}) > 1:
            self.left_out["several recordings of that name"].append(self._inside(path))
            return None
        best.sort(key=lambda hit: (hit.suffix.lower() != ".wav", hit.suffix.lower() != ".flac", str(hit)))
        self.left_out["another form of a recording"] += [self._inside(hit) for hit in best[1:]]
        return best[0]

    def _add(self, found: list[LabelFile]) -> None:
        """Take the best of the label files of a recording."""
        order = list(LABELS.entries)
        rank = {
            file.path: (
                not any(label.text.strip() for label in file.labels),
                forms()[file.form].words,
                order.index(file.form),
                -_shared(file.path, file.sound),
            )
            for file in found
        }
        found.sort(key=lambda file: (rank[file.path], str(file.path)))
        best = [file for file in found if rank[file.path] == rank[found[0].path]]
        if any(_said(file) != _said(best[0]) for file in best):
            self.left_out["several label files"] += [self._inside(file.path) for file in best]
            return
        self.files.append(best[0])
        self.left_out["another label file"] += [self._inside(file.path) for file in found[1:]]


def _shared(a: Path, b: Path) -> int:
    """How many folders at the end of both paths are called alike; very many where it is one folder."""
    if a.parent == b.parent:
        return 1 << 20
    count = 0
    for one, other in zip(reversed(a.parent.parts), reversed(b.parent.parts), strict=False):
        if one.casefold() != other.casefold():
            break
        count += 1
    return count


def _said(file: LabelFile) -> list[tuple]:
    return [(label.start_s, label.end_s, label.text.split()) for label in file.labels]
