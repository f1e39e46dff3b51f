"""Mozilla Common Voice (CC0): ``cv-corpus-*/LOCALE/`` with validated, train, dev and test.tsv and clips/*.mp3, or its tarball.

Since 2025 the tarballs come from Mozilla Data Collective, for which one registers; nothing is fetched here.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from xlt import languages
from xlt.config import Config
from xlt.data import text
from xlt.data.corpora import Corpus, Utterance
from xlt.data.corpora.archive import corpus_place, listing
from xlt.data.corpora.names import clean, is_other_language, names_language
from xlt.data.corpora.rows import read_table
from xlt.errors import DataError
from xlt.languages import Language
from xlt.log import say

SETS = ("train", "dev", "test")
_EXPECTED = "a tarball of Common Voice, or its unpacked folder (LOCALE/ with validated.tsv and clips/)"
_CLIP = re.compile(r"(.*/)?clips/common_voice_[^/]+\.mp3")
_TAGS = {"accents": "accent", "accent": "accent", "gender": "gender", "age": "age", "variant": "variant", "sentence_domain": "domain"}
_CHINESE = {"Hans": "zh-cn", "Hant": "zh-tw"}  # locales that name a place where we name a script


@dataclass(frozen=True)
class _Row:
    """A line of a .tsv: where it stands, its values, the name of the clip, who speaks, and the sentence as it is compared."""

    where: str
    values: dict[str, str]
    clip: str
    client: str
    sentence: str


def recognise(place: Path) -> bool:
    """Whether ``place`` has clips/common_voice_….mp3, or validated.tsv beside clips/."""
    names = listing(place)
    folders = {os.path.dirname(name) for name in names}
    return any(_CLIP.fullmatch(name) for name in names) or any(
        os.path.basename(name) == "validated.tsv" and f"{os.path.dirname(name)}/clips".lstrip("/") in folders for name in names)


def read(cfg: Config) -> Corpus:
    """The validated clips of ``cfg.lang``: the official sets, with ``data.train_from: validated`` a larger train.

    What is left out of train: clips whose speaker or sentence dev or test have. Where an official set is empty, as in small
    languages, all validated clips are split by us.
    """
    lang = languages.get(cfg.lang)
    folder = _locale(corpus_place(cfg, _EXPECTED), lang)
    normaliser = text.check_name(cfg.data.normaliser or lang.normaliser)
    corpus = Corpus(f"Common Voice {folder.name}", [], {}, {"licence": "CC0-1.0", "locale": folder.name})
    left_out: dict[str, list[str]] = defaultdict(list)
    tables = {name: _rows(folder / f"{name}.tsv", normaliser) for name in (*SETS, "validated")}
    corpus.facts |= {"rows": {name: len(rows) for name, rows in tables.items()},
                     **{f"{name} (not read)": _count(folder / f"{name}.tsv") for name in ("invalidated", "other", "reported")}}
    parts = _sets(tables, cfg, left_out)
    reported = _reported(folder / "reported.tsv")
    corpus.facts["of reported sentences"] = sum(row.values.get("sentence", "").strip() in reported for _, row in parts)
    seen: set[str] = set()
    for split, row in parts:
        clip = folder / "clips" / row.clip
        speaker = "cv_" + hashlib.sha256(row.client.encode()).hexdigest()[:10]
        utt = f"{speaker}-{clean(Path(row.clip).stem)}"
        reason = "clip in two sets" if row.clip in seen else _why_not(row, clip)
        seen.add(row.clip)
        if reason:
            left_out[reason].append(utt)
        else:
            tags = {tag: value for column, tag in _TAGS.items() if (value := row.values.get(column, "").strip())}
            corpus.utterances.append(Utterance(utt, speaker, lang.code, row.values["sentence"], clip, utt, split=split, tags=tags))
    if parts and not corpus.utterances:
        raise DataError(f"{folder / 'clips'}: none of the {len(parts)} clips is there, first {parts[0][1].clip}; unpack the whole "
                        "tarball")
    corpus.left_out = dict(left_out)
    return corpus


def _locale(place: Path, lang: Language) -> Path:
    """The folder of the locale that is ``lang``, in ``place`` or at most two folders below; DataError."""
    found = [folder for pattern in (".", "*", "*/*") for folder in sorted(place.glob(pattern))
             if (folder / "validated.tsv").is_file() or (folder / "train.tsv").is_file()]
    found = list({folder.resolve(): folder.resolve() for folder in found})
    if not found:
        raise DataError(f"{place}: no validated.tsv or train.tsv in it; expected {_EXPECTED}")
    own = [folder for folder in found if names_language(_name(folder), lang)]
    exact = [folder for folder in own if _name(folder).casefold() == _CHINESE.get(lang.code[4:])]
    own = exact or own
    if len(own) > 1:
        raise DataError(f"{place}: has several locales of {lang.name}: {', '.join(_name(folder) for folder in own)}; name one: "
                        f"data.dir={own[0]}")
    if own:
        return own[0]
    if len(found) == 1 and not is_other_language(_name(found[0]), lang):  # a language that our table does not know
        say(f"  note: takes the locale {_name(found[0])} as {lang.code}")
        return found[0]
    raise DataError(f"{place}: has no {lang.name} ({lang.code}), but the locales {', '.join(_name(folder) for folder in found)}; "
                    "set lang, or name the folder of the locale in data.dir")


def _name(folder: Path) -> str:
    """The locale of a folder: what its clips say, where it was renamed."""
    for table in ("validated.tsv", "train.tsv"):
        if (folder / table).is_file():
            with (folder / table).open(encoding="utf-8-sig", errors="replace") as lines:
                header, first = next(lines, "").rstrip("\n").split("\t"), next(lines, "").rstrip("\n").split("\t")
            if "locale" in header and len(first) == len(header):
                return first[header.index("locale")]
    return folder.name


def _rows(path: Path, normaliser: str) -> list[_Row]:
    """The lines of a .tsv; none if there is no such file. DataError if it has not the columns."""
    if not path.is_file():
        return []
    table = read_table(path, delimiter="\t", quoted=False)
    missing = {"client_id", "path", "sentence"} - set(table.columns)
    if missing:
        raise DataError(f"{path}:1: no column {' or '.join(sorted(missing))}, expected client_id, path and sentence, as in Common "
                        "Voice; another table is read with data.reader=table")
    found = []
    for line, values in table.rows:
        clip = values["path"].strip()
        clip = clip if Path(clip).suffix else f"{clip}.mp3"  # the first releases have no ending
        found.append(_Row(f"{path.name}:{line}", values, clip, values["client_id"], text.normalise(values["sentence"], normaliser)))
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
    return {values.get("sentence", "").strip() for _, values in read_table(path, delimiter="\t", quoted=False).rows}


def _sets(tables: dict[str, list[_Row]], cfg: Config, left_out: dict[str, list[str]]) -> list[tuple[str | None, _Row]]:
    """Which row is in which set, without what dev and test share with train; set None: split by us."""
    if not all(tables[name] for name in SETS):
        empty = [name for name in SETS if not tables[name]]
        say(f"  {' and '.join(f'{name}.tsv' for name in empty)}: no clips; all {len(tables['validated'])} validated clips are split "
            "here")
        return [(None, row) for row in _once(tables["validated"])]
    held = [(name, row) for name in ("dev", "test") for row in tables[name]]
    speakers, sentences, clips = ({getattr(row, key) for _, row in held} for key in ("client", "sentence", "clip"))
    pool = tables["train"]
    if cfg.data.train_from == "validated":
        pool = list(_once([*pool, *tables["validated"]]))
    train = []
    for row in pool:
        reason = None
        if row.clip in clips:
            reason = None if cfg.data.train_from == "validated" else "clip in two sets"
        elif row.client in speakers:
            reason = "its speaker is in dev or test"
        elif row.sentence in sentences:
            reason = "its sentence is in dev or test"
        else:
            train.append(("train", row))
        if reason:
            left_out[reason].append(row.where)
    return held + train


def _once(rows: Iterable[_Row]) -> list[_Row]:
    return list({row.clip: row for row in reversed(list(rows))}.values())[::-1]


def _why_not(row: _Row, clip: Path) -> str | None:
    """The reason to leave out a clip, or None."""
    up, down = (int(value) if (value := row.values.get(key, "").strip()).isdigit() else 0 for key in ("up_votes", "down_votes"))
    if down and down >= up:
        return "voted down"
    if not row.values["sentence"].strip():
        return "audio without text"
    return None if clip.is_file() else "text without audio"
