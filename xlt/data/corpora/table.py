"""A folder of audio and a table with a row for each clip: what a person with a spreadsheet has.

Columns path and text; optionally speaker, split, start and end (seconds), duration (with start), language,
id, content (the same for rows that say the same, so that they come into one set), and confirmed (yes where a
person has corrected the draft of ``xlt suggest``; the other rows are left out). Other columns whose values
repeat become tags, e.g. accent. The forms of tables are in :mod:`xlt.data.corpora.forms`; ``train.csv``,
``dev.csv`` and ``test.csv`` are a split. Other words in the column split are further sets; another table
beside those three is one if decode.sets names it.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from xlt.core.config import Config
from xlt.core.errors import DataError
from xlt.core.log import say
from xlt.data.corpora import Corpus, Utterance
from xlt.data.corpora import columns as meaning
from xlt.data.corpora.archive import corpus_place, listing
from xlt.data.corpora.choose import Source, choose, forms, is_of_sounds, names_files, refused, texts_in
from xlt.data.corpora.names import SET_OF, clean, names_language, span, speaker_ids, utterance_ids
from xlt.data.corpora.roles import Roles, roles_of
from xlt.data.corpora.rows import Table
from xlt.data.corpora.sounds import SUFFIXES, Sounds
from xlt.data.corpora.tags import tags as tags_of
from xlt.data.reasons import DRAFT, confirms, remedy
from xlt.text import encodings, languages

_EXPECTED = "a folder with a table (CSV, TSV, XLSX, JSON, Parquet) and its audio, or the table"
_SAID = 20  # rows with a wrong path for which a name is looked up


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
    """Whether ``place`` is a table, or has one beside sound files; Parquet has them inside."""
    names = [name for name in listing(place) if not name.rpartition("/")[2].startswith((".", "~$"))]
    if place.is_file() and len(names) == 1 and names[0] == place.name:
        return names[0].lower().endswith((*forms(), *refused()))
    endings = {Path(name).suffix.lower() for name in names}
    if ".parquet" in endings:
        return True
    tables = [name for name in names if name.lower().endswith(forms())]
    if not endings & SUFFIXES:
        return place.is_dir() and any(names_files(place / name) for name in tables if "/" not in name)
    if place.is_dir():
        tables = [name for name in tables if not name.lower().endswith(".json") or is_of_sounds(place / name)]
        others = endings - SUFFIXES  # a spreadsheet alone is the table, and the reader says what to do
        return bool(tables or texts_in(place)) or (bool(others) and others <= refused())
    return any(not name.lower().endswith(".json") or "manifest" in name.lower() for name in tables)


def read(cfg: Config) -> Corpus:
    """The rows of ``cfg.lang`` that have text and audio; the others are listed by their place in the table,
    ``FILE:LINE``.
    """
    meaning.check_setting(cfg.data.columns)
    encodings.check_name(cfg.data.encoding)
    place = corpus_place(cfg, _EXPECTED)
    corpus = Corpus("table", [], {}, {"licence": "your own"})
    left_out: dict[str, list[str]] = defaultdict(list)
    rows: list[_Row] = []
    sounds = Sounds(place if place.is_dir() else place.parent, cfg.recipe)
    choice = choose(place, cfg, sounds)
    for source in choice.sources:
        rows += _rows(source, sounds, cfg, left_out, corpus.facts.setdefault("tables", {}))
    for label, reason in choice.unused.items():
        say(f"  {label}: not used: {reason}")
    if choice.unused:
        corpus.facts["tables not used"] = choice.unused
    _tell_of_zeros(sounds, corpus.facts)
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
    elif any(source.speaker for source in choice.sources):
        names = ", ".join(dict.fromkeys(source.speaker for source in choice.sources if source.speaker))
        corpus.facts["speakers"] = f"not named; each folder counts as one: {names}"
        say(f"  speakers {corpus.facts['speakers']}; data.columns: {{speaker: COLUMN}} names them")
    else:
        _tell_of_unnamed(rows)
    ids = _ids(rows, speakers)
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


def _ids(rows: list[_Row], speakers: dict[str, str]) -> list[str]:
    """The ids of utterances; where names are there twice, with the row, and with the table where that is not
    enough.
    """
    lines = [row.where.rpartition(":")[2] for row in rows]
    count = Counter((row.speaker, row.name, line) for row, line in zip(rows, lines, strict=True))
    return utterance_ids(
        (
            speakers[row.speaker],
            row.name,
            line if count[row.speaker, row.name, line] == 1 else row.where.replace(":", "-"),
        )
        for row, line in zip(rows, lines, strict=True)
    )


def _tell_of_unnamed(rows: list[_Row]) -> None:
    """Say how many rows name no speaker where others do: they count as one voice, which may be wrong."""
    if none := [row.where for row in rows if not row.speaker]:
        say(f"  {len(none)} rows name no speaker and count as one, 'unnamed' (first: {none[0]})")


def _tell_of_zeros(sounds: Sounds, facts: dict) -> None:
    """Say which values have lost the zeros before a number, as spreadsheets drop them."""
    if lost := sounds.padded:
        value, name = next(iter(lost.items()))
        say(
            f"  {len(lost)} paths have lost zeros, such as {value} for {name}, which is taken; format the"
            " column as text before numbers are typed into it"
        )
        facts["lost zeros"] = dict(lost)


@dataclass(frozen=True)
class _Columns:
    """How the rows of a table are read: what its columns mean, which are tags, which set its name says."""

    role: Roles
    tags: dict[str, str]
    source: Source
    sounds: Sounds
    lang: languages.Language

    def described(self, table: Table) -> str:
        """What the columns were taken for, in words."""
        words = "columns taken as "
        words += ", ".join(f"{name}={column!r}" for name, column in self.role.column.items() if column)
        if self.role.guessed:
            words += f" ({' and '.join(self.role.guessed)} by the contents; data.columns sets others)"
        if self.tags:
            words += f"; tags {', '.join(self.tags)}"
        used = {*self.role.column.values(), *self.tags.values()}
        rest = [name for name in table.columns if name not in used]
        return words + (f"; not used: {', '.join(rest)}" if rest else "")

    def row(self, where: str, values: dict[str, str]) -> _Row | str:
        """A usable row, or why it is left out."""

        def of(name: str) -> str:
            column = self.role[name]
            return values[column].strip() if column else ""

        hits = self.sounds.find(of("path"), self.source.table.path.parent)
        if self.role["language"] and not names_language(of("language"), self.lang):
            return "another language"
        split = self.source.split
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
        if self.role["channel"] and values[self.role["channel"]] not in self.role.channels:
            return "channel not understood"
        channel = self.role.channels[values[self.role["channel"]]] if self.role["channel"] else None
        name = of("id") or self.sounds.inside(hits[0])
        if start_s is not None and end_s is not None and not of("id"):
            name += f"-{span(start_s, end_s)}"
        tags = {tag: value for tag, column in self.tags.items() if (value := values[column].strip())}
        content = " ".join(of("content").split())
        speaker = of("speaker") if self.role["speaker"] else self.source.speaker
        own = (where, hits[0], of("text"), speaker, name, content, split)
        return _Row(*own, start_s, end_s, tags, channel)


def _rows(
    source: Source, sounds: Sounds, cfg: Config, left_out: dict[str, list[str]], facts: dict
) -> list[_Row]:
    """The usable rows of one table; what its columns were taken for is said and goes into ``facts``."""
    table, split = source.table, source.split
    for note in table.notes:
        say(f"  {note}")
    role = roles_of(table, sounds, cfg)
    if split and role["split"]:
        raise DataError(
            f"{table.place}: its name says {split}, and it has a column {role['split']!r}, too; set"
            " data.columns: {split: null} to go by the name"
        )
    rest = [column for column in table.columns if column not in role.column.values()]
    rest = rest if table.header else []  # what a column is called says what it is about
    tags = tags_of({column: [values[column] for _, values in table.rows] for column in rest})
    columns = _Columns(role, tags, source, sounds, languages.get(cfg.lang))
    taken = f" as {split}" if split else ""
    say(f"  {table.label}: {len(table.rows)} rows{taken} ({table.form}); {columns.described(table)}")
    facts[table.label] = {
        "form": table.form,
        "columns": {name: column for name, column in role.column.items() if column} | columns.tags,
    } | ({"notes": table.notes} if table.notes else {})
    _refuse_unknown(table, role, cfg)
    left_out["row with more values than columns"] += [table.where(line) for line in table.odd]
    found: list[_Row] = []
    lost: dict[str, str] = {}
    for line, values in table.rows:
        where = table.where(line)
        row = columns.row(where, values)
        if isinstance(row, str):
            left_out[row].append(where)
            if row == "text without audio":
                lost[where] = values[role["path"] or ""]
        else:
            found.append(row)
    if meant := {
        where: f"{value} → {near}"
        for where, value in itertools.islice(lost.items(), _SAID)
        if (near := sounds.close(value))
    }:
        where, words = next(iter(meant.items()))
        say(f"  {where}: no such file; did you mean {words.partition(' → ')[2]}?")
        facts[table.label]["did you mean"] = meant
    if lost and not found:
        _refuse_no_audio(table, role, lost, sounds)
    return found


def _refuse_unknown(table: Table, role: Roles, cfg: Config) -> None:
    """DataError if no row is in the language, or none in a set that we know."""
    lang = languages.get(cfg.lang)
    if role["language"]:
        words = Counter(values[role["language"]].strip() for _, values in table.rows)
        if not any(names_language(word, lang) for word in words):
            shown = ", ".join(f"{word or 'nothing'} ({n} rows)" for word, n in words.most_common(20))
            if len(words) > 1:
                raise DataError(
                    f"{table.place}: no row is in {lang.code}: the column {role['language']!r} has {shown};"
                    " set lang, or data.columns: {language: null} to take all rows"
                )
            say(f"  note: {table.label}: column {role['language']!r} has {shown}, taken as {lang.code}")
            role.column["language"] = None  # a name that we do not know, or somebody's own
    if role["split"]:
        words = Counter(values[role["split"]].strip() for _, values in table.rows)
        if not any(SET_OF.get(word.casefold()) == "train" for word in words):
            shown = ", ".join(f"{word or 'nothing'} ({n} rows)" for word, n in words.most_common(20))
            raise DataError(
                f"{table.place}: the column {role['split']!r} has {shown}, expected train, dev and test;"
                " rename them, or set data.columns: {split: null} for a split of ours"
            )


def _times(of, role: Roles) -> tuple[float | None, float | None] | str:
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


def _refuse_no_audio(table: Table, role: Roles, lost: dict[str, str], sounds: Sounds) -> None:
    """DataError, since the paths lead nowhere: a wrong folder, not a few missing clips."""
    where, value = next(iter(lost.items()))
    near = sounds.close(value)
    meant = f" (did you mean {near}?)" if near else ""
    raise DataError(
        f"{table.place}:{where.rpartition(':')[2]}: {value}: no such file{meant}, and none of the"
        f" {len(lost)} others that the column {role['path']!r} names; looked below {sounds.root}, which has"
        f" {sounds.count} sound files; put table and audio into one folder and name it in data.dir"
    )
