"""Which column of a table has which role: by its name, by data.columns, and where names do not say, by what
is in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from xlt.core.config import Config
from xlt.core.errors import DataError
from xlt.data.corpora import channels, contents
from xlt.data.corpora import columns as meaning
from xlt.data.corpora.rows import Table
from xlt.data.corpora.sounds import Sounds, web_address

_DATED = re.compile(r"\d{4}-\d\d-\d\d|\d{1,2}[./]\d{1,2}[./]\d{4}\b")
_SAMPLE = 200  # rows by which it is seen what a column has
_QUESTIONS = {meaning.plain(word) for word in "prompt question pregunta frage question вопрос".split()}


@dataclass
class Roles:
    """``column`` of each role, or None; ``guessed``: roles that were told by the contents; ``notes``: what
    else a person should know; ``channels``: what the values of that column say.
    """

    column: dict[str, str | None]
    guessed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    channels: dict[str, int | None] = field(default_factory=dict)

    def __getitem__(self, role: str) -> str | None:
        return self.column[role]


def roles_of(table: Table, sounds: Sounds, cfg: Config) -> Roles:
    """The roles of a table's columns; DataError where path or text have no column, or any role several, and
    nothing decides.
    """
    given = cfg.data.columns
    found = meaning.candidates(table.columns, given, table.place)
    guessed = []
    if "path" not in given:
        found["path"], by_content = _path(table, found, sounds)
        guessed += ["path"] if by_content else []
    if "text" not in given:
        found["text"], by_content = _text(table, found, cfg)
        guessed += ["text"] if by_content else []
    for role, own in found.items():
        if len(own) > 1 and all(len({values[column] for column in own}) == 1 for _, values in table.rows):
            own = own[:1]
        if len(own) > 1:
            raise DataError(
                f"{table.place}: which column is the {role}: {' or '.join(map(repr, own))}? Set"
                f" data.columns: {{{role}: {own[0]}}}; {meaning.list_columns(table.columns)}"
            )
        if not own and role in ("path", "text"):
            raise DataError(
                f"{table.place}: no column looks like the {role}; {meaning.list_columns(table.columns)}; "
                f"say which: data.columns: {{path: COLUMN, text: COLUMN}}{_addresses(table, role)}"
            )
        found[role] = own
    roles = Roles({role: own[0] if own else None for role, own in found.items()}, guessed)
    _drop_dates(table, roles, given)
    _find_times(table, roles, given)
    _drop_questions(table, roles, given)
    _understand_channels(table, roles, given)
    return roles


def names_sounds(table: Table, sounds: Sounds, cfg: Config) -> bool:
    """Whether a column names sound files that are there."""
    found = meaning.candidates(table.columns, cfg.data.columns, table.place)
    own = found["path"] if "path" in cfg.data.columns else _path(table, found, sounds)[0]
    return any(sounds.likely(value) for column in own for value in table.sample(column, _SAMPLE))


def _path(table: Table, found: dict[str, list[str]], sounds: Sounds) -> tuple[list[str], bool]:
    """The columns that may be the path, and whether their contents say so alone: of those whose names do,
    those that lead to files.
    """
    own = found["path"]
    named = [name for name in own if any(map(sounds.likely, table.sample(name, _SAMPLE)))]
    if named:
        return named, False
    taken = {column for role, columns in found.items() if role != "path" for column in columns}
    rest = {name: table.sample(name, _SAMPLE) for name in table.columns if name not in taken}
    best = contents.path(rest, sounds.likely)
    if best is None and not own:  # an id may be the name of a file
        best = contents.path({name: table.sample(name, _SAMPLE) for name in found["id"]}, sounds.likely)
        if best is not None:
            found["id"] = []
    return ([best], True) if best is not None else (own, False)


def _addresses(table: Table, role: str) -> str:
    """What to do where the sound files are on the web alone."""
    found = [name for name in table.columns if any(map(web_address, table.sample(name, _SAMPLE)))]
    if role != "path" or not found:
        return ""
    return f"; {found[0]!r} has web addresses: download the files into this folder, under their names, first"


def _text(table: Table, found: dict[str, list[str]], cfg: Config) -> tuple[list[str], bool]:
    """The columns that may be the text, and whether their contents say so alone."""
    own = [name for name in found["text"] if table.sample(name, len(table.rows))] or found["text"]
    if own:
        return own, False
    taken = {column for role, columns in found.items() if role != "text" for column in columns}
    rest = {name: table.sample(name, _SAMPLE) for name in table.columns if name not in taken}
    return contents.texts(rest, str(cfg.lang)), True


def _drop_dates(table: Table, roles: Roles, given: dict) -> None:
    """Start and end of an interview, as KoboToolbox and ODK export them, with dates, are none of a clip."""
    own = [column for role in ("start", "end") if role not in given and (column := roles[role])]
    values = [value for column in own for value in table.sample(column, _SAMPLE)]
    if values and all(map(_DATED.match, values)):
        for role in ("start", "end"):
            roles.column[role] = None if role not in given else roles.column[role]


def _find_times(table: Table, roles: Roles, given: dict) -> None:
    """Start and end of a table without a header, whose rows are parts of files."""
    if table.header or roles["start"] or roles["end"] or roles["duration"] or {"start", "end"} & given.keys():
        return
    taken = set(roles.column.values())
    rest = {
        name: [values[name].strip() for _, values in table.rows]
        for name in table.columns
        if name not in taken
    }
    paths = [values[roles["path"] or ""].strip() for _, values in table.rows]
    if found := contents.times(paths, rest):
        roles.column["start"], roles.column["end"] = found
        roles.guessed += ["start", "end"]


def _drop_questions(table: Table, roles: Roles, given: dict) -> None:
    """A prompt's id tells what was asked, where the prompt is there beside the text that was said: no
    content.
    """
    column, text = roles["content"], roles["text"]
    if column is None or "content" in given or "prompt" not in meaning.plain(column):
        return
    asked = next((name for name in table.columns if meaning.plain(name) in _QUESTIONS), None)
    if asked is not None and text is not None and asked != text:
        differ = sum(values[asked].strip() != values[text].strip() for _, values in table.rows)
        if 2 * differ > len(table.rows):
            roles.column["content"] = None


def _understand_channels(table: Table, roles: Roles, given: dict) -> None:
    """What the values of the column of channels say; a column of that name that is about others has no role.
    DataError if data.columns names it.
    """
    column = roles["channel"]
    if column is None:
        return
    found = channels.understood(values[column] for _, values in table.rows)
    if found is None and given.get("channel") is not None:
        raise DataError(
            f"{table.place}: the column {column!r} has {table.rows[0][1][column]!r}, expected channels: 1"
            " or 2, A or B, L or R; set data.columns: {channel: null} to average them"
        )
    if found is None:
        roles.column["channel"] = None
    roles.channels = found or {}
