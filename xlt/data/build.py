"""Make data/all: decode, resample and filter a corpus, and count by reason whatever is left out."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tempfile
import unicodedata
import wave
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from xlt.audio.files import SAMPLE_RATE, audio_format, read_wav
from xlt.core import executor
from xlt.core.config import Config
from xlt.core.errors import DataError
from xlt.core.log import Progress, say
from xlt.core.registry import READERS
from xlt.core.stage import write_json
from xlt.data.corpora import Corpus, Utterance
from xlt.data.groups import connect
from xlt.data.splits import assign
from xlt.data.subsets import KNOWN
from xlt.formats.tables import spk2utt, write_table
from xlt.text.normalise import has_digits, normalise

MAX_UNREADABLE = 0.2  # a larger share means a damaged corpus, not a few bad clips
# a segment may end so much behind its recording, as in Kaldi; more means that the two do not belong together
OVERSHOOT_S = 0.5

# Reasons for leaving a clip out, in the order in which they are tried; those of readers come first.
REASONS = {
    "text without audio": "the corpus has a text but no clip",
    "audio without text": "the corpus has a clip but no text",
    "alphabet": "stamps of letters: the voice often says less than the text",
    "empty text": "nothing is left of the text after normalisation",
    "digits": "the text has digits; how they are said cannot be known",
    "unreadable": "the clip is missing, empty or not audio",
    "too short": "shorter than data.min_dur_s",
    "too long": "longer than data.max_dur_s",
    "too fast": "more text than can be said: over data.max_chars_per_s",
    "too slow": "too little text for the clip: under data.min_chars_per_s",
    "one clip, several texts": "the same audio stands with different texts; at least one is wrong",
    "duplicate": "audio and text are the same as in a clip that was kept",
}


@dataclass(frozen=True)
class Clip:
    """A decoded clip: its length, the hash of its samples, what its source was (``44100 2 mp3``), or why it
    could not be read.
    """

    dur_s: float = 0.0
    audio: str = ""
    format: str = ""
    error: str = ""


def write_wav(path: Path, samples: np.ndarray) -> None:
    """Write int16 samples (N,) as 16 kHz mono PCM; the file appears whole or not at all."""
    partial = path.with_name(f".{path.name}")
    with partial.open("wb") as handle, wave.open(handle, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        out.writeframes(samples.astype("<i2").tobytes())
    partial.replace(path)


@lru_cache(maxsize=1)
def _recording(path: Path, command: str | None, channel: int | None) -> tuple[np.ndarray, str]:
    """Samples (N,) at 16 kHz of a file, or of what ``command``, run in the folder ``path``, writes; and what
    they were.
    """
    if command is None:
        return read_wav(path, SAMPLE_RATE, channel), audio_format(path)
    with tempfile.NamedTemporaryFile(prefix="xlt-", suffix=".audio") as output:
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=path,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            check=False,
        )
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["it said nothing"]
            raise DataError(
                f"the command {command!r}, run in {path}, ended with status {done.returncode}:"
                f" {said[-1][:200]}"
            )
        try:
            return read_wav(output.name, SAMPLE_RATE, channel), audio_format(output.name)
        except DataError as err:
            raise DataError(
                f"the command {command!r}, run in {path}: its output is not audio: "
                f"{str(err).removeprefix(output.name + ': ')}"
            ) from None


def decode(job: tuple[Utterance, Path]) -> Clip:
    """Write the clip of an utterance as ``wav`` unless an earlier run has done so; level and content are left
    alone.
    """
    utt, wav = job
    try:
        if wav.exists() and utt.command is None:
            samples, source = np.rint(read_wav(wav) * 32768).astype(np.int16), audio_format(utt.audio)
        else:
            audio, source = _recording(utt.audio, utt.command, utt.channel)
            if utt.start_s is not None:
                _refuse_beyond(utt, len(audio) / SAMPLE_RATE)
                audio = audio[round(utt.start_s * SAMPLE_RATE) : round(utt.end_s * SAMPLE_RATE)]
            samples = np.clip(np.rint(audio * 32768), -32768, 32767).astype(np.int16)
            write_wav(wav, samples)
    except DataError as err:
        return Clip(error=str(err))
    return Clip(
        len(samples) / SAMPLE_RATE, hashlib.sha256(samples.astype("<i2").tobytes()).hexdigest()[:20], source
    )


def _refuse_beyond(utt: Utterance, dur_s: float) -> None:
    """DataError if the segment is not in its recording of ``dur_s`` seconds."""
    for what, time_s, limit_s in (("starts", utt.start_s, dur_s), ("ends", utt.end_s, dur_s + OVERSHOOT_S)):
        if time_s >= limit_s:
            raise DataError(f"{utt.audio}: {dur_s:.2f} s long, the segment {what} at {time_s} s")


class DecodeClips(executor.Work):
    """Messages ``(utterance, wav to write)`` → :class:`Clip`."""

    label = "data"

    def run(self, message: tuple[Utterance, Path], prepared: None) -> Clip:
        return decode(message)

    @staticmethod
    def describe(message: tuple[Utterance, Path]) -> str:
        return f"utterance {message[0].id} ({message[0].audio})"


def _decode_all(utts: list[Utterance], folder: Path, jobs: int) -> Iterator[Clip]:
    messages = [(utt, folder / f"{utt.id}.wav") for utt in utts]
    yield from executor.run("decode_clips", None, messages, executor.Workers(jobs))


def _filter_text(corpus: Corpus, normaliser: str, left_out: dict[str, list[str]]) -> dict[str, str]:
    """``{utterance: normalised text}`` of those whose text can be used."""
    texts = {}
    for utt in corpus.utterances:
        text = normalise(utt.text, normaliser)
        if not any(unicodedata.category(char)[0] in "LN" for char in text):
            left_out["empty text"].append(utt.id)
        elif has_digits(text):
            left_out["digits"].append(utt.id)
        else:
            texts[utt.id] = text
    return texts


def _why_not(clip: Clip, text: str, cfg: Config) -> str | None:
    """The reason to leave out a decoded clip, or None."""
    rate = len(text) / clip.dur_s if clip.dur_s else 0.0
    checks = {
        "unreadable": bool(clip.error),
        "too short": clip.dur_s < cfg.data.min_dur_s,
        "too long": clip.dur_s > cfg.data.max_dur_s,
        "too fast": rate > cfg.data.max_chars_per_s,
        "too slow": rate < cfg.data.min_chars_per_s,
    }
    return next((reason for reason, holds in checks.items() if holds), None)


def _drop_repeats(
    kept: list[str], texts: dict[str, str], clips: dict[str, Clip], left_out: dict[str, list[str]]
) -> list[str]:
    """One utterance of each audio; none where the same audio has different texts."""
    same: dict[str, list[str]] = defaultdict(list)
    for utt in kept:
        same[clips[utt].audio].append(utt)
    unique = []
    for utts in same.values():
        if len({texts[utt] for utt in utts}) > 1:
            left_out["one clip, several texts"] += utts
        else:
            unique.append(utts[0])
            left_out["duplicate"] += utts[1:]
    return unique


def build(cfg: Config, normaliser: str, out: Path, final: Path) -> dict:
    """Write ``out`` (which will stand at ``final``); returns counts. DataError if the corpus cannot be
    used.
    """
    corpus: Corpus = READERS.get(cfg.data.reader)(cfg)
    left_out: dict[str, list[str]] = {reason: [] for reason in REASONS}
    for reason, ids in corpus.left_out.items():
        left_out.setdefault(reason, []).extend(ids)
    twice = [utt for utt, count in Counter(utt.id for utt in corpus.utterances).items() if count > 1]
    if twice:
        raise DataError(
            f"{corpus.name}: {len(twice)} utterance ids stand twice, first {twice[0]!r}; rename one"
        )
    odd = [utt.id for utt in corpus.utterances if "/" in utt.id or utt.id.split() != [utt.id]]
    if odd:
        raise DataError(f"{corpus.name}: {odd[0]!r} cannot be an utterance id; use neither spaces nor '/'")
    texts = _filter_text(corpus, normaliser, left_out)
    utts = sorted((utt for utt in corpus.utterances if utt.id in texts), key=lambda u: u.id.encode())
    (out / "wav").mkdir(exist_ok=True)
    clips: dict[str, Clip] = {}
    with Progress("decoding", len(utts), "clips") as bar:
        for utt, clip in zip(utts, _decode_all(utts, out / "wav", cfg.jobs), strict=True):
            clips[utt.id] = clip
            bar.add()
    kept = []
    for utt in utts:
        reason = _why_not(clips[utt.id], texts[utt.id], cfg)
        if reason is None:
            kept.append(utt.id)
        else:
            left_out[reason].append(utt.id)
    _refuse_ruins(corpus, left_out, clips, len(utts))
    kept = _drop_repeats(kept, texts, clips, left_out)
    for utt in set(clips) - set(kept):
        (out / "wav" / f"{utt}.wav").unlink(missing_ok=True)
    if not kept:
        counts = ", ".join(f"{reason} {len(ids)}" for reason, ids in left_out.items() if ids)
        raise DataError(
            f"{corpus.name}: no utterance is left. Left out: {counts or 'nothing'}; `xlt data --help` "
            "lists the limits that can be changed"
        )
    chosen = set(kept)
    kept_utts = {utt.id: utt for utt in utts if utt.id in chosen}
    return _write(cfg, corpus, kept_utts, texts, clips, left_out, normaliser, out, final)


def _refuse_ruins(corpus: Corpus, left_out: dict[str, list[str]], clips: dict[str, Clip], tried: int) -> None:
    bad = left_out["unreadable"]
    if bad and len(bad) > MAX_UNREADABLE * tried:
        raise DataError(
            f"{corpus.name}: {len(bad)} of {tried} clips cannot be read, first: {clips[bad[0]].error}; "
            "the corpus is damaged: fetch or unpack it again"
        )


def _write(
    cfg: Config,
    corpus: Corpus,
    utts: dict[str, Utterance],
    texts: dict[str, str],
    clips: dict[str, Clip],
    left_out: dict[str, list[str]],
    normaliser: str,
    out: Path,
    final: Path,
) -> dict:
    """Tables of the Kaldi directory, ``utt2split``, ``utt2content``, tags and the report."""
    links: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, utt in utts.items():
        links["text", texts[name]].append(utt.content)
        links["own split", name].append(utt.content)
    groups = connect({utt.content for utt in utts.values()}, links.values())
    group_of = {name: groups[utt.content] for name, utt in utts.items()}
    try:
        utt2split, how = assign(utts, {name: clips[name].dur_s for name in utts}, group_of, cfg.data.split)
    except DataError as err:
        raise DataError(f"{corpus.name}: {err}") from None
    safe = {name: group.replace(" ", "_") for name, group in group_of.items()}
    write_table(out / "text", {name: texts[name] for name in utts})
    write_table(out / "text_raw", {name: " ".join(utt.text.split()) for name, utt in utts.items()})
    write_table(out / "wav.scp", {name: f"{final}/wav/{name}.wav" for name in utts})
    write_table(out / "utt2spk", {name: utt.speaker for name, utt in utts.items()})
    write_table(out / "spk2utt", spk2utt({name: utt.speaker for name, utt in utts.items()}))
    write_table(out / "utt2dur", {name: f"{clips[name].dur_s:.4f}" for name in utts})
    write_table(out / "utt2lang", {name: utt.lang for name, utt in utts.items()})
    write_table(out / "utt2audio", {name: clips[name].audio for name in utts})
    write_table(out / "utt2format", {name: clips[name].format for name in utts})
    write_table(out / "utt2group", safe)
    write_table(out / "utt2content", {name: utt.content for name, utt in utts.items()})
    write_table(out / "utt2split", utt2split)
    _write_tags(corpus, utts, out)
    minutes = {
        name: round(sum(clips[u].dur_s for u in utts if utt2split[u] == name) / 60, 3)
        for name in ("train", "dev", "test")
    }
    counts = Counter(utt2split.values())
    seen = len(utts) + sum(map(len, left_out.values()))
    report = {
        "corpus": corpus.name,
        "facts": corpus.facts,
        "lang": cfg.lang,
        "normaliser": normaliser,
        "seen": seen,
        "kept": len(utts),
        "groups": len(set(group_of.values())),
        "split": how,
        "minutes": {"all": round(sum(minutes.values()), 3), **minutes},
        "utterances": {name: counts[name] for name in minutes},
        "left_out": {reason: sorted(ids) for reason, ids in left_out.items() if ids},
        "reasons": {reason: REASONS.get(reason, reason) for reason, ids in left_out.items() if ids},
        "unreadable": {utt: clips[utt].error for utt in left_out["unreadable"]},
    }
    write_json(out / "report.json", report)
    say(
        f"  {corpus.name}, {cfg.lang}: {seen} items, {len(utts)} kept ({report['minutes']['all']:.1f}"
        f" minutes, {report['groups']} groups), {seen - len(utts)} left out"
        + (":" if seen > len(utts) else "")
    )
    for reason, ids in left_out.items():
        if ids:
            say(f"  {len(ids):6} {reason:24} {REASONS.get(reason, '')}")
    say(
        f"  split by {how['by']}: {how['why']}"
        f" ({', '.join(f'{part} {n}' for part, n in how['speakers'].items())} speakers)"
    )
    say(f"  every id stands in {os.path.join(final, 'report.json')}")
    return {"utterances": len(utts), "minutes": report["minutes"]["all"]}


def _write_tags(corpus: Corpus, utts: dict[str, Utterance], out: Path) -> None:
    """``utt2accent`` and the like, with the utterances that have the tag."""
    for tag in sorted({tag for utt in utts.values() for tag in utt.tags}):
        table = f"utt2{tag}"
        if not re.fullmatch("[a-z0-9_]+", tag) or table in KNOWN:
            raise DataError(
                f"{corpus.name}: {tag!r} cannot be a tag: {table} is a table of its own or not a plain file"
                " name; call it something else"
            )
        rows = {name: " ".join(utt.tags[tag].split()) for name, utt in utts.items() if tag in utt.tags}
        write_table(out / table, {name: value for name, value in rows.items() if value})
