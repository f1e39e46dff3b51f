"""Stage 1: a corpus becomes Kaldi directories. ``data/all`` has everything that was kept; the sets (train,
dev, test and what else the corpus has) are parts of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from xlt.audio.augment import check as check_copies
from xlt.core.config import CROSS, defaults
from xlt.core.context import Context
from xlt.core.errors import ConfigError
from xlt.core.registry import READERS
from xlt.core.stage import Unit, read_stamp, run_unit
from xlt.data import folds, sets
from xlt.data.corpora.tagged import check_tags
from xlt.data.drop import drop_file
from xlt.data.groups import SALT, SPLITS
from xlt.data.normalisers import normaliser_of
from xlt.text import languages

if TYPE_CHECKING:
    from xlt.core.config import Config

_KEYS = (
    "data.reader",
    "data.dir",
    "data.archive",
    "data.columns",
    "data.tier",
    "data.allow_pipes",
    "data.train_from",
    "data.split",
    "data.parts",
    "data.splits",
    "data.digits",
    "data.min_dur_s",
    "data.max_dur_s",
    "data.max_chars_per_s",
    "data.min_chars_per_s",
)
_OF_SOME = {
    "columns": ("table",),
    "encoding": ("table", "labels", "festvox"),
    "tier": ("elan", "labels"),
    "train_from": ("commonvoice",),
    "splits": ("lhotse",),
}  # settings that only these readers have
_FURTHER = "further sets"  # the key in the stamp of data/all
_TABLES = 2  # what data/all has; a new number makes it again


def fingerprint(place: Path) -> str:
    """Changes when the file ``place``, or one below the folder ``place``, is added, removed, altered or
    renamed; reads none.
    """
    import hashlib

    if not place.exists():
        return "missing"
    sha = hashlib.sha256()
    for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
        if path.is_file():
            info = path.stat()
            sha.update(
                f"{path.relative_to(place)} {info.st_size} {info.st_mtime_ns}\n".encode(
                    "utf-8", "surrogateescape"
                )
            )
    return sha.hexdigest()[:20]


def _further_sets(cfg: Config, everything: Path) -> list[str]:
    """The further sets that data/all is, or was, asked for: a set that ``decode.sets`` no longer names stays,
    and one that is there anyway changes nothing.
    """
    stamp = read_stamp(everything)
    if stamp is None:
        return sorted(sets.further(cfg))
    before = stamp.get("config", {}).get(_FURTHER, [])
    there = sets.made(everything) if sets.further(cfg) else []
    return sorted({*before, *(name for name in sets.further(cfg) if name not in there)})


def _built(ctx: Context, everything: Path) -> Unit:
    """data/all of a corpus."""
    cfg = ctx.cfg
    config = {
        **cfg.section(*_KEYS),
        "lang": cfg.lang,
        "data.normaliser": normaliser_of(cfg),
        "split": SALT,
        "tables": _TABLES,
    }
    places = [part.get("dir") for part in cfg.data.parts or [] if isinstance(part, dict)] or [cfg.data.dir]
    if any(places):
        config["corpus"] = " ".join(fingerprint(Path(place)) for place in places if place)
    if cfg.data.split == CROSS:
        config["data.folds"] = cfg.data.folds
    if cfg.data.encoding is not None:
        config["data.encoding"] = cfg.data.encoding
    if cfg.data.tags:
        config["data.tags"] = cfg.data.tags
    if cfg.data.train_speakers is not None:
        config["data.train_speakers"] = cfg.data.train_speakers
    if further := _further_sets(cfg, everything):
        config[_FURTHER] = further
    inputs = [Path(cfg.data.archive)] if cfg.data.archive else []

    def make_all(out: Path) -> dict:
        from xlt.data.build import build

        return build(cfg, normaliser_of(cfg), out, ctx.display_path(everything))

    return Unit("data", everything, config, inputs, make_all, resume=True)


def run(ctx: Context) -> None:
    """Make data/all, then its sets: train, dev, test, the training budget if there is one, and the others."""
    cfg = ctx.cfg
    if cfg.pretrains and not cfg.learns_own:
        from xlt.data import speech

        speech.run(ctx, fingerprint)
        return
    _check_settings(cfg)
    drop, everything = drop_file(ctx), ctx.everything
    run_unit(ctx, READERS.get("recipes")(ctx) if cfg.data.reader == "recipes" else _built(ctx, everything))
    if ctx.dry_run and not everything.exists():
        return
    names = sets.made(everything)
    sets.refuse_reserved(names, cfg, ctx.display_path(everything))
    sets.require(cfg, names, ctx.display_path(everything))
    if cfg.data.fold is not None:
        names = list(SPLITS)
    for name in dict.fromkeys((*SPLITS, cfg.train_set, *names)):
        run_unit(ctx, _set(ctx, everything, name, drop))
    if cfg.data.noise:
        from xlt.data import noise

        run_unit(ctx, noise.unit(ctx, fingerprint))
    if cfg.data.further and cfg.data.fold is None:
        from xlt.data import made
        from xlt.data.further import units as further_units

        for unit in further_units(ctx, everything, names, fingerprint):
            run_unit(ctx, unit)
        if cfg.data.noise:
            noise.refuse_tested(ctx)
        for unit in made.units(ctx):
            run_unit(ctx, unit)
    if cfg.mixed:
        from xlt.data.mixed import units

        for unit in units(ctx):
            run_unit(ctx, unit)
    if cfg.unlabelled_sets:
        from xlt.data import unlabelled

        run_unit(ctx, unlabelled.unit(ctx, fingerprint(unlabelled.check(cfg))))
    if cfg.empty_sets:
        from xlt.data import empty

        run_unit(ctx, empty.unit(ctx))


def _check_settings(cfg: Config) -> None:
    """ConfigError for settings that do not go together, and for sets that cannot be."""
    languages.get(cfg.lang)
    sets.further(cfg)
    folds.check(cfg)
    check_copies(cfg.features, cfg.data.noise)
    if cfg.data.noise:
        from xlt.data import noise

        noise.check(cfg)
    if cfg.data.further:
        from xlt.data import made

        made.check(cfg)
    if cfg.unlabelled_sets:
        from xlt.data import unlabelled

        unlabelled.check(cfg, made=False)
    if cfg.empty_sets:
        from xlt.data import empty

        empty.check(cfg)
    if cfg.data.reader is None:
        raise ConfigError(
            "data.reader: not set; write `data: {reader: tuxpaint}` or `data: {reader: kaldi, dir: …}` "
            "into recipe.yaml"
        )
    for key, readers in _OF_SOME.items():
        if getattr(cfg.data, key) != defaults()[f"data.{key}"] and cfg.data.reader not in (*readers, "join"):
            raise ConfigError(
                f"data.{key}: only data.reader={' or '.join(readers)} knows it, and data.reader is"
                f" {cfg.data.reader}"
            )
    check_tags(cfg.data.tags)
    if cfg.data.sources is not None and cfg.data.reader != "recipes":
        raise ConfigError(
            f"data.sources: only data.reader=recipes joins recipes, and data.reader is {cfg.data.reader}"
        )


def _set(ctx: Context, everything: Path, name: str, drop: Path | None) -> Unit:
    """One set of data/all; ``drop``: the table of data.drop, which is about training sets alone."""
    budget = ctx.cfg.data.train_minutes if name == ctx.cfg.train_set else None
    own_drop = drop if name in ("train", ctx.cfg.train_set) else None

    def make(out: Path) -> dict:
        from xlt.data.subsets import subset
        from xlt.formats.tables import write_table

        places = folds.places(ctx.cfg, everything, name)
        facts = subset(everything, out, name, budget, own_drop, places)
        if name in ctx.cfg.pooled_sets:
            write_table(out / folds.FOLD_TABLE, folds.numbers(out))
        return facts

    settings: dict = {} if budget is None else {"data.train_minutes": budget}
    if ctx.cfg.data.split == CROSS:
        settings |= ctx.cfg.section("data.fold")
    return Unit("data", ctx.data / name, settings, [everything, *filter(None, [own_drop])], make)
