"""Praat's TextGrid, long form (https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html): a tier
of pieces and one of their words, for each speaker.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from xlt.formats.transcripts import Transcript, TranscriptFormat, by_speaker


class _Interval(NamedTuple):
    """Times in seconds."""

    start_s: float
    end_s: float
    text: str


def render(transcript: Transcript) -> Iterator[str]:
    speakers = by_speaker(transcript.pieces)
    end_s = round(
        max([transcript.duration_s, *(piece["end_s"] for own in speakers.values() for piece in own)]), 3
    )
    tiers: list[tuple[str, list[_Interval]]] = []
    for speaker, own in speakers.items():
        before = f"{speaker} " if speaker else ""
        said = [_Interval(piece["start_s"], piece["end_s"], piece["text"]) for piece in own]
        words = [_Interval(w["start_s"], w["end_s"], w["text"]) for piece in own for w in piece["words"]]
        tiers.append((f"{before}utterances", _filled(said, end_s)))
        if words:
            tiers.append((f"{before}words", _filled(words, end_s)))
    yield 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n'
    yield f"xmin = 0\nxmax = {end_s}\ntiers? <exists>\nsize = {len(tiers)}\nitem []:\n"
    for number, (name, intervals) in enumerate(tiers, 1):
        yield f'    item [{number}]:\n        class = "IntervalTier"\n        name = {_quoted(name)}\n'
        yield f"        xmin = 0\n        xmax = {end_s}\n        intervals: size = {len(intervals)}\n"
        for place, one in enumerate(intervals, 1):
            yield f"        intervals [{place}]:\n            xmin = {one.start_s}\n"
            yield f"            xmax = {one.end_s}\n            text = {_quoted(one.text)}\n"


def _filled(found: Sequence[_Interval], end_s: float) -> list[_Interval]:
    """The intervals with empty ones between them, from 0 to ``end_s``: Praat wants no gap and no overlap."""
    filled, at = [], 0.0
    for one in found:
        start, end = max(at, round(one.start_s, 3)), round(one.end_s, 3)
        if end <= start:
            continue
        if start > at:
            filled.append(_Interval(at, start, ""))
        filled.append(_Interval(start, end, one.text))
        at = end
    if at < end_s or not filled:
        filled.append(_Interval(at, end_s, ""))
    return filled


def _quoted(text: str) -> str:
    doubled = text.replace('"', '""')
    return f'"{doubled}"'


TEXTGRID = TranscriptFormat(render, ".TextGrid", several=False)
