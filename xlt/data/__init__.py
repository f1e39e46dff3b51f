"""Stage 1: a corpus becomes Kaldi directories. ``data/all`` has everything that was kept; the sets are parts of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from xlt import languages
from xlt.data.groups import SALT
from xlt.data.text import check_name
from xlt.errors import ConfigError
from xlt.stage import Context, Unit, run_unit

if TYPE_CHECKING:
    from xlt.config import Config

_KEYS = ("data.reader", "data.dir", "data.archive", "data.min_dur_s", "data.max_dur_s", "data.max_chars_per_s",
         "data.min_chars_per_s")


def normaliser_of(cfg: Config) -> str:
    """The setting data.normaliser, or the language's own; ConfigError if there is no such normaliser."""
    return check_name(cfg.data.normaliser or languages.get(cfg.lang).normaliser)


def fingerprint(folder: Path) -> str:
    """Changes when a file below ``folder`` is added, removed, altered or renamed; reads no file."""
    import hashlib

    sha = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            info = path.stat()
            sha.update(f"{path.relative_to(folder)} {info.st_size} {info.st_mtime_ns}\n".encode())
    return sha.hexdigest()[:20]


def run(ctx: Context) -> None:
    """Make data/all, then data/train, dev and test, and the training budget if one is set."""
    cfg = ctx.cfg
    languages.get(cfg.lang)
    if cfg.data.reader is None:
        raise ConfigError("data.reader: not set; write `data: {reader: tuxpaint}` or `data: {reader: kaldi, dir: …}` "
                          "into recipe.yaml")
    config = {**cfg.section(*_KEYS), "lang": cfg.lang, "data.normaliser": normaliser_of(cfg), "split": SALT}
    if cfg.data.dir is not None:
        config["corpus"] = fingerprint(Path(cfg.data.dir)) if Path(cfg.data.dir).is_dir() else "missing"
    inputs = [Path(cfg.data.archive)] if cfg.data.archive else []

    def make_all(out: Path) -> dict:
        from xlt.data.build import build

        return build(cfg, normaliser_of(cfg), out, ctx.data / "all")

    everything = ctx.data / "all"
    run_unit(ctx, Unit("data", everything, config, inputs, make_all, resume=True))
    if ctx.dry_run and not everything.exists():
        return
    for name in dict.fromkeys(("train", "dev", "test", cfg.train_set)):
        minutes = cfg.data.train_minutes if name == cfg.train_set else None

        def make_set(out: Path, name: str = name, minutes: float | None = minutes) -> dict:
            from xlt.data.subsets import subset

            return subset(everything, out, name, minutes)

        settings = {} if minutes is None else {"data.train_minutes": minutes}
        run_unit(ctx, Unit("data", ctx.data / name, settings, [everything], make_set))
