"""``data.split=cross``: cross-validation of a corpus that is too small for a test set. Every utterance is in
one fold, which is the test set of the model that is trained on the others.

``data/all/utt2part`` has fold and half of each utterance, such as ``2a``. The dev set of fold 2 is the first
half of fold 3, that of the final model, which has no test set of its own, the first half of fold 1.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from xlt.core.config import CROSS, Config
from xlt.core.errors import ConfigError
from xlt.data.groups import MIN_SPEAKERS, Size, connect, position
from xlt.formats.tables import read_table

TABLE = "utt2part"
FOLD_TABLE = "utt2test_fold"  # of test: the fold of each utterance, a slice of the score
FEWEST_DEV = 10  # utterances: where half a fold has fewer, dev is a whole one
_MOST = 1.5  # times an equal share: where one fold would have more, voices are not kept together


def check(cfg: Config) -> None:
    """ConfigError for settings that cross-validation cannot go with."""
    if cfg.data.split != CROSS:
        if cfg.data.fold is not None:
            raise ConfigError(
                f"data.fold={cfg.data.fold}: folds are made by data.split=cross, and data.split is"
                f" {cfg.data.split}; set it, or remove data.fold"
            )
        return
    if cfg.data.fold is not None and cfg.data.fold > cfg.data.folds:
        raise ConfigError(
            f"data.fold={cfg.data.fold}: there are data.folds={cfg.data.folds} folds; name one of them"
        )
    if "test" not in cfg.decode.sets:
        raise ConfigError(
            f"decode.sets={cfg.decode.sets}: lacks test, which data.split=cross is there for; add it"
        )
    against = {
        "data.reader=recipes": cfg.data.reader == "recipes",
        "data.train_speakers": cfg.data.train_speakers is not None,
        "train.mix": bool(cfg.train.mix),
        "train.unlabelled": cfg.train.unlabelled is not None,
        "train.zero_shot": cfg.train.zero_shot,
        "decode.partner": cfg.decode.partner is not None,
    }
    if found := next((name for name, is_set in against.items() if is_set), None):
        raise ConfigError(f"data.split=cross: does not go with {found}; remove one of the two")


def parts(
    durations: Mapping[str, float], speakers: Mapping[str, str], groups: Mapping[str, str], folds: int
) -> tuple[dict[str, str], str, str]:
    """``{utterance: fold and half}``, ``speaker`` or ``text``, and why.

    ``durations``: seconds; ``groups``: utterances that say the same, or share speech, have the same group.
    What is one group, or one voice where voices are kept together, is never parted: the largest first goes to
    the fold that has least. Voices are kept together where there are enough of them for folds of similar
    size. ConfigError for more folds than groups.
    """
    links: dict[str, list[str]] = defaultdict(list)
    for name, group in groups.items():
        links[f"group {group}"].append(name)
    by_text = connect(groups, links.values())
    for name, speaker in speakers.items():
        links[f"speaker {speaker}"].append(name)
    by_voice = connect(groups, links.values())
    sizes = _sizes(by_voice, durations)
    total = sum(durations[name] for name in groups)
    count = f"{len(set(speakers.values()))} speakers"
    even = max(size.seconds for size in sizes.values()) <= _MOST * total / folds
    if even and len(sizes) >= max(folds, MIN_SPEAKERS):
        why = f"{count}; no voice and no sentence is in two folds"
        return _halves(by_voice, sizes, folds), "speaker", why
    sizes = _sizes(by_text, durations)
    if len(sizes) < folds:
        raise ConfigError(
            f"data.folds={folds}: the corpus has only {len(sizes)} different sentences; ask for fewer folds,"
            " at least three, or collect more recordings"
        )
    return _halves(by_text, sizes, folds), "text", f"{count}; no sentence is in two folds"


def _sizes(unit_of: Mapping[str, str], durations: Mapping[str, float]) -> dict[str, Size]:
    sizes: dict[str, Size] = defaultdict(lambda: Size(0, 0.0))
    for name, unit in unit_of.items():
        sizes[unit] = sizes[unit].plus(Size(1, durations[name]))
    return sizes


def _halves(unit_of: Mapping[str, str], sizes: Mapping[str, Size], folds: int) -> dict[str, str]:
    fold_of = _deal(sizes, [str(number) for number in range(1, folds + 1)])
    part_of: dict[str, str] = {}
    for fold in sorted(set(fold_of.values())):
        own = {unit: sizes[unit] for unit, place in fold_of.items() if place == fold}
        half = _deal(own, ["a", "b"])
        small = sum(own[unit].utterances for unit, part in half.items() if part == "a") < FEWEST_DEV
        part_of |= {unit: f"{fold}a" if small else fold + half[unit] for unit in own}
    return {name: part_of[unit] for name, unit in unit_of.items()}


def _deal(sizes: Mapping[str, Size], places: list[str]) -> dict[str, str]:
    """``{unit: place}``: the longest first, those of equal length by hash, each to the place with least."""
    filled = dict.fromkeys(places, 0.0)
    found = {}
    for unit in sorted(sizes, key=lambda unit: (-sizes[unit].seconds, position(unit, "fold"), unit)):
        found[unit] = min(places, key=filled.__getitem__)
        filled[found[unit]] += sizes[unit].seconds
    return found


def sets_of(utt2part: Mapping[str, str], fold: int | None, folds: int) -> dict[str, str]:
    """``{utterance: train, dev or test}`` of one fold; with None of the final model, which has no test."""
    dev = f"{1 if fold is None else fold % folds + 1}a"
    return {
        name: "test" if part[:-1] == str(fold) else "dev" if part == dev else "train"
        for name, part in utt2part.items()
    }


def places(cfg: Config, everything: Path, name: str) -> dict[str, str] | None:
    """``{utterance: set}`` that set ``name`` is taken by where ``data/all/utt2split`` does not say it: None
    without folds.
    """
    if cfg.data.split != CROSS:
        return None
    utt2part, utt2split = read_table(everything / TABLE), read_table(everything / "utt2split")
    if name in cfg.pooled_sets:
        return {utt: name if utt in utt2part else part for utt, part in utt2split.items()}
    return utt2split | sets_of(utt2part, cfg.data.fold, cfg.data.folds)


def numbers(folder: Path) -> dict[str, str]:
    """``{utterance: fold}`` by the table of parts in a folder."""
    return {utt: part[:-1] for utt, part in read_table(folder / TABLE).items()}
