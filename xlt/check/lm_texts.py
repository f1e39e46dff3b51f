"""What language models get beside the training texts (``lm.text``, ``lm.words``): can it be read, is it in
the recogniser's alphabet, and has it no sentences of held-out sets?
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from xlt.check.characters import label
from xlt.check.datadir import Sets
from xlt.check.faults import Fault, Place
from xlt.core.config import Config
from xlt.core.errors import XltError
from xlt.core.paths import spelled
from xlt.formats.markdown import table
from xlt.formats.tables import read_table
from xlt.lm.overlap import REMEDY, HeldOut, Sentence, described
from xlt.lm.sources import Text, check_files, from_file, names_a_file, read_text

OVERLAPS = "lm_overlap.tsv"
_SHOWN = 10  # characters in a note


class _Read(NamedTuple):
    """A file of ``lm.text``, or why it cannot be read."""

    path: str
    text: Text | None
    error: XltError | None


def readable_texts(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Files of ``lm.text`` that are there, not too large, UTF-8, not damaged, and in the script of train."""
    for read in _texts(sets, cfg):
        if read.error:
            yield Fault.of_error(read.error)


def no_held_out_sentences(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """No sentence of a held-out set in ``lm.text``, nor eight words of one in a row."""
    for read in _texts(sets, cfg):
        if not read.text or not read.text.overlaps:
            continue
        overlaps = read.text.overlaps
        yield Fault(
            "note" if cfg.lm.exclude_overlap else "error",
            Place(read.path, overlaps[0].number),
            "{overlaps}",
            "they are left out, as lm.exclude_overlap says"
            if cfg.lm.exclude_overlap
            else f"all are in data/check/{OVERLAPS}; {REMEDY}",
            tuple(dict.fromkeys(one.utt for one in overlaps))[:3],
            {"overlaps": described(overlaps)},
        )


def unknown_characters(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Characters of ``lm.text`` that train never shows: words with them cannot be recognised."""
    known = _alphabet(sets, cfg)
    for read in _texts(sets, cfg):
        counts = Counter("".join(read.text.lines)) if read.text else Counter()
        new = [(char, count) for char, count in counts.most_common() if char not in known]
        if new:
            shown = ", ".join(f"{label(char)} {count} times" for char, count in new[:_SHOWN])
            yield Fault(
                "note",
                Place(read.path),
                "{count} characters that are not in {train}: {characters}",
                "words with them cannot be recognised; correct them if they are misspellings",
                values={
                    "count": len(new),
                    "train": cfg.train_set,
                    "characters": shown + (f" and {len(new) - _SHOWN} more" if len(new) > _SHOWN else ""),
                },
            )


def readable_words(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """A file that ``lm.words`` names, which has words of the alphabet."""
    if names_a_file(cfg):
        try:
            from_file(cfg, _alphabet(sets, cfg))
        except XltError as err:
            yield Fault.of_error(err)


def section(sets: Sets, cfg: Config, out: Path) -> str:
    """A table of the files, and what is left out of each; ``lm_overlap.tsv`` has the lines of held-out
    sets.
    """
    texts = [(spelled(read.path, cfg.recipe), read.text) for read in _texts(sets, cfg) if read.text]
    if not texts:
        return ""
    cells = []
    for path, text in texts:
        left = ", ".join(f"{count:,} {reason}" for reason, count in text.facts.left_out.items())
        cells.append([path, f"{text.facts.lines:,}", f"{text.facts.words:,}", left])
    rows = [table(["file", "lines", "words", "left out"], cells)]
    lines = ["file\tline\tset\tutterance\twords\n"]
    lines += [
        f"{path}\t{one.number}\t{one.set}\t{one.utt}\t{one.words}\n"
        for path, text in texts
        for one in text.overlaps
    ]
    if len(lines) > 1:
        (out / OVERLAPS).write_text("".join(lines), encoding="utf-8")
        rows += ["", f"{OVERLAPS} has the {len(lines) - 1:,} lines with sentences of held-out sets."]
    return "\n".join(rows) + "\n"


def _texts(sets: Sets, cfg: Config) -> list[_Read]:
    return sets.once("lm.text", lambda: list(_read(sets, cfg))) if cfg.lm.text else []


def _read(sets: Sets, cfg: Config) -> Iterator[_Read]:
    held_out = HeldOut(_sentences(sets, cfg))
    alphabet = _alphabet(sets, cfg)
    try:
        check_files(cfg)
    except XltError as err:
        yield _Read("lm.text", None, err)
        return
    for path, given in zip(cfg.lm.text, cfg.as_given("lm.text"), strict=True):
        try:
            yield _Read(path, read_text(Path(path), given, cfg, alphabet, held_out), None)
        except XltError as err:
            yield _Read(path, None, err)


def _sentences(sets: Sets, cfg: Config) -> Iterator[Sentence]:
    """Those of the held-out sets, also of recipes that are mixed in."""
    for data in sets.values():
        if data.name != cfg.train_set:
            for line in data.lines.get("text", ()):
                yield Sentence(data.name, line.key, line.value)
    for _, test in cfg.mixed.values():
        for utt, text in read_table(sets.data / test / "text").items():
            yield Sentence(test, utt, text)


def _alphabet(sets: Sets, cfg: Config) -> set[str]:
    """The characters of the training texts."""
    return {" ", *(sets[cfg.train_set].characters if cfg.train_set in sets else ())}


CHECKS = (readable_texts, no_held_out_sentences, unknown_characters, readable_words)
