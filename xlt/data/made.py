"""Test sets that are made of others, in noise, in rooms, through telephones: entries of ``data.further`` with
``of`` and ``augment``. Each utterance is altered once and written as data, the same on each machine.

Its noise and rooms are other ones than those of training copies: the recordings of data/noise are parted.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from xlt.audio.augment import Copy, parsed
from xlt.audio.augment.levels import unclipped
from xlt.audio.augment.sounds import FACTS, Sounds
from xlt.audio.files import SAMPLE_RATE, read_wav
from xlt.core.config import Config
from xlt.core.context import Context
from xlt.core.errors import ConfigError
from xlt.core.log import Progress, say
from xlt.core.stage import Unit
from xlt.data.clips import audio_digest, write_wav
from xlt.data.subsets import partial_tables
from xlt.formats.tables import read_scp, read_table, spk2utt, write_table

_SOURCES = ("dev", "test")
_KEYS = {"set", "of", "augment"}
_KEPT = (
    "text",
    "text_raw",
    "utt2lang",
    "utt2group",
    "utt2content",
    "utt2format",
)  # tables with values as they are
_MADE = 1  # a new number makes the sets again


def is_made(part: Any) -> bool:
    """Whether an entry of ``data.further`` is a set that is made of another."""
    return isinstance(part, dict) and "reader" not in part and bool({"of", "augment"} & set(part))


def check(cfg: Config) -> None:
    """ConfigError for made sets in ``data.further`` that cannot be made."""
    for part in filter(is_made, cfg.data.further):
        where = f"data.further={cfg.as_given('data.further')}: {part.get('set')}"
        if set(part) != _KEYS or part["of"] not in _SOURCES:
            raise ConfigError(
                f"{where}: found {part}, expected a set, what it is made of ({' or '.join(_SOURCES)}), and"
                " how, such as {set: test_noise10, of: test, augment: 'noise:10'}"
            )
        copy = parsed(part["augment"], f"{where}: augment", cfg.data.noise)
        if copy.length(SAMPLE_RATE) != SAMPLE_RATE:
            raise ConfigError(f"{where}: {part['augment']}: changes how long speech takes; leave speed out")


def units(ctx: Context) -> Iterator[Unit]:
    """``data/test_noise10`` for each made set that ``decode.sets`` names."""
    for part in filter(is_made, ctx.cfg.data.further):
        if part["set"] not in ctx.cfg.decode.sets:
            continue
        source, copy = ctx.data / part["of"], Copy(part["augment"])
        inputs = [source]
        if ctx.cfg.data.noise and copy.draws:
            inputs.append(ctx.noise / FACTS)
        yield Unit(
            "data",
            ctx.data / part["set"],
            {"of": part["of"], "augment": part["augment"], "made": _MADE},
            inputs,
            functools.partial(_make, ctx, part["set"], part["of"], copy),
        )


def _make(ctx: Context, name: str, of: str, copy: Copy, out: Path) -> dict:
    source = ctx.data / of
    sounds = Sounds.open(ctx.noise, of) if ctx.cfg.data.noise and copy.draws else None
    copy = copy.with_noise(sounds.digest if sounds else "")
    waves, hashes = read_scp(source / "wav.scp", ctx.recipe), read_table(source / "utt2audio")
    ids = {utt: f"{name}-{utt}" for utt in waves}
    place = ctx.display_path(ctx.data / name)
    (out / "wav").mkdir(exist_ok=True)
    audio: dict[str, str] = {}
    seconds = 0.0
    with Progress(f"making {name}", len(waves), "utterances") as bar:
        for utt, path in waves.items():
            wave = unclipped(copy.wave(read_wav(path), f"{name} {hashes[utt]}", sounds))
            samples = np.rint(wave * 32767).astype(np.int16)
            write_wav(out / "wav" / f"{ids[utt]}.wav", samples)
            audio[ids[utt]] = audio_digest(samples)
            seconds += len(samples) / SAMPLE_RATE
            bar.add()
    speakers = {ids[utt]: f"{name}-{speaker}" for utt, speaker in read_table(source / "utt2spk").items()}
    tables = {
        "wav.scp": {utt: os.path.join(place, "wav", f"{utt}.wav") for utt in ids.values()},
        "utt2audio": audio,
        "utt2spk": speakers,
        "spk2utt": spk2utt(speakers),
        "utt2dur": {ids[utt]: dur for utt, dur in read_table(source / "utt2dur").items()},
    }
    kept = [table for table in (*_KEPT, *partial_tables(source)) if table not in ("utt2span", "utt2part")]
    for table in kept:
        if (source / table).exists():
            tables[table] = {ids[utt]: value for utt, value in read_table(source / table).items()}
    for table, rows in tables.items():
        write_table(out / table, rows)
    say(f"  {name}: {len(ids)} utterances of {of}, {seconds / 60:.1f} minutes, altered: {copy.recipe}")
    return {"utterances": len(ids), "minutes": round(seconds / 60, 3)}
