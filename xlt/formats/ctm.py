"""NIST's CTM: a line a word, ``utterance channel start duration word confidence``, times in seconds
(sctk, doc/infmts.htm); sclite and Kaldi read it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

CHANNEL = "1"


class Word(NamedTuple):
    """``confidence``: probability that the word is right, None if it is not known."""

    text: str
    start_s: float
    end_s: float
    confidence: float | None = None


def write_ctm(path: Path, words: Mapping[str, Iterable[Word]]) -> None:
    """The words of each utterance in order of time; utterances sorted as Kaldi sorts. A confidence that is
    not known is left out.
    """
    lines = []
    for utt in sorted(words, key=str.encode):
        for word in words[utt]:
            sure = "" if word.confidence is None else f" {word.confidence:.4f}"
            lines.append(
                f"{utt} {CHANNEL} {word.start_s:.2f} {word.end_s - word.start_s:.2f} {word.text}{sure}\n"
            )
    path.write_text("".join(lines), encoding="utf-8", newline="\n")
