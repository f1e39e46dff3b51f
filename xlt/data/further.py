"""``data.further``: test sets from other corpora of the recipe's language. They are sets of their own beside
``data/all``: with them or without, train, dev and test stay what they are.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

from xlt.core.config import Config
from xlt.core.context import Context
from xlt.core.errors import ConfigError, DataError
from xlt.core.stage import Unit
from xlt.data import sets
from xlt.data.corpora.join import settings_of
from xlt.data.made import is_made
from xlt.data.normalisers import normaliser_of
from xlt.formats.tables import read_table

_LIMITS = ("data.min_dur_s", "data.max_dur_s", "data.max_chars_per_s", "data.min_chars_per_s", "data.digits")


def units(
    ctx: Context, everything: Path, made: list[str], fingerprint: Callable[[Path], str]
) -> Iterator[Unit]:
    """``data/test_phone`` for each set of ``data.further`` that ``decode.sets`` names.

    ``everything``: data/all; ``made``: the sets that it has; ``fingerprint``: of a corpus that is there.
    ConfigError if one of the sets is called alike.
    """
    cfg = ctx.cfg
    given = cfg.as_given("data.further")
    for name, part, shown in zip(sets.from_elsewhere(cfg), cfg.data.further, given, strict=True):
        if name in made:
            raise ConfigError(f"data.further: the corpus itself has a set {name!r}; rename this one")
        if is_made(part):
            continue
        own = settings_of({k: v for k, v in part.items() if k != "set"}, cfg, f"data.further: {name}")
        if name in cfg.decode.sets:
            config = {
                "data.further": shown,
                **cfg.section(*_LIMITS),
                "lang": cfg.lang,
                "data.normaliser": normaliser_of(cfg),
            }
            if own.data.dir:
                config["corpus"] = fingerprint(Path(own.data.dir))
            out = ctx.data / name
            make = functools.partial(_make, own, name, everything, ctx.display_path(out))
            yield Unit("data", out, config, [everything], make, resume=True)


def _make(own: Config, name: str, everything: Path, final: str, out: Path) -> dict:
    from xlt.data.build import build

    text, utt2split = read_table(everything / "text"), read_table(everything / "utt2split")
    heard = {text[utt] for utt, place in utt2split.items() if place == "train"}
    counts = build(own, normaliser_of(own), out, final, only=name, heard=heard)
    if twice := sorted(set(read_table(out / "text")) & set(text)):
        raise DataError(
            f"data.further: {name}: utterance {twice[0]!r} is in data/all, too; a set of another corpus has"
            " ids of its own: leave it out of data.further"
        )
    return counts
