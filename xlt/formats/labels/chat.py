"""CLAN's CHAT transcripts, .cha: utterances ``*ANA:<tab>text . <bullet>START_END<bullet>`` in milliseconds,
with what the CHAT manual (https://talkbank.org/0info/manuals/CHAT.pdf) writes into them besides words taken
out.

Dependent tiers, ``%mor:`` and the like, are not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from xlt.core.errors import DataError
from xlt.formats.labels import Label, LabelForm

_MAIN = re.compile(r"\*([^\s:]+):\s*(.*)", re.DOTALL)
_BULLET = re.compile(r"\x15(?:%snd:[^\x15]*?)?_?(\d{1,12})_(\d{1,12})-?\x15")
_ANY_BULLET = re.compile(r"\x15[^\x15\n]*\x15")
_GONE = re.compile(
    r"""\[[^\]]*\]      # codes: what was meant, retracings, comments, times
    | &[=*][^\s]*       # laughs and the like, and what others say meanwhile
    | [+][^\s\w]+[^\s]* # linkers and special ends of utterances
    | \(\.{1,3}\) | \(\d[\d.:]*\)   # pauses
    | [<>‹›„‡↑↓≠∾≈≋∙⌈⌉⌊⌋∇☺♋⁇∆∬§*▔▁°⁎]""",
    re.VERBOSE,
)
_UNCLEAR = re.compile(r"\b(?:xxx|yyy|www)\b")
_NOT_SAID = re.compile(r"(?<!\S)0\S*")  # words that grammar wants, and actions
_PREFIX = re.compile(r"(?<!\S)&[-+~]?")  # of fillers and fragments
_SUFFIX = re.compile(r"@[\w:$]*")  # kinds of words, mama@f
_LENGTH = re.compile(r"(?<=\w):(?=\w|\s|$)")


def fits(text: str) -> bool:
    return re.search(r"^@(?:UTF8|Begin)\s*$", text[:400], re.MULTILINE) is not None


def _entries(text: str) -> Iterator[tuple[int, str]]:
    """Lines with those that go on with a tab joined to them, and their numbers."""
    start, whole = 0, ""
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith(("\t", " ")) and whole:
            whole += " " + line.strip()
            continue
        if whole:
            yield start, whole
        start, whole = number, line.rstrip()
    if whole:
        yield start, whole


def parse(text: str, path: Path) -> Iterator[Label]:
    """The utterances that have times; DataError if none has, or one of them no speaker."""
    spoken = found = 0
    for number, entry in _entries(text):
        if not entry.startswith("*"):
            continue
        spoken += 1
        hit = _MAIN.match(entry)
        if not hit:
            raise DataError(
                f"{path}:{number}: found {entry[:60]!r}, expected *SPEAKER: and a tab; correct it"
            )
        times = _BULLET.search(hit[2])
        if times:
            found += 1
            start_s, end_s = int(times[1]) / 1000, int(times[2]) / 1000
            yield Label(_words(hit[2]), number, start_s, end_s, speaker=hit[1])
    if spoken and not found:
        raise DataError(
            f"{path}: none of its {spoken} utterances has times (bullets); link it to the sound in CLAN"
        )


def _words(entry: str) -> str:
    """What is said of a main line; nothing if a part cannot be understood or was not transcribed."""
    plain = _GONE.sub(" ", _ANY_BULLET.sub(" ", entry))
    if _UNCLEAR.search(plain):
        return ""
    plain = _SUFFIX.sub("", _PREFIX.sub("", _NOT_SAID.sub(" ", plain)))
    plain = re.sub(r"[()^]", "", _LENGTH.sub("", plain))
    return " ".join(re.sub(r"_|(?<=\w)\+(?=\w)", " ", plain).split())  # parts of compounds


CHAT = LabelForm("CHAT transcript of CLAN", (".cha",), fits, parse)
