"""How the recordings were made: sample rates, channels, bandwidth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from xlt.audio.channels import TWO_SOURCES
from xlt.audio.files import SAMPLE_RATE
from xlt.check.datadir import DataDir, Sets
from xlt.check.faults import Fault
from xlt.check.levels import IDS, Case, Judgement, worst
from xlt.check.sound import Sound, readable_sounds
from xlt.core.config import Config

NARROW = 0.8  # of half the rate


def sampling(data: DataDir, sets: Sets, cfg: Config) -> dict[str, tuple[int, int]]:
    """``{key: (rate in Hz, channels)}`` of the recordings: as utt2format says, else of the files
    themselves.
    """
    found = {key: (sound.rate, sound.channels) for key, sound in readable_sounds(data, sets, cfg).items()}
    for line in data.lines.get("utt2format", []):
        words = line.value.split()
        if len(words) >= 2 and words[0].isdecimal() and words[1].isdecimal():
            found[line.key] = int(words[0]), int(words[1])
    return found


def odd_rates(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Recordings below 16 kHz have nothing in the upper half that upstreams hear; worse if only one set has
    them.
    """
    shares: dict[str, float] = {}
    for data in sets.values():
        rates = {key: rate for key, (rate, _) in sampling(data, sets, cfg).items()}
        low = [key for key, rate in rates.items() if rate < SAMPLE_RATE]
        shares[data.name] = len(low) / len(rates) if rates else 0.0
        where = data.where("utt2format" if "utt2format" in data.raw else "wav.scp")
        counts = Counter(rates.values())
        if low or len(counts) > 1:
            listed = ", ".join(f"{n} at {rate / 1000:g} kHz" for rate, n in sorted(counts.items()))
            yield Fault(
                "note",
                where,
                "recordings of {what}: {rates}",
                "all are used at 16 kHz" + ("; of those below, the upper band is empty" if low else ""),
                tuple(low[:IDS]),
                {"what": "several rates" if len(counts) > 1 else "a low rate", "rates": listed},
            )
        if cfg.train_set in shares and abs(shares[data.name] - shares[cfg.train_set]) > 0.5:
            yield Fault(
                "warning",
                where,
                "{share:.0f}% of the recordings are below 16 kHz, of {train} {train_share:.0f}%",
                "train on what is to be recognised: resample the "
                "training set to the same rate and back, or find recordings of one rate",
                values={
                    "share": 100 * shares[data.name],
                    "train": cfg.train_set,
                    "train_share": 100 * shares[cfg.train_set],
                },
            )


def several_channels(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Channels are averaged; where they hold two speakers, both are heard at once; where they cancel each
    other, stage 1 takes one.
    """

    def case(sound: Sound) -> Case | None:
        if sound.apart < TWO_SOURCES:
            return None
        return Case(sound.apart, f"{100 * sound.apart:.0f}% of its power is in the difference")

    remedy = "if each has its own speaker, name it in a column channel (1 or 2), or write one file a channel"
    yield from worst(sets, cfg, Judgement("have two channels that differ, and are averaged", remedy, case))
    formats = {data.name: data.table("utt2format") for data in sets.values()}
    for severity, word, problem, what in (
        (
            "warning",
            "differ",
            "{count} of {total} clips have two channels that differ, and are averaged",
            remedy,
        ),
        (
            "note",
            "cancel",
            "{count} of {total} clips have channels that cancel each other; stage 1 took the louder one",
            "nothing, if their sound is right; else check how they were made",
        ),
    ):
        for data in sets.values():
            found = [utt for utt, form in formats[data.name].items() if form.split()[3:4] == [word]]
            if found:
                where = data.where("utt2format", data.number("utt2format", found[0]))
                total = len(formats[data.name])
                values = {"count": len(found), "total": total}
                yield Fault(severity, where, problem, what, tuple(found[:IDS]), values)
    several = [
        (data, utt)
        for data in sets.values()
        for utt, form in formats[data.name].items()
        if form.split()[1:2] not in ([], ["1"]) and len(form.split()) == 3
        if data.table("utt2span").get(utt, "0 0 - r").split()[2] == "-"
    ]
    if several:
        data, first = several[0]
        yield Fault(
            "note",
            data.where("utt2format", data.number("utt2format", first)),
            "{count} recordings had several channels, which stage 1 averaged",
            remedy,
            tuple(utt for _, utt in several[:IDS]),
            {"count": len(several)},
        )


def narrow_band(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Nothing but rounding in the upper band: speech that was once at a lower rate, of which no table
    tells.
    """
    for data in sets.values():
        known = {key for key, (rate, _) in sampling(data, sets, cfg).items() if rate < SAMPLE_RATE}
        edges = {
            key: sound.edge_hz
            for key, sound in readable_sounds(data, sets, cfg).items()
            if key not in known and 0 < sound.edge_hz < NARROW * min(sound.rate, SAMPLE_RATE) / 2
        }
        if edges:
            common, _ = Counter(round(edge / 500) * 0.5 for edge in edges.values()).most_common(1)[0]
            yield Fault(
                "note",
                data.where("wav.scp", data.number("wav.scp", next(iter(edges)))),
                "{count} of {total} clips have no power above some frequency, mostly {edge_khz:g} kHz",
                "they were upsampled, or coded with a narrow band; check whether all sets are like that",
                tuple(edges)[:IDS],
                {"count": len(edges), "total": len(data.lines["wav.scp"]), "edge_khz": common},
            )


CHECKS = (odd_rates, several_channels, narrow_band)
