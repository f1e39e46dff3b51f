"""NIST's CTM: a line a word, ``utterance channel start duration word confidence``, times in seconds
(sctk, doc/infmts.htm); sclite and Kaldi read it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from xlt.formats.transcripts import Word

CHANNEL = "1"


def ctm_line(name: str, channel: str, word: Word) -> str:
    """The line of a word, with its end. A confidence that is not known is left out."""
    start, end, confidence = word["start_s"], word["end_s"], word["confidence"]
    sure = "" if confidence is None else f" {confidence:.4f}"
    return f"{name} {channel} {start:.2f} {end - start:.2f} {word['text']}{sure}\n"


def write_ctm(path: Path, words: Mapping[str, Iterable[Word]]) -> None:
    """The words of each utterance in order of time; utterances sorted as Kaldi sorts."""
    lines = [ctm_line(utt, CHANNEL, word) for utt in sorted(words, key=str.encode) for word in words[utt]]
    path.write_text("".join(lines), encoding="utf-8", newline="\n")
