"""Subtitles: SubRip's .srt, as players take it, and WebVTT (https://www.w3.org/TR/webvtt1/)."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from itertools import groupby, pairwise
from pathlib import Path

from xlt.core.errors import DataError
from xlt.formats.labels import Label, LabelForm, seconds

_TIME = r"(?:\d{1,6}\s*:\s*)?\d{1,2}\s*:\s*\d{1,2}(?:\s*[.,]\s*\d{1,3})?"
_TIMES = re.compile(rf"\s*({_TIME})\s*-->\s*({_TIME})(?:\s+\S.*)?\s*")  # behind it, positions and settings
_VOICE = re.compile(r"<v(?:\.[^\s>]*)*\s+([^>]+)>")
_RUBY = re.compile(r"<rt>.*?(?:</rt>|(?=</ruby>)|$)", re.DOTALL)  # how a word is read, written above it
_TAG = re.compile(r"</?[A-Za-z][^<>\n]*>|<\d[\d:.]*>|\{\\[^{}]*\}|\{[BIUSYCFPH]:[^{}]*\}", re.IGNORECASE)
_WORD_TIME = re.compile(r"<\d+:\d\d[\d:.]*>")  # before words of captions that roll, as YouTube makes them
_NO_CUE = re.compile(r"(?:NOTE|STYLE|REGION)(?:\s|$)")
_SHAPE = "HH:MM:SS,mmm --> HH:MM:SS,mmm"


def _is_srt(text: str) -> bool:
    return any("-->" in line and _TIMES.fullmatch(line) for line in text.splitlines())


def _is_vtt(text: str) -> bool:
    return re.match(r"WEBVTT(?:[ \t\n]|$)", text) is not None


def _said(lines: list[str]) -> tuple[str, str]:
    """The text of a cue without markup, and whose voice it is."""
    whole = "\n".join(lines)
    voice = _VOICE.search(whole)
    plain = _TAG.sub("", _RUBY.sub("", whole).replace("\\N", "\n"))
    speaker = " ".join(html.unescape(voice[1]).split()) if voice else ""
    return html.unescape(plain).strip(), speaker


def _blocks(text: str, spaces: bool = False) -> Iterator[list[tuple[int, str]]]:
    """Lines, with their numbers, that no empty line parts; ``spaces``: whether one with spaces is none."""
    numbered = enumerate(text.split("\n"), 1)
    for is_text, lines in groupby(numbered, key=lambda line: bool(line[1] if spaces else line[1].strip())):
        if is_text:
            yield list(lines)


def _cues(lines: list[tuple[int, str]], path: Path) -> Iterator[Label | list[str]]:
    """The cues of lines, and before them what belongs to none."""
    starts = [place for place, (_, line) in enumerate(lines) if "-->" in line]
    before = lines[: starts[0]] if starts else lines
    if rest := [line for _, line in before if not (starts and _is_index(line))]:
        yield rest
    for start, end in pairwise([*starts, len(lines)]):
        number, line = lines[start]
        times = _TIMES.fullmatch(line)
        if not times:
            raise DataError(f"{path}:{number}: found {line.strip()[:80]!r}, expected {_SHAPE}; correct it")
        own = lines[start + 1 : end]
        if own and end < len(lines) and _is_index(own[-1][1]):  # of the next cue, without an empty line
            own.pop()
        start_s, end_s = (seconds("".join(time.split())) for time in times.groups())
        text, speaker = _said([line for _, line in own])
        yield Label(text, number, start_s, end_s, speaker=speaker)


def _is_index(line: str) -> bool:
    return line.strip().isdecimal()


def parse_srt(text: str, path: Path) -> Iterator[Label]:
    """The cues. Lines behind an empty one, without times, still belong to the cue before, as in players."""
    last: Label | None = None
    for block in _blocks(text):
        for found in _cues(block, path):
            if isinstance(found, Label):
                if last:
                    yield last
                last = found
            elif last:
                more, _ = _said(found)
                last = Label(f"{last.text}\n{more}", last.line, last.start_s, last.end_s, "", last.speaker)
            elif not all(map(_is_index, found)):
                raise DataError(
                    f"{path}:{block[0][0]}: found {found[0].strip()[:80]!r} before the first times, expected"
                    f" {_SHAPE}; correct it"
                )
    if last:
        yield last


def parse_vtt(text: str, path: Path) -> Iterator[Label]:
    """The cues; notes, styles and regions are none. Of captions that roll, which give words times, the lines
    that the cue before has shown are left out.
    """
    rolls = _WORD_TIME.search(text) is not None
    shown: set[str] = set()
    for place, block in enumerate(_blocks(text, spaces=True)):
        first = block[0][1].strip()
        times = any("-->" in line for _, line in block)
        if not any(line.strip() for _, line in block):
            continue
        if (place == 0 and not times) or (_NO_CUE.match(first) and not _TIMES.fullmatch(first)):
            continue  # the head, and what are no cues
        if not times:
            raise DataError(
                f"{path}:{block[0][0]}: found {first[:80]!r}, expected a cue with a line {_SHAPE}; correct"
                " it, or write NOTE before it"
            )
        if rolls:
            plain = {number: _said([line])[0].strip() for number, line in block if "-->" not in line}
            block = [line for line in block if plain.get(line[0]) not in shown]
            shown = set(plain.values())
        for found in _cues(block, path):
            if isinstance(found, Label):
                yield found


SRT = LabelForm("SubRip subtitles", (".srt", ".vtt", ".txt"), _is_srt, parse_srt)
VTT = LabelForm("WebVTT subtitles", (".vtt", ".srt", ".txt"), _is_vtt, parse_vtt)
