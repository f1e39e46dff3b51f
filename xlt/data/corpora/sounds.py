"""The sound files of a folder, found by what tables call them."""

from __future__ import annotations

import difflib
import os
import re
import unicodedata
from collections import defaultdict
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

from xlt.audio.containers import BARE

VIDEO = {".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".wmv", ".flv", ".mpg", ".mpeg", ".mts", ".3gp"}
SUFFIXES = VIDEO | {
    *(".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".spx", ".aif", ".aiff", ".aifc", ".au", ".caf"),
    *(".sph", ".w64", ".m4a", ".m4b", ".m4p", ".aac", ".ac3", ".mka", ".wma", ".asf", ".amr", ".awb", ".3ga"),
    *(".3g2", ".wv", ".ape", ".tta", ".ra", ".rm", ".dss", ".ds2"),
    *BARE,
}


_LONGEST = 1000  # characters of a path
_MOST_DIGITS = 20  # of a number in a name


def _same(name: str) -> str:
    """One form of a path: ``/`` between folders, NFC (macOS stores names as NFD), no ``./`` before it."""
    return unicodedata.normalize("NFC", os.path.normpath(name.strip().replace("\\", "/")))


def web_address(value: str) -> str | None:
    """The path in a web address, without what follows ``?`` or ``#``; None if ``value`` is none."""
    hit = re.match(r"(?:https?|ftp|file|s3|gs)://([^?#]*)", value.strip(), re.IGNORECASE)
    return unquote(hit[1]) if hit else None


def _number(value: str) -> str | None:
    """The digits of a name that is a number, also with the ending of a sound file, or as 12.0; else None."""
    name, ending = os.path.splitext(value.strip())
    name = name if ending.lower() in SUFFIXES or ending == ".0" else value.strip()
    return name if name.isascii() and name.isdigit() and len(name) < _MOST_DIGITS else None


class Sounds:
    """Sound files below ``root``, each by its path, its name, and both without ending; upper and lower case
    differ last, zeros before a number after that (``padded``: values that lost some, and their files). Other
    relative paths count from the folder ``recipe``.
    """

    def __init__(self, root: Path, recipe: Path):
        self.root, self.recipe = root, recipe
        self.count = 0
        self.padded: dict[str, str] = {}
        self._named: set[Path] = set()
        self._by: dict[str, dict[str, list[str]]] = {
            kind: defaultdict(list) for kind in ("path", "bare path", "name", "bare name")
        }
        top = len(os.path.join(root, ""))
        seen = {os.path.realpath(root)}
        for folder, folders, files in os.walk(root, followlinks=True):
            real = {
                name: os.path.realpath(os.path.join(folder, name))
                for name in sorted(folders)
                if not name.startswith(".")
            }
            folders[:] = [name for name, path in real.items() if path not in seen]  # a link may lead back
            seen.update(real.values())
            for name in sorted(files):
                if os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith("."):
                    self._add(os.path.join(folder, name)[top:])
        self._prefer_sound()

    def _add(self, inside: str) -> None:
        self.count += 1
        whole = _same(inside)
        name = os.path.basename(whole)
        self._by["path"][whole].append(inside)
        self._by["bare path"][os.path.splitext(whole)[0]].append(inside)
        self._by["name"][name].append(inside)
        self._by["bare name"][os.path.splitext(name)[0]].append(inside)

    def _prefer_sound(self) -> None:
        """Of a film and its sound under one name the sound is meant, unless a table gives the ending."""
        films = set()
        for hits in self._by["bare path"].values():
            there = {inside for inside in hits if os.path.splitext(inside)[1].lower() in VIDEO}
            films |= there if len(there) < len(hits) else set()
        for kind in ("bare path", "bare name"):
            for name, hits in self._by[kind].items():
                self._by[kind][name] = [inside for inside in hits if inside not in films]
        self._named |= {self.root / inside for inside in films}

    @cached_property
    def _numbers(self) -> dict[int, list[str]]:
        """Files whose names are numbers, by them: spreadsheets make 12 of 0012."""
        found: dict[int, list[str]] = defaultdict(list)
        for name, hits in self._by["bare name"].items():
            if _number(name) == name:
                found[int(name)] += hits
        return found

    @cached_property
    def _any_case(self) -> dict[str, dict[str, list[str]]]:
        found: dict[str, dict[str, list[str]]] = {kind: defaultdict(list) for kind in self._by}
        for kind, names in self._by.items():
            for name, hits in names.items():
                found[kind][name.casefold()] += hits
        return found

    def inside(self, path: Path) -> str:
        """``path`` without its ending, below the root; of a file elsewhere its name."""
        there, top = os.fspath(path), os.path.join(self.root, "")
        return os.path.splitext(there[len(top) :] if there.startswith(top) else path.name)[0]

    def unnamed(self) -> list[str]:
        """The sound files below the root that nothing has asked for yet, by their paths below it."""
        paths = (path for hits in self._by["path"].values() for path in hits)
        return sorted(path for path in paths if self.root / path not in self._named)

    def close(self, value: str) -> str | None:
        """A sound file whose name is nearly that which ``value`` says, by its path below the root."""
        name = os.path.splitext(os.path.basename(_same(web_address(value) or value)))[0].casefold()
        bare = self._any_case["bare name"]
        near = difflib.get_close_matches(name, bare, n=1, cutoff=0.75)
        return bare[near[0]][0] if near else None

    def likely(self, value: str) -> int:
        """How surely ``value`` names a file: 2 with its ending, 1 without, 0 = it does not. Nothing counts as
        named by it.
        """
        if not value.strip() or len(value) > _LONGEST:
            return 0
        ending = os.path.splitext(web_address(value) or value.strip())[1].lower() in SUFFIXES
        return (2 if ending else 1) if self.lookup(value) else 0

    def find(self, value: str, near: Path | None = None) -> list[Path]:
        """The file that ``value`` names: one; none; or several between which nothing decides. They count as
        named. Files in the folder ``near``, where the table is, come first.

        Tried are the path in the folder, any path that is there (absolute, or counted from the folder or from
        the recipe), then the path without ending, and then the name alone: corpora are moved, and absolute
        paths are then wrong.
        """
        hits = self.lookup(value, near)
        self._named.update(hits)
        bare = _number(value)
        if bare is not None and len(hits) == 1 and hits[0].stem != bare:
            self.padded[value.strip()] = hits[0].name
        return hits

    def lookup(self, value: str, near: Path | None = None) -> list[Path]:
        """As :meth:`find`, but nothing counts as named by it."""
        if near is None or near == self.root or not near.is_relative_to(self.root):
            return self._lookup(value)
        below = str(near.relative_to(self.root))
        beside = self._by["path"].get(_same(os.path.join(below, value.strip()))) if value.strip() else None
        hits = [self.root / hit for hit in beside] if beside else self._lookup(value)
        inside = [hit for hit in hits if hit.is_relative_to(near)]
        return inside if len(inside) == 1 else hits

    def _lookup(self, value: str) -> list[Path]:
        """See :meth:`find`. Of a web address the name counts: the file has been downloaded."""
        value = web_address(value) or value
        if not value.strip():
            return []
        whole = _same(value)
        if hits := self._by["path"].get(whole):
            return [self.root / hit for hit in hits]
        for there in (self.root / value, self.recipe / value):
            if os.path.isfile(there):  # unlike Path.is_file, False for what is too long to be a name
                return [there]
        name = os.path.basename(whole)
        tried = [("bare path", whole), ("name", name), ("bare name", name)]
        if os.path.splitext(name)[1].lower() in SUFFIXES:  # a.mp3 that became a.wav
            tried += [("bare path", os.path.splitext(whole)[0]), ("bare name", os.path.splitext(name)[0])]
        for kind, key in tried:
            if hits := self._by[kind].get(key):
                return [self.root / hit for hit in hits]
        for kind, key in [("path", whole), *tried]:
            if hits := self._any_case[kind].get(key.casefold()):
                return [self.root / hit for hit in hits]
        if "%" in value and (meant := unquote(value)) != value:  # a part of a web address
            return self._lookup(meant)
        number = _number(name)
        return [self.root / hit for hit in self._numbers.get(int(number), ())] if number else []
