"""What the stages to come need of disk, memory and processes, against what this machine has."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from xlt.audio.files import SAMPLE_RATE
from xlt.check.datadir import Sets
from xlt.check.faults import Fault, Place
from xlt.core.config import Config
from xlt.core.context import Context
from xlt.core.errors import XltError
from xlt.core.machine import free_memory
from xlt.features.copies import copies_of
from xlt.fetch.files import cache_root
from xlt.formats.markdown import table
from xlt.upstreams import upstream_class
from xlt.upstreams.freeze import resolved
from xlt.upstreams.size import TUNED_BYTES, Size, upstream_size

BYTES = {"f32": 4, "cm2": 2, "cm1": 1}  # a value
A_CLIP = 200  # bytes of a clip's name, place and header, as tests/bench/RESULTS.md has them
SURE = 0.8  # of an estimate: what is needed at least
GB = 1e9


@dataclass(frozen=True)
class Need:
    """What a stage wants. ``place``: folder on whose disk it lies, None for memory; ``size``: bytes,
    estimated.
    """

    what: str
    size: float
    place: Path | None
    remedy: str


def needs(sets: Sets, cfg: Config) -> list[Need]:
    """Disk and memory of the stages to come, for what they have not made yet."""
    ctx = Context(sets.data.parent, cfg)
    with contextlib.suppress(XltError, ValueError):  # from tables whose faults other rules report
        ctx = resolved(ctx)
    size = upstream_size(ctx.cfg.features.upstream, ctx.cfg.features.path)
    stored = [] if ctx.cfg.features.on_the_fly else _of_features(sets, ctx, size)
    return [*stored, *_of_training(ctx.cfg, size, ctx.exp)]


def _of_features(sets: Sets, ctx: Context, size: Size) -> list[Need]:
    """Stage 3: the store, the hidden states of the probe for a while, and the processes."""
    cfg, found = ctx.cfg, []
    rate = upstream_class(cfg.features.upstream).expected_rate(cfg.features.upstream)
    samples = {}
    for name, data in sets.items():
        seconds = sum(filter(None, map(data.seconds, data.table("utt2dur"))))
        samples[name] = round(seconds * SAMPLE_RATE)
    missing = [name for name in sets if not (ctx.dump / name / "feats.scp").exists()]
    clips = sum(len(sets[name].table("text")) for name in missing)
    if missing:
        layers = len(cfg.features.layers) if isinstance(cfg.features.layers, list) else 1
        stored = 0
        for name in missing:
            stored += sum(copy.length(samples[name]) for copy in copies_of(cfg, name))
        values = stored / SAMPLE_RATE * rate * size.dim * layers
        place = cache_root(cfg.data.cache)
        remedy = "free some space, move data.cache, or set features.storage=cm1"
        needed = values * BYTES[cfg.features.storage] + clips * A_CLIP
        found.append(Need("features (stage 3)", needed, place, remedy))
    mixes = size.states > 1 and cfg.features.layers in ("auto", "mix") and not cfg.features.mix_from
    if mixes and not (ctx.dump / "mix").exists():
        speech_s = min(cfg.features.mix_minutes * 60, samples[cfg.train_set] / SAMPLE_RATE)
        needed = speech_s * rate * size.states * size.dim * 2
        remedy = "lower features.mix_minutes, or take another recipe's mix: features.mix_from"
        found.append(Need("hidden states of the probe (stage 3, for a while)", needed, ctx.dump, remedy))
    if missing and size.parameters:
        jobs = min(cfg.jobs, max(1, clips))
        needed = jobs * (4 * size.parameters + 5e8)
        found.append(Need(f"the upstream, {jobs} times (stage 3)", needed, None, "lower nj"))
    return found


def _of_training(cfg: Config, size: Size, exp: Path) -> list[Need]:
    """Stages 6 and 10, where the upstream is trained, or goes into the bundle."""
    found = []
    if cfg.train.freeze in ("extractor", "none"):
        remedy = "set train.freeze=upstream or train.adapter=lora, or take a machine with more memory"
        found.append(Need("training of the upstream (stage 6)", TUNED_BYTES * size.parameters, None, remedy))
        needed = (4 * (cfg.train.average_best + 2) + 24) * size.parameters
        remedy = "free some space, or lower train.average_best"
        found.append(Need("checkpoints (stage 6)", needed, exp, remedy))
    if cfg.bundle.with_upstream and size.parameters:
        remedy = "free some space, or set bundle.with_upstream=false"
        found.append(Need("the bundle (stage 10)", 4 * size.parameters, exp, remedy))
    return found


def free_disk(place: Path) -> float:
    """Free bytes where ``place`` is or will be."""
    place = place.absolute()
    return shutil.disk_usage(next(p for p in (place, *place.parents) if p.exists())).free


def room(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Disk: an error if even the least that is needed is not there, and no features of others are; memory: a
    warning.
    """
    for need in needs(sets, cfg):
        free = free_memory() if need.place is None else free_disk(need.place)
        if free is None or need.size <= SURE * free:
            continue
        shared = (
            need.place is not None and (need.place / "features").is_dir()
        )  # another recipe may have made them
        surely = need.place is not None and SURE * need.size > free and not shared
        yield Fault(
            "error" if surely else "warning",
            Place("memory" if need.place is None else str(need.place)),
            "{what}: about {needed:.1f} GB are needed, {free:.1f} GB are free",
            need.remedy,
            values={"what": need.what, "needed": need.size / GB, "free": free / GB},
        )


def jobs_for_all(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """More processes than there are utterances: the rest have nothing to do, and in Kaldi's scripts they
    fail.
    """
    for data in sets.values():
        count = len(data.table("text"))
        if cfg.nj is not None and 0 < count < cfg.nj:
            yield Fault(
                "note",
                data.where("text"),
                "nj={nj} for {count} utterances",
                f"{count} processes are started; Kaldi's own scripts would fail: set nj={count} or less",
                values={"nj": cfg.nj, "count": count},
            )


def section(sets: Sets, cfg: Config, out: Path) -> str:
    """A table of the estimates."""
    rows = [
        [need.what, "memory" if need.place is None else "disk", f"{need.size / GB:.2f}"]
        for need in needs(sets, cfg)
    ]
    made = table(["for", "of", "GB"], rows)
    return f"Estimates of what the stages to come need.\n\n{made}" if rows else ""


CHECKS = (room, jobs_for_all)
