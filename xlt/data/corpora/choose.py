"""Which tables of a folder are the corpus: one; train, dev and test; or several that belong together, such as
one for each voice.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from xlt.core.config import Config
from xlt.core.errors import DataError
from xlt.core.registry import TABLES
from xlt.data import sets
from xlt.data.corpora.headers import as_table
from xlt.data.corpora.names import SET_OF
from xlt.data.corpora.roles import names_sounds, roles_of
from xlt.data.corpora.rows import How, Table, grids
from xlt.data.corpora.sounds import SUFFIXES, Sounds
from xlt.fetch.files import cache_root

_MOST = 50  # tables of a corpus; more lie beside their sound files, one each
_HEAD = 1 << 16  # bytes of a JSON file that tell whether it is about sound files
_ENDINGS = "|".join(map(re.escape, SUFFIXES))
_OF_SOUND = re.compile(rf'"(audio_filepath|audio_file|wav_path|file_name)"|({_ENDINGS})"'.encode())
_A_SOUND = re.compile(rf'[^\t,;|"\n]+?({_ENDINGS})(?=[\t,;|"\r\n])')
_SHORT = {"tr", "trn", "tst"}  # words that also mean others, in names of several words
_NOT_TABLES = re.compile(r"(readme|licen[cs]e|copying|notes?|changelog)\b.*", re.I)


@dataclass(frozen=True)
class Source:
    """A table of the corpus; the set that its name says, or None; the speaker of rows that name none."""

    table: Table
    split: str | None = None
    speaker: str = ""


@dataclass
class Choice:
    """The tables of a corpus, and by their labels why others were not used."""

    sources: list[Source]
    unused: dict[str, str]


def refused() -> set[str]:
    """The endings of spreadsheets that are not read, but named."""
    return {suffix for suffix, entry in TABLES.entries.items() if ".refused:" in entry}


def forms() -> tuple[str, ...]:
    """The endings of tables that are looked for in folders: all but ``.txt``, which may be anything."""
    return tuple(suffix for suffix in TABLES.entries if suffix != ".txt" and suffix not in refused())


def choose(place: Path, cfg: Config, sounds: Sounds) -> Choice:
    """The tables in ``place``; a table named itself is it. DataError if there is none, or nothing decides
    between several.
    """
    own, below = tables_in(place)
    choice = _chosen(place, own, cfg, sounds, certain=not below)
    if choice.sources or not below:
        return choice
    unused = choice.unused
    choice = _chosen(place, below, cfg, sounds, certain=True)
    choice.unused |= unused
    return choice


def tables_in(place: Path) -> tuple[list[Path], list[Path]]:
    """The tables in a folder, and those in the folders below it; DataError if there is none."""
    if place.is_file():
        return [place], []
    own = sorted(path for path in place.iterdir() if _is_table(path))
    below = sorted(path for path in place.rglob("*") if _is_table(path) and path.parent != place)
    if len(below) > _MOST and own:
        below = []
    if not own and not below:
        own = texts_in(place)
    if not own and not below:
        own = sorted(path for path in place.rglob("*") if path.suffix.lower() in refused())[:1]
    if not own and not 0 < len(below) <= _MOST:
        raise DataError(
            f"data.dir: {place}: has {len(below) or 'no'} tables ({', '.join(forms())}) in its folders,"
            f" expected one; name the table itself: data.dir={place / 'TABLE.csv'}"
        )
    return own, below


def _is_table(path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix not in forms() or path.name.startswith((".", "~$")) or not path.is_file():
        return False
    return suffix != ".json" or is_of_sounds(path)


def is_of_sounds(path: Path) -> bool:
    """Whether a JSON file names sound files near its beginning, as a manifest does and settings do not."""
    try:
        with path.open("rb") as handle:
            return bool(_OF_SOUND.search(handle.read(_HEAD)))
    except OSError:
        return False


def names_files(path: Path) -> bool:
    """Whether a table in text names, near its beginning, a sound file that lies elsewhere, as a path from its
    folder or an absolute one.
    """
    if path.suffix.lower() not in (".tsv", ".csv", ".jsonl", ".ndjson"):
        return False
    try:
        with path.open("rb") as handle:
            head = handle.read(_HEAD).decode("utf-8", "replace")
    except OSError:
        return False
    named = (word[0] for word in itertools.islice(_A_SOUND.finditer(head), 20))
    return any(os.path.isfile(path.parent / name.strip()) for name in named)


def texts_in(place: Path) -> list[Path]:
    """A table in a ``.txt``, as Excel saves 'Unicode text': the only one in a folder, not called like a sound
    file, with tabs, bars or semicolons in its first line.
    """
    try:
        names = sorted(entry.name for entry in os.scandir(place) if entry.is_file())
    except OSError:
        return []
    sounds = {Path(name).stem for name in names if Path(name).suffix.lower() in SUFFIXES}
    found = [
        place / name
        for name in names
        if name.lower().endswith(".txt") and Path(name).stem not in sounds and not _NOT_TABLES.match(name)
    ]
    if len(found) != 1:
        return []
    with found[0].open("rb") as handle:
        first = handle.read(_HEAD).replace(b"\0", b"").lstrip().split(b"\n")[0]
    return found if any(sign in first for sign in (b"\t", b";", b"|")) else []


def _chosen(place: Path, files: list[Path], cfg: Config, sounds: Sounds, certain: bool) -> Choice:
    """The tables of ``files`` that are the corpus; none of them only if others are left (not ``certain``)."""
    tables, faults = _opened(place, files, cfg, sounds)
    if len(tables) == 1 and not faults and certain:
        return Choice([Source(tables[0])], {})
    further = sets.further(cfg)
    set_of = {id(table): _set_of(table, place, further) for table in tables}
    if len(tables) > 1 and "train" in set_of.values() and all(set_of.values()):
        if named := [err for path, err in faults.items() if set_named(Path(path).stem, further)]:
            raise named[0]
        return Choice(
            [Source(table, set_of[id(table)]) for table in tables], {n: str(e) for n, e in faults.items()}
        )
    usable, unused = [], {name: str(err) for name, err in faults.items()}
    first: DataError | None = next(iter(faults.values()), None)
    for table in tables:
        try:
            reason = _why_not(table, cfg, sounds)
        except DataError as err:
            reason, first = str(err).removeprefix(f"{table.place}: "), first or err
        if reason:
            unused[table.label] = reason
        else:
            usable.append(table)
    usable = _without_copies(usable, cfg, sounds, unused)
    if not usable:
        if not certain:
            return Choice([], unused)
        if len(unused) == 1 and first:
            raise first
        if len(tables) == 1:
            return Choice([Source(tables[0])], unused)  # whose fault the reader knows
        listed = "; ".join(f"{name}: {reason}" for name, reason in itertools.islice(unused.items(), 5))
        raise DataError(
            f"data.dir: {place}: has several tables, and none can be used. {listed}; name the right one in"
            " data.dir"
        )
    if len(usable) == 1:
        return Choice([Source(usable[0])], unused)
    return Choice(_together(place, usable, set_of, cfg, sounds), unused)


def _opened(
    place: Path, files: list[Path], cfg: Config, sounds: Sounds
) -> tuple[list[Table], dict[str, DataError]]:
    """The tables of the files, and what is wrong with those that cannot be read; DataError for the only
    one.
    """
    how = How(str(cfg.lang), cfg.data.encoding, cache=cache_root(cfg.data.cache))
    found, faults = [], {}
    for path in files:
        label = path.relative_to(place).as_posix() if place.is_dir() else path.name
        try:
            for grid in grids(path, how):
                table = as_table(grid, cfg.data.columns, sounds.likely)
                own = f"{label}/{grid.sheet}" if grid.sheet else label
                table.notes = [note.replace(f"{table.label}:", f"{own}:", 1) for note in table.notes]
                table.label = own
                found.append(table)
        except DataError as err:
            if len(files) == 1:
                raise
            faults[label] = err
    return found, faults


def _set_of(table: Table, place: Path, further: Collection[str]) -> str | None:
    """The set that the name of the sheet or file says, or that of a folder that it is in below ``place``."""
    if own := set_named(table.sheet or table.path.stem, further):
        return own
    folder = table.path.parent
    return set_named(folder.name, further) if folder != place and place.is_dir() else None


def set_named(name: str, further: Collection[str] = ()) -> str | None:
    """The set that the name of a table says, ``train_manifest`` or ``test-00000-of-00001``; or None."""
    if name in further:
        return name
    if own := SET_OF.get(name.casefold()):
        return own
    words = set(re.findall(r"[^\W\d_]+", name.casefold())) - _SHORT
    found = {SET_OF[word] for word in words if word in SET_OF}
    return found.pop() if len(found) == 1 else None


def _why_not(table: Table, cfg: Config, sounds: Sounds) -> str:
    """Why a table beside others is not the corpus, or ""; DataError where its columns do not say."""
    if not table.rows:
        return "has no rows"
    if not names_sounds(table, sounds, cfg):
        return "names no sound files that are there"
    roles_of(table, sounds, cfg)
    return ""


Said = dict[tuple[str, ...], str]


def _said(table: Table, cfg: Config, sounds: Sounds) -> Said:
    """What a table says of each sound file, of each part of it where it has parts."""
    roles = roles_of(table, sounds, cfg)
    part = [column for role in ("start", "end", "duration", "channel") if (column := roles[role])]
    part = part if roles["start"] or roles["channel"] else []
    path, text = roles["path"] or "", roles["text"] or ""
    found = {}
    for _, values in table.rows:
        for hit in sounds.lookup(values[path], table.path.parent)[:1]:
            found[(str(hit), *(values[column].strip() for column in part))] = values[text].strip()
    return found


def _shared(one: Said, other: Said) -> set[str]:
    """The sound of which two tables speak: parts of files where both have parts, else files."""
    if len(next(iter(one), ())) == len(next(iter(other), ())):
        return {key[0] for key in one.keys() & other.keys()}
    return {key[0] for key in one} & {key[0] for key in other}


def _without_copies(usable: list[Table], cfg: Config, sounds: Sounds, unused: dict[str, str]) -> list[Table]:
    """The tables without those of which another has all rows, with the same texts; those about clips of
    another whose column of texts alone is called so, such as one of reasons why clips were reported; and
    those whose numbers are names of files perhaps by chance, such as a sheet of codes.
    """
    if len(usable) < 2:
        return usable
    said = [(table, _said(table, cfg, sounds)) for table in usable]
    guessed = {id(table): "text" in roles_of(table, sounds, cfg).guessed for table in usable}
    ending = {id(table): _names_endings(table, cfg, sounds) for table in usable}
    dropped: set[int] = set()
    for (table, own), (other, others) in itertools.permutations(said, 2):
        if dropped & {id(table), id(other)}:
            continue
        smaller = len(own) < len(others) or (own == others and usable.index(table) > usable.index(other))
        if smaller and own.items() <= others.items():
            unused[table.label] = f"a copy of rows of {other.label}"
        elif guessed[id(table)] and not guessed[id(other)] and _shared(own, others):
            unused[table.label] = f"no column is called like a text, and {other.label} has texts"
        elif not ending[id(table)] and ending[id(other)] and _shared(own, others):
            unused[table.label] = f"has numbers or ids, where {other.label} names the sound files"
        else:
            continue
        dropped.add(id(table))
    return [table for table in usable if id(table) not in dropped]


def _names_endings(table: Table, cfg: Config, sounds: Sounds) -> bool:
    """Whether a table names a sound file with its ending."""
    path = roles_of(table, sounds, cfg)["path"] or ""
    return any(sounds.likely(values[path]) == 2 for _, values in table.rows)


def _together(
    place: Path, usable: list[Table], set_of: dict[int, str | None], cfg: Config, sounds: Sounds
) -> list[Source]:
    """Several tables as one corpus: sets by their names, or parts that share no sound; else DataError."""
    own_sets = [set_of[id(table)] for table in usable]
    if "train" in own_sets and all(own_sets):
        return [Source(table, own) for table, own in zip(usable, own_sets, strict=True)]
    names = ", ".join(table.label for table in usable)
    said = [_said(table, cfg, sounds) for table in usable]
    shared = {name for a, b in itertools.combinations(said, 2) for name in _shared(a, b)}
    if not shared and any(own_sets) and "train" not in own_sets:  # a table and one called test
        return [Source(table, own or "train") for table, own in zip(usable, own_sets, strict=True)]
    if shared or any(own_sets):
        why = f", which name the same sound, first {Path(min(shared)).name}" if shared else ""
        raise DataError(
            f"data.dir: {place}: has several tables: {names}{why}; name one of them in data.dir, or call them"
            " train, dev and test; another is a set if decode.sets has its name"
        )
    folders = {table.path.parent for table in usable}
    return [Source(table, None, table.path.parent.name if len(folders) > 1 else "") for table in usable]
