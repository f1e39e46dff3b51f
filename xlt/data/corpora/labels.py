"""Recordings and label files called alike: TextGrid, SRT, VTT, Audacity, exports of ELAN, CHAT, .lab or .txt.

The forms are those of :data:`xlt.core.registry.LABELS`. A file without times has the text of the whole
recording. The speaker is whom the file names, else the tier where several speak by turns, else the folder;
else a recording is a speaker, or, where recordings are single utterances, all of them are one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from xlt.core.config import Config
from xlt.core.errors import DataError
from xlt.core.log import say
from xlt.data.corpora import Corpus, Utterance, voices
from xlt.data.corpora import columns as meaning
from xlt.data.corpora.archive import corpus_place, is_archive, listing
from xlt.data.corpora.beside import (
    LabelFile,
    Pairs,
    bare_names,
    folded,
    forms,
    label_files,
    only_pair,
    suffixes,
    sure_suffixes,
)
from xlt.data.corpora.names import span, speaker_ids, utterance_ids
from xlt.data.corpora.rows import How, grids
from xlt.data.corpora.sounds import SUFFIXES, Sounds
from xlt.data.corpora.tiers import Piece, are_sounds, choose, somebody
from xlt.data.reasons import remedy
from xlt.formats.labels import Label
from xlt.text import encodings, languages
from xlt.text.scripts import parts

_EXPECTED = "a folder of recordings with label files beside them (.TextGrid, .srt, .vtt, .txt, .lab, .cha)"
_WORKBOOKS = (".xlsx", ".xlsm")
_TABLES = (".tsv", ".csv", ".jsonl", ".ndjson", *_WORKBOOKS)
_FOLDERS = 200  # that are looked at to recognise the form
_HEAD = 1 << 16  # bytes of a table, and lines, in which its header is
_LINES = 20
_WORDS = 3  # of a value from which on it is a text
_TOUCH_S = 0.05  # words of one utterance are parted by no more
_OVERSHOOT_S = 0.5  # a label may end so much behind its recording, as stage 1 allows it
_MANY = 3  # labels of a recording, on average, from which on it is no single utterance
# what tools write where nobody speaks
_SILENCE = set(
    "sil <sil> [sil] sp <sp> spn <spn> silence <silence> [silence] <p:> <p> <eps> <usb> <nib> # ## pau h# _"
    " {sl} <unk>".split()
)


class _Said(NamedTuple):
    """A label that can be used, of its file; ``speaker``: as the labels name it, or ""."""

    file: LabelFile
    label: Label
    speaker: str


def recognise(place: Path) -> bool:
    """Whether ``place`` has label files beside its sounds, or is one of a form with times, and no table has
    the texts.
    """
    wanted = suffixes()
    if place.is_file() and not is_archive(place):
        return place.suffix.lower() in sure_suffixes() or (
            place.suffix.lower() in wanted and _has_sound(place) and not _has_texts(place, set())
        )
    names = _names(place)
    bare = {folded(stem) for name in names if (stem := _stem(name, SUFFIXES))}
    found = {name for name in names if bare & set(bare_names(_stem(name, wanted)))}
    if not found:
        return place.is_dir() and only_pair(place) is not None
    tables = [name for name in names if name.lower().endswith(_TABLES)]
    if place.is_dir():
        return not any(_has_texts(place / name, bare) for name in tables)
    return set(tables) <= found or any(os.path.splitext(name)[1].lower() in sure_suffixes() for name in found)


def _stem(name: str, wanted: set[str]) -> str:
    """A file's name without folders and ending; nothing if the ending is not ``wanted``."""
    stem, suffix = os.path.splitext(os.path.basename(name))
    return stem if suffix.lower() in wanted else ""


def _has_sound(path: Path) -> bool:
    """Whether a sound file beside ``path`` is called like it."""
    with contextlib.suppress(OSError):
        beside = (_stem(other.name, SUFFIXES) for other in path.parent.iterdir())
        return folded(path.stem) in {folded(stem) for stem in beside if stem}
    return False


def _names(place: Path) -> list[str]:
    """Paths below a folder, all of those in its first folders, or in an archive."""
    if not place.is_dir():
        return listing(place)
    found = []
    for folder, folders, names in islice(os.walk(place), _FOLDERS):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        inside = os.path.relpath(folder, place)
        found += [os.path.normpath(os.path.join(inside, name)) for name in names]
    return found


def _has_texts(table: Path, bare: set[str]) -> bool:
    """Whether the first lines of a table have texts of sound files: by the names of its columns, or since
    most lines with the name of a sound file, which ``bare`` has without ending, have several words beside it.
    """
    try:
        if table.suffix.lower() in _WORKBOOKS:
            lines = [values for grid in grids(table, How()) for _, values in grid.lines[:_LINES]]
        else:
            with table.open("rb") as file:
                head = file.read(_HEAD).decode("utf-8-sig", "replace").lstrip()
            if head.startswith(("{", "[")):
                return True
            own = head.split("\n")[:_LINES]
            lines = [max((line.split(between) for between in "\t,;|"), key=len) for line in own]
    except (OSError, DataError):
        return False
    lines = [[value.strip(' "\r') for value in values] for values in lines]
    if any({"path", "text"} <= {meaning.role_of(value) for value in values} for values in lines):
        return True
    named = [values for values in lines if any(_bare(value) in bare for value in values)]
    return 2 * sum(any(len(value.split()) >= _WORDS for value in own) for own in named) > len(named)


def _bare(value: str) -> str:
    """What may be the name of a sound file, without folders and ending, in lower case."""
    name, suffix = os.path.splitext(os.path.basename(value.replace("\\", "/")))
    return (name if suffix.lower() in SUFFIXES else name + suffix).casefold()


def read(cfg: Config) -> Corpus:
    """The labels with text of all label files that belong to a recording; what cannot be used is listed."""
    place = corpus_place(cfg, _EXPECTED)
    root = place if place.is_dir() else place.parent
    sounds, lang = Sounds(root, cfg.recipe), languages.get(cfg.lang)
    encodings.check_name(cfg.data.encoding)
    paths = list(label_files(root)) if place.is_dir() else [place]
    pairs = Pairs(paths, sounds, lang, cfg.data.encoding)
    left_out = pairs.left_out
    if not pairs.files:
        raise DataError(_no_pair(place, sounds, left_out))
    if place.is_dir():
        left_out["audio without text"] += sounds.unnamed()
    files = _with_speakers(pairs.files)
    facts: dict = {"licence": "your own", "files": dict(Counter(file.form for file in files))}
    if others := Counter(file.encoding for file in files if file.encoding != "utf-8"):
        facts["encodings"] = dict(others)
    said = _usable(_choose_tiers(files, cfg, root, facts), root, left_out, facts)
    if not said:
        counts = ", ".join(f"{reason} {len(ids)}" for reason, ids in left_out.items() if ids)
        raise DataError(
            f"{files[0].path}: no label can be used, nor one of the {len(files) - 1} other label files:"
            f" {counts or 'all are empty'}; {'; '.join(map(remedy, filter(left_out.get, left_out)))}"
        )
    corpus = Corpus("labels", _utterances(said, root, lang.code, facts), {}, facts)
    corpus.left_out = {reason: ids for reason, ids in left_out.items() if ids}
    _tell(files, said, facts)
    return corpus


def _no_pair(place: Path, sounds: Sounds, left_out: dict[str, list[str]]) -> str:
    """Why nothing fits together."""
    if lost := left_out["text without audio"]:
        first = place / lost[0] if place.is_dir() else place
        return (
            f"{first}: no sound file of that name, nor for any other of {len(lost)} label files, and"
            f" {sounds.root} has {sounds.count} sound files; call a recording and its labels alike, such as"
            " a.wav and a.TextGrid"
        )
    if any(left_out.values()):
        counts = ", ".join(f"{reason} {len(names)}" for reason, names in left_out.items() if names)
        return f"{place}: no label file can be used: {counts}; call a recording and its labels alike"
    return f"{place}: no label files in it; expected {_EXPECTED}"


def _with_speakers(files: list[LabelFile]) -> list[LabelFile]:
    """The files with the speakers whom texts name, ``Ana: text``, of those that have no tiers."""
    by_turns = [file for file in files if not any(label.tier for label in file.labels)]
    found = voices.named_in_texts([file.labels for file in by_turns])
    changed = {file.path: labels for file, labels in zip(by_turns, found, strict=True)}
    return [file._replace(labels=changed.get(file.path, file.labels)) for file in files]


def _inside(file: LabelFile, root: Path) -> str:
    """A recording, seen from the corpus, without its ending."""
    return os.path.splitext(os.path.relpath(file.sound, root))[0]


def _is_silence(label: Label) -> bool:
    return not label.text.strip() or label.text.strip().casefold() in _SILENCE


def _choose_tiers(files: list[LabelFile], cfg: Config, root: Path, facts: dict) -> list[LabelFile]:
    """The files with the labels of the tiers that hold the texts, and the speakers that tiers are; words that
    touch each other joined. DataError.
    """
    scripts = parts(cfg.lang[4:]) if cfg.lang else ()
    pieces = [
        Piece(_inside(file, root), label.tier, label.start_s, label.end_s, label.text.strip(), label.speaker)
        for file in files
        for label in file.labels
        if label.tier and label.start_s is not None and label.end_s is not None
        if label.end_s > label.start_s and not _is_silence(label)
    ]
    tierless = [label.text for file in files for label in file.labels if not label.tier]
    words_form = [file for file in files if forms()[file.form].words]
    texts = [label.text for file in words_form for label in file.labels if not _is_silence(label)]
    if cfg.data.tier is None and are_sounds(texts):
        raise DataError(
            f"{words_form[0].path}: its labels are sounds of speech rather than words, such as {texts[0]!r};"
            " put a .txt with the text beside the recording, or set data.tier='*' to read them all the same"
        )
    setting = cfg.data.tier if pieces or not tierless else None
    chosen = choose(pieces, setting, scripts, root)
    if chosen.why:
        say(f"  {chosen.why}; data.tier names others")
    if named := sorted({tier for own in chosen.tiers.values() for tier in own}):
        facts["tiers"] = named
    found = []
    for file in files:
        key = _inside(file, root)
        own = chosen.tiers.get(key, {label.tier for label in file.labels})  # of points alone: all, to be told
        labels = [
            dataclasses.replace(label, speaker=label.speaker or chosen.speakers.get((key, label.tier), ""))
            for label in file.labels
            if not label.tier or label.tier in own
        ]
        if forms()[file.form].words or any(tier in chosen.words for tier in own):
            joined = _joined(labels, cfg.data.max_dur_s / 2)
            if len(joined) < len(labels):
                facts["words"] = "joined where they touch each other"
            labels = joined
        found.append(file._replace(labels=labels))
    return found


def _joined(labels: list[Label], longest_s: float) -> list[Label]:
    """Words that touch each other as one label, up to ``longest_s``, for each tier and speaker."""
    found: list[Label] = []
    last: dict[tuple[str, str], int] = {}
    for label in sorted(labels, key=lambda label: label.start_s or 0.0):
        key = (label.tier, label.speaker)
        before = found[last[key]] if key in last else None
        if (
            before is not None
            and not _is_silence(before)
            and not _is_silence(label)
            and before.end_s is not None
            and before.start_s is not None
            and label.start_s is not None
            and label.end_s is not None
            and abs(label.start_s - before.end_s) <= _TOUCH_S
            and label.end_s - before.start_s <= longest_s
        ):
            text = f"{before.text.strip()} {label.text.strip()}"
            found[last[key]] = dataclasses.replace(before, text=text, end_s=label.end_s)
        else:
            last[key] = len(found)
            found.append(label)
    return found


def _usable(files: list[LabelFile], root: Path, left_out: dict[str, list[str]], facts: dict) -> list[_Said]:
    """The labels with text and a place in their recording; the others are listed, empty ones counted."""
    said, empty = [], 0
    for file in files:
        spoken = [label for label in file.labels if not _is_silence(label)]
        empty += len(file.labels) - len(spoken)
        if not spoken:
            left_out["audio without text"].append(os.path.relpath(file.sound, root))
        dur_s = _duration_s(file.sound) if any(label.end_s is not None for label in spoken) else 0.0
        for label in spoken:
            if reason := _why_not(label, dur_s):
                left_out[reason].append(_where(file, label, root))
            else:
                said.append(_Said(file, label, label.speaker))
    facts["labels"] = len(said)
    facts["empty labels"] = empty
    behind = left_out["behind the end of the recording"]
    if len(behind) > len(said):
        first = next(file for file in files if behind[0].startswith(os.path.relpath(file.path, root)))
        raise DataError(
            f"{root / behind[0]}: begins or ends behind its recording, {first.sound.name}, of"
            f" {_duration_s(first.sound):.2f} s, and so do {len(behind) - 1} other labels; see whether label"
            " files and recordings belong together, and whether the times are seconds"
        )
    return said


def _where(file: LabelFile, label: Label, root: Path) -> str:
    return f"{os.path.relpath(file.path, root)}:{label.line}"


def _why_not(label: Label, dur_s: float) -> str | None:
    """The reason to leave out a label with text, or None; ``dur_s``: of its recording, 0 if not known."""
    if label.start_s is None or label.end_s is None:
        return None
    if label.start_s == label.end_s:
        return "a point in time"
    if not 0 <= label.start_s < label.end_s:
        return "the end is not behind the start"
    if dur_s and (label.start_s >= dur_s or label.end_s > dur_s + _OVERSHOOT_S):
        return "behind the end of the recording"
    return None


def _duration_s(sound: Path) -> float:
    """The length of a recording by its header; 0 if it has none that can be read."""
    from xlt.audio.files import audio_header

    with contextlib.suppress(DataError):
        return audio_header(sound).duration_s
    return 0.0


def _utterances(said: Sequence[_Said], root: Path, lang: str, facts: dict) -> list[Utterance]:
    """The utterances; who speaks is decided for all of them."""
    recordings = list(dict.fromkeys(one.file.sound for one in said))
    folders = [Path(os.path.relpath(sound, root)).parts[:-1] for sound in recordings]
    splits = voices.splits_of(folders)
    below = [own[1:] if split else own for own, split in zip(folders, splits, strict=True)]
    speakers, inner = voices.speakers_of(below)
    by_folder = dict(zip(recordings, speakers, strict=True))
    split_of = dict(zip(recordings, splits, strict=True))
    inner_of = dict(zip(recordings, inner, strict=True))
    single = len(said) < _MANY * len(recordings)
    names = []
    for one in said:
        inside = _inside(one.file, root)
        if one.speaker:
            names.append(somebody(one.speaker, inside))
        elif any(by_folder.values()):
            names.append(by_folder[one.file.sound])
        else:
            names.append(f"labels_{lang[:3]}" if single else inside)
    if not all(one.speaker for one in said):
        how = "all count" if single else "each recording counts"
        facts["speakers"] = f"not named: {'each folder counts' if any(by_folder.values()) else how} as one"
    ids = speaker_ids(names)
    wanted = []
    for one, who in zip(said, names, strict=True):
        name = f"{inner_of[one.file.sound]}/{one.file.sound.stem}".removeprefix("/")
        if one.label.start_s is not None and one.label.end_s is not None:
            name += f"-{span(one.label.start_s, one.label.end_s)}"
        wanted.append((ids[who], name, str(one.label.line)))
    return [
        Utterance(
            utt,
            ids[who],
            lang,
            one.label.text.strip(),
            one.file.sound,
            utt,
            one.label.start_s,
            one.label.end_s,
            split_of[one.file.sound],
            where=_where(one.file, one.label, root),
        )
        for utt, who, one in zip(utterance_ids(wanted), names, said, strict=True)
    ]


def _tell(files: Sequence[LabelFile], said: Sequence[_Said], facts: dict) -> None:
    """What was read, in a line."""
    counts = ", ".join(f"{number} {forms()[form].title}" for form, number in facts["files"].items())
    empty = f", {facts['empty labels']} empty ones skipped" if facts["empty labels"] else ""
    others = ", ".join(f"{number} {name}" for name, number in facts.get("encodings", {}).items())
    counts += f"; not in UTF-8: {others}" if others else ""
    tiers = facts.get("tiers", [])
    empty += f"; tier{'s' * (len(tiers) > 1)} {', '.join(map(repr, tiers[:8]))}" if tiers else ""
    speakers = f"; speakers {facts['speakers']}" if "speakers" in facts else ""
    say(f"  {len(files)} label files ({counts}): {len(said)} labels with text{empty}{speakers}")
