"""``data.drop``: training utterances that are left out by name, each with its reason. Dev and test keep all
of theirs.
"""

from __future__ import annotations

from pathlib import Path

from xlt.core.context import Context
from xlt.core.errors import ConfigError, DataError
from xlt.core.log import say
from xlt.formats.tables import read_table

DROPPED = "dropped"  # table in a training set: what it would have, and the reason


def left_out_before(train: Path) -> dict[str, str]:
    """``{utterance: reason}`` of those that the folder of a training set lacks already."""
    table = train / DROPPED
    return read_table(table) if table.exists() else {}


def drop_file(ctx: Context) -> Path | None:
    """The table, or None; ConfigError if a later stage would write it anew, DataError if it is not there."""
    if ctx.cfg.data.drop is None:
        return None
    path = Path(ctx.cfg.data.drop)
    if path.resolve().is_relative_to(ctx.data.resolve()):
        raise ConfigError(
            f"data.drop: {path} is written by the stages, which would go round in a circle; copy it beside "
            f"recipe.yaml, e.g. cp {ctx.display_path(path)} drop.txt, and give data.drop=drop.txt"
        )
    read_table(path)
    return path


def left_out(path: Path, chosen: list[str], utt2split: dict[str, str], name: str) -> dict[str, str]:
    """``{utterance: reason}`` of those in the table ``path`` that the training set ``name`` would have.

    DataError for an utterance of dev or test: what is hard must not be left out of a test.
    """
    wanted = read_table(path)
    for number, utt in enumerate(wanted, 1):
        if utt2split.get(utt, "train") != "train":
            raise DataError(
                f"{path}:{number}: {utt!r} is in {utt2split[utt]}; only training utterances can be left out:"
                " remove the line"
            )
    found = {utt: wanted[utt] for utt in chosen if utt in wanted}
    strange = [utt for utt in wanted if utt not in utt2split]
    say(
        f"  {name}: {len(found)} of {len(chosen)} utterances are left out, as {path} says"
        + (f"; {len(strange)} of its ids are not in data/all, first {strange[0]!r}" if strange else "")
    )
    return found
