"""Scores of parts of a set: by speaker, by duration, by language, and by any tag file
``data/<set>/utt2<tag>`` of the user's.

A tag file is a Kaldi table, ``utterance value``: utt2accent, utt2noise, utt2domain, utt2gender … Utterances
that it lacks are a slice of their own, :data:`xlt.data.subsets.UNTAGGED`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev

from xlt.core.errors import DataError
from xlt.data.subsets import UNTAGGED, tag_tables
from xlt.formats.results import Detailed, Slice, Slices, Spread
from xlt.formats.tables import read_table
from xlt.metrics.bootstrap import Bootstrap
from xlt.metrics.error_rate import of_counts
from xlt.metrics.result import Score

_BOUNDS_S = (2.0, 5.0, 10.0, 20.0)  # durations are cut here, the upper end outside
FEW = 10  # a slice with fewer utterances says little: it is flagged, and is never the worst
_KEPT = 50  # slices of a tag that are listed; of more, those with the most utterances


def tag_files(folder: Path) -> list[Path]:
    """The tables of a set that slices come from."""
    known = [folder / name for name in ("utt2spk", "utt2dur", "utt2lang")]
    return [path for path in known if path.exists()] + [folder / table for table in tag_tables(folder)]


def tags(folder: Path, ids: Sequence[str]) -> dict[str, list[str]]:
    """``{tag: value of each utterance}``; a tag with one value for all is none. DataError for a table that
    cannot be read.
    """
    found = {}
    for path in tag_files(folder):
        table = read_table(path)
        if path.name == "utt2dur":
            table = {utt: _bin(path, utt, value) for utt, value in table.items()}
        name = {"utt2spk": "speaker", "utt2dur": "duration"}.get(path.name, path.name.removeprefix("utt2"))
        values = [table.get(utt, "") or UNTAGGED for utt in ids]
        if len(set(values)) > 1:
            found[name] = values
    return found


def _bin(path: Path, utt: str, dur_s: str) -> str:
    """``7.3`` → ``5 to 10 s``."""
    try:
        value = float(dur_s)
    except ValueError:
        raise DataError(
            f"{path}: utterance {utt!r} has the duration {dur_s!r}, expected seconds; run stage 1 again"
        ) from None
    below = [bound for bound in _BOUNDS_S if bound <= value]
    above = [bound for bound in _BOUNDS_S if bound > value]
    if not above:
        return f"{below[-1]:g} s and more"
    return f"{below[-1] if below else 0:g} to {above[0]:g} s"


def _order(value: str) -> tuple:
    """By the number that a value begins with, then by its letters; untagged utterances last."""
    number = re.match(r"\d+(\.\d+)?", value)
    return value == UNTAGGED, float(number[0]) if number else math.inf, value


def slices(values: Sequence[str], scores: dict[str, Score], boot: Bootstrap) -> Slices:
    """The scores of each slice of a tag, e.g. of each speaker.

    ``values``: of each utterance, in the order of the scores' utterances. ``n``: slices that there are.
    ``worst`` is the slice with the highest rate by the first metric, and ``spread`` the lowest, mean and
    highest rate and their standard deviation, over slices that are not flagged; None with fewer than two of
    those.
    """
    places: dict[str, list[int]] = {}
    for k, value in enumerate(values):
        places.setdefault(value, []).append(k)
    rates = _rates(places, next(iter(scores.values())))
    worst = max(rates, key=lambda value: (rates[value], value), default=None)
    by_size = sorted(places, key=lambda value: (-len(places[value]), value))
    kept = sorted(by_size[:_KEPT], key=_order)
    if worst is not None and worst not in kept:
        kept.append(worst)
    spread: Spread | None = None
    if len(rates) > 1:
        spread = {
            "low": round(min(rates.values()), 3),
            "mean": round(fmean(rates.values()), 3),
            "high": round(max(rates.values()), 3),
            "deviation": round(stdev(rates.values()), 3),
            "over": len(rates),
        }
    return {
        "n": len(places),
        "slices": {value: _slice(places[value], scores, boot) for value in kept},
        "worst": worst if spread else None,
        "spread": spread,
    }


def _rates(places: dict[str, list[int]], score: Score) -> dict[str, float]:
    """The error rate of each slice with enough utterances, in percent."""
    rates = {}
    for value, own in places.items():
        if len(own) >= FEW and value != UNTAGGED:
            errors = sum(score.utterances[k].errors for k in own)
            rates[value] = 100 * errors / sum(score.utterances[k].n_ref for k in own)
    return rates


def _slice(places: list[int], scores: dict[str, Score], boot: Bootstrap) -> Slice:
    found: dict[str, Detailed] = {}
    for key, score in scores.items():
        counts = [score.utterances[k] for k in places]
        part = of_counts(score.name, counts, score.options, boot.resamples, boot.rng())
        found[key] = {**part.as_dict(), "mean": part.mean(boot.resamples, boot.rng())}
    return {"n": len(places), "few": len(places) < FEW, "scores": found}
