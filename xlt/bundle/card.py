"""``card.json``: where a bundle comes from, whom to ask, and how good it is, for whoever gets it.

What the model was trained on, clip by clip, is another file of the bundle, ``heard``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from xlt.core.context import Context
from xlt.core.errors import DataError
from xlt.core.stage import read_json, write_json
from xlt.formats import results
from xlt.formats.tables import read_table
from xlt.formats.typed import check
from xlt.formats.versioned import Format

CARD = "card.json"
FORMAT = Format(CARD, 1)
METRICS = ("cer", "wer", "per")  # those that a card repeats of score.json
OWN = "your own"  # what readers of no published corpus say of its licence


class Corpus(TypedDict):
    """A corpus, or the list or text of a language model; ``licence``: None where nobody has said it."""

    name: str
    licence: str | None


class Speech(TypedDict):
    """A set that was trained on; ``minutes`` are of speech."""

    set: str
    utterances: int
    speakers: int
    minutes: float


class Value(TypedDict):
    value: float
    ci95: list[float]


class Scored(TypedDict):
    """``metrics``: in percent, by their names in score.json."""

    utterances: int
    metrics: dict[str, Value]


class _Document(TypedDict):
    licence: str | None
    consent: str | None
    contact: str | None
    speech: list[Speech]
    corpora: list[Corpus]
    lm: list[Corpus]
    scores: dict[str, Scored]
    heard: int | None


@dataclass(frozen=True)
class Card:
    """``licence``, ``consent``, ``contact``: as the settings of ``bundle`` have them; ``heard``: clips in the
    table of that name, with those of models that training began with; None without such a table.
    """

    licence: str | None = None
    consent: str | None = None
    contact: str | None = None
    speech: list[Speech] = field(default_factory=list)
    corpora: list[Corpus] = field(default_factory=list)
    lm: list[Corpus] = field(default_factory=list)
    scores: dict[str, Scored] = field(default_factory=dict)
    heard: int | None = None

    def write(self, folder: Path) -> None:
        """Write ``folder/card.json``."""
        write_json(folder / CARD, FORMAT.stamped(asdict(self)))

    @classmethod
    def read(cls, folder: Path) -> Card | None:
        """Of the bundle in ``folder``; None for one that was made before there were cards. DataError if it is
        damaged, or of a newer xlt.
        """
        path = folder / CARD
        if not path.exists():
            return None
        found = FORMAT.read(path, "copy the bundle again")
        try:
            check(found, _Document)
        except ValueError as err:
            raise DataError(f"{path}: damaged ({err}); copy the bundle again") from None
        return cls(**{key: found[key] for key in cls.__dataclass_fields__})


def card_of(ctx: Context, manifest: Mapping[str, Any] | None, lm: Path | None) -> Card:
    """The card of the experiment of ``ctx``; ``manifest``: clips that its model was trained on; ``lm``: the
    folder of the bundle's language model.
    """
    own, path = ctx.cfg.bundle, ctx.exp / "score.json"
    return Card(
        own.licence,
        own.consent,
        own.contact,
        [_speech(name, ctx.data / name) for name in ctx.cfg.learned_sets if _is_set(ctx.data / name)],
        _corpora(ctx.data / "all" / "report.json"),
        _sources(lm / "lm.json") if lm else [],
        _scores(results.of_stage_8(path)) if path.exists() else {},
        None if manifest is None else len(manifest),
    )


def inputs(ctx: Context) -> list[Path]:
    """The files that a card depends on and that are there."""
    sets = [ctx.data / name / "utt2spk" for name in ctx.cfg.learned_sets if _is_set(ctx.data / name)]
    found = [ctx.data / "all" / "report.json", ctx.exp / "score.json", *sets]
    return [path for path in found if path.exists()]


def _is_set(folder: Path) -> bool:
    return (folder / "utt2spk").exists() and (folder / "utt2dur").exists()


def _speech(name: str, folder: Path) -> Speech:
    speakers, seconds = (read_table(folder / table) for table in ("utt2spk", "utt2dur"))
    minutes = round(sum(map(float, seconds.values())) / 60, 2)
    return Speech(set=name, utterances=len(speakers), speakers=len(set(speakers.values())), minutes=minutes)


def _corpora(report: Path) -> list[Corpus]:
    """What data/all/report.json says: of one corpus, of several that are joined, or of several languages."""
    if not report.exists():
        return []
    found = read_json(report, "data")
    parts = found.get("languages")
    reports = list(parts.values()) if isinstance(parts, dict) else [found]
    return _unique(corpus for one in reports if isinstance(one, dict) for corpus in _of_report(one))


def _of_report(report: Mapping[str, Any]) -> Iterable[Corpus]:
    facts = report.get("facts")
    facts = facts if isinstance(facts, dict) else {}
    joined = [part for part in facts.values() if isinstance(part, dict) and "corpus" in part]
    for part in joined or [{"corpus": report.get("corpus"), **facts}]:
        licence = part.get("licence")
        yield Corpus(name=str(part.get("corpus")), licence=None if licence in (None, OWN) else str(licence))


def _sources(path: Path) -> list[Corpus]:
    """Of a language model; what it has of the training texts goes without saying."""
    found = read_json(path, "lm").get("sources", []) if path.exists() else []
    return _unique(
        Corpus(name=str(one["what"]), licence=one.get("licence"))
        for one in found
        if isinstance(one, dict) and "what" in one and one.get("licence")
    )


def _unique(found: Iterable[Corpus]) -> list[Corpus]:
    return [Corpus(name=n, licence=v) for n, v in dict.fromkeys((c["name"], c["licence"]) for c in found)]


def _scores(scores: results.Scores) -> dict[str, Scored]:
    return {
        name: Scored(
            utterances=scores["data"][name]["utterances"],
            metrics={
                key: Value(value=entry["value"], ci95=list(entry["ci95"]))
                for key, entry in entries.items()
                if key in METRICS
            },
        )
        for name, entries in scores["sets"].items()
    }
