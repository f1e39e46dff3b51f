"""What is wrong with the sound: damaged files, lengths, repeats, segments; speakers that cannot be right.

The rules of :mod:`xlt.check.levels` and :mod:`xlt.check.formats` belong to this family.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median_high

from xlt.check import formats, levels
from xlt.check.datadir import DataDir, Sets
from xlt.check.faults import Fault
from xlt.check.formats import sampling
from xlt.check.kaldi import file_fault
from xlt.check.levels import IDS
from xlt.check.sound import readable_sounds, sounds
from xlt.core.config import Config

FEW = 20  # utterances: in fewer, speakers say nothing


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
                    "{file}: {error}",
                    "fetch or convert the file again, or remove the utterance",
                    values={"file": line.value, "error": sound.error},
                )


def as_long_as_said(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Files other than wav last as long as utt2dur says; of wav files audio_files reads it in the header."""
    for data in sets.values():
        durations = {} if "segments" in data.raw else data.table("utt2dur")
        for key, sound in readable_sounds(data, sets, cfg).items():
            line = data.line("wav.scp", key)
            said = data.seconds(key) if key in durations else None
            if said is not None and not line.value.endswith(".wav") and abs(sound.dur_s - said) > 0.1:
                yield Fault(
                    "error",
                    data.where("wav.scp", line.number),
                    "{file}: {dur_s:.2f} s long, but utt2dur says {said_s:.2f} s",
                    "the file may be cut short: fetch it again, or correct utt2dur",
                    values={"file": line.value, "dur_s": sound.dur_s, "said_s": said},
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
                "{count} utterances last less than {low:g} s or more than {high:g} s ({worst!r}:"
                " {dur_s:.2f} s)",
                "cut them, remove them, or change data.min_dur_s and data.max_dur_s",
                tuple(line.key for _, line in odd[:IDS]),
                {"count": len(odd), "low": low, "high": high, "worst": line.key, "dur_s": dur_s},
            )


def repeated_audio(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """The same samples under two ids of a set: under two texts one is wrong, under two speakers as well."""
    for data in sets.values():
        found = readable_sounds(data, sets, cfg)
        hashes = {key: sound.audio for key, sound in found.items() if not sound.silent}
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
                "{id!r} is the same recording as {other!r}" + (", with other {differ}" if differ else ""),
                (
                    "keep the one that is right"
                    if differ
                    else "keep one: it counts twice in training and scores"
                ),
                tuple(utts[:IDS]),
                {"id": utts[1], "other": utts[0], "differ": differ},
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
                    "{count} speaker ids ({speakers}) in the folder {folder}; other folders have one each",
                    "give one voice one id: else it may be in train and test",
                    tuple(found.values())[:IDS],
                    {"count": len(found), "speakers": ids[:80], "folder": folder},
                )


def speakers_told_apart(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """One id for all, or one for each utterance: nobody has said who speaks."""
    found: dict[str, list[DataDir]] = defaultdict(list)
    alone = len({line.value for data in sets.values() for line in data.lines.get("utt2spk", [])}) == 1
    for data in sets.values():
        speakers = [line.value for line in data.lines.get("utt2spk", [])]
        if len(speakers) >= FEW and (alone or len(set(speakers)) == len(speakers)):
            what = "all utterances have one speaker" if alone else "every utterance is its own speaker"
            found[what].append(data)
    for what, where in found.items():
        yield Fault(
            "note",
            where[0].where("utt2spk"),
            "{what} ({sets})",
            "if that is not so, "
            "nothing can tell whether train and test share voices, and scores by speaker say nothing",
            values={"what": what, "sets": ", ".join(data.name for data in where)},
        )


def segments_of_recordings(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Segments end within their recording, and do not overlap; stage 3 needs them cut."""
    for data in sets.values():
        if "segments" in data.raw:
            yield Fault(
                "error",
                data.where("segments"),
                "stage 3 reads one file per utterance",
                "import this directory with data.reader=kaldi data.dir=DIR, which cuts segments",
            )
        spans: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
        found = readable_sounds(data, sets, cfg)
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
                    "{id!r} ends at {end_s:.2f} s, but {recording!r} is {dur_s:.2f} s long",
                    "correct the times: they may be of another recording, or in other units",
                    values={
                        "id": line.key,
                        "end_s": span[1],
                        "recording": recording,
                        "dur_s": found[recording].dur_s,
                    },
                )
        for recording, parts in spans.items():
            yield from _overlaps(data, recording, sorted(parts))


def _overlaps(data: DataDir, recording: str, parts: list[tuple[float, float, str]]) -> Iterator[Fault]:
    """Segments (start, end, utterance) of a recording that begin before the one before ends."""
    for (_, end_s, first), (start_s, _, second) in pairwise(parts):
        if start_s < end_s - 0.05:
            yield Fault(
                "warning",
                data.where("segments", data.number("segments", second)),
                "{id!r} begins at {start_s:.2f} s of {recording!r}, before {before!r} ends ({end_s:.2f} s)",
                "correct the times, unless two people speak at once",
                (first, second),
                {"id": second, "start_s": start_s, "recording": recording, "before": first, "end_s": end_s},
            )


def droppable(sets: Sets, cfg: Config) -> dict[str, str]:
    """Training utterances that data/check/drop.txt proposes for data.drop, with the reason."""
    train = sets.get(cfg.train_set)
    return (
        {key: "digital silence" for key, sound in readable_sounds(train, sets, cfg).items() if sound.silent}
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
        found = [s for s in readable_sounds(data, sets, cfg).values() if not s.silent]
        if not found:
            continue
        rates = sorted({rate for rate, _ in sampling(data, sets, cfg).values()})
        rows.append(
            f"| {data.name} | {len(found)} | {median_high([s.level_db for s in found]):.0f} |"
            f" {median_high([s.range_db for s in found]):.0f} |"
            f" {100 * median_high([s.sound_s / s.dur_s for s in found]):.0f} |"
            f" {median_high([s.edge_hz for s in found]) / 1000:.1f} |"
            f" {' '.join(f'{rate / 1000:g}' for rate in rates)} |"
        )
    return (
        "Medians over the clips; levels are those of the loud twentieth of each, under full scale.\n\n"
        + "\n".join(rows)
    )


CHECKS = (
    unreadable_audio,
    as_long_as_said,
    *levels.CHECKS,
    outside_limits,
    *formats.CHECKS,
    repeated_audio,
    speakers_by_folder,
    speakers_told_apart,
    segments_of_recordings,
)
