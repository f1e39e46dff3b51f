"""Stage 3: each set's audio is looked up in the shared store, what is missing is encoded, and scp files point
there.
"""

from __future__ import annotations

import functools
import importlib.metadata
import os
import time
from pathlib import Path

from xlt.audio.augment import Copy, check
from xlt.audio.augment.sounds import FACTS
from xlt.audio.files import SAMPLE_RATE
from xlt.core.context import Context, need
from xlt.core.errors import UpstreamError
from xlt.core.executor import Executor, Workers, open_executor, workers_of
from xlt.core.log import Progress, say
from xlt.core.machine import need_room
from xlt.core.stage import Unit, read_stamp, run_unit
from xlt.features.cache import Key
from xlt.features.copies import asked, copies_of, sounds_of, write_sources
from xlt.features.extract import (
    Setup,
    check_masks,
    load_mix,
    prepare,
    resolve_dtype,
    resolve_layers,
    shape,
    workers,
)
from xlt.features.plan import Plan, Row, audio_files, rows_of
from xlt.features.upkeep import outdated
from xlt.formats.archives import ARK_LIMIT
from xlt.formats.features import read_features, write_features
from xlt.formats.matrix import stored_size
from xlt.formats.tables import read_table, write_table
from xlt.upstreams import upstream_class
from xlt.upstreams.base import changed_weights, seen_weights

_SURELY_FITS_S = 3600.0  # so little speech needs no look at the disk


def run(ctx: Context, inherited: Path | None = None) -> None:
    """Stage 3: features of the training, dev and test set; ``inherited``: see :func:`layer_mix.make`."""
    check(ctx.cfg.features, ctx.cfg.data.noise)
    check_masks(ctx.cfg.features)
    sets = ctx.cfg.sets
    need(ctx, *(ctx.data / name / "wav.scp" for name in sets), stage="data")
    mix = None
    if resolve_layers(ctx.cfg.features) == "mix":
        from xlt.features import layer_mix

        mix = layer_mix.make(ctx, inherited)
    store = Store(ctx, mix)
    try:
        for name in sets:
            run_unit(ctx, store.unit(name))
            store.remember(name)
    finally:
        store.close()
    if not ctx.dry_run:
        _same_upstream([ctx.dump / name for name in sets])


class Store:
    """Makes the sets of one run; the weights are found, and the workers started, once and only if there is
    work.
    """

    def __init__(self, ctx: Context, mix: Path | None = None):
        from xlt.fetch.files import cache_root

        self.ctx, self.mix, self.cache = ctx, mix, cache_root(ctx.cfg.data.cache)
        self._setup: Setup | None = None
        self._key: Key | None = None
        self._executor: Executor | None = None

    def close(self) -> None:
        if self._executor is not None:
            self._executor.close()

    @property
    def setup(self) -> Setup:
        if self._setup is None:
            self._setup = prepare(self.ctx.cfg.features, self.cache, mix=self.mix)
        return self._setup

    @property
    def key(self) -> Key:
        if self._key is None:
            self._key = Key.for_setup(self.cache, self.setup)
        return self._key

    @functools.cached_property
    def workers(self) -> Workers:
        cfg = self.ctx.cfg
        if cfg.executor != "local":
            return workers_of(cfg)
        return workers(self.setup, cfg.jobs, cfg.features.ngpu)

    @property
    def executor(self) -> Executor:
        if self._executor is None:
            self._executor = open_executor("encode", self.setup, self.workers)
        return self._executor

    def unit(self, name: str) -> Unit:
        """The unit of set ``name``; cheap: no weights are looked at."""
        features, data = self.ctx.cfg.features, self.ctx.data / name
        config = self.ctx.cfg.section("features.upstream", "features.path", "features.storage")
        config |= {
            "features.layers": resolve_layers(features),
            "features.dtype": resolve_dtype(features),
            **{f"features.{key}": value for key, value in asked(self.ctx.cfg, name).items()},
        }
        inputs = [data / "wav.scp", data / "utt2audio"] + ([Path(features.path)] if features.path else [])
        if copies_of(self.ctx.cfg, name) != [Copy()]:
            inputs += [data / "text", data / "utt2spk"]
        if any(copy.draws for copy in copies_of(self.ctx.cfg, name)):
            inputs.append(self.ctx.noise / FACTS)
        if self.mix:
            inputs += [self.mix / "mix.json", self.mix / "mix.npz"]
        versions = {p: importlib.metadata.version(p) for p in upstream_class(features.upstream).packages}
        return Unit(
            "features",
            self.ctx.dump / name,
            config,
            inputs,
            lambda partial: self.make(name, partial),
            resume=True,
            versions=versions,
            stale=lambda: self.stale(name),
        )

    def stale(self, name: str) -> str | None:
        """What has changed beside settings and inputs: archives that are gone or cut short, weights, users'
        own audio.
        """
        stamp = read_stamp(self.ctx.dump / name) or {}
        for path, size in stamp.get("archives", {}).items():
            try:
                if os.stat(path).st_size < size:
                    return f"{path} was cut short"
            except OSError:
                return f"{path} is gone"
        if changed := changed_weights(stamp):
            return changed
        if "audio_files" in stamp and stamp["audio_files"] != audio_files(
            self.ctx.data / name, self.ctx.recipe
        ):
            return "audio changed"
        if utt := outdated(self.ctx.dump / name):
            return f"utt2crc is older than the stored features, first of {utt}"
        return None

    def remember(self, name: str) -> None:
        """Note in the store that the set uses it, also where the recipe has been moved to."""
        stamp = read_stamp(self.ctx.dump / name) or {}
        if not self.ctx.dry_run and Path(stamp.get("store", "")).is_dir() and "store" in stamp:
            Key(Path(stamp["store"])).use(self.ctx.dump / name)

    def make(self, name: str, partial: Path) -> dict:
        """Encode what of set ``name`` the store lacks, going on from the plan in ``partial``, and write the
        tables.
        """
        data = self.ctx.data / name
        sounds = sounds_of(self.ctx, name)
        copies = copies_of(self.ctx.cfg, name, sounds)
        rows = rows_of(data, self.ctx.recipe, copies, sounds)
        out, key = self.ctx.dump / name, self.key
        with key.writing(os.fspath(out.absolute())):
            key.describe(self.setup, self.ctx.cfg.features.path)
            key.use(out)
            plan = Plan(partial / "plan.json", key, rows, self.ctx.force)
            if plan.stored:
                say(f"  {plan.stored} of {len(rows)} utterances are already stored")
            todo = plan.todo(self._budget)
            if todo:
                self._encode(name, plan, todo)
            if "dim" not in key.facts:  # a run that was killed just behind its first batch has not kept it
                key.keep(**shape(self.setup))
            places = plan.entries()
        facts, meta = key.facts, self._meta(name)
        write_table(
            partial / "feats.scp", {r.utt: f"{places[r.key][0]}:{places[r.key][1].offset}" for r in rows}
        )
        write_table(partial / "utt2num_frames", {r.utt: str(places[r.key][1].frames) for r in rows})
        write_table(partial / "utt2crc", {r.utt: f"{places[r.key][1].crc:08x}" for r in rows})
        write_table(partial / "utt2audio", {r.utt: r.key for r in rows})
        if copies != [Copy()]:
            _label(data, partial, copies)
        write_features(partial, {"dim": facts["dim"], "frame_rate": facts["frame_rate"], **meta})
        (partial / "plan.json").unlink(missing_ok=True)
        ends: dict[str, int] = {}
        for ark, entry in places.values():
            ends[os.fspath(ark)] = max(ends.get(os.fspath(ark), 0), entry.offset + entry.size)
        made = {
            "utterances": len(rows),
            "audio_s": round(sum(r.samples for r in rows) / SAMPLE_RATE, 1),
            "encoded": sum(map(len, todo)),
            "store": os.fspath(key.folder),
            "archives": ends,
            "weights": seen_weights(self.setup.source),
        }
        if not (data / "utt2audio").exists():
            made["audio_files"] = audio_files(data, self.ctx.recipe)
        return made

    def _budget(self, rows: list[Row]) -> float:
        """Seconds of a batch, so that each process gets several."""
        total = sum(r.samples for r in rows) / SAMPLE_RATE
        return min(self.setup.batch_s, max(5.0, total / (4 * self.workers.count)))

    def _meta(self, name: str) -> dict:
        """What ``feats.json`` says beside the shape; the same for the same settings, since training
        reads it.
        """
        mix = load_mix(self.setup)
        setup = self.setup
        return {
            "upstream": setup.source.identity,
            "layers": setup.layers,
            "dtype": setup.dtype,
            "storage": setup.storage,
            **asked(self.ctx.cfg, name),
        } | ({"mix": mix.facts()} if mix else {})

    def _need_room(self, name: str, key: Key, seconds: float) -> None:
        """StageError if the store has no room for the features of so many seconds. Their size is known once
        some are stored; where much is to come, a second of silence tells it.
        """
        if "dim" not in key.facts and seconds < _SURELY_FITS_S:
            return
        if "dim" not in key.facts:
            key.keep(**shape(self.setup))
        facts = key.facts
        size = stored_size(round(seconds * facts["frame_rate"]), facts["dim"], facts["storage"])
        files = 2 * (self.workers.count + round(seconds / 3600) + size // ARK_LIMIT)
        need_room(
            key.folder,
            size,
            files,
            f"features of {name} ({seconds / 3600:.1f} hours)",
            "free some space, name another place with data.cache, or encode in each epoch instead with"
            " features.on_the_fly=true",
        )

    def _encode(self, name: str, plan: Plan, todo: list[list[Row]]) -> None:
        """Encode batches into an archive of this run; UpstreamError names those whose features are not
        numbers.
        """
        samples = {r.key: r.samples for batch in todo for r in batch}
        self._need_room(name, plan.key, sum(samples.values()) / SAMPLE_RATE)
        ark = os.fspath(plan.key.ark(plan.key.claim_run()))
        messages = [{"ark": ark, "utts": [row.clip for row in batch]} for batch in todo]
        start, done, encoded = time.monotonic(), 0.0, 0.0
        bad: dict[str, str] = {}
        count = min(self.workers.count, len(messages))
        with_ = f"with {count} processes" if count > 1 else "with one process"
        with Progress(
            f"features of {name}", round(sum(samples.values()) / SAMPLE_RATE), "s of speech"
        ) as progress:
            for answer in self.executor.run(messages, ordered=False):
                if not done:
                    plan.key.keep(answer["dim"], answer["frame_rate"])
                bad |= answer["bad"]
                before = done
                done += sum(samples[k] for k in [*answer["entries"], *answer["bad"]]) / SAMPLE_RATE
                encoded += answer["padded_s"]
                rtf, padding = (
                    (time.monotonic() - start) / max(done, 1e-9),
                    1 - done / max(done, encoded, 1e-9),
                )
                progress.add(
                    round(done) - round(before), f"real-time factor {rtf:.3f} {with_}, {padding:.0%} padding"
                )
        if bad:
            names = [f"{r.utt} ({bad[r.key]})" for r in plan.rows if r.key in bad]
            raise UpstreamError(
                f"{self.setup.source.upstream}: the features of {len(names)} of {len(plan.rows)} utterances"
                f" of {name} are not finite numbers:"
                f" {', '.join(names[:10])}{' …' if len(names) > 10 else ''}; the others are stored. Use"
                " features.dtype=float32, listen to these clips, or take them out of the corpus"
            )


def _label(data: Path, partial: Path, copies: list[Copy]) -> None:
    """Tables of sources, texts and speakers for the copies of each utterance."""
    texts, speakers = read_table(data / "text"), read_table(data / "utt2spk")
    write_sources(partial, read_table(data / "wav.scp"), copies)
    write_table(partial / "text", {c.name(u): text for c in copies for u, text in texts.items()})
    write_table(partial / "utt2spk", {c.name(u): c.name(spk) for c in copies for u, spk in speakers.items()})


def _same_upstream(folders: list[Path]) -> None:
    """UpstreamError if the sets were made with different weights: a model trained on one would not fit the
    others.
    """
    first, *others = [(f, read_features(f).get("upstream")) for f in folders]
    for folder, identity in others:
        if identity != first[1]:
            raise UpstreamError(
                f"{folder} and {first[0]} were made with different weights ({identity} and "
                f"{first[1]}); make all sets again: --stage 3 --stop_stage 3 --force"
            )
