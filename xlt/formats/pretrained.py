"""``pretrained.json``: what an encoder that `xlt pretrain` made is, and how a recipe uses it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

from xlt.core.errors import DataError
from xlt.core.stage import write_json
from xlt.formats.model_folder import MANIFEST
from xlt.formats.tables import read_table
from xlt.formats.typed import check
from xlt.formats.versioned import Format

NAME, CURVE = "pretrained.json", "curve.json"
FORMAT = Format(NAME, 1)
RECORD = Format("results/pretraining/<tag>.json", 1)
_HF = {"hf", "hf_wav2vec2_custom"}  # take the same folders; older files name the second
_MEASURE, _BASELINE = "right answers", "by chance"  # of files that do not say
_NINE = "make it again with stage 9 (report)"
_REMEDY = "make it again with `xlt pretrain --force`"


class Record(TypedDict):
    """What stage 9 keeps of an encoder in results/pretraining/<tag>.json: ``facts``: what its pretrained.json
    says; ``curve``: rows with step, loss and accuracy of some steps each, and of codes perplexity and used.
    """

    tag: str
    facts: dict[str, Any]
    curve: list[dict[str, Any]]
    command: str
    commit: str


def read_record(path: Path) -> Record:
    """DataError if the file is damaged."""
    found = RECORD.read(path, _NINE)
    try:
        check(found, Record)
        needed = ("method", "hours", "epochs", "parameters", "accuracy", "chance")
        lacking = [key for key in needed if key not in found["facts"]]
        coded = ("perplexity", "used") if "codes" in found["facts"] else ()
        for row in found["curve"]:
            lacking += [
                key for key in ("step", "accuracy", *coded) if not isinstance(row.get(key), int | float)
            ]
        if lacking:
            raise ValueError(f"no {lacking[0]}")
    except ValueError as err:
        raise DataError(f"{path}: damaged ({err}); {_NINE}") from None
    return {key: found[key] for key in Record.__annotations__}  # type: ignore[return-value]


def write_facts(out: Path, method: str, upstream: str, facts: Mapping[str, Any]) -> None:
    """Write the file; ``upstream``: the value of features.upstream that takes the folder."""
    write_json(out / NAME, FORMAT.stamped({"method": method, "upstream": upstream, **facts}))


def hours(count: float) -> str:
    """``6.4 hours``, ``24 minutes``.

    >>> hours(6.41), hours(0.4)
    ('6.4 hours', '24.0 minutes')
    """
    return f"{count:.1f} hours" if count >= 1 else f"{60 * count:.1f} minutes"


def summary(folder: Path, shown: str) -> str:
    """What came out of a pre-training, and the settings with which a recipe uses it."""
    facts = FORMAT.read(folder / NAME, _REMEDY)
    coded = "codes" in facts
    perplexity = f", codebook perplexity {facts['perplexity']:.0f} of {facts['codes']}" if coded else ""
    return (
        f"{facts['method']}, {hours(facts['hours'])} of speech: on dev {facts.get('measure', _MEASURE)}"
        f" {facts['accuracy']:.1f}% ({facts.get('baseline', _BASELINE)} {facts['chance']:.1f}%)"
        f"{perplexity}\n"
        f"  the encoder, and its curves in history.json: {shown}\n"
        f"  use it in a recipe: features.upstream={facts['upstream']} features.path={shown}"
    )


def about(folder: Path) -> dict[str, Any] | None:
    """What a score says of the encoder in ``folder``; None of those of others. DataError if the file is
    damaged.
    """
    if not (folder / NAME).is_file():
        return None
    facts = FORMAT.read(folder / NAME, _REMEDY)
    kept = ("method", "hours", "epochs", "steps", "parameters", "work_s")
    return {key: facts[key] for key in kept if key in facts}


def takes(folder: Path, upstream: str) -> str | None:
    """The value of features.upstream that the encoder in ``folder`` needs, if that is not ``upstream``; None
    too for encoders of others. DataError if the file is damaged.
    """
    if not (folder / NAME).is_file():
        return None
    needed = str(FORMAT.read(folder / NAME, _REMEDY).get("upstream"))
    fits = upstream == needed or {upstream, needed} <= _HF
    return None if fits else needed


def heard(folder: Path) -> dict[str, str]:
    """``{audio hash: utterance}`` of what the encoder in ``folder`` was pre-trained on; empty for those of
    others, which do not say.
    """
    if not (folder / MANIFEST).is_file() or not (folder / NAME).is_file():
        return {}
    return {values.split(" ", 1)[0]: utt for utt, values in read_table(folder / MANIFEST).items()}
