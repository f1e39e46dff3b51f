"""What the training batches are made of: other recipes' speech among them (``train.mix``), so that a model
keeps what it could, or languages, accents or another tag in other shares than they have
(``train.balance``)."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from xlt.core.errors import ConfigError, DataError
from xlt.core.log import say
from xlt.data.subsets import UNTAGGED
from xlt.features.copies import read_sources
from xlt.features.speech import Speech
from xlt.formats.tables import read_table, write_table
from xlt.models.espnet import balance
from xlt.models.resolved import Resolved

OWN = "own"  # category of the recipe's own utterances


@dataclasses.dataclass(frozen=True)
class Mixture:
    """``files``: the speech of all; ``category``: {utterance: recipe, or OWN}; ``shares``: {category: share
    of the batches}.
    """

    files: Speech
    category: dict[str, str]
    shares: dict[str, float]


def mixture(run: Resolved, own: Speech, folder: Path) -> Mixture | None:
    """The training speech ``own`` with what ``train.mix`` adds, as tables in ``folder``; None if that is
    nothing.

    An epoch is the own speech once, and as much of the others as their shares ask for; DataError if one has
    not so much.
    """
    cfg = run.cfg
    shares = {name: share for name, share in cfg.train.mix.items() if share > 0}
    if not shares:
        return None
    parts = {OWN: own} | {name: run.sets[cfg.mixed[name][0]] for name in shares}
    lengths = {name: sum(map(int, read_table(files.lengths).values())) for name, files in parts.items()}
    rest = 1 - sum(shares.values())
    for name, share in shares.items():
        if lengths[OWN] * share / rest > lengths[name]:
            raise DataError(
                f"train.mix: {share:g} of {name} are {share / rest:.2g} times this recipe's own training"
                f" speech in an epoch, but ../{name} has only {lengths[name] / lengths[OWN]:.2g} times as"
                f" much; lower its share, or give ../{name} more training speech"
            )
    folder.mkdir(exist_ok=True)
    category: dict[str, str] = {}
    tables: dict[str, dict[str, str]] = {"scp": {}, "lengths": {}, "text": {}}
    for name, files in parts.items():
        for table, rows in tables.items():
            rows |= read_table(getattr(files, table))
        category |= dict.fromkeys(read_table(files.scp), name)
    if len(category) < sum(len(read_table(files.scp)) for files in parts.values()):
        raise DataError("train.mix: two recipes share utterance ids; run stage 1 (data) again with --force")
    for table, rows in tables.items():
        write_table(folder / table, rows)
    say("  batches: " + ", ".join(f"{100 * s:g}% {name}" for name, s in {OWN: rest, **shares}.items()))
    files = dataclasses.replace(own, scp=folder / "scp", lengths=folder / "lengths", text=folder / "text")
    return Mixture(files, category, {OWN: rest, **shares})


def write_plan(run: Resolved, mixed: Mixture | None, folder: Path) -> float:
    """Write the plan of an epoch, if settings ask for one, beside ``speech_shape`` in ``folder``; returns an
    epoch's frames.

    ConfigError if languages, or the values of another tag, are to be balanced and there is one only.
    """
    frames = {utt: int(value.split(",")[0]) for utt, value in read_table(folder / "speech_shape").items()}
    if mixed is not None:
        own = sum(count for utt, count in frames.items() if mixed.category[utt] == OWN)
        total = own / mixed.shares[OWN]
        _in_frames(frames, mixed, total).write(folder)
        return total
    if run.cfg.balanced is not None:
        tag, exponent = run.cfg.balanced
        values = categories(run.ctx.data / run.cfg.train_set, tag, str(run.cfg.train.balance))
        sources = read_sources(run.ctx.dump / run.cfg.train_set)
        category = values | {name: values[utt] for name, (utt, _) in sources.items()}
        plan = balance.plan(frames, category, balance.power_shares(frames, category, exponent))
        plan.write(folder)
        total = sum(plan.draws.values())
        say(
            f"  train.balance={run.cfg.train.balance}: {total:.0f} utterances an epoch, "
            + ", ".join(f"{value} {100 * draws / total:.0f}%" for value, draws in plan.draws.items())
        )
    return float(sum(frames.values()))


def categories(folder: Path, tag: str, given: str) -> dict[str, str]:
    """The value of ``tag`` of each utterance of the set in ``folder``; those without one are a category of
    their own.

    ConfigError, which names the setting's value ``given``, if all have the same.
    """
    path = folder / f"utt2{tag}"
    values = read_table(path)
    found = {utt: values.get(utt) or UNTAGGED for utt in read_table(folder / "text")}
    if len(set(found.values())) < 2:
        what = "language" if tag == "lang" else tag
        raise ConfigError(
            f"train.balance={given}: {path} has only one {what}; leave train.balance out, or name another"
            " tag, e.g. {accent: 0.5}"
        )
    return found


def _in_frames(frames: dict[str, int], mixed: Mixture, total: float) -> balance.Plan:
    """The plan in which the categories have their shares of the ``total`` frames, whatever the lengths of
    their utterances.
    """
    lengths = balance.frames_by_category(frames, mixed.category)
    draws = {name: total * mixed.shares[name] * len(own) / sum(own) for name, own in lengths.items()}
    return balance.Plan({utt: mixed.category[utt] for utt in frames}, draws)
