"""Recordings in pieces, without those that a model has learned or is tested on, and drafts of the rest."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xlt.audio.alike import Known, bands
from xlt.audio.files import SAMPLE_RATE, read_wav
from xlt.bundle.label import label_of
from xlt.core import jsons
from xlt.core.errors import DataError
from xlt.core.log import Progress
from xlt.data.build import MAX_UNREADABLE
from xlt.data.normalisers import normaliser_of
from xlt.suggest.recipe import TRAIN, Corpus
from xlt.text.normalise import normalise

if TYPE_CHECKING:
    from xlt.bundle.transcribe import Transcriber
    from xlt.core.config import Config
    from xlt.formats.transcripts import Piece

REASONS = {
    "unreadable": "recordings that are not audio, or empty",
    "in train": "the same sound as a training clip",
    "of a clip": "parts of a recording that clips of the recipe were cut from",
    "alike": "the same sound as another piece",
    "too short": "shorter than data.min_dur_s",
    "empty": "the recogniser heard no words",
    "looped": "the recogniser repeated itself",
    "too fast": "more text than can be said: over data.max_chars_per_s",
    "too slow": "too little text for the piece, as in music or noise: under data.min_chars_per_s",
}


class Sound(NamedTuple):
    """A recording: as the user calls it, its file, and its length as its header says."""

    name: str
    path: Path
    duration_s: float


@dataclass(frozen=True)
class Draft:
    """A piece of a recording, the text that the recogniser wrote, and the probability that a word of it is
    right; ``words``: each with its own, normalised as texts of the training are; ``speaker``: "" where voices
    are not told apart."""

    sound: Sound
    start_s: float
    end_s: float
    text: str
    confidence: float
    words: tuple[tuple[str, float], ...]
    speaker: str = ""

    @property
    def seconds(self) -> float:
        return self.end_s - self.start_s

    def __str__(self) -> str:
        return f"{self.sound.name}, {self.start_s:.1f}–{self.end_s:.1f} s"


@dataclass
class Pieces:
    """``kept``: of each recording the numbers of the cuts that are new; ``count`` and ``seconds`` of these;
    ``left_out``: reason → places."""

    kept: dict[str, set[int]] = field(default_factory=dict)
    count: int = 0
    seconds: float = 0.0
    left_out: dict[str, list[str]] = field(default_factory=lambda: {reason: [] for reason in REASONS})


class _Stored:
    """Bands (T, B) of many pieces, in a file without a name: a day of speech has a gigabyte of them."""

    def __init__(self) -> None:
        self.file = tempfile.TemporaryFile()
        self.places: list[tuple[int, int]] = []
        self.width = 0

    def add(self, clip: np.ndarray) -> None:
        self.width = clip.shape[1]
        self.places.append((self.file.seek(0, 2), len(clip)))
        self.file.write(clip.astype(np.float16).tobytes())

    def __call__(self, number: int) -> np.ndarray:
        place, frames = self.places[number]
        self.file.seek(place)
        raw = self.file.read(2 * frames * self.width)
        return np.frombuffer(raw, np.float16).reshape(frames, self.width).astype(np.float32)


class _Piece(NamedTuple):
    """A cut of a recording: its number, first sample and length."""

    sound: Sound
    number: int
    start: int
    samples: int

    @property
    def seconds(self) -> float:
        return self.samples / SAMPLE_RATE

    def __str__(self) -> str:
        start_s = self.start / SAMPLE_RATE
        return f"{self.sound.name}, {start_s:.1f}–{start_s + self.seconds:.1f} s"


def find(sounds: Sequence[Sound], transcriber: Transcriber, corpus: Corpus, cfg: Config) -> Pieces:
    """The pieces of recordings that are new: neither training clips nor like an earlier piece.

    DataError if one is a held-out clip, if too many recordings cannot be read, or if nothing is new.
    """
    found, ours = Pieces(), _Ours(corpus)
    stored, new = _Stored(), []
    with Progress("listening", len(sounds), "recordings") as bar:
        for sound in sounds:
            try:
                new += _new(sound, transcriber, cfg, ours, found, stored)
            except DataError:
                found.left_out["unreadable"].append(sound.name)
            bar.add()
    ours.refuse()
    bad = found.left_out["unreadable"]
    if len(bad) > MAX_UNREADABLE * len(sounds):
        raise DataError(
            f"{bad[0]}: cannot be read, and so {len(bad)} of {len(sounds)} recordings; they are damaged: copy"
            " them again"
        )
    own = Known(len(new), stored)
    for number, piece in enumerate(new):
        if own.find(stored(number)) not in (number, None):  # the first that is like it; silence is like none
            found.left_out["alike"].append(str(piece))
            continue
        found.kept.setdefault(piece.sound.name, set()).add(piece.number)
        found.count, found.seconds = found.count + 1, found.seconds + piece.seconds
    return found


class _Ours:
    """The recipe's own clips by their sound; ``tested``: pieces that are held out, with utterance and set."""

    def __init__(self, corpus: Corpus):
        self.corpus, self.known = corpus, corpus.known()
        self.tested: list[tuple[str, str, str]] = []

    def set_of(self, clip: np.ndarray, where: str) -> str | None:
        """The set of the clip that ``clip`` (T, B) is a copy of, None if it is none."""
        number = self.known.find(clip)
        if number is None:
            return None
        utt, name, _ = self.corpus.clips[number]
        if name != TRAIN:
            self.tested.append((where, utt, name))
        return name

    def refuse(self) -> None:
        if self.tested:
            first, utt, name = self.tested[0]
            raise DataError(
                f"{first}: is {utt!r} of {name}; {len(self.tested)} of these recordings are held-out"
                " utterances: take them out: a model must not learn from what it is tested on"
            )


def _new(
    sound: Sound, transcriber: Transcriber, cfg: Config, ours: _Ours, found: Pieces, stored: _Stored
) -> list[_Piece]:
    """The pieces of one recording that are not the recipe's own, their bands ``stored``."""
    if sound.duration_s <= cfg.data.max_dur_s:  # a clip as it is, before silence is taken from it
        name = ours.set_of(bands(read_wav(sound.path)), sound.name)
        if name is not None:
            found.left_out["in train"] += [sound.name] if name == TRAIN else []
            return []
    kept = []
    for number, cut in enumerate(transcriber.cuts(str(sound.path))):
        piece = _Piece(sound, number, cut.start, len(cut.samples))
        if piece.seconds < cfg.data.min_dur_s:
            found.left_out["too short"].append(str(piece))
            continue
        start_s = piece.start / SAMPLE_RATE
        if ours.corpus.parts.of(sound.path, start_s, start_s + piece.seconds):
            found.left_out["of a clip"].append(str(piece))
            continue
        clip = bands(cut.samples)
        name = ours.set_of(clip, str(piece))
        if name is None:
            stored.add(clip)
            kept.append(piece)
        elif name == TRAIN:
            found.left_out["in train"].append(str(piece))
    return kept


def drafts(
    sounds: Sequence[Sound], transcriber: Transcriber, pieces: Pieces, cfg: Config, log: Path, key: str
) -> list[Draft]:
    """What the recogniser writes of the new pieces; those of which nothing can be learned are left out.

    ``log``: what was written before is read from it, so that a stopped command goes on; ``key``: changes when
    the recogniser does.
    """
    made: list[Draft] = []
    log.parent.mkdir(parents=True, exist_ok=True)
    known = {tuple(place): piece for place, piece in jsons.whole_lines(log)}
    with log.open("a", encoding="utf-8") as file, Progress("drafts", pieces.count, "pieces") as bar:
        for sound in sounds:
            wanted, state = pieces.kept.get(sound.name, set()), sound.path.stat()
            before = (key, os.fspath(sound.path.resolve()), state.st_size, state.st_mtime_ns)
            for number, cut in enumerate(transcriber.cuts(str(sound.path)) if wanted else []):
                if number not in wanted:
                    continue
                place = (*before, cut.start, len(cut.samples))
                if place not in known:
                    known[place] = transcriber.piece(cut)
                    file.write(json.dumps([place, known[place]], ensure_ascii=False) + "\n")
                    file.flush()
                draft, reason = _draft(sound, known[place], cfg)
                if reason:
                    pieces.left_out[reason].append(str(draft))
                else:
                    made.append(draft)
                bar.add()
    return made


def _draft(sound: Sound, piece: Piece, cfg: Config) -> tuple[Draft, str | None]:
    """The draft of a piece, and why it is of no use, or None."""
    spelling = normaliser_of(cfg)
    confidence = label_of([piece]).confidence
    given = [(normalise(word["text"], spelling), word["confidence"]) for word in piece["words"]]
    words = [(word, confidence if sure is None else sure) for word, sure in given]
    kept = tuple((word, sure) for word, sure in words if word)
    draft = Draft(sound, piece["start_s"], piece["end_s"], piece["text"], confidence, kept)
    rate = len(normalise(piece["text"], spelling)) / draft.seconds
    why = {
        "empty": not kept,
        "looped": bool(piece.get("looped")),
        "too fast": rate > cfg.data.max_chars_per_s,
        "too slow": rate < cfg.data.min_chars_per_s,
    }
    return draft, next((reason for reason, holds in why.items() if holds), None)
