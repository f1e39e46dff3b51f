"""Mozilla Common Voice (CC0): ``cv-corpus-*/LOCALE/`` with validated, train, dev and test.tsv and
clips/*.mp3, or its tarball.

Since 2025 the tarballs come from Mozilla Data Collective, for which one registers; nothing is fetched here.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from xlt.core.config import Config
from xlt.core.errors import DataError
from xlt.core.log import say
from xlt.data import sets
from xlt.data.corpora import Corpus, Utterance
from xlt.data.corpora.archive import corpus_place, listing, nearest
from xlt.data.corpora.names import clean, folder_of
from xlt.data.corpora.rows import read_table
from xlt.data.groups import SPLITS
from xlt.text import languages
from xlt.text import normalise as text
from xlt.text.languages import Language

FURTHER = ("other", "invalidated", "validated")  # tables that are sets if decode.sets asks for them
_EXPECTED = "a tarball of Common Voice, or its unpacked folder (LOCALE/ with validated.tsv and clips/)"
_CLIP = re.compile(r"(.*/)?clips/common_voice_[^/]+\.mp3")
_TAGS = {
    "accents": "accent",
    "accent": "accent",
    "gender": "gender",
    "age": "age",
    "variant": "variant",
    "sentence_domain": "domain",
}


@dataclass(frozen=True)
class _Row:
    """A line of a .tsv: its place, its values, and the name of the clip."""

    where: str
    values: dict[str, str]
    clip: str


def recognise(place: Path) -> bool:
    """Whether ``place`` has clips/common_voice_….mp3, or validated.tsv beside clips/."""
    names = listing(place)
    folders = {os.path.dirname(name) for name in names}
    return any(_CLIP.fullmatch(name) for name in names) or any(
        os.path.basename(name) == "validated.tsv" and f"{os.path.dirname(name)}/clips".lstrip("/") in folders
        for name in names
    )


def read(cfg: Config) -> Corpus:
    """The validated clips of ``cfg.lang``: the official sets, with ``data.train_from: validated`` a larger
    train.

    What is left out of train: clips whose speaker or sentence dev or test have. Where an official set is
    empty, as in small languages, all validated clips are split by us. A further table that decode.sets names,
    such as other, is a set of the clips whose speaker and sentence train does not have.
    """
    lang = languages.get(cfg.lang)
    folder = _locale(corpus_place(cfg, _EXPECTED), lang)
    corpus = Corpus(f"Common Voice {folder.name}", [], {}, {"licence": "CC0-1.0", "locale": folder.name})
    left_out: dict[str, list[str]] = defaultdict(list)
    corpus.facts["lines"] = {path.stem: _count(path) for path in sorted(folder.glob("*.tsv"))}
    parts = _sets(folder, cfg, lang, left_out)
    asked = [name for name in sets.further(cfg) if name in FURTHER]
    lines = corpus.facts["lines"]
    here = ["validated"] if any(split is None for split, _ in parts) else []  # has been split here
    corpus.unread = {name: lines[name] for name in FURTHER if lines.get(name) and name not in [*asked, *here]}
    for name in asked:
        parts += _further(_rows(folder / f"{name}.tsv"), name, parts, _sentence(cfg, lang), left_out)
    reported = _reported(folder / "reported.tsv")
    corpus.facts["of reported sentences"] = sum(
        row.values.get("sentence", "").strip() in reported for _, row in parts
    )
    seen: set[str] = set()
    for split, row in parts:
        clip = folder / "clips" / row.clip
        speaker = "cv_" + hashlib.sha256(row.values["client_id"].encode()).hexdigest()[:10]
        utt = f"{speaker}-{clean(Path(row.clip).stem)}"
        reason = "clip in two sets" if row.clip in seen else _why_not(row, clip)
        seen.add(row.clip)
        if reason:
            left_out[reason].append(utt)
        else:
            tags = {
                tag: value for column, tag in _TAGS.items() if (value := row.values.get(column, "").strip())
            }
            words = row.values["sentence"]
            corpus.utterances.append(
                Utterance(utt, speaker, lang.code, words, clip, utt, split=split, tags=tags)
            )
    if len(left_out["text without audio"]) == len(parts):
        first = f", first {parts[0][1].clip}" if parts else ""
        raise DataError(
            f"{folder / 'clips'}: none of the {len(parts)} clips is there{first}; unpack the whole tarball"
        )
    corpus.left_out = {reason: ids for reason, ids in left_out.items() if ids}
    return corpus


def _locale(place: Path, lang: Language) -> Path:
    """The folder of the locale that is ``lang``, in ``place`` or at most two folders below; DataError."""
    found = nearest(
        place, lambda folder: any((folder / table).is_file() for table in ("validated.tsv", "train.tsv"))
    )
    if not found:
        raise DataError(f"{place}: no validated.tsv or train.tsv in it; expected {_EXPECTED}")
    return folder_of(lang, {folder: _name(folder) for folder in found}, place)


def _name(folder: Path) -> str:
    """The locale of a folder: what its clips say, where it was renamed."""
    for table in ("validated.tsv", "train.tsv"):
        if (folder / table).is_file():
            with (folder / table).open(encoding="utf-8-sig", errors="replace") as lines:
                header, first = (
                    next(lines, "").rstrip("\n").split("\t"),
                    next(lines, "").rstrip("\n").split("\t"),
                )
            if "locale" in header and len(first) == len(header):
                return first[header.index("locale")]
    return folder.name


def _rows(path: Path) -> list[_Row]:
    """The lines of a .tsv; none if there is no such file, or only a header. DataError if it has not the
    columns.
    """
    if not _count(path):
        return []
    table = read_table(path, delimiter="\t", quoted=False)
    missing = {"client_id", "path", "sentence"} - set(table.columns)
    if missing:
        raise DataError(
            f"{path}:1: no column {' or '.join(sorted(missing))}, expected client_id, path and sentence, as"
            " in Common Voice; another table is read with data.reader=table"
        )
    found = []
    for line, values in table.rows:
        clip = values["path"].strip()  # the first releases have no ending
        found.append(_Row(f"{path.name}:{line}", values, clip if Path(clip).suffix else f"{clip}.mp3"))
    return found


def _count(path: Path) -> int:
    """Lines of a .tsv without its header."""
    if not path.is_file():
        return 0
    with path.open("rb") as lines:
        return max(0, sum(1 for line in lines if line.strip()) - 1)


def _reported(path: Path) -> set[str]:
    """Sentences that somebody has reported as wrong."""
    if not path.is_file():
        return set()
    return {
        values.get("sentence", "").strip()
        for _, values in read_table(path, delimiter="\t", quoted=False).rows
    }


def _sets(
    folder: Path, cfg: Config, lang: Language, left_out: dict[str, list[str]]
) -> list[tuple[str | None, _Row]]:
    """Which row is in which set, without what dev and test share with train; set None: split by us."""
    tables = {name: _rows(folder / f"{name}.tsv") for name in SPLITS}
    empty = [f"{name}.tsv" for name, rows in tables.items() if not rows]
    wider = cfg.data.train_from == "validated"
    validated = _rows(folder / "validated.tsv") if empty or wider else []
    if empty:
        say(f"  no clips in {' and '.join(empty)}: all {len(validated)} validated clips are split here")
        return [(None, row) for row in _once(validated)]
    sentence = _sentence(cfg, lang)
    held: list[tuple[str | None, _Row]] = [(name, row) for name in ("dev", "test") for row in tables[name]]
    clips = {row.clip for _, row in held}
    speakers, sentences = {row.values["client_id"] for _, row in held}, {sentence(row) for _, row in held}
    train: list[tuple[str | None, _Row]] = []
    for row in _once([*tables["train"], *validated]):
        if row.clip in clips:
            if not wider:
                left_out["clip in two sets"].append(row.where)
        elif row.values["client_id"] in speakers:
            left_out["its speaker is in dev or test"].append(row.where)
        elif sentence(row) in sentences:
            left_out["its sentence is in dev or test"].append(row.where)
        else:
            train.append(("train", row))
    return held + train


def _sentence(cfg: Config, lang: Language) -> Callable[[_Row], str]:
    """What a row says, normalised."""
    normaliser = text.check_name(cfg.data.normaliser or lang.normaliser)
    return lambda row: text.normalise(row.values["sentence"], normaliser)


def _further(
    rows: list[_Row],
    name: str,
    parts: list[tuple[str | None, _Row]],
    sentence: Callable[[_Row], str],
    left_out: dict[str, list[str]],
) -> list[tuple[str, _Row]]:
    """The set ``name``: rows that are in none of ``parts``, without what train, as the corpus has it, shares
    with them.
    """
    known = {row.clip for _, row in parts}
    train = [row for split, row in parts if split == "train"]
    speakers, sentences = {row.values["client_id"] for row in train}, set(map(sentence, train))
    found = []
    for row in _once(rows):
        if row.clip in known:  # validated.tsv has those of train, dev and test, too
            left_out[f"{name}: the clip is in another set"].append(row.where)
        elif row.values["client_id"] in speakers:
            left_out[f"{name}: its speaker is in train"].append(row.where)
        elif sentence(row) in sentences:
            left_out[f"{name}: its sentence is in train"].append(row.where)
        else:
            found.append((name, row))
    return found


def _once(rows: Iterable[_Row]) -> list[_Row]:
    return list({row.clip: row for row in reversed(list(rows))}.values())[::-1]


def _why_not(row: _Row, clip: Path) -> str | None:
    """The reason to leave out a clip, or None."""
    up, down = (
        int(value) if (value := row.values.get(key, "").strip()).isdigit() else 0
        for key in ("up_votes", "down_votes")
    )
    if down and down >= up:
        return "voted down"
    if not row.values["sentence"].strip():
        return "audio without text"
    return None if clip.is_file() else "text without audio"
