"""Where in a recording each clip is (``utt2span``), and which clips share speech: two tiers of a
conversation, sliding windows.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from xlt.data.corpora import Utterance

TABLE = "utt2span"
SHARED_S = 0.1  # seconds of speech in two clips; less are margins around neighbours


class Span(NamedTuple):
    """Part of a recording: start and end in seconds; the channel from 0, None if it is the mean of all."""

    start_s: float
    end_s: float
    channel: int | None
    recording: str

    def __str__(self) -> str:
        channel = "-" if self.channel is None else self.channel
        return f"{self.start_s:.3f} {self.end_s:.3f} {channel} {self.recording}"

    @classmethod
    def parse(cls, value: str) -> Span:
        """From a line of ``utt2span`` without its key; ValueError."""
        start, end, channel, recording = value.split(" ", 3)
        return cls(float(start), float(end), None if channel == "-" else int(channel), recording)


def spans(utts: Mapping[str, Utterance], durations: Mapping[str, float]) -> dict[str, Span]:
    """The spans of utterances that are parts of recordings, or wholes of which another is a part."""
    by_recording: dict[str, list[str]] = defaultdict(list)
    for name, utt in utts.items():
        by_recording[_recording(utt)].append(name)
    found = {}
    for recording, names in by_recording.items():
        if len(names) == 1 and utts[names[0]].start_s is None:
            continue
        for name in names:
            start_s = utts[name].start_s or 0.0
            found[name] = Span(start_s, start_s + durations[name], utts[name].channel, recording)
    return found


def _recording(utt: Utterance) -> str:
    place = os.path.realpath(utt.audio)
    return f"{place} {utt.command}" if utt.command else place


def overlaps(found: Mapping[str, Span]) -> Iterator[tuple[str, str, float]]:
    """Pairs of utterances that share speech of one recording and channel, and how many seconds."""
    by_recording: dict[str, list[str]] = defaultdict(list)
    for name, span in found.items():
        by_recording[span.recording].append(name)
    for names in by_recording.values():
        names.sort(key=lambda name: (found[name].start_s, name))
        open_ones: list[str] = []
        for name in names:
            own = found[name]
            open_ones = [other for other in open_ones if found[other].end_s > own.start_s]
            for other in open_ones:
                shared_s = min(found[other].end_s, own.end_s) - own.start_s
                one_channel = (
                    None in (own.channel, found[other].channel) or own.channel == found[other].channel
                )
                if one_channel and shared_s > SHARED_S:
                    yield other, name, shared_s
            open_ones.append(name)


class Taken:
    """What a corpus has of recordings that its clips are parts of; ``spans``: of a table ``utt2span``."""

    def __init__(self, spans: Mapping[str, str]):
        self._of: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
        for utt, value in spans.items():
            span = Span.parse(value)
            self._of[span.recording].append((span.start_s, span.end_s, utt))

    def of(self, recording: os.PathLike, start_s: float, end_s: float) -> str | None:
        """The utterance that has most of this part of a recording, None if none has more than SHARED_S."""
        own = self._of.get(os.path.realpath(recording), ())
        shared = [(min(end, end_s) - max(start, start_s), utt) for start, end, utt in own]
        most, utt = max(shared, default=(0.0, None))
        return utt if most > SHARED_S else None
