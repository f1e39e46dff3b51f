"""Transcripts: plain text or .docx → units of a sentence or less, with their words as the model spells them.

A line is a paragraph, unless it plainly goes on in the next one. Units end where sentences do, so that the
alignment may leave out speech between them; what has no punctuation is cut at words.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from xlt.align.spelling import Spelling
from xlt.core.errors import DataError
from xlt.data.corpora.rows import decoded
from xlt.data.reasons import spelled_with_digits
from xlt.formats.labels import plain
from xlt.text.normalise import has_digits
from xlt.text.scripts import word_spans

DOCX = ".docx"
SUFFIXES = (".txt", DOCX)
UNIT = 150  # characters: longer sentences are parted, at commas if they have any
PUNCTUATED = 0.1  # of the lines end with a sentence, or none goes on in the next
WRAPPED = 40  # characters from which on a line may go on in the next
_MOST = 64 << 20  # bytes of a document's text
_ENDS = ".!?…。！？؟۔।॥։።᙮။៕;"
_CLOSERS = "»”’)]}›」』）】》"
_CLOSING = "\"'" + _CLOSERS
_ALONE = "。！？।॥؟።။"  # ends without a space behind them
_SENTENCE = re.compile(
    rf"(?<=[{re.escape(_ENDS)}])[{re.escape(_CLOSING)}]*\s+"
    rf"|(?<=[{_ALONE}])[{_ALONE}…{re.escape(_CLOSERS)}]*"
)
_CLAUSE = re.compile(r"(?<=[,:،、，；：–—])\s+|(?<=[、，；：])")
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


class Paragraph(NamedTuple):
    """``line``: where it begins in its file, from 1; of a .docx, its number."""

    text: str
    line: int


class Token(NamedTuple):
    """A word of a unit, from ``start`` to ``end`` of its text, with the signs beside it. ``first``, ``last``:
    of the unit's labels its first and the one behind its last."""

    start: int
    end: int
    first: int
    last: int


@dataclass(frozen=True)
class Unit:
    """``text``: as it is written; ``ends``: whether a sentence ends with it; ``paragraph``: its number;
    ``glued``: whether it goes on from the text before it without a space."""

    text: str
    line: int
    paragraph: int
    ends: bool
    labels: tuple[int, ...]
    tokens: tuple[Token, ...]
    glued: bool = False


@dataclass(frozen=True)
class Transcript:
    """``units``: what is aligned; ``digits``: parts of the text whose words are not known, with lines."""

    path: Path
    units: list[Unit]
    digits: list[tuple[int, str]]


def paragraphs(path: Path, encoding: str | None = None) -> list[Paragraph]:
    """The paragraphs of a file with text. DataError, with the line where there is one, if it is empty, not
    text or not in the encoding.
    """
    if path.suffix.lower() == DOCX:
        found = list(_of_docx(path))
    else:
        if path.suffix.lower() in (".doc", ".odt", ".pdf", ".rtf"):
            raise DataError(f"{path}: is no plain text; save it as .docx, or as plain text in UTF-8")
        try:
            text = decoded(path, encoding)[0]
        except FileNotFoundError:
            raise DataError(f"{path}: no such file; name the transcript") from None
        except IsADirectoryError:
            raise DataError(f"{path}: a folder, expected a file with text; name the transcript") from None
        except LookupError:
            raise DataError(
                f"--encoding {encoding}: is not known; cp1250 and utf-16 are such names"
            ) from None
        list(plain.parse(text, path))  # what is no plain text is refused
        found = list(_of_lines(text))
    if not found:
        raise DataError(f"{path}:1: has no text; put what is said in the recording there")
    return found


def _of_lines(text: str) -> Iterator[Paragraph]:
    """Lines, put together where one plainly goes on in the next: without an end, and that in lower case, in a
    text that has ends of sentences.
    """
    rows = [" ".join(raw.split()) for raw in text.splitlines()]
    ended = sum(row[-1:] in _ENDS + _CLOSING for row in rows if row)
    wraps = ended >= PUNCTUATED * sum(map(bool, rows))
    own, line = "", 0
    for number, row in enumerate(rows, 1):
        if wraps and own and len(own) >= WRAPPED and own[-1] not in _ENDS + _CLOSING and row[:1].islower():
            own = f"{own} {row}"
            continue
        if own:
            yield Paragraph(own, line)
        own, line = row, number
    if own:
        yield Paragraph(own, line)


def _of_docx(path: Path) -> Iterator[Paragraph]:
    """The paragraphs of Word's document, those of tables and text boxes too, not notes and headers."""
    try:
        with zipfile.ZipFile(path) as packed:
            info = packed.getinfo("word/document.xml")
            if info.file_size > _MOST:
                raise DataError(f"{path}: has more than {_MOST >> 20} MB of text; save it as plain text")
            root = ET.fromstring(packed.read(info))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; name the transcript") from None
    except (zipfile.BadZipFile, zlib.error, KeyError, ET.ParseError, OSError, RuntimeError) as err:
        raise DataError(f"{path}: is no .docx that can be read ({err}); save it as plain text") from None
    for one in list(root.iter()):
        for old in one.findall(_FALLBACK):  # the same text box again, for old programs
            one.remove(old)
    for number, one in enumerate(root.iter(f"{_W}p"), 1):
        parts = [
            {f"{_W}t": part.text or "", f"{_W}tab": " ", f"{_W}br": " "}.get(part.tag, "")
            for part in _inside(one)
        ]
        if text := " ".join("".join(parts).split()):
            yield Paragraph(text, number)


def _inside(paragraph: ET.Element) -> Iterator[ET.Element]:
    """What a paragraph holds, but for the paragraphs of text boxes in it, which come by themselves."""
    for part in paragraph:
        if part.tag != f"{_W}p":
            yield part
            yield from _inside(part)


def transcript(
    path: Path, found: Sequence[Paragraph], spell: Spelling, normal: Callable[[str], str]
) -> Transcript:
    """The units of paragraphs, which ``normal`` normalises. DataError if the model can write none of them."""
    tones = bool(spelled_with_digits(one.text for one in found))
    units: list[Unit] = []
    digits: list[tuple[int, str]] = []
    for number, paragraph in enumerate(found):
        written, at = " ".join(paragraph.text.split()), 0
        for text, ends in _sentences(written):
            for part in _without_digits(text) if not tones else [(text, False)]:
                start = written.index(part[0], at)
                glued = start > 0 and written[start - 1] != " "
                at = start + len(part[0])
                if part[1]:
                    digits.append((paragraph.line, part[0]))
                    continue
                whole = ends and text.endswith(part[0])
                unit = _unit(part[0], (paragraph.line, number, whole), spell, normal, glued)
                units += [unit] if unit.labels else []
    if not units:
        line = found[0].line
        if digits:
            raise DataError(f"{path}:{line}: has numbers in digits only; write them as they are said")
        raise DataError(
            f"{path}:{line}: has no letter that the model can write, or another letter stand for; name a"
            " model of another language or script"
        )
    return Transcript(path, units, digits)


def _sentences(paragraph: str) -> Iterator[tuple[str, bool]]:
    """The parts of a paragraph that become units, and whether a sentence ends with them."""
    for sentence in _parts(paragraph, _SENTENCE):
        clauses = [sentence]
        if len(sentence) > UNIT:
            clauses = [text for clause in _parts(sentence, _CLAUSE) for text in _at_words(clause)]
            clauses = list(_joined(sentence, clauses))
        for text in clauses[:-1]:
            yield text, False
        yield clauses[-1], True


def _parts(text: str, between: re.Pattern) -> list[str]:
    """``text`` cut behind each hit, white space left out."""
    found, at = [], 0
    for hit in between.finditer(text):
        found.append(text[at : hit.end()].strip())
        at = hit.end()
    return [part for part in (*found, text[at:].strip()) if part]


def _at_words(text: str) -> Iterator[str]:
    """Parts of at most UNIT characters, cut at spaces; between letters of scripts without spaces only where
    there is none.
    """
    if len(text) <= UNIT:
        yield text
        return
    start, end, space = 0, 0, 0
    for first, last in word_spans(text):
        space = end if first > end else space
        if last - start > UNIT and end > start:
            cut = space if space > start else end
            yield text[start:cut]
            start = cut + (text[cut] == " ")
        end = last
    yield text[start:]


def _joined(sentence: str, parts: list[str]) -> Iterator[str]:
    """Neighbouring parts of a sentence put together up to UNIT characters, with what stands between them."""
    first, end = 0, len(parts[0])
    for part in parts[1:]:
        start = sentence.index(part, end)
        if start + len(part) - first > UNIT:
            yield sentence[first:end]
            first = start
        end = start + len(part)
    yield sentence[first:end]


def _without_digits(text: str) -> Iterator[tuple[str, bool]]:
    """Parts of a unit without digits, and the words with digits between them, in order."""
    own: list[str] = []
    kind = False
    for word in text.split():
        if has_digits(word) != kind and own:
            yield " ".join(own), kind
            own = []
        kind = has_digits(word)
        own.append(word)
    if own:
        yield " ".join(own), kind


def _unit(
    text: str, place: tuple[int, int, bool], spell: Spelling, normal: Callable[[str], str], glued: bool
) -> Unit:
    labels: list[int] = []
    tokens: list[Token] = []
    begin: int | None = None  # of signs before the first word
    for start, end in word_spans(text):
        own = spell(normal(text[start:end]))
        if not own:
            if tokens:
                tokens[-1] = tokens[-1]._replace(end=end)
            elif begin is None:
                begin = start
            continue
        if labels and text[start - 1 : start].isspace():
            labels += spell.space
        tokens.append(Token(start if begin is None else begin, end, len(labels), len(labels) + len(own)))
        labels, begin = labels + own, None
    return Unit(text, *place, tuple(labels), tuple(tokens), glued)
