"""The utterances that pages of stage 2 name: where they come from in the user's own files, and their
sound.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from xlt.audio.players import Sound, Sounds
from xlt.check.datadir import DataDir, Sets
from xlt.check.faults import Fault
from xlt.formats.tables import is_command
from xlt.text import languages

MOST = 20  # utterances of a fault that a page names


class Named(NamedTuple):
    """An utterance for a page. ``row``: in the user's own table, ``corpus.tsv:12``, or nothing; ``path``: the
    sound file as the user knows it; ``text``: as the corpus has it; ``lang``: a BCP 47 tag, or nothing.
    """

    id: str
    set: str
    row: str
    path: str
    text: str
    lang: str
    sound: Sound | None


def named(data: DataDir, utt: str, sounds: Sounds) -> Named:
    """All that a page says of an utterance, whatever its tables lack."""
    texts = data.table("text_raw") or data.table("text")
    return Named(
        utt,
        data.name,
        data.table("utt2row").get(utt, ""),
        path_of(data, utt),
        texts.get(utt, ""),
        _tag(data.table("utt2lang").get(utt, "")),
        _sound(data, utt, sounds),
    )


def in_fault(sets: Sets, fault: Fault, sounds: Sounds) -> list[Named]:
    """The utterances that a fault names, at most MOST."""
    return [named(data, utt, sounds) for data, utt in sets.named(fault)[:MOST]]


def path_of(data: DataDir, utt: str) -> str:
    """The sound file of an utterance: the user's own, else what wav.scp has."""
    recording = _segment(data, utt)[0]
    return data.table("utt2path").get(utt) or data.table("wav.scp").get(recording, "")


def _segment(data: DataDir, utt: str) -> tuple[str, float | None, float | None]:
    """Recording, start and end (seconds); the end may be that of the recording."""
    if "segments" not in data.raw:
        return utt, None, None
    try:
        recording, start, end = data.table("segments")[utt].split()
        start_s, end_s = float(start), float(end)
    except (KeyError, ValueError):
        return utt, None, None
    return recording, start_s, end_s if end_s > start_s else None


def _sound(data: DataDir, utt: str, sounds: Sounds) -> Sound | None:
    recording, start_s, end_s = _segment(data, utt)
    place = data.table("wav.scp").get(recording)
    if place is None:
        return None
    if is_command(place):
        sounds.missing["a command makes them"] += 1
        return None
    return sounds.of(os.path.join(data.recipe, place), start_s, end_s, data.seconds(utt))


def _tag(code: str) -> str:
    """``ron_Latn`` → ``ro-Latn``; nothing of what is no code."""
    return f"{languages.tag(code[:3])}-{code[4:]}" if languages.is_code(code) else ""
