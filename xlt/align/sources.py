"""What is to be aligned: recordings with a text beside them, or with annotations of minutes in ELAN."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from xlt.align.texts import SUFFIXES, Paragraph, paragraphs
from xlt.audio.files import audio_header
from xlt.core.errors import ConfigError, DataError
from xlt.data.corpora import sounds
from xlt.data.corpora.beside import bare_names, folded
from xlt.data.corpora.elan import long_annotations

ELAN = ".eaf"


@dataclass(frozen=True)
class Stretch:
    """Text, and the part of the recording, in seconds, in which it is said; None: anywhere."""

    paragraphs: Sequence[Paragraph]
    start_s: float | None = None
    end_s: float | None = None


@dataclass(frozen=True)
class Job:
    """A recording and its text; ``path``: the file with the text; ``eaf``: the user's document of ELAN."""

    recording: Path
    path: Path
    stretches: Sequence[Stretch]
    eaf: Path | None = None


def jobs(
    recording: Path, transcript: Path | None, encoding: str | None, tier: str | None, longest_s: float
) -> tuple[list[Job], list[DataError]]:
    """The recording with its transcript; or, without one, all recordings in a folder that have a text called
    alike, and the annotations longer than ``longest_s`` of ELAN's documents, or of one; and what is wrong
    with others in the folder. ConfigError or DataError if there is nothing to align.
    """
    if transcript is not None:
        if transcript.suffix.lower() in sounds.SUFFIXES and recording.suffix.lower() in SUFFIXES:
            raise ConfigError(
                f"{recording}: is a text; name the recording first: xlt align {transcript} {recording}"
            )
        if not recording.is_file():
            what = "is a folder; leave the transcript out" if recording.is_dir() else "no such file; name it"
            raise DataError(f"{recording}: {what}")
        return [Job(recording, transcript, [Stretch(paragraphs(transcript, encoding))])], []
    if recording.suffix.lower() == ELAN and recording.is_file():
        return [_of_eaf(recording, tier, longest_s)], []
    if not recording.is_dir():
        raise ConfigError(
            f"{recording}: has no transcript; name it, too: xlt align {recording} TEXT.txt -o DIR"
        )
    return _of_folder(recording, encoding, tier, longest_s)


def _of_folder(
    folder: Path, encoding: str | None, tier: str | None, longest_s: float
) -> tuple[list[Job], list[DataError]]:
    places = [Path(root, name) for root, _, names in os.walk(folder) for name in sorted(names)]
    places = sorted(path for path in places if not path.name.startswith("."))
    by_name: dict[tuple[Path, str], Path] = {}
    for path in places:
        if path.suffix.lower() in SUFFIXES:
            for name in bare_names(path.stem):
                by_name.setdefault((path.parent, name), path)
    found, wrong = [], []
    for path in places:
        beside = by_name.get((path.parent, folded(path.stem)))
        try:
            if path.suffix.lower() == ELAN:
                found.append(_of_eaf(path, tier, longest_s))
            elif path.suffix.lower() in sounds.SUFFIXES and beside is not None:
                audio_header(path)  # refuses what is no sound
                found.append(Job(path, beside, [Stretch(paragraphs(beside, encoding))]))
        except DataError as err:
            wrong.append(err)
    texts: dict[Path, Path] = {}
    for job in found:
        other = texts.setdefault(job.recording.resolve(), job.path)
        if other != job.path:
            raise DataError(
                f"{job.path}: is a text of {job.recording}, as {other} is; take one of them out of the folder"
            )
    if not found and wrong:
        raise wrong[0]
    if not found:
        raise DataError(
            f"{folder}: no recording has a text called alike, such as a.mp3 and a.txt, and there is no .eaf;"
            " rename them, or name a recording and its transcript"
        )
    return found, wrong


def _of_eaf(path: Path, tier: str | None, longest_s: float) -> Job:
    recording, annotations = long_annotations(path, tier, longest_s)
    stretches = [
        Stretch([Paragraph(one.text, number)], one.start_s, one.end_s) for number, one in annotations
    ]
    return Job(recording, path, stretches, path)
