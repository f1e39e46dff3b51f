"""A Kaldi data directory, or a folder with train/, dev/ and test/ that are ones; their split is then kept.

Other data directories beside them, such as test_noisy/, are further sets, which are read if decode.sets names
them.
Its wav.scp may have commands (``sph2pipe -f wav a.sph |``), which are run only if ``data.allow_pipes`` says
so.
"""

from __future__ import annotations

import dataclasses
import os
import shlex
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from xlt.core.config import Config
from xlt.core.errors import DataError
from xlt.core.log import say
from xlt.data import sets
from xlt.data.corpora import Corpus, Utterance
from xlt.data.corpora.archive import corpus_place, listing
from xlt.data.corpora.names import speaker_ids, utterance_ids
from xlt.data.groups import SPLITS
from xlt.data.subsets import tag_tables
from xlt.formats.tables import is_command, read_table
from xlt.text import languages

SETS = {"train": "train", "dev": "dev", "valid": "dev", "test": "test"}
_EXPECTED = (
    "a Kaldi data directory (wav.scp, text, utt2spk), or a folder with train/, dev/ and test/ that are ones"
)


class _Source(NamedTuple):
    """A file, or a command and the folder that it is run in."""

    path: Path
    command: str | None = None


def recognise(place: Path) -> bool:
    """Whether ``place`` has wav.scp and text, right there or in train/, dev/ or test/."""
    names = listing(place)
    folders = {os.path.dirname(name) for name in names if os.path.basename(name) == "wav.scp"}
    return any(f"{folder}/text".lstrip("/") in names for folder in folders)


def read(cfg: Config) -> Corpus:
    """The utterances of ``data.dir``; those without text or without audio are left out and listed."""
    root = corpus_place(cfg, _EXPECTED)
    if not root.is_dir():
        raise DataError(f"data.dir: {root}: a file, expected {_EXPECTED}")
    lang = languages.get(cfg.lang).code
    folders = _folders(root)
    asked = sets.further(cfg)
    corpus = Corpus(
        "kaldi",
        [],
        {"audio without text": [], "text without audio": []},
        {"licence": "your own"},
        {
            name: (folder / "wav.scp").read_bytes().count(b"\n")
            for name, folder in folders.items()
            if name is not None and name not in (*SPLITS, *asked)
        },
    )
    for name, folder in folders.items():
        if name not in corpus.unread:
            _read_dir(cfg, folder, name, lang, corpus)
    if not _sorts_by_speaker(corpus.utterances):
        corpus.utterances = _named_anew(corpus.utterances)
        corpus.facts["ids"] = "made anew: sorted, the corpus' own do not sort their speakers"
        say("  the ids of the corpus do not sort by speaker, as Kaldi needs it: new ones are made of them")
    first: dict[str, str | None] = {}
    for utt in corpus.utterances:
        if utt.id in first:
            raise DataError(
                f"{root}: utterance {utt.id!r} is in {first[utt.id] or root.name} and in {utt.split}; an"
                " utterance belongs to one set: remove it from the other"
            )
        first[utt.id] = utt.split
    return corpus


def _sorts_by_speaker(utts: list[Utterance]) -> bool:
    """Whether utterances in C order of their ids are in C order of their speakers, too."""
    speakers = [utt.speaker.encode() for utt in sorted(utts, key=lambda utt: utt.id.encode())]
    return all(a <= b for a, b in pairwise(speakers))


def _named_anew(utts: list[Utterance]) -> list[Utterance]:
    """The same with ids that sort like their speakers, for whom the corpus' words stay recognisable."""
    speakers = speaker_ids(utt.speaker for utt in utts)
    wanted = [(speakers[utt.speaker], utt.id, utt.split or "") for utt in utts]
    return [
        dataclasses.replace(utt, id=name, speaker=speakers[utt.speaker], content=name)
        for name, utt in zip(utterance_ids(wanted), utts, strict=True)
    ]


def _folders(root: Path) -> dict[str | None, Path]:
    """``{set: its folder}``, train, dev and test first; None for ``root`` itself where it is one directory
    without a split. DataError if a set is missing, or is there under two names.
    """
    order = [*SETS, *sorted(path.name for path in root.iterdir() if path.name not in SETS)]
    found: dict[str | None, Path] = {}
    for path in (root / name for name in order if (root / name / "wav.scp").exists()):
        name = SETS.get(path.name, path.name)
        if name in found:
            raise DataError(
                f"{root}: has {found[name].name} and {path.name}, which are both {name}; rename one"
            )
        found[name] = path
    own = [name for name in SPLITS if name in found]
    if own and len(own) < len(SPLITS):
        raise DataError(f"{root}: has {', '.join(own)}, expected train, dev and test, or wav.scp right there")
    return found if own else {None: root, **found}


def _read_dir(cfg: Config, folder: Path, split: str | None, lang: str, corpus: Corpus) -> None:
    text, utt2spk = (read_table(folder / name) for name in ("text", "utt2spk"))
    audio = sources(folder, cfg)
    tags = {name.removeprefix("utt2"): read_table(folder / name) for name in tag_tables(folder)}
    segments = (
        segments_of(folder, audio)
        if (folder / "segments").exists()
        else {key: (key, None, None) for key in audio}
    )
    corpus.left_out["audio without text"] += [utt for utt in segments if utt not in text]
    corpus.left_out["text without audio"] += [utt for utt in text if utt not in segments]
    for utt, (recording, start_s, end_s) in segments.items():
        if utt not in text:
            continue
        if utt not in utt2spk:
            raise DataError(
                f"{folder / 'utt2spk'}: utterance {utt!r} of text is missing; give each a speaker"
            )
        speaker = utt2spk[utt]
        name = utt if utt.startswith(speaker) else f"{speaker}-{utt}"
        own = {tag: table[utt] for tag, table in tags.items() if utt in table}
        source = audio[recording]
        corpus.utterances.append(
            Utterance(
                name,
                speaker,
                lang,
                text[utt],
                source.path,
                name,
                start_s,
                end_s,
                split,
                own,
                source.command,
                where=f"{folder.name}/text {utt}" if name != utt else "",
            )
        )


def sources(folder: Path, cfg: Config) -> dict[str, _Source]:
    """Files and commands of wav.scp; DataError if there are commands and ``data.allow_pipes`` does not allow
    them.
    """
    scp, found = folder / "wav.scp", {}
    for number, (key, value) in enumerate(read_table(scp, commands=True).items(), 1):
        if not is_command(value):
            found[key] = _Source(base(cfg.recipe, folder, value) / value)
        elif cfg.data.allow_pipes and value.endswith("|"):
            command = value.removesuffix("|").strip()
            found[key] = _Source(base(cfg.recipe, folder, *_words(command, f"{scp}:{number}")), command)
        else:
            raise DataError(
                f"{scp}:{number}: {key!r} is a command (it begins or ends with '|'): {value[:200]!r}."
                " Commands can do all that you can do, so none is run unasked: read them, then set"
                " data.allow_pipes=true; or write their output to files and name those"
            )
    commands = [source.command for source in found.values() if source.command]
    if commands:
        say(f"  data.allow_pipes: runs {len(commands)} commands of {scp}, first: {commands[0]}")
    return found


def _words(command: str, where: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError as err:
        raise DataError(
            f"{where}: {command!r}: not a command that a shell can read ({err}); correct its quotes"
        ) from None


def base(recipe: Path, folder: Path, *words: str) -> Path:
    """Where relative paths among ``words`` count from: where Kaldi was run, which is the recipe, the folder,
    or one above it.
    """
    for base in (recipe, folder, *folder.absolute().parents):
        if any((base / word).is_file() for word in words if not os.path.isabs(word)):
            return base
    return folder


def segments_of(folder: Path, audio: Mapping[str, object]) -> dict[str, tuple[str, float, float | None]]:
    """``{utterance: (recording, start, end)}`` of the table segments, seconds; an end of -1, which is Kaldi's
    word for the end of the recording, is None. DataError for other lines.
    """
    found: dict[str, tuple[str, float, float | None]] = {}
    path = folder / "segments"
    for number, (utt, value) in enumerate(read_table(path).items(), 1):
        try:
            recording, start, end = value.split()
            start_s, end_s = float(start), float(end)
        except ValueError:
            raise DataError(
                f"{path}:{number}: found {value!r}, expected RECORDING START END (seconds)"
            ) from None
        if recording not in audio:
            raise DataError(f"{path}:{number}: recording {recording!r} is not in wav.scp")
        if not 0 <= start_s < end_s and not (end_s == -1 and start_s >= 0):
            raise DataError(
                f"{path}:{number}: found {start}–{end} s, expected 0 <= start < end, or an end of -1"
            )
        found[utt] = (recording, start_s, None if end_s == -1 else end_s)
    return found
