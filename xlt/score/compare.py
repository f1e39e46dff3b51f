"""Which of two systems is better on the same utterances, by how much, and with what p: a paired bootstrap
over the counts in their score.json.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from xlt.core import jsons
from xlt.core.errors import ConfigError, DataError
from xlt.formats.results import Errors, Scores, from_json, refuse_altered
from xlt.metrics.bootstrap import Bootstrap, Paired, paired, paired_with_all
from xlt.metrics.metric import counted

BOOT = Bootstrap(10_000, 0)
DECIDED = 0.05  # p below which a difference is called one
_AGAIN = "run stage 8 (score) again"


@dataclass(frozen=True)
class System:
    """A score.json: ``name``: what the user called it."""

    name: str
    path: Path
    scores: Scores

    @property
    def sets(self) -> list[str]:
        return list(self.scores["counts"])

    def counts(self, name: str) -> dict[str, Errors]:
        """``{metric: counts of each utterance}`` of a set, the main metric first."""
        found = self.scores["counts"][name]["metrics"]
        return {key: found[key] for key in counted() if key in found}

    def normaliser(self, name: str) -> str:
        """What the signature of a set's scores says of it."""
        line = next(iter(self.scores["signature"][name].values()))
        words = (word for word in line.split(" | ") if word.startswith("norm:"))
        return next(words, "norm:unknown").removeprefix("norm:")


@dataclass(frozen=True)
class Difference:
    """How B differs from A by a metric on a set of ``n`` utterances. ``rates``: of A and B in percent;
    ``same``: whether each utterance has the same number of errors; ``b_is_better``: None without a
    difference that is decided."""

    set: str
    metric: str
    n: int
    rates: tuple[float, float]
    same: bool
    paired: Paired

    @property
    def b_is_better(self) -> bool | None:
        if self.same or not self.paired.difference or self.paired.p >= DECIDED:
            return None
        return self.paired.difference < 0


def compare(a: System, b: System, wanted: str | None = None) -> list[Difference]:
    """How B differs from A on the set ``wanted``, or on each that both have, by each metric that both have
    the counts of. DataError or ConfigError if they do not compare.
    """
    if a.path.resolve() == b.path.resolve():
        raise ConfigError(f"{a.name} and {b.name} are the same scores; give two different experiments")
    both = [name for name in a.sets if name in b.sets]
    if wanted is not None and wanted not in both:
        lacking = " and ".join(system.name for system in (a, b) if wanted not in system.sets)
        raise DataError(
            f"{wanted}: no scores of this set in {lacking}; both have {', '.join(both) or 'no set in common'}"
        )
    if not both:
        raise DataError(
            f"no set in common: {a.name} has {', '.join(a.sets) or 'none'}, {b.name} "
            f"{', '.join(b.sets) or 'none'}; run stages 7 and 8 with the same decode.sets"
        )
    chosen = both if wanted is None else [wanted]
    for name in chosen:
        _check(a, b, name)
    differences = []
    for name in chosen:
        ours, theirs = a.counts(name), b.counts(name)
        differences += [_difference(name, key, ours[key], theirs[key]) for key in ours if key in theirs]
    return differences


def compare_all(systems: list[System], name: str) -> dict[tuple[int, int], list[Difference]]:
    """Each against each other on the set ``name``, ``{(a, b): how b differs from a}`` as :func:`compare` says
    it; without those that do not compare.
    """
    import numpy as np

    alike: dict[tuple, list[int]] = {}
    for k, system in enumerate(systems):
        counts = system.counts(name) if name in system.sets else {}
        ids = system.scores["counts"][name]["ids"] if counts else ""
        for metric, own in counts.items():
            key = metric, ids, system.normaliser(name), tuple(own["n_ref"])
            alike.setdefault(key, []).append(k)
    found: dict[tuple[int, int], list[Difference]] = {}
    for (metric, _, _, n_ref), members in alike.items():
        errors = np.array(
            [systems[k].counts(name)[metric]["errors"] for k in members], dtype=np.int64
        ).T  # (N, S)
        total = np.array(n_ref, dtype=np.int64)
        rates = 100 * errors.sum(axis=0) / total.sum()
        tests = paired_with_all(errors, total, BOOT.resamples, BOOT.rng())
        for (a, b), test in tests.items():
            same = bool((errors[:, a] == errors[:, b]).all())
            both = float(rates[a]), float(rates[b])
            difference = Difference(name, metric, len(total), both, same, test)
            found.setdefault((members[a], members[b]), []).append(difference)
    return found


def _check(a: System, b: System, name: str) -> None:
    """DataError unless both were scored on the same utterances in the same way."""
    ours, theirs = a.counts(name), b.counts(name)
    first, other = next(iter(ours)), next(iter(theirs))
    if a.scores["counts"][name]["ids"] != b.scores["counts"][name]["ids"]:
        raise DataError(
            f"{name}: {a.name} and {b.name} were not scored on the same utterances"
            f" ({len(ours[first]['n_ref'])} and {len(theirs[other]['n_ref'])}); score both on the same data,"
            " or choose another set"
        )
    if a.normaliser(name) != b.normaliser(name):
        raise DataError(
            f"{name}: the texts of {a.name} were normalised by {a.normaliser(name)}, those of {b.name} by "
            f"{b.normaliser(name)}: their rates cannot be compared; score both with the same data.normaliser"
        )
    if first != other:
        raise DataError(
            f"{name}: {a.name} was scored by {counted()[first].label}, {b.name} by {counted()[other].label};"
            " phones and characters cannot be compared"
        )
    if any(ours[key]["n_ref"] != theirs[key]["n_ref"] for key in ours if key in theirs):
        raise DataError(
            f"{name}: the references of {a.name} and {b.name} differ in length; run stage 8 (score) of both"
            " again"
        )


def _difference(name: str, metric: str, ours: Errors, theirs: Errors) -> Difference:
    import numpy as np

    table = np.array([ours["errors"], theirs["errors"], ours["n_ref"]], dtype=np.int64).T  # (N, 3)
    a, b, n_ref = (int(total) for total in table.sum(axis=0))
    return Difference(
        name,
        metric,
        len(table),
        (100 * a / n_ref, 100 * b / n_ref),
        bool((table[:, 0] == table[:, 1]).all()),
        paired([table], BOOT.resamples, BOOT.rng()),
    )


def read(path: Path, name: str | None = None) -> System:
    """The scores of an experiment's folder, of a score.json, or of results/<tag>.json; ``name``: what it is
    called. ConfigError or DataError if there are none.
    """
    name = name or str(path)
    if path.is_dir():
        path = path / "score.json"
        if not path.exists():
            raise DataError(f"{name}: no score.json in it; run stage 8 (score) of that experiment first")
    if not path.is_file():
        raise ConfigError(
            f"{name}: no such experiment ({path} is not there); give exp/<tag>, a score.json"
            " or results/<tag>.json"
        )
    if path.name == "score.json":
        refuse_altered(path)
    try:
        scores, _ = from_json(jsons.parse(path.read_text(encoding="utf-8"), finite=True), path)
    except ValueError as err:
        raise DataError(f"{path}: no scores of stage 8 ({err}); {_AGAIN}") from None
    if "counts" not in scores:
        raise DataError(f"{path}: has no counts of each utterance, as an older xlt wrote it; {_AGAIN}")
    system = System(name, path, scores)
    for of in system.sets:
        if not system.counts(of) or not scores["signature"].get(of):
            raise DataError(f"{path}: no scores of stage 8 ({of} has no counts or signature); {_AGAIN}")
    return system
