"""Sound in which nobody speaks, with empty texts (``data.empty``), so that a model learns to write nothing:
the set ``data/empty``, beside the training set, of which it is no part: no minute, check or score counts it.

Half of it is made of the corpus's own pauses, the noise of its rooms, the rest of coloured noise and digital
silence. N samples at 16 kHz, T frames of 32 ms.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from xlt.audio.augment.noise import coloured as of_slope
from xlt.audio.files import SAMPLE_RATE, read_wav
from xlt.audio.voice import FRAME, FRAME_S, Voice
from xlt.core.config import Config
from xlt.core.context import Context
from xlt.core.errors import ConfigError
from xlt.core.log import Progress, say
from xlt.core.stage import Unit
from xlt.data.clips import audio_digest, write_wav
from xlt.formats.tables import read_scp, read_table, spk2utt, write_table

QUIET, MARGIN_S, SHORTEST_S = 0.15, 0.13, 0.25  # of a pause: probability of speech, distance from it, length
BELOW_DB = 12.0  # under the loud blocks of its clip; louder is no pause
HEARD_S, ENOUGH_S = 1200.0, 60.0  # speech that is searched at most, and pauses that are enough
PIECE_S = (0.5, 10.0)  # shortest and longest piece
FADE_S = 0.02  # where pauses are joined
LEVELS_DB = (-65.0, -25.0)  # of coloured noise, under full scale
SLOPES = (0.0, 2.0)  # its power falls with frequency to minus this: white to brown
KINDS = ("room", "noise", "room", "noise", "room", "silence")  # in turn; without pauses, noise for room


def check(cfg: Config) -> None:
    """ConfigError for settings that empty texts do not go with."""
    own, flat = {"train.family": "espnet", "train.balance": None, "tokens.language_tag": False}, cfg.flat()
    for name, wanted in (own | {"train.posterior_weight": 0.0, "train.zero_shot": False}).items():
        if flat[name] != wanted:
            raise ConfigError(
                f"data.empty={cfg.data.empty:g}: does not go with {name}={flat[name]}; leave one out"
            )


def unit(ctx: Context) -> Unit:
    """``data/empty`` for the training set of this recipe; ConfigError as in :func:`check`."""
    check(ctx.cfg)
    own = ctx.data / ctx.cfg.train_set
    return Unit(
        "data",
        ctx.data / ctx.cfg.empty_sets[0],
        ctx.cfg.section("data.empty"),
        [own / table for table in ("utt2audio", "utt2dur", "wav.scp")],
        lambda out: make(ctx, out),
    )


def make(ctx: Context, out: Path) -> dict:
    """Write the set; returns counts."""
    cfg, rng, name = ctx.cfg, np.random.default_rng(0), ctx.cfg.empty_sets[0]
    own = ctx.data / cfg.train_set
    lengths = np.array([float(dur_s) for dur_s in read_table(own / "utt2dur").values()])
    room = pauses([Path(path) for path in read_scp(own / "wav.scp", ctx.recipe).values()], rng)
    found_s = sum(map(len, room)) / SAMPLE_RATE
    (out / "wav").mkdir(exist_ok=True)
    rows: dict[str, tuple[str, float, str]] = {}  # utterance → kind, seconds, audio hash
    while (said_s := sum(dur_s for _, dur_s, _ in rows.values())) < cfg.data.empty * lengths.sum():
        dur_s = min(float(np.clip(rng.choice(lengths), *PIECE_S)), cfg.data.empty * lengths.sum() - said_s)
        kind = KINDS[len(rows) % len(KINDS)]
        kind = "noise" if kind == "room" and found_s < PIECE_S[0] else kind
        samples = piece(kind, max(PIECE_S[0], dur_s), room, rng)
        utt = f"{name}-{kind}-{len(rows):05}"
        write_wav(out / "wav" / f"{utt}.wav", samples)
        rows[utt] = (kind, len(samples) / SAMPLE_RATE, audio_digest(samples))
    place = ctx.display_path(ctx.data / name)
    speakers = dict.fromkeys(rows, name)
    tables = {
        "text": dict.fromkeys(rows, ""),
        "wav.scp": {utt: os.path.join(place, "wav", f"{utt}.wav") for utt in rows},
        "utt2spk": speakers,
        "spk2utt": spk2utt(speakers),
        "utt2dur": {utt: f"{dur_s:.4f}" for utt, (_, dur_s, _) in rows.items()},
        "utt2audio": {utt: audio for utt, (_, _, audio) in rows.items()},
    }
    for table, values in tables.items():
        write_table(out / table, values)
    say(
        f"  {name}: {len(rows)} pieces without a text, {said_s / 60:.2f} minutes"
        f" (data.empty={cfg.data.empty:g}); {cfg.train_set} has pauses of {found_s:.1f} s"
    )
    return {"utterances": len(rows), "minutes": round(said_s / 60, 3)}


def pauses(paths: list[Path], rng: np.random.Generator) -> list[np.ndarray]:
    """Stretches of recordings in which nobody speaks, float32 (N,), as voice activity detection hears it."""
    found: list[np.ndarray] = []
    heard_s = found_s = 0.0
    voice = Voice()
    with Progress("pauses", len(paths), "clips") as bar:
        for number in rng.permutation(len(paths)):
            if heard_s > HEARD_S or found_s > ENOUGH_S:
                break
            samples = read_wav(paths[number])
            voice.reset()
            own = list(quiet(samples, voice(samples)))
            found += own
            found_s += sum(map(len, own)) / SAMPLE_RATE
            heard_s += len(samples) / SAMPLE_RATE
            bar.add()
    return found


def quiet(samples: np.ndarray, marks: np.ndarray) -> Iterator[np.ndarray]:
    """The pauses of one recording (N,); ``marks``: probabilities of speech, (T,)."""
    margin = round(MARGIN_S / FRAME_S)
    spoken = np.convolve(marks >= QUIET, np.ones(2 * margin + 1), "same") > 0  # (T,)
    edges = np.flatnonzero(np.diff(np.concatenate([[True], spoken, [True]]).astype(int)))
    blocks = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    if not len(blocks):
        return
    most = np.percentile(np.square(blocks).mean(axis=1), 95) * 10 ** (-BELOW_DB / 10)
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        part = samples[start * FRAME : end * FRAME]
        if len(part) >= SHORTEST_S * SAMPLE_RATE and 0 < np.square(part).mean() <= most:
            yield part


def piece(kind: str, dur_s: float, room: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """A piece of a kind of :data:`KINDS`, int16 (N,); ``room``: pauses to make it of."""
    count = round(dur_s * SAMPLE_RATE)
    if kind == "silence":
        return np.zeros(count, np.int16)
    made = coloured(count, rng) if kind == "noise" else joined(count, room, rng)
    return np.clip(np.rint(made * 32768), -32768, 32767).astype(np.int16)


def coloured(count: int, rng: np.random.Generator) -> np.ndarray:
    """Noise of a colour and a level, (count,)."""
    white = rng.normal(size=count)
    slope, level_db = rng.uniform(*SLOPES), rng.uniform(*LEVELS_DB)
    return of_slope(white, slope) * 10 ** (level_db / 20)


def joined(count: int, room: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Pauses one after another, each faded into the next, (count,)."""
    fade = round(FADE_S * SAMPLE_RATE)
    rise = np.sqrt(np.linspace(0, 1, fade))
    made = np.zeros(0)
    while len(made) < count:
        part = room[rng.integers(len(room))].astype(np.float64)
        if len(made):
            part[:fade] *= rise
            part[:fade] += made[-fade:] * rise[::-1]
            made = made[:-fade]
        made = np.concatenate([made, part])
    return made[:count]
