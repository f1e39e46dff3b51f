"""The sound files of a folder, found by what tables call them."""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from pathlib import Path

SUFFIXES = {".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".aif", ".aiff", ".au", ".caf", ".sph", ".wma",
            ".amr", ".webm", ".mp4", ".w64"}


def _same(name: str) -> str:
    """One form of a path: ``/`` between folders, NFC (macOS stores names as NFD), no ``./`` before it."""
    return unicodedata.normalize("NFC", os.path.normpath(name.strip().replace("\\", "/")))


class Sounds:
    """Sound files below ``root``, each by its path, its name, and both without ending; upper and lower case differ last."""

    def __init__(self, root: Path):
        self.root = root
        self.count = 0
        self._by: dict[str, dict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
        seen = {os.path.realpath(root)}
        for folder, folders, files in os.walk(root, followlinks=True):
            real = {name: os.path.realpath(os.path.join(folder, name)) for name in sorted(folders) if not name.startswith(".")}
            folders[:] = [name for name, path in real.items() if path not in seen]  # a link may lead back
            seen.update(real.values())
            for name in sorted(files):
                if Path(name).suffix.lower() in SUFFIXES and not name.startswith("."):
                    self._add(Path(folder) / name)

    def _add(self, path: Path) -> None:
        self.count += 1
        whole = _same(str(path.relative_to(self.root)))
        for kind, name in (("path", whole), ("bare path", os.path.splitext(whole)[0]), ("name", os.path.basename(whole)),
                           ("bare name", os.path.splitext(os.path.basename(whole))[0])):
            self._by[kind][name].append(path)
            self._by[f"{kind}, any case"][name.casefold()].append(path)

    def find(self, value: str) -> list[Path]:
        """The file that ``value`` names: one; none; or several between which nothing decides.

        Tried are a path that is there (absolute, or counted from the folder or from here), then the path in the folder, without
        ending, and then the name alone: corpora are moved, and absolute paths are then wrong.
        """
        if not value.strip():
            return []
        for there in (self.root / value, Path(value)):
            if there.is_file():
                return [there]
        whole = _same(value)
        name, bare = os.path.basename(whole), os.path.splitext(os.path.basename(whole))[0]
        known = Path(name).suffix.lower() in SUFFIXES
        tried = [("path", whole), ("bare path", whole), ("name", name), ("bare name", name)]
        tried += [("bare path", os.path.splitext(whole)[0]), ("bare name", bare)] if known else []  # a.mp3 that became a.wav
        for kind, key in tried + [(f"{kind}, any case", key.casefold()) for kind, key in tried]:
            if hits := self._by[kind].get(key):
                return hits
        return []
