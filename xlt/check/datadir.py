"""What the checks look at: the lines of a Kaldi data directory, and what they report: faults."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from xlt.check.faults import Fault, Line, Place
from xlt.check.words import Seen, characters_of, words_of
from xlt.core.paths import spelled

TABLES = (
    "wav.scp",
    "text",
    "text_raw",
    "utt2spk",
    "spk2utt",
    "segments",
    "utt2dur",
    "utt2lang",
    "utt2group",
    "utt2content",
    "utt2audio",
    "utt2num_frames",
    "feats.scp",
    "utt2format",
    "utt2path",
    "utt2row",
    "utt2span",
)
REQUIRED = ("wav.scp", "text", "utt2spk", "spk2utt")


class Lines:
    """The lines of a table without empty ones; they are made each time that one goes through them, for they
    would fill the memory: a corpus has ten tables of a hundred thousand lines."""

    def __init__(self, raw: bytes):
        self._raw = raw

    def __iter__(self) -> Iterator[Line]:
        for number, line in enumerate(
            self._raw.decode("utf-8", "replace").removeprefix("\ufeff").split("\n"), 1
        ):
            key, *value = line.strip().split(None, 1) or [""]
            if key:
                yield Line(number, key, value[0] if value else "")

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _plain_rows(raw: bytes) -> dict[str, str] | None:
    """The rows of a table that has nothing but ``KEY VALUE`` lines with different keys, several times faster;
    None of others.
    """
    if any(odd in raw for odd in (b"\t", b"\r", b"  ", b" \n", b"\n ", b"\n\n")):
        return None
    if not raw.endswith(b"\n") or raw[:1] in b" \n\xef":
        return None
    lines = raw.decode("utf-8", "replace").split("\n")
    lines.pop()
    try:
        rows = dict(line.split(" ", 1) for line in lines)
    except ValueError:
        return None
    return rows if len(rows) == len(lines) else None


class DataDir:
    """The tables of one Kaldi data directory, in which relative paths count from the folder ``recipe``.
    Bytes that are not UTF-8 are read as U+FFFD.
    """

    def __init__(self, folder: Path, name: str, recipe: Path):
        self.folder, self.name, self.recipe = folder, name, recipe
        self.raw = {table: (folder / table).read_bytes() for table in TABLES if (folder / table).is_file()}
        self.lines = {table: Lines(raw) for table, raw in self.raw.items()}
        self._tables: dict[str, dict[str, str]] = {}
        self._numbers: dict[str, dict[str, int]] = {}
        self._keys: dict[str, dict[int, str]] = {}

    def table(self, name: str) -> dict[str, str]:
        """One table, ``{key: value}``, of a duplicate key the first; empty if it is not there."""
        if name not in self._tables:
            rows = _plain_rows(self.raw.get(name, b"")) or self._rows(name)
            share = name in ("utt2spk", "utt2lang")
            self._tables[name] = {
                sys.intern(key): sys.intern(value) if share else value for key, value in rows.items()
            }
        return self._tables[name]

    def _rows(self, name: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for line in self.lines.get(name, ()):
            found.setdefault(line.key, line.value)
        return found

    @cached_property
    def words(self) -> dict[str, Seen]:
        """The words of ``text``: how often and where first."""
        return words_of(self.lines.get("text", ()))

    @cached_property
    def characters(self) -> dict[str, Seen]:
        """The characters of ``text`` beside the space."""
        return characters_of(self.words)

    @cached_property
    def raw_words(self) -> dict[str, Seen]:
        """Those of ``text_raw``, the text before it was normalised; none without that table."""
        return words_of(self.lines.get("text_raw", ()))

    def line(self, table: str, key: str) -> Line:
        """The first line of ``key``; KeyError if it has none."""
        if table not in self._numbers:
            found: dict[str, int] = {}
            for line in self.lines.get(table, ()):
                found.setdefault(sys.intern(line.key), line.number)
            self._numbers[table] = found
        return Line(self._numbers[table][key], key, self.table(table)[key])

    def number(self, table: str, key: str) -> int:
        """The number of the first line of ``key``."""
        return self.line(table, key).number

    def key_at(self, table: str, number: int) -> str:
        """The key of a line of a table; "" if there is none."""
        if table not in self._keys:
            self._keys[table] = {line.number: line.key for line in self.lines.get(table, ())}
        return self._keys[table].get(number, "")

    def seconds(self, utt: str) -> float | None:
        """What utt2dur says; None where it says nothing that is a time above 0."""
        try:
            dur_s = float(self.table("utt2dur")[utt])
        except (KeyError, ValueError):
            return None
        return dur_s if 0 < dur_s < float("inf") else None

    def where(self, table: str, number: int | None = None) -> Place:
        """``data/train/text:12``."""
        return Place(spelled(self.folder / table, self.recipe), number)


class Sets(dict[str, DataDir]):
    """``{name: directory}`` of the training set, dev, test and further sets, in this order; ``data`` is the
    folder that they are in.
    """

    def __init__(self, data: Path, folders: dict[str, Path]):
        super().__init__({name: DataDir(folder, name, data.parent) for name, folder in folders.items()})
        self.data = data
        self._kept: dict[str, Any] = {}

    def rows_of(self, fault: Fault, most: int = 3) -> tuple[str, ...]:
        """The first rows of the user's own tables, ``corpus.tsv:12``, of the utterances that show a fault."""
        data, utts = self._shown_by(fault)
        known = data.table("utt2row") if data and "utt2row" in data.raw else {}
        return tuple(known[utt] for utt in utts if utt in known)[:most]

    def named(self, fault: Fault) -> list[tuple[DataDir, str]]:
        """The utterances that show a fault, each with its set, and others that it names."""
        data, utts = self._shown_by(fault)
        every = self.once("every utterance", self._every)
        found = {utt: data if data and utt in data.table("text") else every.get(utt) for utt in utts}
        for value in fault.values.values():
            if isinstance(value, str) and value in every:
                found.setdefault(value, every[value])
        return [(own, utt) for utt, own in found.items() if own is not None]

    def _shown_by(self, fault: Fault) -> tuple[DataDir | None, tuple[str, ...]]:
        """The set that a fault is in, and the utterances that it lists, else the one of its line."""
        folder, _, table = fault.where.file.rpartition("/")
        data = next((own for own in self.values() if own.where("").file.rstrip("/") == folder), None)
        if fault.ids or data is None:
            return data, fault.ids
        key = data.key_at(table, fault.where.line or 0)
        if table == "wav.scp" and "segments" in data.raw:  # its keys are recordings
            rows = data.table("segments").items()
            return data, tuple(utt for utt, value in rows if value.split(" ")[0] == key)
        return data, (key,)

    def _every(self) -> dict[str, DataDir]:
        return {utt: data for data in reversed(self.values()) for utt in data.table("text")}

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What ``make`` gives, made at the first call: several rules look at the same measurements."""
        if name not in self._kept:
            self._kept[name] = make()
        return self._kept[name]
