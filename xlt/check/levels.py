"""How loud the clips are: silence, noise, clipping, an offset.

A rule that judges each clip by itself is a function of its measurements, which :func:`worst` turns into one
fault a set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from xlt.check.datadir import Sets
from xlt.check.faults import Fault
from xlt.check.sound import Sound, readable_sounds
from xlt.core.config import Config

NOISE_DB = 6.0  # loud and quiet blocks of speech are 10 to 40 dB apart
QUIET_DB = -45.0
SOUND_SHARE = 0.25
CLIPPED_SHARE = 0.001
OFFSET = 0.02
IDS = 10


class Case(NamedTuple):
    """A clip with a fault: how bad it is, and in words."""

    badness: float
    shown: str


class Judgement(NamedTuple):
    """What is said of the clips in which ``case`` finds a fault (None for the others)."""

    problem: str
    remedy: str
    case: Callable[[Sound], Case | None]


def worst(sets: Sets, cfg: Config, rule: Judgement) -> Iterator[Fault]:
    """One warning a set: how many clips are at fault, at the line of the worst."""
    for data in sets.values():
        found: list[tuple[float, str, str]] = []
        for key, sound in readable_sounds(data, sets, cfg).items():
            if case := rule.case(sound):
                found.append((-case.badness, key, case.shown))
        if found:
            found.sort()
            _, key, shown = found[0]
            yield Fault(
                "warning",
                data.where("wav.scp", data.number("wav.scp", key)),
                "{count} of {total} clips " + rule.problem + " (worst: {worst!r}, {shown})",
                rule.remedy,
                tuple(key for _, key, _ in found[:IDS]),
                {"count": len(found), "total": len(data.lines["wav.scp"]), "worst": key, "shown": shown},
            )


def silent_audio(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Digital silence: an error in training, where it teaches that text can come of nothing; elsewhere it
    costs score.
    """
    for data in sets.values():
        training = data.name == cfg.train_set
        for key, sound in readable_sounds(data, sets, cfg).items():
            if sound.silent:
                yield Fault(
                    "error" if training else "warning",
                    data.where("wav.scp", data.number("wav.scp", key)),
                    "{id!r} is digital silence, {dur_s:.2f} s",
                    (
                        "find its recording, or list it in the file that data.drop names"
                        if training
                        else "find its recording, or remove it from the corpus: every system gets it wrong"
                    ),
                    values={"id": key, "dur_s": sound.dur_s},
                )


def only_noise(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Level that never changes: hum, hiss, a tone; speech has pauses and consonants."""

    def case(sound: Sound) -> Case | None:
        if sound.silent or sound.range_db >= NOISE_DB:
            return None
        return Case(-sound.range_db, f"its level changes by {sound.range_db:.1f} dB")

    remedy = "listen to it; correct it, or list it in the file that data.drop names"
    yield from worst(sets, cfg, Judgement("have nothing above their noise", remedy, case))


def low_level(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Speech so quiet that little more than rounding is left of it."""

    def case(sound: Sound) -> Case | None:
        if sound.silent or sound.level_db >= QUIET_DB:
            return None
        return Case(-sound.level_db, f"{sound.level_db:.0f} dB of full scale")

    remedy = "find the recordings as they were, or leave them out"
    yield from worst(sets, cfg, Judgement("are very quiet", remedy, case))


def mostly_silence(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Clips with little sound in them: cut wrongly, or with long pauses."""

    def case(sound: Sound) -> Case | None:
        share = sound.sound_s / sound.dur_s
        if sound.silent or sound.dur_s <= 1 or share >= SOUND_SHARE:
            return None
        return Case(1 - share, f"{sound.sound_s:.1f} s of sound in {sound.dur_s:.1f} s")

    yield from worst(sets, cfg, Judgement("are mostly silence", "cut them at the speech", case))


def clipped_audio(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Waves cut off at the top: recorded or amplified too loud."""

    def case(sound: Sound) -> Case | None:
        if sound.clipped < CLIPPED_SHARE:
            return None
        return Case(sound.clipped, f"{100 * sound.clipped:.1f}% of its samples are at the maximum")

    remedy = "find recordings that were not amplified"
    yield from worst(sets, cfg, Judgement("are clipped", remedy, case))


def dc_offset(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """A mean that is not 0: a fault of the sound card, which log-mels and upstreams see as energy."""

    def case(sound: Sound) -> Case | None:
        if sound.silent or abs(sound.offset) < OFFSET:
            return None
        return Case(abs(sound.offset), f"its mean is {sound.offset:+.3f} of full scale")

    remedy = "filter it out, e.g. sox IN OUT highpass 20"
    yield from worst(sets, cfg, Judgement("have a DC offset", remedy, case))


CHECKS = (silent_audio, only_noise, low_level, mostly_silence, clipped_audio, dc_offset)
