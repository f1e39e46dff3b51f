"""Which utterance each row of a set's features is a copy of: ``dump/<upstream>/<set>/utt2source``.

A line is ``copy utterance recipe``, e.g. ``sp0.9-u7 u7 speed:0.9``, and ``u7 u7`` for the utterance itself. A
set without copies has no such table.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from xlt.audio.augment import ORIGINAL, Copy, copies, mask_values, masks, values
from xlt.audio.augment.chunk import Mask
from xlt.audio.augment.sounds import Sounds
from xlt.core.config import Config
from xlt.core.context import Context
from xlt.formats.features import read_features
from xlt.formats.tables import read_table, write_table

TABLE = "utt2source"


class Source(NamedTuple):
    """What a row is a copy of."""

    utt: str
    copy: Copy


def copied(cfg: Config, name: str) -> bool:
    """Whether set ``name`` has the copies that the settings ask for: training speech, if it is stored."""
    learned = name == cfg.train_set or name in (train for train, _ in cfg.mixed.values())
    return learned and not cfg.features.on_the_fly


def copies_of(cfg: Config, name: str, sounds: Sounds | None = None) -> list[Copy]:
    """The copies of each utterance of set ``name``, in order; with ``sounds`` as they are to be stored."""
    if copied(cfg, name):
        return copies(cfg.features, sounds.digest if sounds else "")
    return [Copy().under(usual_mask(cfg), usual=True)]


def usual_mask(cfg: Config) -> Mask:
    """How much the encoder hears at once of sets that have no copies: the first of ``features.chunk_s``."""
    return masks(cfg.features)[0]


def sounds_of(ctx: Context, name: str) -> Sounds | None:
    """The noise for the copies of set ``name``, None where none of them draws from any."""
    if not ctx.cfg.data.noise or not any(copy.draws for copy in copies_of(ctx.cfg, name)):
        return None
    return Sounds.open(ctx.noise, "train")


def asked(cfg: Config, name: str) -> dict:
    """``{key below features: value}`` of what asks for copies of set ``name``."""
    return values(cfg.features) if copied(cfg, name) else values(None) | mask_values([usual_mask(cfg)])


def write_sources(folder: Path, utts: Iterable[str], made: list[Copy]) -> None:
    """Write the table of ``utts``, each in all copies of ``made``."""
    write_table(
        folder / TABLE,
        {copy.name(utt): f"{utt} {copy.recipe}".rstrip() for copy in made for utt in utts},
    )


def read_sources(folder: Path) -> dict[str, Source]:
    """``{copy: its source}`` of the features in ``folder``, utterances themselves too; ``{}`` if there are
    no copies.

    Features from before there was this table have copies of speed only, which feats.json tells.
    """
    if (folder / TABLE).exists():
        rows = {name: row.split(" ") for name, row in read_table(folder / TABLE).items()}
        return {name: Source(row[0], Copy(row[1] if row[1:] else ORIGINAL)) for name, row in rows.items()}
    if not (folder / "feats.scp").exists():
        return {}
    speeds = read_features(folder).get("speed", [1.0])
    if speeds == [1.0]:
        return {}
    made = [Copy(ORIGINAL if speed == 1.0 else f"speed:{speed}") for speed in speeds]
    return {name: _parsed(name, made) for name in read_table(folder / "feats.scp")}


def _parsed(name: str, made: list[Copy]) -> Source:
    for copy in made:
        prefix = copy.name("")
        if prefix and name.startswith(prefix):
            return Source(name.removeprefix(prefix), copy)
    return Source(name, Copy())


def utterance_of(sources: dict[str, Source], name: str) -> str:
    """The utterance that ``name`` is a copy of, or itself."""
    return sources[name].utt if name in sources else name
