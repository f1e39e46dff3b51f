"""What the data is: hours, speakers, vocabulary, what stage 1 left out, and what was measured on as much
speech elsewhere.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import median
from typing import NamedTuple

from xlt.check import held_out
from xlt.check.datadir import DataDir, Sets
from xlt.check.facts import Facts
from xlt.check.faults import Fault
from xlt.check.words import count
from xlt.core import jsons
from xlt.core.config import ROOT, Config
from xlt.core.stage import write_json
from xlt.formats.markdown import table
from xlt.formats.results import from_json
from xlt.text import languages

MANY_UNSEEN = (
    0.5  # of the words of a held-out set; more than in most corpora, where train says little about them
)


def unseen_words(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Words of held-out sets that train does not have."""
    train = sets.get(cfg.train_set)
    if train is None or not train.words:
        return
    for data in sets.values():
        share = Facts(data).unseen(train)
        if share > MANY_UNSEEN:
            first = next(seen for word, seen in data.words.items() if word not in train.words)
            where = data.where("text", first.places[0][0])
            yield Fault(
                "note",
                where,
                "{share:.0f}% of the words are not in {train}",
                "expect many wrong words even where letters are right, and judge by CER",
                first.ids,
                {"share": 100 * share, "train": cfg.train_set},
            )


def growth(data: DataDir, steps: int = 100) -> list[tuple[int, int]]:
    """(running words, different words) as the set is read."""
    texts = list(data.table("text").values())
    every, known, total, points = max(1, len(texts) // steps), set(), 0, [(0, 0)]
    for number, text in enumerate(texts, 1):
        words = text.split()
        known.update(words)
        total += len(words)
        if number % every == 0 or number == len(texts):
            points.append((total, len(known)))
    return points


def section(sets: Sets, cfg: Config, out: Path) -> str:
    """Tables and figures; the numbers are also in ``statistics.json``."""
    from xlt.check.figures import draw

    train = sets[cfg.train_set]
    facts = {name: Facts(data) for name, data in sets.items()}
    rows = [_row(name, own, train) for name, own in facts.items()]
    curve = growth(train)
    write_json(out / "statistics.json", {"sets": rows, "vocabulary_growth": curve})
    cells = [["–" if value is None else value for value in row.values()] for row in rows]
    lines = [table([*rows[0]], cells)]
    half = next((kinds for total, kinds in curve if 2 * total >= curve[-1][0]), 0)
    if curve[-1][1]:
        lines += [
            "",
            (
                f"The first half of {train.name} has {half} different words, the second adds"
                f" {curve[-1][1] - half}."
            ),
        ]
    lines += ["", *draw(facts, curve, out), "", *_left_out(sets.data / "all" / "report.json"), ""]
    lines += _measured(cfg, facts[cfg.train_set])
    return "\n".join(lines)


def _row(name: str, own: Facts, train: DataDir) -> dict[str, object]:
    durs, minutes = list(own.durations.values()), own.minutes
    return {
        "set": name,
        "utterances": len(own.data.table("text")),
        "minutes": None if minutes is None else round(minutes, 2),
        "speakers": own.speakers,
        "words": count(own.data.words),
        "different words": len(own.data.words),
        "words not in train, %": None if own.data is train else round(100 * own.unseen(train), 1),
        "median s": round(median(durs), 2) if durs else None,
        "longest s": round(max(durs), 2) if durs else None,
        "median characters/s": round(median(own.rates), 1) if own.rates else None,
    }


def _left_out(path: Path) -> list[str]:
    """What stage 1 left out, by reason, with the first ids."""
    try:
        report = jsons.parse(path.read_text(encoding="utf-8"), finite=True)
        left_out, reasons = report.get("left_out", {}), report.get("reasons", {})
    except (OSError, ValueError, AttributeError):
        return ["Stage 1 has left no report (data/all/report.json), so it is not known what was left out."]
    if not left_out:
        return ["Stage 1 left nothing out."]
    total = sum(map(len, left_out.values()))
    lines = [
        f"Stage 1 left out {total} of {report.get('seen', '?')} items; {path} names each:",
        "",
    ]
    rows = [
        [reason, len(ids), reasons.get(reason, ""), " ".join(ids[:3])] for reason, ids in left_out.items()
    ]
    return [*lines, table(["reason", "items", "what it means", "first"], rows)]


class _Result(NamedTuple):
    """What a published result of one language, trained from scratch, reached on dev."""

    kind: tuple[str, str]  # upstream, type of tokens
    lang: str
    minutes: float
    cer: float


@cache
def _result(path: Path, mtime_ns: int) -> _Result | None:
    """None for another form: a peer's, or several languages'; a file is read once until it changes."""
    try:
        run, _ = from_json(jsons.parse(path.read_text(encoding="utf-8"), finite=True), path)
        settings, minutes = run["config"], run["training"]["speech_min"] or 0.0
        cer, lang = run["sets"]["dev"]["cer"]["value"], run["experiment"]["lang"]
        kind = settings["features.upstream"], settings["tokens.type"]
        scratch = settings.get("train.init") is None
    except (ValueError, KeyError, TypeError):
        return None
    if not scratch or minutes <= 0 or lang == languages.MULTIPLE:
        return None
    return _Result(kind, lang, minutes, cer)


def _measured(cfg: Config, own: Facts) -> list[str]:
    """Error rates of recipes in this repository with the same upstream and the nearest amount of training
    speech.
    """
    if (own_minutes := own.minutes) is None:
        return []
    # language → minutes → CERs
    runs: dict[str, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    for path in sorted((ROOT / "egs").glob("*/results/*.json")):
        result = _result(path, path.stat().st_mtime_ns)
        if result and result.kind == (cfg.features.upstream, cfg.tokens.type):
            runs[result.lang][result.minutes].append(result.cer)
    about = (
        f"Expected difficulty: not predicted; {own_minutes:.1f} minutes of {languages.get(cfg.lang).name} to"
        " train on."
    )
    if not runs:
        return [
            f"{about} No recipe of this repository has a result with"
            f" features.upstream={cfg.features.upstream} and tokens.type={cfg.tokens.type} to set beside it."
        ]
    rows = []
    for lang, found in runs.items():
        nearest = min(found, key=lambda minutes: abs(math.log(minutes / own_minutes)))
        rows.append((median(found[nearest]), nearest, languages.get(lang).name))
    lines = [
        (
            f"{about} What other recipes reached on dev with the same upstream and kind of tokens, and the"
            " amount of speech nearest to this; the median, if there are several runs. A corpus with more"
            " speakers, noise or longer sentences is harder than theirs:"
        ),
        "",
    ]
    shown = [[name, f"{minutes:.1f}", f"{cer:.1f}"] for cer, minutes, name in sorted(rows)]
    return [*lines, table(["language", "training minutes", "CER on dev, %"], shown)]


CHECKS = (unseen_words, *held_out.CHECKS)
