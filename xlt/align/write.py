"""What an alignment leaves: a Kaldi directory, transcripts of other forms, tables of pieces and of all that
was left out, and a report.
"""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from xlt.align.pieces import REASONS, Aligned, LeftOut, Moved, Piece
from xlt.align.sources import Job
from xlt.core.registry import FORMATS
from xlt.data.corpora.names import span, speaker_ids
from xlt.formats import transcripts
from xlt.formats.tables import spk2utt, write_table
from xlt.text.normalise import put_together

KALDI = "kaldi"
SHOWN = 5  # places of each reason in the report


@dataclass(frozen=True)
class Result:
    """``notes``: what a person should know beside the alignment; ``voices``: how many were told apart."""

    job: Job
    aligned: Aligned
    duration_s: float
    notes: Sequence[str] = ()
    voices: int = 0

    @property
    def kept_s(self) -> float:
        return sum(piece.end_s - piece.start_s for piece in self.aligned.pieces)

    @property
    def kept(self) -> float:
        """Share of the transcript's letters that are in pieces."""
        total = sum(len("".join(one.text.split())) for part in self.job.stretches for one in part.paragraphs)
        return min(1.0, sum(len("".join(p.text.split())) for p in self.aligned.pieces) / max(1, total))


def write(out: Path, results: Sequence[Result], forms: Sequence[str], model: str, settings: str) -> None:
    """Fill the folder ``out``; ``forms``: KALDI, or names of FORMATS."""
    names = _names(results)
    ids = speaker_ids(names.values())
    own = {result.job.recording: ids[names[result.job.recording]] for result in results}
    if KALDI in forms:
        _kaldi(out, results, own)
    for name in forms:
        if name != KALDI:
            form = FORMATS.get(name)
            for result in results:
                place = out / f"{names[result.job.recording]}{form.suffix}"
                place.write_text("".join(form.render(_transcript(result, own, model))), encoding="utf-8")
    told = any(result.voices for result in results)
    _table(
        out / "pieces.tsv",
        ["recording", "start", "end", "confidence", "line", *(["speaker"] if told else []), "text"],
        [
            [
                os.fspath(r.job.recording),
                _s(p.start_s),
                _s(p.end_s),
                f"{p.confidence:.2f}",
                p.lines[0],
                *([_speaker(own[r.job.recording], p)] if told else []),
                p.text,
            ]
            for r in results
            for p in r.aligned.pieces
        ],
    )
    _table(
        out / "left_out.tsv",
        ["recording", "reason", "line", "start", "end", "text"],
        [
            [os.fspath(r.job.recording), o.reason, o.line or "", _s(o.start_s), _s(o.end_s), o.text]
            for r in results
            for o in r.aligned.left_out
        ],
    )
    (out / "report.md").write_text(report(results, settings), encoding="utf-8")


def _names(results: Sequence[Result]) -> dict[Path, str]:
    """What files and speakers of each recording are called: like it, numbered where several are alike."""
    found: dict[Path, str] = {}
    taken: Counter[str] = Counter()
    for result in results:
        stem = result.job.recording.stem
        taken[stem] += 1
        found[result.job.recording] = stem if taken[stem] == 1 else f"{stem}-{taken[stem]}"
    return found


def _speaker(recording: str, piece: Piece) -> str:
    """Each recording is a speaker, as nobody knows better, unless voices are told apart."""
    return f"{recording}_{piece.voice}" if piece.voice else recording


def _kaldi(out: Path, results: Sequence[Result], ids: Mapping[Path, str]) -> None:
    tables: dict[str, dict[str, str]] = {name: {} for name in ("wav.scp", "segments", "text", "utt2spk")}
    for result in results:
        recording = ids[result.job.recording]
        if result.aligned.pieces:
            tables["wav.scp"][recording] = os.path.abspath(result.job.recording)
        for piece in result.aligned.pieces:
            speaker = _speaker(recording, piece)
            utt = f"{speaker}-{span(piece.start_s, piece.end_s)}"
            tables["segments"][utt] = f"{recording} {piece.start_s:.3f} {piece.end_s:.3f}"
            tables["text"][utt] = piece.text
            tables["utt2spk"][utt] = speaker
    for name, table in tables.items():
        write_table(out / name, table)
    write_table(out / "spk2utt", spk2utt(tables["utt2spk"]))


def _transcript(result: Result, ids: Mapping[Path, str], model: str) -> transcripts.Transcript:
    recording = ids[result.job.recording]
    pieces = [
        transcripts.Piece(
            start_s=one.start_s,
            end_s=one.end_s,
            text=one.text,
            score=one.confidence,
            words=[
                transcripts.Word(
                    text=word.text,
                    start_s=round(word.start_s, 3),
                    end_s=round(word.end_s, 3),
                    confidence=one.confidence,
                )
                for word in one.words
            ],
        )
        for one in result.aligned.pieces
    ]
    for one, piece in zip(pieces, result.aligned.pieces, strict=True):
        if piece.voice:
            one["speaker"] = _speaker(recording, piece)
    return transcripts.Transcript(
        os.fspath(result.job.recording), pieces, put_together, False, result.duration_s, result.job.eaf, model
    )


def _s(time_s: float | None) -> str:
    return "" if time_s is None else f"{time_s:.2f}"


def _table(place: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    text = io.StringIO()
    table = csv.writer(text, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
    table.writerows([header, *rows])
    place.write_text(text.getvalue(), encoding="utf-8", newline="\n")


def clock(time_s: float) -> str:
    """``1:02:03``.

    >>> clock(3723.4), clock(63)
    ('1:02:03', '1:03')
    """
    minutes, seconds = divmod(int(time_s), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}" if minutes >= 60 else f"{minutes}:{seconds:02}"


def summary(result: Result) -> str:
    """In a line."""
    by = f" of {result.voices} speaker{'s'[: result.voices > 1]}" if result.voices else ""
    return (
        f"{len(result.aligned.pieces)} pieces{by}, {result.kept_s / 60:.1f} of {result.duration_s / 60:.1f}"
        f" minutes, {100 * result.kept:.0f}% of the text; confidence {result.aligned.confidence:.2f}"
    )


def moved(result: Result) -> list[str]:
    """Texts that are said elsewhere, in words."""
    return [
        f"in another order: {_lines(one)} of {result.job.path.name}: said at {clock(one.start_s)}–"
        f"{clock(one.end_s)}"
        for one in result.aligned.moved
    ]


def _lines(one: Moved) -> str:
    return f"line {one.first}" if one.first == one.last else f"lines {one.first}–{one.last}"


def report(results: Sequence[Result], settings: str) -> str:
    """In Markdown."""
    lines = ["# Alignment", "", settings, ""]
    for result in results:
        lines += [f"## {result.job.recording.name}", ""]
        lines += [f"{clock(result.duration_s)} with {result.job.path.name}: {summary(result)}.", ""]
        lines += [f"- {note}" for note in (*result.notes, *moved(result))]
        by_reason: dict[str, list[LeftOut]] = {}
        for one in result.aligned.left_out:
            by_reason.setdefault(one.reason, []).append(one)
        for reason in REASONS:
            own = by_reason.get(reason, [])
            if own:
                meaning, remedy = REASONS[reason]
                places = "; ".join(map(_place, own[:SHOWN])) + (" …" if len(own) > SHOWN else "")
                lines.append(f"- **{reason}** ({len(own)}): {meaning}; {remedy}: {places}")
        lines.append("")
    lines.append("left_out.tsv has all of what was left out, pieces.tsv all pieces with their confidence.")
    return "\n".join(lines) + "\n"


def _place(one: LeftOut) -> str:
    """Where, in words."""
    where = [] if one.line is None else [f"line {one.line}"]
    if one.start_s is not None and one.end_s is not None:
        where.append(f"{clock(one.start_s)}–{clock(one.end_s)}")
    text = " ".join(one.text.split())
    shown = f" “{text[:40]}{'…' if len(text) > 40 else ''}”" if text else ""
    return ", ".join(where) + shown
