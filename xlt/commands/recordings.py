"""The recordings that the words of ``xlt transcribe`` mean: files, folders, lists, and ELAN's documents."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from xlt.core.errors import ConfigError, DataError
from xlt.data.corpora.sounds import SUFFIXES

LISTS = {".txt", ".lst", ".list", ".scp"}
ELAN = ".eaf"


@dataclass(frozen=True)
class Recording:
    """``name``: as the user calls it; ``below``: its folder below the one that the user named; ``channels``
    and ``duration_s``: as its header says; ``eaf``: the user's document of it."""

    name: str
    path: Path
    below: Path
    channels: int
    duration_s: float
    eaf: Path | None = None


def find(words: Iterable[str]) -> tuple[list[Recording], list[DataError]]:
    """The recordings, each once, and what is wrong with the others. Only headers are read."""
    found: dict[str, Recording] = {}
    wrong: list[DataError] = []
    for word in words:
        try:
            named = list(_named(word))
        except DataError as err:
            wrong.append(err)
            continue
        for path, below, eaf in named:
            try:
                found.setdefault(path, _recording(path, below, eaf))
            except DataError as err:
                wrong.append(err)
    if not found and wrong:
        raise DataError("\n".join(map(str, wrong)))
    return list(found.values()), wrong


def _named(word: str) -> Iterable[tuple[str, Path, Path | None]]:
    """Paths of recordings, the folders below ``word`` that they are in, and documents of ELAN."""
    path, ending = Path(word), Path(word).suffix.lower()
    if path.is_dir():
        return _in_folder(path)
    if ending in LISTS:
        return [(name, Path(), None) for name in _listed(path)]
    if ending == ELAN:
        return [(str(_linked(path)), Path(), path)]
    return [(word, Path(), None)]


def _in_folder(root: Path) -> list[tuple[str, Path, None]]:
    found: list[tuple[str, Path, None]] = []
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith("."):
                found.append((os.path.join(folder, name), Path(folder).relative_to(root), None))
    if not found:
        raise DataError(
            f"{root}: has no sound file ({', '.join(sorted(SUFFIXES))}); give another folder, or the files"
        )
    return found


def _listed(path: Path) -> list[str]:
    """The paths in a list, or behind the ids of a wav.scp; relative ones count from the list's folder, or
    from where the user stands.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; give a list of sound files, or the files") from None
    except (UnicodeDecodeError, IsADirectoryError):
        raise DataError(f"{path}: not a list in UTF-8; give a text file with a path on each line") from None
    found = []
    for number, line in enumerate(lines, 1):
        entry = line.strip()
        if path.suffix.lower() == ".scp":
            entry = entry.partition(" ")[2].strip()
        if entry.endswith("|"):
            raise DataError(f"{path}:{number}: a command, expected a sound file; list what it makes")
        if entry and not entry.startswith("#"):
            beside = path.parent / entry
            found.append(str(beside) if beside.exists() else entry)
    if not found:
        raise DataError(f"{path}: lists nothing; write the path of a sound file on each line")
    return found


def _linked(path: Path) -> Path:
    """The recording of a document: where its links say, or beside it under the link's or its own name."""
    from xlt.formats import elan

    if not path.is_file():
        raise DataError(f"{path}: no such file; give a document of ELAN, or the sound file")
    names = [name for name, _ in elan.links(elan.read(path))]
    tried = [path.parent / name for name in names] + [path.parent / Path(name).name for name in names]
    tried += [path.with_suffix(suffix) for suffix in sorted(SUFFIXES)]
    for place in tried:
        if place.suffix.lower() in SUFFIXES and place.is_file():
            return place
    linked = ", ".join(names) or "it links none"
    raise DataError(f"{path}: its recording is not there: {linked}; put it beside the document")


def _recording(name: str, below: Path, eaf: Path | None) -> Recording:
    from xlt.audio.files import audio_header

    header = audio_header(name)
    own = Path(name).with_suffix(ELAN)
    return Recording(
        name, Path(name), below, header.channels, header.duration_s, eaf or (own if own.is_file() else None)
    )


def places(
    recordings: Sequence[Recording], out: Path, suffixes: Mapping[str, str]
) -> dict[str, dict[str, Path]]:
    """``{recording: {format: file of its transcript}}``; ConfigError where two would be one, and where one
    would be a file that was given.
    """
    taken: dict[Path, str] = {}
    found: dict[str, dict[str, Path]] = {}
    for one in recordings:
        found[one.name] = {}
        for form, suffix in suffixes.items():
            place = out / one.below / f"{one.path.stem}{suffix}"
            if place in taken:
                raise ConfigError(
                    f"--out {out}: {taken[place]} and {one.name} would both become {place.name}; rename one,"
                    " or transcribe them into different folders"
                )
            if one.eaf and place.exists() and place.samefile(one.eaf):
                raise ConfigError(f"--out {out}: {place} is your own document; give another folder")
            taken[place] = one.name
            found[one.name][form] = place
    return found
