"""What is wrong with the sound itself: silence, noise, clipping, rates, channels, repeats; speakers that
cannot be right.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from xlt.audio.files import SAMPLE_RATE
from xlt.check.datadir import DataDir, Sets
from xlt.check.faults import Fault
from xlt.check.kaldi import file_fault
from xlt.check.sound import Sound, heard, sounds
from xlt.core.config import Config

NOISE_DB = 6.0  # loud and quiet blocks of speech are 10 to 40 dB apart
QUIET_DB = -45.0
SOUND_SHARE = 0.25
CLIPPED_SHARE = 0.001
OFFSET = 0.02
NARROW = 0.8  # of half the rate
TWO_SOURCES = 0.1
FEW = 20  # utterances: in fewer, speakers say nothing
IDS = 10

_LEAVE_OUT = "listen to it; mend it, or list it in the file that data.drop names"


class _Case(NamedTuple):
    badness: float
    key: str
    shown: str


def _worst(
    sets: Sets,
    cfg: Config,
    level: str,
    what: str,
    remedy: str,
    case: Callable[[Sound], tuple[float, str] | None],
) -> Iterator[Fault]:
    """One fault a set: how many files ``case`` (badness and words, or None) is about, at the line of the
    worst.
    """
    for data in sets.values():
        found = [
            _Case(of[0], key, of[1]) for key, sound in heard(data, sets, cfg).items() if (of := case(sound))
        ]
        if found:
            found.sort(key=lambda c: (-c.badness, c.key))
            yield Fault(
                level,
                data.where("wav.scp", data.number("wav.scp", found[0].key)),
                f"{len(found)} of {len(data.lines['wav.scp'])} clips {what} (worst: {found[0].key!r},"
                f" {found[0].shown})",
                remedy,
                tuple(c.key for c in found[:IDS]),
            )


def unreadable_audio(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Files that libsndfile cannot read to the end; what their header alone shows is the business of
    audio_files.
    """
    found = sounds(sets, cfg)
    for data in sets.values():
        for line in data.lines.get("wav.scp", []):
            sound = found.get(line.value)
            if sound and sound.error and file_fault(line, data) is None:
                yield Fault(
                    "error",
                    data.where("wav.scp", line.number),
                    f"{line.value}: {sound.error}",
                    "fetch or convert the file again, or remove the utterance",
                )


def as_long_as_said(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Files other than wav last as long as utt2dur says; of wav files audio_files reads it in the header."""
    for data in sets.values():
        durations = {} if "segments" in data.raw else data.table("utt2dur")
        for key, sound in heard(data, sets, cfg).items():
            line = data.line("wav.scp", key)
            said = data.seconds(key) if key in durations else None
            if said is not None and not line.value.endswith(".wav") and abs(sound.dur_s - said) > 0.1:
                yield Fault(
                    "error",
                    data.where("wav.scp", line.number),
                    f"{line.value}: {sound.dur_s:.2f} s long, but utt2dur says {said:.2f} s",
                    "the file may be cut short: fetch it again, or mend utt2dur",
                )


def silent_audio(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Digital silence: an error in training, where it teaches that text can come of nothing; elsewhere it
    costs score.
    """
    for data in sets.values():
        training = data.name == cfg.train_set
        for key, sound in heard(data, sets, cfg).items():
            if sound.silent:
                yield Fault(
                    "error" if training else "warning",
                    data.where("wav.scp", data.number("wav.scp", key)),
                    f"{key!r} is digital silence, {sound.dur_s:.2f} s",
                    (
                        "find its recording, or list it in the file that data.drop names"
                        if training
                        else "find its recording, or remove it from the corpus: every system gets it wrong"
                    ),
                )


def only_noise(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Level that never changes: hum, hiss, a tone; speech has pauses and consonants."""
    yield from _worst(
        sets,
        cfg,
        "warning",
        "have nothing above their noise",
        _LEAVE_OUT,
        lambda s: (
            (-s.range_db, f"its level changes by {s.range_db:.1f} dB")
            if not s.silent and s.range_db < NOISE_DB
            else None
        ),
    )


def low_level(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Speech so quiet that little more than rounding is left of it."""
    yield from _worst(
        sets,
        cfg,
        "warning",
        "are very quiet",
        "find the recordings as they were, or leave them out",
        lambda s: (
            (-s.level_db, f"{s.level_db:.0f} dB of full scale")
            if not s.silent and s.level_db < QUIET_DB
            else None
        ),
    )


def mostly_silence(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Clips with little sound in them: cut wrongly, or with long pauses."""

    def case(sound: Sound) -> tuple[float, str] | None:
        share = sound.sound_s / sound.dur_s
        return (
            (1 - share, f"{sound.sound_s:.1f} s of sound in {sound.dur_s:.1f} s")
            if (not sound.silent and sound.dur_s > 1 and share < SOUND_SHARE)
            else None
        )

    yield from _worst(sets, cfg, "warning", "are mostly silence", "cut them at the speech", case)


def clipped_audio(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Waves cut off at the top: recorded or amplified too loud."""
    yield from _worst(
        sets,
        cfg,
        "warning",
        "are clipped",
        "find recordings that were not amplified",
        lambda s: (
            (s.clipped, f"{100 * s.clipped:.1f}% of its samples stand at the top")
            if s.clipped >= CLIPPED_SHARE
            else None
        ),
    )


def dc_offset(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """A mean that is not 0: a fault of the sound card, which log-mels and upstreams see as energy."""
    yield from _worst(
        sets,
        cfg,
        "warning",
        "have a DC offset",
        "filter it out, e.g. sox IN OUT highpass 20",
        lambda s: (
            (abs(s.offset), f"its mean is {s.offset:+.3f} of full scale")
            if not s.silent and abs(s.offset) >= OFFSET
            else None
        ),
    )


def outside_limits(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Durations outside data.min_dur_s and data.max_dur_s, in directories that stage 1 has not filtered."""
    low, high = cfg.data.min_dur_s, cfg.data.max_dur_s
    for data in sets.values():
        odd = sorted(
            (dur_s, line)
            for line in data.lines.get("utt2dur", [])
            if (dur_s := data.seconds(line.key)) is not None and not low <= dur_s <= high
        )
        if odd:
            dur_s, line = odd[-1] if odd[-1][0] > high else odd[0]
            yield Fault(
                "warning",
                data.where("utt2dur", line.number),
                f"{len(odd)} utterances last less than {low:g} s or more than {high:g} s ({line.key!r}:"
                f" {dur_s:.2f} s)",
                "cut them, remove them, or change data.min_dur_s and data.max_dur_s",
                tuple(line.key for _, line in odd[:IDS]),
            )


def _formats(data: DataDir, sets: Sets, cfg: Config) -> dict[str, tuple[int, int]]:
    """``{key: (rate in Hz, channels)}`` of the recordings: as utt2format says, else of the files
    themselves.
    """
    found = {key: (sound.rate, sound.channels) for key, sound in heard(data, sets, cfg).items()}
    for line in data.lines.get("utt2format", []):
        words = line.value.split()
        if len(words) >= 2 and words[0].isdecimal() and words[1].isdecimal():
            found[line.key] = int(words[0]), int(words[1])
    return found


def odd_rates(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Recordings below 16 kHz have nothing in the upper half that upstreams hear; worse if only one set has
    them.
    """
    shares = {}
    for data in sets.values():
        rates = {key: rate for key, (rate, _) in _formats(data, sets, cfg).items()}
        counts = Counter(rates.values())
        low = [key for key, rate in rates.items() if rate < SAMPLE_RATE]
        shares[data.name] = len(low) / len(rates) if rates else 0.0
        table = "utt2format" if "utt2format" in data.raw else "wav.scp"
        if low or len(counts) > 1:
            listed = ", ".join(f"{n} at {rate / 1000:g} kHz" for rate, n in sorted(counts.items()))
            yield Fault(
                "note",
                data.where(table),
                f"recordings of {'several rates' if len(counts) > 1 else 'a low rate'}: {listed}",
                "all are heard at 16 kHz" + ("; of what is below, the upper band is empty" if low else ""),
                tuple(low[:IDS]),
            )
        if cfg.train_set in shares and abs(shares[data.name] - shares[cfg.train_set]) > 0.5:
            yield Fault(
                "warning",
                data.where(table),
                f"{100 * shares[data.name]:.0f}% of the recordings are below 16 kHz, of "
                f"{cfg.train_set} {100 * shares[cfg.train_set]:.0f}%",
                "train on what is to be recognised: resample the "
                "training set to the same rate and back, or find recordings of one rate",
            )


def several_channels(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Channels are averaged; where they hold two speakers, both are heard at once."""
    remedy = "if each has its own speaker, write one file a channel"
    yield from _worst(
        sets,
        cfg,
        "warning",
        "have two channels that differ, and are averaged",
        remedy,
        lambda s: (
            (s.apart, f"{100 * s.apart:.0f}% of its power is in the difference")
            if s.apart >= TWO_SOURCES
            else None
        ),
    )
    several = [
        (data, line.key)
        for data in sets.values()
        for line in data.lines.get("utt2format", [])
        if line.value.split()[1:2] not in ([], ["1"])
    ]
    if several:
        data, first = several[0]
        yield Fault(
            "note",
            data.where("utt2format", data.number("utt2format", first)),
            f"{len(several)} recordings had several channels, which stage 1 averaged",
            remedy,
            tuple(utt for _, utt in several[:IDS]),
        )


def narrow_band(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Nothing but rounding in the upper band: speech that was once at a lower rate, of which no table
    tells.
    """
    for data in sets.values():
        known = {key for key, (rate, _) in _formats(data, sets, cfg).items() if rate < SAMPLE_RATE}
        edges = {
            key: sound.edge_hz
            for key, sound in heard(data, sets, cfg).items()
            if key not in known and 0 < sound.edge_hz < NARROW * min(sound.rate, SAMPLE_RATE) / 2
        }
        if edges:
            common, _ = Counter(round(edge / 500) * 0.5 for edge in edges.values()).most_common(1)[0]
            yield Fault(
                "note",
                data.where("wav.scp", data.number("wav.scp", next(iter(edges)))),
                f"{len(edges)} of "
                f"{len(data.lines['wav.scp'])} clips have nothing above some frequency, mostly"
                f" {common:g} kHz",
                "they were upsampled, or coded with a narrow band; look whether the sets are alike in it",
                tuple(edges)[:IDS],
            )


def repeated_audio(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """The same samples under two ids of a set: under two texts one is wrong, under two speakers as well."""
    for data in sets.values():
        hashes = {key: sound.audio for key, sound in heard(data, sets, cfg).items() if not sound.silent}
        hashes |= {utt: known for utt, known in data.table("utt2audio").items() if utt in hashes}
        same: dict[str, list[str]] = defaultdict(list)
        for utt, audio in hashes.items():
            same[audio].append(utt)
        text, speaker = data.table("text"), data.table("utt2spk")
        for utts in same.values():
            if len(utts) < 2:
                continue
            texts, speakers = len({text.get(u) for u in utts}), len({speaker.get(u) for u in utts})
            differ = " and ".join(what for what, n in (("texts", texts), ("speakers", speakers)) if n > 1)
            yield Fault(
                "error" if texts > 1 else "warning",
                data.where("wav.scp", data.number("wav.scp", utts[1])),
                f"{utts[1]!r} is the same recording as {utts[0]!r}"
                + (f", with other {differ}" if differ else ""),
                (
                    "keep the one that is right"
                    if differ
                    else "keep one: it counts twice in training and scores"
                ),
                tuple(utts[:IDS]),
            )


def speakers_by_folder(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Where each voice has its own folder, a folder of several speaker ids is one voice under several
    names.
    """
    for data in sets.values():
        voices: dict[str, dict[str, str]] = defaultdict(dict)
        speaker = data.table("utt2spk")
        for line in data.lines.get("wav.scp", []):
            if line.key in speaker:
                voices[os.path.dirname(line.value)].setdefault(speaker[line.key], line.key)
        mixed = {folder: found for folder, found in voices.items() if len(found) > 1}
        if len(voices) >= 4 and 0 < len(mixed) <= len(voices) / 4:
            for folder, found in mixed.items():
                ids = ", ".join(sorted(found))
                yield Fault(
                    "warning",
                    data.where("utt2spk", data.number("utt2spk", list(found.values())[1])),
                    f"{len(found)} "
                    f"speaker ids ({ids[:80]}) on the folder {folder}, where other folders have one each",
                    "give one voice one id: else it may be in train and test",
                    tuple(found.values())[:IDS],
                )


def speakers_told_apart(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """One id for all, or one for each utterance: nobody has said who speaks."""
    found: dict[str, list[DataDir]] = defaultdict(list)
    alone = len({line.value for data in sets.values() for line in data.lines.get("utt2spk", [])}) == 1
    for data in sets.values():
        lines = data.lines.get("utt2spk", [])
        if len(lines) >= FEW and (alone or len({line.value for line in lines}) == len(lines)):
            found[
                "all utterances have one speaker" if alone else "every utterance is its own speaker"
            ].append(data)
    for what, where in found.items():
        yield Fault(
            "note",
            where[0].where("utt2spk"),
            f"{what} ({', '.join(data.name for data in where)})",
            "if that is not so, "
            "nothing can tell whether train and test share voices, and scores by speaker say nothing",
        )


def segments_of_recordings(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Segments end within their recording, and do not overlap; stage 3 wants them cut."""
    for data in sets.values():
        spans: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
        found = heard(data, sets, cfg)
        if "segments" in data.raw:
            yield Fault(
                "error",
                data.where("segments"),
                "stage 3 reads one file an utterance",
                "import this directory with data.reader=kaldi data.dir=DIR, which cuts segments",
            )
        for line in data.lines.get("segments", []):
            try:
                recording, start_s, end_s = line.value.split()
                span = float(start_s), float(end_s), line.key
            except ValueError:
                continue  # the rule of segments reports it
            spans[recording].append(span)
            if recording in found and span[1] > found[recording].dur_s + 0.1:
                yield Fault(
                    "error",
                    data.where("segments", line.number),
                    f"{line.key!r} ends at {span[1]:.2f} s, but {recording!r} is {found[recording].dur_s:.2f}"
                    " s long",
                    "mend the times: they may be of another recording, or in other units",
                )
        for recording, parts in spans.items():
            parts.sort()
            for (_, end_s, first), (start_s, _, second) in zip(parts, parts[1:], strict=False):
                if start_s < end_s - 0.05:
                    yield Fault(
                        "warning",
                        data.where("segments", data.number("segments", second)),
                        f"{second!r} begins at "
                        f"{start_s:.2f} s of {recording!r}, before {first!r} ends ({end_s:.2f} s)",
                        "mend the times, unless two people speak at once",
                        (first, second),
                    )


def droppable(sets: Sets, cfg: Config) -> dict[str, str]:
    """Training utterances that stand in the proposal for data.drop, with the reason."""
    train = sets.get(cfg.train_set)
    return (
        {key: "digital silence" for key, sound in heard(train, sets, cfg).items() if sound.silent}
        if train
        else {}
    )


def section(sets: Sets, cfg: Config, out: Path) -> str:
    """Levels, bands and rates of each set, as medians."""
    rows = [
        (
            "| set | clips | level, dB | loud over quiet, dB | sound, % of time | highest frequency, kHz |"
            " recorded at, kHz |"
        ),
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for data in sets.values():
        found = [s for s in heard(data, sets, cfg).values() if not s.silent]
        if not found:
            continue
        rates = sorted({rate for rate, _ in _formats(data, sets, cfg).values()})
        rows.append(
            f"| {data.name} | {len(found)} | {_median([s.level_db for s in found]):.0f} |"
            f" {_median([s.range_db for s in found]):.0f} |"
            f" {100 * _median([s.sound_s / s.dur_s for s in found]):.0f} |"
            f" {_median([s.edge_hz for s in found]) / 1000:.1f} |"
            f" {' '.join(f'{rate / 1000:g}' for rate in rates)} |"
        )
    return (
        "Medians over the clips; levels are those of the loud twentieth of each, under full scale.\n\n"
        + "\n".join(rows)
    )


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


CHECKS = (
    unreadable_audio,
    as_long_as_said,
    silent_audio,
    only_noise,
    low_level,
    mostly_silence,
    clipped_audio,
    dc_offset,
    outside_limits,
    odd_rates,
    several_channels,
    narrow_band,
    repeated_audio,
    speakers_by_folder,
    speakers_told_apart,
    segments_of_recordings,
)
