"""Recordings without texts (``train.unlabelled``) as the set ``data/unlabelled``: everything but ``text``.

Texts come later, from ``train.teacher``. A recording of the training set, which has a text, is left out; one
of a held-out set is an error, since a model must not learn from what it is tested on. Of recordings that
clips of the corpus are parts of, only the rest is taken.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from xlt.audio.alike import Known, bands
from xlt.audio.files import SAMPLE_RATE, read_wav
from xlt.audio.media import Foreign
from xlt.audio.segment import cut_at_silences
from xlt.core.config import UNLABELLED, Config
from xlt.core.context import Context
from xlt.core.errors import ConfigError, DataError
from xlt.core.log import Progress, say
from xlt.core.stage import Unit, write_json
from xlt.data.build import MAX_UNREADABLE
from xlt.data.clips import audio_digest, recording, write_wav
from xlt.data.corpora.kaldi import segments_of, sources
from xlt.data.corpora.sounds import SUFFIXES
from xlt.data.spans import TABLE as SPANS
from xlt.data.spans import Taken
from xlt.formats.tables import read_scp, read_table, spk2utt, write_table

LONGEST_S = 20.0  # longer recordings are cut where they are quiet
REASONS = {
    "unreadable": "not audio, or empty",
    "too short": "shorter than data.min_dur_s",
    "duplicate": "the same audio as another one",
    "in train": "a training utterance, which has a text",
    "held out": "speech of a recording that dev or test has clips of",
}
_SETTINGS = ("data.min_dur_s", "data.max_dur_s", "data.allow_pipes")


class Recording(NamedTuple):
    """A file, or the part of it from ``start_s`` to ``end_s``; ``command`` is run in the folder ``path``."""

    id: str
    speaker: str
    path: Path
    start_s: float | None = None
    end_s: float | None = None


def unit(ctx: Context, seen: str) -> Unit:
    """``data/unlabelled`` of the folder ``train.unlabelled``; ``seen``: changes when something in the folder
    does. ConfigError as in :func:`check`.
    """
    cfg = ctx.cfg
    place = check(cfg)
    held_out = [name for name in cfg.checked_sets if name != cfg.train_set]
    return Unit(
        "data",
        ctx.data / UNLABELLED,
        {
            **cfg.section("train.unlabelled", *_SETTINGS),
            "recordings": seen,
            "lang": cfg.lang,
        },
        [ctx.data / name / table for name in cfg.checked_sets for table in ("utt2audio", "wav.scp")],
        lambda out: make(ctx, place, held_out, out),
    )


def check(cfg: Config, made: bool = True) -> Path:
    """The folder of ``train.unlabelled``; ConfigError for settings that do not go with it. ``made``: whether
    stage 1 has made its sets, of which the folder may be one: data/train beside a smaller data.train_minutes.
    """
    given = cfg.as_given("train.unlabelled")
    if cfg.train.teacher is None:
        raise ConfigError(
            f"train.unlabelled={given}: its texts are written by train.teacher, which is not set; name a"
            " trained experiment, e.g. train.teacher=../ron/exp/main"
        )
    for name, wanted in (("train.balance", None), ("tokens.language_tag", False), ("train.zero_shot", False)):
        if (found := cfg.flat()[name]) != wanted:
            raise ConfigError(f"train.unlabelled={given}: does not go with {name}={found}; leave one out")
    if cfg.data.reader == "recipes" or cfg.lang is None:
        raise ConfigError(
            f"train.unlabelled={given}: this recipe has several languages, and nothing says which of them the"
            " recordings are in; train a recipe of one language on them"
        )
    place = Path(str(cfg.train.unlabelled))
    if not place.is_dir() and (made or not place.is_relative_to(cfg.recipe / "data")):
        raise ConfigError(
            f"train.unlabelled={given}: no such folder; name a folder of sound files or a Kaldi directory"
            " (wav.scp)"
        )
    return place


_TAUGHT = "train.teacher writes those that are learned; to learn from these, make it the corpus (data.dir)"


def recordings(place: Path, cfg: Config, instead: str = _TAUGHT) -> list[Recording]:
    """What is in the folder: the utterances of a Kaldi directory, else all sound files below it; DataError if
    there is nothing, or a command in wav.scp. ``instead``: what is said of texts, which are not read.
    """
    if (place / "wav.scp").exists():
        return list(_of_kaldi(place, cfg, instead))
    if (place / "train" / "wav.scp").exists():
        raise DataError(
            f"{place}: has folders with Kaldi directories, held-out ones perhaps among them; name the"
            f" one that is meant, e.g. {place / 'train'}"
        )
    taken: dict[str, Path] = {}
    for path in sorted(p for p in place.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file()):
        inside = path.relative_to(place).with_suffix("").as_posix()
        name = re.sub(r"[\s/]+", "_", inside)
        while name in taken:  # a/b.wav, a_b.wav and a/b.mp3
            name += f"_{path.suffix[1:].lower()}"
        taken[name] = path
    if not taken:
        raise DataError(
            f"{place}: holds no sound files ({' '.join(sorted(SUFFIXES))}) and no wav.scp; name another"
            " folder"
        )
    return [Recording(f"{UNLABELLED}-{name}", UNLABELLED, path) for name, path in taken.items()]


def _of_kaldi(place: Path, cfg: Config, instead: str) -> Iterator[Recording]:
    audio = sources(place, cfg)
    speakers = read_table(place / "utt2spk") if (place / "utt2spk").exists() else {}
    if commands := [key for key, source in audio.items() if source.command]:
        raise DataError(
            f"{place / 'wav.scp'}: {len(commands)} commands, first that of {commands[0]!r}; write their"
            " output to files and name those"
        )
    if (place / "text").exists():
        say(f"  note: {place} has texts, which are not read: {instead}")
    whole = {key: (key, None, None) for key in audio}
    parts = segments_of(place, audio) if (place / "segments").exists() else whole
    for utt, (name, start_s, end_s) in sorted(parts.items(), key=lambda row: row[1][0]):
        speaker = speakers.get(utt, UNLABELLED)
        before = "" if speaker == UNLABELLED else f"{UNLABELLED}-"
        yield Recording(f"{UNLABELLED}-{utt}", before + speaker, audio[name].path, start_s, end_s)


def make(ctx: Context, place: Path, held_out: list[str], out: Path) -> dict:
    """Write the set; returns counts. DataError if most of it cannot be read, if nothing is left, or if a
    held-out utterance is among it.
    """
    cfg, known, tests, taken = ctx.cfg, _known(ctx, held_out), HeldOut(ctx, held_out), _Parts(ctx, held_out)
    found = recordings(place, cfg)
    (out / "wav").mkdir(exist_ok=True)
    left_out: dict[str, list[str]] = {reason: [] for reason in REASONS}
    rows: dict[str, tuple[str, float, str]] = {}  # utterance → speaker, seconds, audio hash
    first: dict[str, str] = {}
    tested: list[tuple[str, str, str]] = []
    unreadable: dict[str, DataError] = {}
    with Progress("decoding", len(found), "recordings") as bar:
        for one in found:
            for utt, start_s, samples in pieces(one, cfg, unreadable, out):
                audio, seconds = audio_digest(samples), len(samples) / SAMPLE_RATE
                other, name = known.get(audio, ("", "")) if audio in known else tests.of(samples)
                part = taken.of(one.path, start_s, seconds)
                if part:
                    left_out[part].append(utt)
                elif name in held_out:
                    tested.append((utt, other, name))
                elif name:
                    left_out["in train"].append(utt)
                elif seconds < cfg.data.min_dur_s:
                    left_out["too short"].append(utt)
                elif first.setdefault(audio, utt) != utt:
                    left_out["duplicate"].append(utt)
                else:
                    write_wav(out / "wav" / f"{utt}.wav", samples)
                    rows[utt] = (one.speaker, seconds, audio)
            bar.add()
    left_out["unreadable"] = list(unreadable)
    given = cfg.as_given("train.unlabelled")
    if tested:
        utt, other, name = tested[0]
        raise DataError(
            f"train.unlabelled={given}: {len(tested)} recordings are held-out utterances, first"
            f" {utt.removeprefix(UNLABELLED + '-')!r}, which is {other!r} of {name}; take them out: a model"
            " must not learn from what it is tested on"
        )
    _refuse_unreadable(given, unreadable, len(found))
    _refuse_nothing(given, left_out, rows)
    _write(out, ctx, rows)
    minutes = sum(seconds for _, seconds, _ in rows.values()) / 60
    report = {reason: ids for reason, ids in left_out.items() if ids}
    write_json(
        out / "report.json", {"utterances": len(rows), "minutes": round(minutes, 3), "left_out": report}
    )
    say(f"  {UNLABELLED}: {len(rows)} utterances, {minutes:.2f} minutes of {given}")
    for reason, ids in report.items():
        say(f"  {len(ids):6} left out: {REASONS[reason]} ({ids[0].removeprefix(UNLABELLED + '-')} …)")
    return {"utterances": len(rows), "minutes": round(minutes, 3)}


def _known(ctx: Context, held_out: list[str]) -> dict[str, tuple[str, str]]:
    """``{audio hash: (utterance, set)}`` of the recipe's own corpus, held-out sets first."""
    found: dict[str, tuple[str, str]] = {}
    for name in (*held_out, ctx.cfg.train_set):
        for utt, audio in read_table(ctx.data / name / "utt2audio").items():
            found.setdefault(audio, (utt, name))
    return found


class _Parts:
    """What the corpus has of recordings that its clips are parts of."""

    def __init__(self, ctx: Context, held_out: list[str]):
        path = ctx.everything / SPANS
        self.set_of = {utt: name for name, utt in _members(ctx, held_out)}
        rows = read_table(path) if path.exists() else {}
        self.taken = Taken({utt: span for utt, span in rows.items() if utt in self.set_of})
        self.held_out = held_out

    def of(self, path: Path, start_s: float, seconds: float) -> str | None:
        """Why so much of a recording is left out, a key of REASONS, or None."""
        utt = self.taken.of(path, start_s, start_s + seconds)
        return None if utt is None else "held out" if self.set_of[utt] in self.held_out else "in train"


def _members(ctx: Context, held_out: list[str]) -> Iterator[tuple[str, str]]:
    """Set and utterance of the training set and of those that are held out."""
    for name in (ctx.cfg.train_set, *held_out):
        yield from ((name, utt) for utt in read_table(ctx.data / name / "utt2audio"))


class HeldOut:
    """The clips of held-out sets, by their sound: a copy in another format has other samples."""

    def __init__(self, ctx: Context, sets: list[str]):
        waves = {name: read_scp(ctx.data / name / "wav.scp", ctx.recipe) for name in sets}
        self.clips = [(utt, name, path) for name in sets for utt, path in waves[name].items()]
        self.known = Known(len(self.clips), lambda number: bands(read_wav(self.clips[number][2])))

    def of(self, samples: np.ndarray) -> tuple[str, str]:
        """The held-out utterance that int16 samples (N,) are a copy of, and its set; else empty."""
        number = self.known.find(bands(samples / np.float32(32768)))
        return ("", "") if number is None else self.clips[number][:2]


def pieces(
    part: Recording, cfg: Config, unreadable: dict[str, DataError], folder: Path
) -> Iterator[tuple[str, float, np.ndarray]]:
    """Utterances, the second at which each begins, and its samples, int16 (N,), 16 kHz: a recording in
    pieces that are short enough; ``folder``: has room for a long one.
    """
    try:
        samples, *_ = recording(part.path, None, None, folder)
    except DataError as err:
        unreadable[part.id] = err
        return
    if part.start_s is not None:
        end = None if part.end_s is None else round(part.end_s * SAMPLE_RATE)
        samples = samples[round(part.start_s * SAMPLE_RATE) : end]
    ranges = cut_at_silences(samples, SAMPLE_RATE, min(LONGEST_S, cfg.data.max_dur_s))
    for start, end in ranges:
        name = part.id if len(ranges) == 1 else f"{part.id}-{start * 1000 // SAMPLE_RATE:08}ms"
        yield name, (part.start_s or 0.0) + start / SAMPLE_RATE, np.array(samples[start:end])


def _refuse_unreadable(given: str, unreadable: dict[str, DataError], count: int) -> None:
    if unreadable and len(unreadable) > MAX_UNREADABLE * count:
        first, why = next(iter(unreadable.items()))
        remedy = str(why) if isinstance(why, Foreign) else "they are damaged: copy them again"
        raise DataError(
            f"train.unlabelled={given}: {len(unreadable)} of {count} recordings cannot be read, first"
            f" {first.removeprefix(UNLABELLED + '-')!r}; {remedy}"
        )


def _refuse_nothing(given: str, left_out: dict[str, list[str]], rows: dict) -> None:
    if not rows:
        counts = ", ".join(f"{reason} {len(ids)}" for reason, ids in left_out.items() if ids)
        raise DataError(
            f"train.unlabelled={given}: nothing is left to learn from. Left out: {counts}; name other"
            " recordings, or leave train.unlabelled out"
        )


def _write(out: Path, ctx: Context, rows: dict[str, tuple[str, float, str]]) -> None:
    place = ctx.display_path(ctx.data / UNLABELLED)
    speakers = {utt: speaker for utt, (speaker, _, _) in rows.items()}
    tables = {
        "wav.scp": {utt: os.path.join(place, "wav", f"{utt}.wav") for utt in rows},
        "utt2spk": speakers,
        "spk2utt": spk2utt(speakers),
        "utt2dur": {utt: f"{seconds:.4f}" for utt, (_, seconds, _) in rows.items()},
        "utt2lang": dict.fromkeys(rows, ctx.cfg.language),
        "utt2audio": {utt: audio for utt, (_, _, audio) in rows.items()},
    }
    for table, values in tables.items():
        write_table(out / table, values)
