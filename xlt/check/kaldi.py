"""The rules of Kaldi's ``utils/validate_data_dir.sh`` and ``validate_text.pl``, one function a rule."""

from __future__ import annotations

import re
import unicodedata
import wave
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from xlt.check.datadir import REQUIRED, DataDir, Sets
from xlt.check.faults import Fault, Line, Place
from xlt.core.config import Config
from xlt.formats.tables import is_command, spk2utt

_AGAIN = "run stage 1 (data) again with --force, or correct the file"
RESERVED = ("<s>", "</s>", "#0")
_BY_UTT = (
    "wav.scp",
    "text",
    "text_raw",
    "utt2spk",
    "segments",
    "utt2dur",
    "utt2lang",
    "utt2group",
    "utt2content",
    "utt2audio",
    "utt2num_frames",
    "feats.scp",
    "utt2format",
)

CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
_EMPTY = re.compile(r"\n[^\S\n]+\n")


def files_there(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """wav.scp, text, utt2spk and spk2utt exist and are not empty."""
    for data in sets.values():
        for table in REQUIRED:
            if not data.raw.get(table, b"").strip():
                what = "is empty" if table in data.raw else "no such file"
                yield Fault("error", data.where(table), what, _AGAIN)


def clean_bytes(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """UTF-8, no empty lines, no control characters, every line ended."""
    for data in sets.values():
        for table, raw in data.raw.items():
            if raw and not raw.endswith(b"\n"):
                yield Fault(
                    "error",
                    data.where(table, raw.count(b"\n") + 1),
                    "no newline at the end of the last line",
                    "the file may be cut short: " + _AGAIN,
                )
            if not raw or _is_clean(raw):
                continue
            for number, line in enumerate(raw.removesuffix(b"\n").split(b"\n"), 1):
                yield from _line_faults(line, data.where(table, number))


def _line_faults(line: bytes, where: Place) -> Iterator[Fault]:
    """What is wrong with the bytes of one line."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as err:
        yield Fault(
            "error",
            where,
            "not UTF-8 at byte {byte}",
            "save the file as UTF-8",
            values={"byte": err.start + 1},
        )
        return
    if not text.strip():
        yield Fault("error", where, "empty line", "remove it")
    if text.endswith("\r"):
        yield Fault("error", where, "Windows line end (CR LF)", "convert the file, e.g. with dos2unix")
    bad = [c for c in text.removesuffix("\r") if unicodedata.category(c) == "Cc" and c != "\t"]
    bad += [c for c in text if c in "\u2028\u2029\ufeff"]
    if bad:
        code = f"U+{ord(bad[0]):04X}"
        yield Fault("error", where, "control character {code}", "remove it", values={"code": code})


def _is_clean(raw: bytes) -> bool:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    text = f"\n{text}"
    return "\n\n" not in text and not CONTROL.search(text) and not _EMPTY.search(text)


def sorted_and_unique(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Keys in C order, each once."""
    for data in sets.values():
        for table, lines in data.lines.items():
            keys = data.table(table).keys()
            if len(keys) == data.raw[table].count(b"\n") and all(a < b for a, b in pairwise(keys)):
                continue  # code points sort as the bytes of UTF-8 do
            seen: dict[str, int] = {}
            before = ""
            for line in lines:
                where = data.where(table, line.number)
                if line.key in seen:
                    yield Fault(
                        "error",
                        where,
                        "duplicate id {id!r} (first on line {first_line})",
                        "keep one",
                        values={"id": line.key, "first_line": seen[line.key]},
                    )
                elif line.key < before:
                    yield Fault(
                        "error",
                        where,
                        "{id!r} after {before!r}: not in C order",
                        f"sort it: LC_ALL=C sort -o {data.where(table)} {data.where(table)}",
                        values={"id": line.key, "before": before},
                    )
                seen.setdefault(line.key, line.number)
                before = line.key


def values_there(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Every key has a value: no empty text, no utterance without a speaker or a file."""
    for data in sets.values():
        for table, lines in data.lines.items():
            rows = data.table(table)
            if len(rows) == data.raw[table].count(b"\n") and all(rows.values()):
                continue
            for line in lines:
                if not line.value:
                    yield Fault(
                        "error",
                        data.where(table, line.number),
                        "{id!r} has no value",
                        "give it a value, or remove the utterance from all files",
                        values={"id": line.key},
                    )


def same_utterances(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """All tables of a directory have the utterances of utt2spk."""
    for data in sets.values():
        known = data.table("utt2spk")
        for table in _BY_UTT:
            if table not in data.raw or table == "utt2spk" or (table == "wav.scp" and "segments" in data.raw):
                continue
            if data.table(table).keys() == known.keys():
                continue
            yield from _missing(data, table, "utt2spk")
            yield from _missing(data, "utt2spk", table)


def _missing(data: DataDir, table: str, other: str) -> Iterator[Fault]:
    """The lines of ``table`` whose utterance ``other`` does not have."""
    known = data.table(other)
    for line in data.lines.get(table, []):
        if line.key not in known:
            yield Fault(
                "error",
                data.where(table, line.number),
                "utterance {id!r} is not in {table}",
                _AGAIN,
                values={"id": line.key, "table": other},
            )


def speakers(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Ids sorted by utterance are sorted by speaker too, and spk2utt is utt2spk turned round."""
    for data in sets.values():
        yield from _by_speaker(data)
        if "spk2utt" in data.raw and "utt2spk" in data.raw:
            yield from _inverse(data)


def _by_speaker(data: DataDir) -> Iterator[Fault]:
    """Lines of utt2spk without one speaker, or out of the order of speakers."""
    before = ""
    for line in data.lines.get("utt2spk", []):
        where = data.where("utt2spk", line.number)
        if len(line.value.split()) > 1:
            yield Fault(
                "error",
                where,
                "found {value!r}, expected one speaker",
                "a speaker's id has no spaces",
                values={"value": line.value},
            )
        elif line.value < before:
            yield Fault(
                "error",
                where,
                "speaker {speaker!r} after {before!r}: not sorted by speaker",
                "begin each utterance id with its speaker id, in all files",
                values={"speaker": line.value, "before": before},
            )
        before = line.value


def _inverse(data: DataDir) -> Iterator[Fault]:
    """Where spk2utt is not utt2spk turned round."""
    wanted = spk2utt(data.table("utt2spk"))
    for line in data.lines["spk2utt"]:
        where = data.where("spk2utt", line.number)
        values = {"speaker": line.key}
        if line.key not in wanted:
            yield Fault("error", where, "speaker {speaker!r} is not in utt2spk", _AGAIN, values=values)
        elif line.value.split() != wanted[line.key].split():
            problem = "utterances of {speaker!r} differ from utt2spk"
            yield Fault("error", where, problem, _AGAIN, values=values)
    for speaker in wanted.keys() - data.table("spk2utt").keys():
        problem = "speaker {speaker!r} of utt2spk is missing"
        yield Fault("error", data.where("spk2utt"), problem, _AGAIN, values={"speaker": speaker})


def reserved_words(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """No <s>, </s> or #0 in text: language models use them."""
    for data in sets.values():
        if data.words.keys() & set(RESERVED):
            for line in data.lines["text"]:
                for word in set(RESERVED) & set(line.value.split()):
                    where = data.where("text", line.number)
                    yield Fault("error", where, "reserved word {word}", "remove it", values={"word": word})


def durations(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """utt2dur holds seconds above 0, utt2num_frames whole numbers above 0."""
    for data in sets.values():
        for table, kind in (("utt2dur", float), ("utt2num_frames", int)):
            for line in data.lines.get(table, []):
                try:
                    good = 0 < kind(line.value) < float("inf")
                except ValueError:
                    good = False
                if not good:
                    wanted = "time in seconds" if kind is float else "count"
                    yield Fault(
                        "error",
                        data.where(table, line.number),
                        f"found {{value!r}}, expected a {wanted} above 0",
                        _AGAIN,
                        values={"value": line.value},
                    )


def segments(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Segments name a recording of wav.scp and a start before the end."""
    for data in sets.values():
        for line in data.lines.get("segments", []):
            where, words = data.where("segments", line.number), line.value.split()
            values = {"value": line.value}
            try:
                recording, start, end = words[0], float(words[1]), float(words[2])
            except (IndexError, ValueError):
                remedy = "expected RECORDING START END, in seconds"
                yield Fault("error", where, "found {value!r}", remedy, values=values)
                continue
            if len(words) != 3 or not 0 <= start < end:
                remedy = "expected RECORDING START END with 0 <= START < END"
                yield Fault("error", where, "found {value!r}", remedy, values=values)
            if recording not in data.table("wav.scp"):
                problem = "recording {recording!r} is not in wav.scp"
                yield Fault("error", where, problem, _AGAIN, values={"recording": recording})


def audio_files(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """The files of wav.scp exist, are not empty, and a wav is as long as its header and utt2dur say."""
    for data in sets.values():
        for line in data.lines.get("wav.scp", []):
            if line.value and (found := file_fault(line, data)):
                yield Fault("error", data.where("wav.scp", line.number), *found)


def file_fault(line: Line, data: DataDir) -> tuple[str, str] | None:
    """What is wrong with the file of a line of wav.scp, by its header, and the remedy; None
    if nothing is.
    """
    path = data.recipe / line.value
    if is_command(line.value):
        return (
            f"{line.key!r} is a command (it begins or ends with '|')",
            "commands are not run: write its output to a file and name that",
        )
    if not path.is_file():
        return f"{line.value}: no such file", _AGAIN
    if path.stat().st_size == 0:
        return f"{line.value}: empty file", _AGAIN
    said = None if "segments" in data.raw else data.table("utt2dur").get(line.key)
    found = _wav_fault(path, said) if path.suffix == ".wav" else None
    return (f"{line.value}: {found}", _AGAIN) if found else None


def _wav_fault(path: Path, dur_s: str | None) -> str | None:
    """What is wrong with a PCM wav, or None; other kinds of wav are left to the reader."""
    try:
        with wave.open(str(path)) as sound:
            frames, rate, width = (
                sound.getnframes(),
                sound.getframerate(),
                sound.getsampwidth() * sound.getnchannels(),
            )
    except EOFError:
        return "cut short in the header"
    except wave.Error as err:
        return None if "unknown format" in str(err) else f"not a wav file ({err})"
    if path.stat().st_size < frames * width:
        return f"cut short: {path.stat().st_size} bytes, its header says {frames * width} and more"
    try:
        expected = float(dur_s) if dur_s else frames / rate
    except ValueError:
        return None  # the durations check reports it
    if abs(frames / rate - expected) > 0.05:
        return f"{frames / rate:.2f} s long, but utt2dur says {expected:.2f} s"
    return None


CHECKS = (
    files_there,
    clean_bytes,
    sorted_and_unique,
    values_there,
    same_utterances,
    speakers,
    reserved_words,
    durations,
    segments,
    audio_files,
)
