"""Other recipes' speech among the training batches (``train.mix``), so that a model keeps what it could."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from xlt.errors import DataError
from xlt.kaldi_io import read_table, write_table
from xlt.log import say
from xlt.stage import Context
from xlt.train.speech import Speech, speech

OWN = "own"  # category of the recipe's own utterances


@dataclasses.dataclass(frozen=True)
class Mixture:
    """``files``: the speech of all; ``category``: {utterance: recipe, or OWN}; ``shares``: {category: share of the batches}."""

    files: Speech
    category: dict[str, str]
    shares: dict[str, float]


def mixture(ctx: Context, own: Speech, folder: Path) -> Mixture | None:
    """The training speech with what ``train.mix`` adds, as tables in ``folder``; None if it adds nothing.

    An epoch is the own speech once, and as much of the others as their shares ask for; DataError if one has not so much.
    """
    shares = {name: share for name, share in ctx.cfg.train.mix.items() if share > 0}
    if not shares:
        return None
    parts = {OWN: own} | {name: speech(ctx, ctx.cfg.mixed[name][0]) for name in shares}
    lengths = {name: sum(map(int, read_table(files.lengths).values())) for name, files in parts.items()}
    rest = 1 - sum(shares.values())
    for name, share in shares.items():
        if lengths[OWN] * share / rest > lengths[name]:
            raise DataError(f"train.mix: {share:g} of {name} are {share / rest:.2g} times this recipe's own training speech in "
                            f"an epoch, but ../{name} has only {lengths[name] / lengths[OWN]:.2g} times as much; lower its "
                            f"share, or give ../{name} more training speech")
    folder.mkdir(exist_ok=True)
    category: dict[str, str] = {}
    tables: dict[str, dict[str, str]] = {"scp": {}, "lengths": {}, "text": {}}
    for name, files in parts.items():
        for table, rows in tables.items():
            rows |= read_table(getattr(files, table))
        category |= dict.fromkeys(read_table(files.scp), name)
    if len(category) < sum(len(read_table(files.scp)) for files in parts.values()):
        raise DataError("train.mix: utterance ids stand in two recipes; begin the speaker ids of one corpus with its language")
    for table, rows in tables.items():
        write_table(folder / table, rows)
    say("  batches: " + ", ".join(f"{100 * s:g}% {name}" for name, s in {OWN: rest, **shares}.items()))
    files = dataclasses.replace(own, **{table: folder / table for table in tables})
    return Mixture(files, category, {OWN: rest, **shares})
