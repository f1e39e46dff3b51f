"""The sets of a recipe: train, dev and test, which every corpus gives, and any others that it names.

A further set, e.g. ``test_phone``, is made by stage 1 where the corpus marks it inside its own table (a value
of the column split). Where it has separate files (a Kaldi folder, Common Voice's ``other.tsv``), a
reader takes it if ``decode.sets`` asks for it, and lists it in :attr:`xlt.data.corpora.Corpus.unread`
otherwise. It may also come from another corpus (``data.further``, :mod:`xlt.data.further`), or be made of dev
or test (:mod:`xlt.data.made`).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import Path

from xlt.core.config import Config
from xlt.core.errors import ConfigError, DataError
from xlt.data.groups import SPLITS
from xlt.formats.tables import read_table

OWN_FOLDERS = {  # names below data/ and dump/<upstream>/ that a set cannot have → what is there
    "all": "everything that stage 1 has kept",
    "check": "the report of stage 2",
    "tokens": "the token lists of stage 4",
    "mix": "the layer mix of stage 3",
    "labels": "the texts of train.teacher",
    "unlabelled": "the speech of train.unlabelled",
    "empty": "the sound of data.empty",
    "noise": "the sounds of data.noise",
}
_BUDGET = re.compile(r"(train|empty)_[0-9.e+]+min")


def further(cfg: Config) -> list[str]:
    """The sets beyond train, dev and test that ``decode.sets`` asks the corpus for, so without those of
    ``data.further``; ConfigError for a name that no set can have.
    """
    for name in cfg.further_sets:
        if reason := why_reserved(name, cfg):
            raise ConfigError(f"decode.sets: {name!r} is not a set: {reason}; expected e.g. [dev, test]")
    elsewhere = from_elsewhere(cfg)
    return [name for name in cfg.further_sets if name not in elsewhere]


def from_elsewhere(cfg: Config) -> list[str]:
    """The sets that ``data.further`` takes from other corpora; ConfigError for what is no list of those."""
    given = cfg.data.further
    if not all(isinstance(part, dict) and "set" in part and {"reader", "of"} & set(part) for part in given):
        raise ConfigError(
            f"data.further: found {given!r}, expected corpora and the sets that they are, such as"
            " [{set: test_phone, reader: asterisk}], or sets to make, such as [{set: test_noise10, of: test,"
            " augment: 'noise:10'}]"
        )
    names = [str(part["set"]) for part in given]
    for name in names:
        reason = "the corpus itself has it" if name in SPLITS else why_reserved(name, cfg)
        reason = "it is there twice" if names.count(name) > 1 else reason
        if reason:
            raise ConfigError(f"data.further: a set cannot be called {name!r}: {reason}; rename it")
    return names


def why_reserved(name: str, cfg: Config) -> str | None:
    """Why a set cannot be called ``name``, or None if it can."""
    if name in OWN_FOLDERS:
        return f"data/{name} has {OWN_FOLDERS[name]}" if name != "mix" else OWN_FOLDERS[name]
    if re.fullmatch(r"fold\d+", name):
        return "names such as fold2 are for data.split=cross"
    if _BUDGET.fullmatch(name):
        return "names such as train_10min are for data.train_minutes"
    if any(name in pair for pair in cfg.mixed.values()):
        return "train.mix makes a set of that name"
    if name.startswith(".") or "/" in name or name.split() != [name]:
        return "the name cannot be a folder; use neither spaces nor '/', and no '.' at the beginning"
    return None


def refuse_reserved(names: Iterable[str], cfg: Config, where: str) -> None:
    """DataError if the corpus ``where`` has a set that is called like a folder of ours."""
    for name in sorted(set(names) - set(SPLITS)):
        if reason := why_reserved(name, cfg):
            raise DataError(
                f"{where}: a set of the corpus is called {name!r}: {reason}; rename the set in the corpus,"
                f" e.g. to {re.sub('[^A-Za-z0-9]+', '_', name).strip('_') or 'test'}_set"
            )


def require(cfg: Config, there: Iterable[str], where: str, unread: Iterable[str] = ()) -> None:
    """ConfigError if ``decode.sets`` asks for a set that ``where`` does not have.

    ``there``: the sets that it has; ``unread``: those that it would have if they were asked for.
    """
    known = list(dict.fromkeys((*SPLITS, *sorted(there), *sorted(unread), *from_elsewhere(cfg))))
    for name in further(cfg):
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            raise ConfigError(
                f"decode.sets: no set {name!r}; {where} has {', '.join(known)}"
                + (f"; did you mean {close[0]}?" if close else "")
                + ". To get one, mark it in the corpus (a word in a table's column split, a folder beside"
                " train/ of a Kaldi corpus, a part in data.splits of lhotse) and run stage 1 (data) again"
            )


def made(everything: Path) -> list[str]:
    """The sets in ``data/all``: train, dev and test, then the others by name."""
    names = set(read_table(everything / "utt2split").values())
    return [*SPLITS, *sorted(names - set(SPLITS))]
