"""What the checks look at: the lines of a Kaldi data directory, and what they report: faults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

TABLES = ("wav.scp", "text", "utt2spk", "spk2utt", "segments", "utt2dur", "utt2lang", "utt2group", "utt2content", "utt2audio",
          "utt2num_frames", "feats.scp", "utt2format")
REQUIRED = ("wav.scp", "text", "utt2spk", "spk2utt")


class Line(NamedTuple):
    """A line of a table: its number (from 1), the key, and the rest without outer white space."""

    number: int
    key: str
    value: str


@dataclass(frozen=True)
class Fault:
    """One breach. ``level`` is error (the stage stops), warning, or note (a fact to know); ``where`` is file:line, or a file;
    ``ids``: utterances that show it, where the line does not."""

    level: str
    where: str
    what: str
    remedy: str
    ids: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.remedy}"


class DataDir:
    """The tables of one Kaldi data directory. Bytes that are not UTF-8 are read as U+FFFD."""

    def __init__(self, folder: Path, name: str):
        self.folder, self.name = folder, name
        self.raw = {table: (folder / table).read_bytes() for table in TABLES if (folder / table).is_file()}

    @cached_property
    def lines(self) -> dict[str, list[Line]]:
        """``{table: lines}`` without empty ones."""
        found: dict[str, list[Line]] = {}
        for table, raw in self.raw.items():
            found[table] = []
            for number, line in enumerate(raw.decode("utf-8", "replace").split("\n"), 1):
                key, *value = line.strip().split(None, 1)[:2] or [""]
                if key:
                    found[table].append(Line(number, key, value[0] if value else ""))
        return found

    @cached_property
    def tables(self) -> dict[str, dict[str, str]]:
        """``{table: {key: value}}``; of a key that stands twice, the first."""
        return {table: {line.key: line.value for line in reversed(lines)} for table, lines in self.lines.items()}

    def table(self, name: str) -> dict[str, str]:
        """One table; empty if it is not there."""
        return self.tables.get(name, {})

    @cached_property
    def _places(self) -> dict[str, dict[str, Line]]:
        return {table: {line.key: line for line in reversed(lines)} for table, lines in self.lines.items()}

    def line(self, table: str, key: str) -> Line:
        """The first line of ``key``; KeyError if it has none."""
        return self._places[table][key]

    def number(self, table: str, key: str) -> int:
        """The number of the first line of ``key``."""
        return self.line(table, key).number

    def seconds(self, utt: str) -> float | None:
        """What utt2dur says; None where it says nothing that is a time above 0."""
        try:
            dur_s = float(self.table("utt2dur")[utt])
        except (KeyError, ValueError):
            return None
        return dur_s if 0 < dur_s < float("inf") else None

    def where(self, table: str, number: int | None = None) -> str:
        """``data/train/text:12``."""
        return f"{self.folder / table}" + (f":{number}" if number else "")


class Sets(dict[str, DataDir]):
    """``{name: directory}`` of the training set, dev and test, in this order; ``data`` is the folder that they lie in."""

    def __init__(self, data: Path, folders: dict[str, Path]):
        super().__init__({name: DataDir(folder, name) for name, folder in folders.items()})
        self.data = data
        self._kept: dict[str, Any] = {}

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What ``make`` gives, made at the first call: several rules look at the same measurements."""
        if name not in self._kept:
            self._kept[name] = make()
        return self._kept[name]
