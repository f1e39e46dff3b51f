"""FLEURS (CC-BY-4.0): sentences of Wikipedia in 102 languages, in the release's layout.

``LL_RR/{train,dev,test}.tsv`` (no header: id, file, raw transcription, transcription, its characters,
samples, gender) with ``LL_RR/audio/{train,dev,test}/*.wav`` or ``audio/{train,dev,test}.tar.gz``, as on the
hub below ``data/``; or ``LL_RR.tar.gz``.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from pathlib import Path

from xlt.core.config import Config
from xlt.core.errors import DataError
from xlt.data.corpora import Corpus, Utterance
from xlt.data.corpora.archive import corpus_place, is_archive, listing, nearest, unpacked
from xlt.data.corpora.names import clean, folder_of
from xlt.data.corpora.rows import decoded
from xlt.data.corpora.sounds import Sounds
from xlt.data.groups import SPLITS
from xlt.text import languages
from xlt.text.languages import Language

_EXPECTED = "FLEURS: a folder such as sw_ke/ with train.tsv, dev.tsv, test.tsv and audio/, or sw_ke.tar.gz"
_COLUMNS = 7
_CLIP = re.compile(r"(.+/)?[a-z]{2,3}_[^/]+/audio/(train|dev|test)/\d+\.wav")


def recognise(place: Path) -> bool:
    """Whether ``place`` has train.tsv, dev.tsv or test.tsv beside audio/train … or audio/train.tar.gz …; or
    is such a tarball.
    """
    names = listing(place)
    if any(map(_CLIP.fullmatch, names)):  # in a tarball the tables may come after thousands of clips
        return True
    wanted = {f"{part}.tsv" for part in SPLITS}
    tables = {os.path.splitext(name)[0] for name in names if os.path.basename(name) in wanted}
    audio = {f"{os.path.dirname(table)}/audio/{os.path.basename(table)}".lstrip("/") for table in tables}
    return any(name.removesuffix(".tar.gz") in audio or os.path.dirname(name) in audio for name in names)


def read(cfg: Config) -> Corpus:
    """The three sets of ``cfg.lang``. Speakers are not named; those of train are others than those of dev and
    test.
    """
    lang = languages.get(cfg.lang)
    folder = _language(corpus_place(cfg, _EXPECTED), lang)
    corpus = Corpus(
        f"FLEURS {folder.name}", [], {}, {"licence": "CC-BY-4.0", "speakers": "not named; one a set"}
    )
    left_out: dict[str, list[str]] = defaultdict(list)
    for part in SPLITS:
        if not (folder / f"{part}.tsv").is_file():
            raise DataError(f"{folder / part}.tsv: no such file; expected {_EXPECTED}")
        _read_set(folder, part, lang, cfg, corpus, left_out)
    corpus.left_out = {reason: ids for reason, ids in left_out.items() if ids}
    return corpus


def _language(place: Path, lang: Language) -> Path:
    """The folder of ``lang`` in ``place`` or at most two folders below, as in a clone of the hub's
    repository. DataError.
    """
    found = nearest(place, lambda folder: any((folder / f"{part}.tsv").is_file() for part in SPLITS))
    if not found:
        raise DataError(f"{place}: no train.tsv, dev.tsv or test.tsv in it; expected {_EXPECTED}")
    return folder_of(lang, {folder: folder.name for folder in found}, place)


def _read_set(
    folder: Path, part: str, lang: Language, cfg: Config, corpus: Corpus, left_out: dict[str, list[str]]
) -> None:
    audio = next((path for path in (folder / "audio" / part, folder / part) if path.is_dir()), None)
    if audio is None:
        packed = [folder / "audio" / f"{part}{suffix}" for suffix in (".tar.gz", ".tar", ".zip")]
        audio = next((unpacked(path, cfg) for path in packed if is_archive(path)), None)
    if audio is None:
        raise DataError(
            f"{folder / 'audio' / part}: no such folder, nor {part}.tar.gz; fetch the audio of"
            f" {folder.name}, too"
        )
    sounds = Sounds(audio, cfg.recipe)
    table = folder / f"{part}.tsv"
    speaker = f"fleurs_{lang.iso}_{part}"
    lines = [(number, line) for number, line in enumerate(decoded(table)[0].split("\n"), 1) if line.strip()]
    for number, line in lines:
        values = line.rstrip("\r").split("\t")
        where = f"{table.name}:{number}"
        if len(values) != _COLUMNS or not values[0].isdigit():
            left_out["line without the seven values of FLEURS"].append(where)
            continue
        sentence, file, raw, *_, gender = values
        hits = sounds.find(file)
        name = f"{speaker}-{sentence}_{clean(Path(file).stem)}"
        if len(hits) != 1:
            left_out["text without audio"].append(name)
        elif not raw.strip():
            left_out["audio without text"].append(name)
        else:
            tags = {"gender": gender.strip().lower()} if gender.strip() else {}
            said = f"fleurs_{sentence}"  # the same in all languages
            corpus.utterances.append(
                Utterance(name, speaker, lang.code, raw, hits[0], said, split=part, tags=tags)
            )
    if lines and not any(utt.split == part for utt in corpus.utterances):
        raise DataError(
            f"{table}: none of its {len(lines)} lines has text and audio: the clips are not below {audio} "
            f"({sounds.count} sound files), or the file is not a table of FLEURS"
        )
