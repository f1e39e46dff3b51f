"""A folder of audio and a table with a row for each clip: what a person with a spreadsheet has.

Columns path and text; optionally speaker, split, start and end (seconds), duration (with start), language,
id, content (the same for rows that say the same, so that they come into one set), and confirmed (yes where a
person has corrected the draft of ``xlt suggest``; the other rows are left out). Other columns whose values
repeat become tags, e.g. accent. The table is CSV, TSV, semicolons or JSON lines; ``train.csv``,
``dev.csv`` and ``test.csv`` are a split. Other words in the column split are further sets; another table
beside those three is one if decode.sets names it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from xlt.core.config import Config
from xlt.core.errors import DataError
from xlt.core.log import say
from xlt.data import sets
from xlt.data.corpora import Corpus, Utterance, channels
from xlt.data.corpora import columns as meaning
from xlt.data.corpora.archive import corpus_place, listing
from xlt.data.corpora.names import SET_OF, clean, names_language, span, speaker_ids, utterance_ids
from xlt.data.corpora.rows import Table, read_table
from xlt.data.corpora.sounds import SUFFIXES, Sounds
from xlt.data.corpora.tags import tags as tags_of
from xlt.data.reasons import DRAFT, confirms, remedy
from xlt.text import languages

FORMS = (".tsv", ".csv", ".jsonl", ".ndjson")
_MAYBE = (".xlsx", ".xls", ".ods", ".txt", ".json")
_EXPECTED = "a folder with a table (CSV, TSV or JSON lines) and its audio, or the table"
_SAID = 20  # rows with a wrong path for which a name is looked up
_SAMPLE = 200  # rows by which it is seen whether a column names files


@dataclass(frozen=True)
class _Row:
    """A usable row: its place in the table, and what its columns say."""

    where: str
    audio: Path
    text: str
    speaker: str
    name: str
    content: str
    split: str | None
    start_s: float | None
    end_s: float | None
    tags: dict[str, str]
    channel: int | None = None


def recognise(place: Path) -> bool:
    """Whether ``place`` is a table, or has one beside sound files."""
    names = listing(place)
    tables = [name for name in names if name.lower().endswith(FORMS)]
    return bool(tables) and (place.is_file() or any(Path(name).suffix.lower() in SUFFIXES for name in names))


def read(cfg: Config) -> Corpus:
    """The rows of ``cfg.lang`` that have text and audio; the others are listed by their place in the table,
    ``FILE:LINE``.
    """
    meaning.check_setting(cfg.data.columns)
    place = corpus_place(cfg, _EXPECTED)
    corpus = Corpus("table", [], {}, {"licence": "your own"})
    left_out: dict[str, list[str]] = defaultdict(list)
    rows: list[_Row] = []
    sounds = Sounds(place if place.is_dir() else place.parent, cfg.recipe)
    for path, split in tables_in(place, sets.further(cfg)):
        header = not any(isinstance(name, int) for name in cfg.data.columns.values())
        table = read_table(path, header)
        rows += _rows(table, split, sounds, cfg, left_out, corpus.facts.setdefault("tables", {}))
    if not rows:
        counts = ", ".join(
            f"{reason} ({len(places)}, first {places[0]})" for reason, places in left_out.items() if places
        )
        what_to_do = "".join(f"; {remedy(reason)}" for reason, places in left_out.items() if places)
        raise DataError(f"{place}: no row can be used: {counts or 'there are none'}{what_to_do}")
    speakers = speaker_ids(row.speaker for row in rows)
    lang = languages.get(cfg.lang)
    if not any(row.speaker for row in rows):
        speakers = {"": f"table_{lang.iso}"}
        corpus.facts["speakers"] = "not named; counted as one"
    ids = utterance_ids((speakers[row.speaker], row.name, row.where.rpartition(":")[2]) for row in rows)
    corpus.utterances = [
        Utterance(
            name,
            speakers[row.speaker],
            lang.code,
            row.text,
            row.audio,
            row.content or name,
            row.start_s,
            row.end_s,
            row.split,
            row.tags,
            channel=row.channel,
            where=row.where,
        )
        for name, row in zip(ids, rows, strict=True)
    ]
    left_out["sound without a row"] = sounds.unnamed()
    corpus.left_out = {reason: ids for reason, ids in left_out.items() if ids}
    return corpus


def tables_in(place: Path, further: Collection[str] = ()) -> list[tuple[Path, str | None]]:
    """The tables of a corpus with the set that each is by its name: one table, or train, dev and test, and
    those called like a set in ``further``. DataError.
    """
    if place.is_file():
        return [(place, None)]
    found = sorted(
        path for path in place.iterdir() if path.suffix.lower() in FORMS and not path.name.startswith(".")
    )
    if not found:
        below = sorted(path for path in place.rglob("*") if path.suffix.lower() in FORMS and path.is_file())
        if len(below) != 1:
            others = sorted(path.name for path in place.iterdir() if path.suffix.lower() in _MAYBE)
            what = f"; {others[0]} may be it: save it as CSV, or name it" if others else ""
            raise DataError(
                f"data.dir: {place}: has {len(below) or 'no'} tables ({', '.join(FORMS)}) in its folders,"
                f" expected one{what}; name the table itself: data.dir={place / 'TABLE.csv'}"
            )
        found = below
    if len(found) == 1:
        return [(found[0], None)]
    set_of = {path: _set_named(path.stem, further) for path in found}
    if all(set_of.values()) and len(set(set_of.values())) == len(found) and "train" in set_of.values():
        return list(set_of.items())
    raise DataError(
        f"data.dir: {place}: has several tables: {', '.join(path.name for path in found)}; name one of them"
        " in data.dir, or call them train, dev and test; another is a set if decode.sets has its name"
    )


def _set_named(name: str, further: Collection[str]) -> str | None:
    """The set of a table called ``name``, or None."""
    return name if name in further else SET_OF.get(name.casefold())


@dataclass(frozen=True)
class _Columns:
    """How the rows of a table are read: what its columns mean, which are tags, which set its name says."""

    role: dict[str, str | None]
    tags: dict[str, str]
    split: str | None
    sounds: Sounds
    lang: languages.Language
    channels: dict[str, int | None]

    def described(self, table: Table) -> str:
        """What the columns were taken for, in words."""
        words = "columns taken as "
        words += ", ".join(f"{name}={column!r}" for name, column in self.role.items() if column)
        if self.tags:
            words += f"; tags {', '.join(self.tags)}"
        used = {*self.role.values(), *self.tags.values()}
        rest = [name for name in table.columns if name not in used]
        return words + (f"; not used: {', '.join(rest)}" if rest else "")

    def row(self, where: str, values: dict[str, str]) -> _Row | str:
        """A usable row, or why it is left out."""

        def of(name: str) -> str:
            column = self.role[name]
            return values[column].strip() if column else ""

        hits = self.sounds.find(of("path"))
        if self.role["language"] and not names_language(of("language"), self.lang):
            return "another language"
        split = self.split
        if self.role["split"]:
            split = SET_OF.get(of("split").casefold()) or clean(of("split"))
            if not split:
                return "row without a set"
        if not of("path"):
            return "row without a path"
        if len(hits) != 1:
            return "several files of that name" if hits else "text without audio"
        if not of("text"):
            return "audio without text"
        if self.role["confirmed"] and not confirms(of("confirmed")):
            return DRAFT
        times = _times(of, self.role)
        if isinstance(times, str):
            return times
        start_s, end_s = times
        if self.role["channel"] and values[self.role["channel"]] not in self.channels:
            return "channel not understood"
        channel = self.channels[values[self.role["channel"]]] if self.role["channel"] else None
        name = of("id") or self.sounds.inside(hits[0])
        if start_s is not None and end_s is not None and not of("id"):
            name += f"-{span(start_s, end_s)}"
        tags = {tag: value for tag, column in self.tags.items() if (value := values[column].strip())}
        content = " ".join(of("content").split())
        own = (where, hits[0], of("text"), of("speaker"), name, content, split)
        return _Row(*own, start_s, end_s, tags, channel)


def _rows(
    table: Table, split: str | None, sounds: Sounds, cfg: Config, left_out: dict[str, list[str]], facts: dict
) -> list[_Row]:
    """The usable rows of one table; what its columns were taken for is said and goes into ``facts``."""
    role = _roles(table, sounds, cfg)
    if split and role["split"]:
        raise DataError(
            f"{table.path}: its name says {split}, and it has a column {role['split']!r}, too; set"
            " data.columns: {split: null} to go by the name"
        )
    channel_of = _channels(table, role, cfg)
    rest = [column for column in table.columns if column not in role.values()]
    tags = tags_of({column: [values[column] for _, values in table.rows] for column in rest})
    columns = _Columns(role, tags, split, sounds, languages.get(cfg.lang), channel_of)
    say(f"  {table.path.name}: {len(table.rows)} rows ({table.form}); {columns.described(table)}")
    facts[table.path.name] = {
        "form": table.form,
        "columns": {name: column for name, column in role.items() if column} | columns.tags,
    }
    _refuse_unknown(table, role, cfg)
    left_out["row with more values than columns"] += [f"{table.path.name}:{line}" for line in table.odd]
    found: list[_Row] = []
    lost: dict[str, str] = {}
    for line, values in table.rows:
        where = f"{table.path.name}:{line}"
        row = columns.row(where, values)
        if isinstance(row, str):
            left_out[row].append(where)
            if row == "text without audio" and len(lost) < _SAID:
                lost[where] = values[role["path"] or ""]
        else:
            found.append(row)
    if meant := {
        where: f"{value} → {near}" for where, value in lost.items() if (near := sounds.close(value))
    }:
        where, words = next(iter(meant.items()))
        say(f"  {where}: no such file; did you mean {words.partition(' → ')[2]}?")
        facts[table.path.name]["did you mean"] = meant
    _refuse_no_audio(table, role, found, left_out, sounds)
    return found


def _roles(table: Table, sounds: Sounds, cfg: Config) -> dict[str, str | None]:
    """``{role: column or None}``; DataError where path or text have no column, or any role several, and
    nothing decides.
    """
    found = meaning.candidates(table.columns, cfg.data.columns, str(table.path))
    if len(found["path"]) > 1:
        sample = table.rows[:_SAMPLE]
        named = [
            column for column in found["path"] if any(sounds.find(values[column]) for _, values in sample)
        ]
        found["path"] = named or found["path"]
    for role, own in found.items():
        if len(own) > 1 and all(len({values[column] for column in own}) == 1 for _, values in table.rows):
            own = own[:1]
        if len(own) > 1:
            raise DataError(
                f"{table.path}: which column is the {role}: {' or '.join(map(repr, own))}? Set data.columns: "
                f"{{{role}: {own[0]}}}; {meaning.list_columns(table.columns)}"
            )
        if not own and role in ("path", "text"):
            raise DataError(
                f"{table.path}: no column looks like the {role}; {meaning.list_columns(table.columns)}; "
                f"{_say_it(table, sounds)}"
            )
        found[role] = own
    return {role: own[0] if own else None for role, own in found.items()}


def _channels(table: Table, role: dict[str, str | None], cfg: Config) -> dict[str, int | None]:
    """What the values of the column of channels say; a column of that name that is about others has no role.
    DataError if data.columns names it.
    """
    column = role["channel"]
    if column is None:
        return {}
    found = channels.understood(values[column] for _, values in table.rows)
    if found is None and cfg.data.columns.get("channel") is not None:
        raise DataError(
            f"{table.path}: the column {column!r} has {table.rows[0][1][column]!r}, expected channels: 1"
            " or 2, A or B, L or R; set data.columns: {channel: null} to average them"
        )
    if found is None:
        role["channel"] = None
    return found or {}


def _say_it(table: Table, sounds: Sounds) -> str:
    """How to name columns; by number if the header is a row of data."""
    if any(sounds.find(name) for name in table.columns):
        number = next(i for i, name in enumerate(table.columns, 1) if sounds.find(name))
        return (
            "the first line is no header, since it names a sound file: number the columns, "
            f"data.columns: {{path: {number}, text: {number + 1}}}"
        )
    return "say which: data.columns: {path: COLUMN, text: COLUMN}"


def _refuse_unknown(table: Table, role: dict[str, str | None], cfg: Config) -> None:
    """DataError if no row is in the language, or none in a set that we know."""
    lang = languages.get(cfg.lang)
    if role["language"]:
        words = Counter(values[role["language"]].strip() for _, values in table.rows)
        if not any(names_language(word, lang) for word in words):
            shown = ", ".join(f"{word or 'nothing'} ({n} rows)" for word, n in words.most_common(20))
            raise DataError(
                f"{table.path}: no row is in {lang.code}: the column {role['language']!r} has {shown}; set"
                " lang, or data.columns: {language: null} to take all rows"
            )
    if role["split"]:
        words = Counter(values[role["split"]].strip() for _, values in table.rows)
        if not any(SET_OF.get(word.casefold()) == "train" for word in words):
            shown = ", ".join(f"{word or 'nothing'} ({n} rows)" for word, n in words.most_common(20))
            raise DataError(
                f"{table.path}: the column {role['split']!r} has {shown}, expected train, dev and test;"
                " rename them, or set data.columns: {split: null} for a split of ours"
            )


def _times(of, role: dict[str, str | None]) -> tuple[float | None, float | None] | str:
    """Start and end in seconds, both None for a whole file; or what is wrong with them."""
    if not role["start"]:
        return None, None
    if not of("start") and not of("end"):
        return None, None
    end = "end" if role["end"] else "duration"
    if not role[end] or not of("start") or not of(end):
        return "start without end, or end without start"
    try:
        start_s, end_s = (seconds(of(name), role[name] or "") for name in ("start", end))
    except ValueError:
        return "start or end is not a time"
    if end == "duration":
        end_s += start_s
    return (start_s, end_s) if 0 <= start_s < end_s else "the end is not behind the start"


def seconds(value: str, column: str) -> float:
    """``1.25``, ``1,25`` or ``00:01:02.5`` in seconds; a column such as start_ms has milliseconds.
    ValueError.
    """
    total = 0.0
    for part in value.replace(",", ".").split(":"):
        total = total * 60 + float(part)
    if total != total or total == float("inf"):
        raise ValueError(value)
    return total / 1000 if meaning.in_milliseconds(column) else total


def _refuse_no_audio(
    table: Table,
    role: dict[str, str | None],
    found: list[_Row],
    left_out: dict[str, list[str]],
    sounds: Sounds,
) -> None:
    """DataError if the paths lead nowhere: a wrong folder, not a few missing clips."""
    lost = [where for where in left_out["text without audio"] if where.startswith(f"{table.path.name}:")]
    if lost and not found:
        line = int(lost[0].rpartition(":")[2])
        value = next(values[role["path"] or ""] for number, values in table.rows if number == line)
        near = sounds.close(value)
        meant = f" (did you mean {near}?)" if near else ""
        raise DataError(
            f"{table.path}:{line}: {value}: no such file{meant}, and none of the {len(lost)} others that the"
            f" column {role['path']!r} names; looked below {sounds.root}, which has {sounds.count} sound"
            " files; put table and audio into one folder and name it in data.dir"
        )
