"""``xlt check --fix NEW_FOLDER``: a repaired copy of the data directories, and a report of each change. Never
in place.

The copy is read by ``data.reader=kaldi data.dir=NEW_FOLDER``. What no rule can repair is left out with its
reason, or left as it is and listed.
"""

from __future__ import annotations

import importlib
import os
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from xlt.check.datadir import DataDir, Sets
from xlt.check.faults import Fault
from xlt.check.forms import Forms, forms_of
from xlt.check.kaldi import file_fault
from xlt.check.letters import letter_counts, own_scripts
from xlt.check.mend import mended
from xlt.core.config import Config
from xlt.core.errors import DataError
from xlt.core.paths import plain
from xlt.core.stage import atomic_text
from xlt.data.normalisers import normalise_utterance
from xlt.formats.markdown import block, escaped
from xlt.formats.tables import spk2utt, write_table

REPORT = "fix.md"
_OPTIONAL = (
    "segments",
    "text_raw",
    "utt2dur",
    "utt2lang",
    "utt2group",
    "utt2content",
    "utt2audio",
    "utt2format",
)


@dataclass
class Changes:
    """Of one set: lines of a diff by table, utterances left out by reason, and what was done to whole
    tables.
    """

    diff: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    left_out: dict[str, str] = field(default_factory=dict)
    tables: list[str] = field(default_factory=list)

    def line(self, table: str, number: int, before: str | None, after: str | None, why: str) -> None:
        self.diff[table].append(f"@@ {table}:{number} {why}")
        self.diff[table] += [f"-{before}"] * (before is not None) + [f"+{after}"] * (after is not None)

    def drop(self, utt: str, why: str) -> None:
        self.left_out.setdefault(utt, why)


def fix(sets: Sets, cfg: Config, out: Path) -> int:
    """Write a folder for each set below ``out``, and ``out/fix.md``; returns how many errors and warnings
    the copy has.

    DataError if ``out`` exists, or if a set has nothing left.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(
            f"--fix: {out}: exists and is not empty; name a new folder, data are not mended in place"
        )
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    tables, changes = {}, {}
    for name, data in sets.items():
        changes[name] = Changes()
        tables[name] = _mended_tables(data, cfg, changes[name], forms_of(sets, cfg))
    _part(tables, changes, cfg.train_set)
    for name, found in tables.items():
        if not found["text"]:
            shutil.rmtree(partial, ignore_errors=True)
            reasons = sorted(set(changes[name].left_out.values()))
            raise DataError(
                f"{sets[name].folder}: no utterance could be kept:"
                f" {'; '.join(reasons) or 'the tables are empty'}; correct these by hand, or run stage 1"
                " (data) again"
            )
        folder = partial / name
        folder.mkdir(parents=True)
        for table, rows in found.items():
            write_table(folder / table, rows)
        write_table(folder / "spk2utt", spk2utt(found["utt2spk"]))
    rest = list(_rest(Sets(partial, {name: partial / name for name in sets}), cfg))
    report = _report(sets, changes, {name: len(found["text"]) for name, found in tables.items()}, rest)
    report = report.replace(str(partial), str(out)).replace(f"{partial.name}/", f"{out}/")
    report = plain(report, sets.data.parent)
    atomic_text(partial / REPORT, report)
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.exists():
        out.rmdir()
    partial.rename(out)
    return len(rest)


def _mended_tables(data: DataDir, cfg: Config, changes: Changes, forms: Forms) -> dict[str, dict[str, str]]:
    """``{table: {utterance: value}}`` of one set, consistent in itself."""
    tables = {
        table: _rows(data, table, changes)
        for table in ("wav.scp", "text", "utt2spk", *_OPTIONAL)
        if table in data.raw
    }
    for needed in ("wav.scp", "text", "utt2spk"):
        tables.setdefault(needed, {})
    if not tables["utt2spk"] and data.table("spk2utt"):
        changes.tables.append("utt2spk: made from spk2utt")
        tables["utt2spk"] = {
            utt: speaker for speaker, utts in data.table("spk2utt").items() for utt in utts.split()
        }
    if data.table("spk2utt") != (right := spk2utt(tables["utt2spk"])) and right:
        changes.tables.append("spk2utt: made again from utt2spk")
    _fold(data, cfg, tables, changes, forms)
    _texts(data, cfg, tables, changes)
    _audio(data, tables, changes)
    keep = set(tables["utt2spk"]) - set(changes.left_out)
    for table in ("text", "segments" if "segments" in tables else "wav.scp"):
        for utt in sorted((set(tables[table]) | keep) - (set(tables[table]) & keep) - set(changes.left_out)):
            changes.drop(utt, f"not in {table}" if utt in keep else "not in utt2spk")
        keep &= set(tables[table])
    for table in _OPTIONAL:
        if table in tables and table != "segments" and keep - set(tables[table]):
            lacks = len(keep - set(tables[table]))
            changes.tables.append(f"{table}: left out, it lacks {lacks} utterances; stage 1 makes it again")
            del tables[table]
    _cut(tables, keep)
    return _named_by_speaker(data, tables, changes)


def _cut(tables: dict[str, dict[str, str]], keep: set[str]) -> None:
    """Leave the utterances ``keep`` and their recordings."""
    recordings = {row.split()[0] for utt, row in tables.get("segments", {}).items() if utt in keep}
    for table, rows in tables.items():
        wanted = recordings if table == "wav.scp" and "segments" in tables else keep
        tables[table] = {key: value for key, value in rows.items() if key in wanted}


def _rows(data: DataDir, table: str, changes: Changes) -> dict[str, str]:
    """A table with each key once and a value to each; line ends, order and bytes are mended on the way."""
    rows: dict[str, str] = {}
    raw = data.raw[table]
    for number, line in enumerate(raw.split(b"\n"), 1):
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError:
            key = line.split(None, 1)[0].decode("utf-8", "replace")
            changes.line(table, number, line.decode("utf-8", "backslashreplace"), None, "not UTF-8")
            changes.drop(key, f"{table}:{number} is not UTF-8")
            continue
        key, *rest = text.lstrip("\ufeff").strip().split(None, 1) or [""]
        if not key:
            if text or number <= raw.count(b"\n"):
                changes.line(table, number, text, None, "empty line")
            continue
        value = rest[0] if rest else ""
        if key in rows:
            changes.line(table, number, f"{key} {value}", None, "a duplicate id")
            if rows[key] != value:
                changes.drop(key, f"{table}:{number} differs from an earlier line of the same id")
            continue
        if not value:
            changes.drop(key, f"{table}:{number} has no value")
        rows[key] = value
    if b"\r" in raw:
        changes.tables.append(f"{table}: Windows line ends (CR LF) replaced by LF")
    if raw.startswith(b"\xef\xbb\xbf"):
        changes.tables.append(f"{table}: byte order mark removed")
    if list(rows) != sorted(rows):
        changes.tables.append(f"{table}: sorted in C order")
    if raw and not raw.endswith(b"\n"):
        changes.tables.append(
            f"{table}: newline added to the last line; check whether it is complete: {list(rows)[-1:]}"
        )
    return rows


def _texts(data: DataDir, cfg: Config, tables: dict[str, dict[str, str]], changes: Changes) -> None:
    own = own_scripts(data, cfg)
    counts = letter_counts(data, cfg)
    for table in ("text", "text_raw"):
        for utt, text in tables.get(table, {}).items():
            better, done = mended(text, own, counts)
            if done:
                changes.line(
                    table, data.line(table, utt).number, f"{utt} {text}", f"{utt} {better}", ", ".join(done)
                )
                tables[table][utt] = better
            if "\ufffd" in text:
                changes.drop(utt, f"{table} has U+FFFD, a letter that was lost")
            elif not better:
                changes.drop(utt, f"nothing of its {table} is left")


def _fold(
    data: DataDir, cfg: Config, tables: dict[str, dict[str, str]], changes: Changes, forms: Forms
) -> None:
    """One form of each letter; the text is made again from the source's, where it was made of that."""
    of = normalise_utterance(cfg, data.table("utt2lang"), str(data.where("utt2lang")))
    raw = tables.get("text_raw", {})
    for utt, text in list(tables["text"].items()):
        better = " ".join(map(forms.fold, text.split()))
        if utt in raw and (source := " ".join(map(forms.fold, raw[utt].split()))) != raw[utt]:
            better = of(utt, source) if of(utt, raw[utt]) == text else better
            number = data.line("text_raw", utt).number
            changes.line("text_raw", number, f"{utt} {raw[utt]}", f"{utt} {source}", "one form of a letter")
            raw[utt] = source
        if better != " ".join(text.split()):
            number = data.line("text", utt).number
            changes.line("text", number, f"{utt} {text}", f"{utt} {better}", "one form of a letter")
            tables["text"][utt] = better


def _audio(data: DataDir, tables: dict[str, dict[str, str]], changes: Changes) -> None:
    """Absolute paths; what is missing, empty, a command or a segment of nothing goes, and durations that are
    none.
    """
    for utt in list(tables.get("utt2dur", {})):
        if data.seconds(utt) is None:
            row = f"{utt} {tables['utt2dur'].pop(utt)}"
            changes.line("utt2dur", data.line("utt2dur", utt).number, row, None, "not a duration")
    missing = {}
    for key, value in tables["wav.scp"].items():
        found = file_fault(data.line("wav.scp", key), data)
        if found and "utt2dur" in found[0]:
            row = f"{key} {tables['utt2dur'].pop(key)}"
            changes.line("utt2dur", data.line("utt2dur", key).number, row, None, found[0])
        elif found:
            missing[key] = found[0]
        tables["wav.scp"][key] = os.path.normpath(data.recipe / value)
    for utt, row in tables.get("segments", {}).items():
        words = row.split()
        try:
            good = len(words) == 3 and 0 <= float(words[1]) < float(words[2])
        except ValueError:
            good = False
        if not good or words[0] not in tables["wav.scp"]:
            changes.drop(utt, f"its segment is {row!r}")
        elif words[0] in missing:
            changes.drop(utt, missing[words[0]])
    if "segments" not in tables:
        for utt, why in missing.items():
            changes.drop(utt, why)


def _named_by_speaker(
    data: DataDir, tables: dict[str, dict[str, str]], changes: Changes
) -> dict[str, dict[str, str]]:
    """Speakers without spaces, and utterances whose ids begin with them, so that both sort alike."""
    names = {}
    for utt, speaker in tables["utt2spk"].items():
        right = "_".join(speaker.split())
        if right != speaker:
            number = data.line("utt2spk", utt).number
            changes.line(
                "utt2spk", number, f"{utt} {speaker}", f"{utt} {right}", "a speaker id has no spaces"
            )
            tables["utt2spk"][utt] = right
        names[utt] = utt if utt.startswith(right) else f"{right}-{utt}"
    speakers = [tables["utt2spk"][utt] for utt in sorted(names)]
    if all(a <= b for a, b in zip(speakers, speakers[1:], strict=False)):
        return tables
    changes.tables.append(
        f"all: {sum(a != b for a, b in names.items())} ids begin with their speaker's now, e.g. "
        + next((f"{a} is {b}" for a, b in names.items() if a != b), "none")
    )
    by_utt = set(tables) - ({"wav.scp"} if "segments" in tables else set())
    for table in by_utt:
        tables[table] = {names.get(key, key): value for key, value in tables[table].items()}
    return tables


def _part(tables: dict[str, dict[str, dict[str, str]]], changes: dict[str, Changes], train: str) -> None:
    """Take out of the training set what any other has, out of dev what test has, and out of further sets what
    dev and test have: by id and by recording.
    """
    order = ["test", "dev", *(name for name in tables if name not in ("test", "dev", train)), train]
    seen: dict[tuple[str, str], str] = {}
    for name in (name for name in order if name in tables):
        found = tables[name]
        audio = found.get("utt2audio", {})
        marks = {
            utt: [("id", utt)] + ([("audio", audio[utt])] if utt in audio else []) for utt in found["text"]
        }
        for utt, own in marks.items():
            if other := next((seen[mark] for mark in own if mark in seen), None):
                changes[name].drop(utt, f"{other} has it, too")
        keep = set(marks) - set(changes[name].left_out)
        seen |= {mark: name for utt in keep for mark in marks[utt]}
        _cut(found, keep)


def _rest(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """What the checks that read tables find in the copy."""
    for family in ("kaldi", "leaks", "alphabet"):
        for rule in importlib.import_module(f"xlt.check.{family}").CHECKS:
            yield from (fault for fault in rule(sets, cfg) if fault.severity != "note")


def _items(words: Iterable[str]) -> list[str]:
    return [f"- {escaped(what)}" for what in words]


def _report(sets: Sets, changes: dict[str, Changes], kept: dict[str, int], rest: list[Fault]) -> str:
    lines = [
        "# Repaired copy",
        "",
        "To use it: `data: {reader: kaldi, dir: THIS_FOLDER}` in recipe.yaml, then stages 1 and 2.",
    ]
    for name, own in changes.items():
        lines += [
            "",
            f"## {sets[name].folder}: {kept[name]} utterances kept, {len(own.left_out)} left out",
            "",
        ]
        lines += _items(own.tables)
        lines += (
            ["", "Left out:", "", *_items(f"{utt}: {why}" for utt, why in sorted(own.left_out.items()))]
            if own.left_out
            else []
        )
        for table, diff in own.diff.items():
            shown = "\n".join([f"--- {sets[name].where(table)}", f"+++ {name}/{table}", *diff])
            lines += ["", block(shown, "diff")]
        lines += [] if own.tables or own.left_out or own.diff else ["Nothing to correct."]
    if rest:
        lines += ["", "## Left to do", "", *_items(f"{fault.severity}: {fault}" for fault in rest)]
    return "\n".join(lines) + "\n"
