"""Whether dev and test are large enough, and of enough voices, for their error rates to say something."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator

from xlt.check.datadir import DataDir, Sets
from xlt.check.facts import Facts
from xlt.check.faults import Fault
from xlt.core.config import Config
from xlt.data.groups import LEAST, LEAST_S

_MOST = 0.5  # of a set's speech by one of several voices: the score is mostly about that voice
_NONE = (
    "error rates on so few say nothing",
    "collect more recordings, test on every utterance with data.split=cross, give the corpus a split of its"
    " own (a column split), or go on all the same with check.min_held_out=1",
)
_FEW = (
    "error rates on so few are very uncertain",
    f"look at their intervals; {LEAST} utterances and {LEAST_S / 60:g} minutes are a good start",
)


def _chosen_here(sets: Sets) -> str | None:
    """How stage 1 has split the corpus: by speaker, text or as the corpus says; None where it has left no
    report of that.
    """
    try:
        report = json.loads((sets.data / "all" / "report.json").read_text(encoding="utf-8"))
        return str(report["split"]["by"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _held_out(sets: Sets, cfg: Config) -> Iterator[DataDir]:
    """Dev and test; of cross-validation what all folds test together, which is not among ``sets``."""
    yield from (DataDir(sets.data / name, name, sets.data.parent) for name in cfg.pooled_sets)
    if not cfg.pooled_sets:
        yield from (sets[name] for name in ("dev", "test") if name in sets)


def small_sets(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Error rates on a few utterances say nothing: a warning, and an error where stage 1 could find no more
    than ``check.min_held_out``.
    """
    by = _chosen_here(sets)
    if by is None:
        return
    for data in _held_out(sets, cfg):
        count, seconds = len(data.table("text")), sum(Facts(data).durations.values())
        if count >= LEAST and seconds >= LEAST_S:
            continue
        none = count < cfg.check.min_held_out and by in ("speaker", "text")
        problem, remedy = _NONE if none else _FEW
        yield Fault(
            "error" if none else "warning",
            data.where("text"),
            "{set} has {count} utterances, {minutes:.1f} minutes: " + problem,
            remedy,
            (),
            {"set": data.name, "count": count, "minutes": seconds / 60},
        )


def one_voice(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Held-out sets of several voices in which one has most of the speech."""
    for data in _held_out(sets, cfg):
        speech: dict[str, float] = defaultdict(float)
        speakers = data.table("utt2spk")
        for utt, dur_s in Facts(data).durations.items():
            speech[speakers.get(utt, "")] += dur_s
        total = sum(speech.values())
        if len(speech) < 2 or not total:
            continue
        largest = max(sorted(speech), key=speech.__getitem__)
        seconds = speech[largest]
        if seconds > _MOST * total:
            yield Fault(
                "note",
                data.where("utt2spk"),
                "{share:.0f}% of the speech in {set} is of one of its {count} speakers, {largest!r}",
                "read its score as mostly about that voice",
                (),
                {"share": 100 * seconds / total, "set": data.name, "count": len(speech), "largest": largest},
            )


CHECKS = (small_sets, one_voice)
