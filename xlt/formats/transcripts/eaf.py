"""ELAN's .eaf: a tier of pieces for each speaker, in a copy of the user's own document where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from xlt.formats import elan
from xlt.formats.transcripts import Transcript, TranscriptFormat, by_speaker

TIER = "xlt"


def render(transcript: Transcript) -> Iterator[str]:
    recording = Path(transcript.file)
    root = elan.read(transcript.eaf) if transcript.eaf else elan.new(recording)
    tiers = []
    for speaker, own in by_speaker(transcript.pieces).items():
        said = [elan.Annotation(piece["start_s"], piece["end_s"], piece["text"]) for piece in own]
        tiers.append(elan.Tier(f"{TIER}@{speaker}" if speaker else TIER, speaker, said))
    elan.add_tiers(root, tiers, recording.name, transcript.model)
    yield elan.written(root)


EAF = TranscriptFormat(render, ".eaf", several=False)
