"""Stage 3: each set's audio is looked up in the shared store, what is missing is encoded, and scp files point
there.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from xlt.audio.files import SAMPLE_RATE
from xlt.core.context import Context, need
from xlt.core.errors import DataError, UpstreamError
from xlt.core.executor import Executor, Workers, open_executor
from xlt.core.log import Progress, say
from xlt.core.stage import Unit, read_stamp, run_unit, write_json
from xlt.features.cache import Key
from xlt.features.extract import (
    Setup,
    load_mix,
    prepare,
    resolve_dtype,
    resolve_layers,
    shape,
    upstream_class,
    workers,
)
from xlt.formats.archives import Entry
from xlt.formats.tables import read_scp, read_table, write_table
from xlt.upstreams.base import changed_weights, seen, seen_weights

ON_DATA = "run stage 1 (data) again with --force"


class Row(NamedTuple):
    """An utterance of a set, perhaps at another speed; ``samples`` are those of this speed, 16 kHz."""

    utt: str
    key: str  # content key
    wav: str
    sha: str
    speed: float
    samples: int


def run(ctx: Context) -> None:
    """Stage 3: features of the training, dev and test set."""
    sets = ctx.cfg.sets
    need(ctx, *(ctx.data / name / "wav.scp" for name in sets), stage="data")
    mix = None
    if resolve_layers(ctx.cfg.features) == "mix":
        from xlt.features import layer_mix

        mix = layer_mix.make(ctx)
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
            self._key = Key.of(self.cache, self.setup)
        return self._key

    @functools.cached_property
    def workers(self) -> Workers:
        return workers(self.setup, self.ctx.cfg.jobs, self.ctx.cfg.features.ngpu)

    @property
    def executor(self) -> Executor:
        if self._executor is None:
            self._executor = open_executor("encode", self.setup, self.workers)
        return self._executor

    def speeds(self, name: str) -> list[float]:
        """Speeds at which set ``name`` is encoded: several for the training set only."""
        own = name == self.ctx.cfg.train_set or name in (train for train, _ in self.ctx.cfg.mixed.values())
        return self.ctx.cfg.features.speed if own else [1.0]

    def unit(self, name: str) -> Unit:
        """The unit of set ``name``; cheap: no weights are looked at."""
        features, data = self.ctx.cfg.features, self.ctx.data / name
        config = self.ctx.cfg.section("features.upstream", "features.path", "features.storage")
        config |= {
            "features.layers": resolve_layers(features),
            "features.dtype": resolve_dtype(features),
            "features.speed": self.speeds(name),
        }
        inputs = [data / "wav.scp", data / "utt2audio"] + ([Path(features.path)] if features.path else [])
        if self.speeds(name) != [1.0]:
            inputs += [data / "text", data / "utt2spk"]
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
        if "audio_files" in stamp and stamp["audio_files"] != self._audio_files(name):
            return "audio changed"
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
        rows = self.rows(name)
        out, key = self.ctx.dump / name, self.key
        with key.writing(os.fspath(out.absolute())):
            key.describe(self.setup, self.ctx.cfg.features.path)
            key.use(out)
            plan = Plan(partial / "plan.json", key, rows, self.ctx.force)
            if plan.found:
                say(f"  {plan.found} of {len(rows)} utterances are there already")
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
        if self.speeds(name) != [1.0]:
            _label(data, partial, self.speeds(name))
        write_json(partial / "feats.json", {"dim": facts["dim"], "frame_rate": facts["frame_rate"], **meta})
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
            made["audio_files"] = self._audio_files(name)
        return made

    def _audio_files(self, name: str) -> str:
        """A digest of names, sizes and times of sound files whose hashes nothing keeps."""
        wavs = read_table(self.ctx.data / name / "wav.scp")
        known = [[utt, path, seen(self.ctx.recipe / path)] for utt, path in wavs.items()]
        return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:20]

    def rows(self, name: str) -> list[Row]:
        """The utterances of set ``name`` at each speed, in the order of wav.scp; DataError for what cannot be
        read.
        """
        data = self.ctx.data / name
        wavs = read_scp(data / "wav.scp", self.ctx.recipe)
        samples = lengths(data, wavs)
        hashes = read_table(data / "utt2audio") if (data / "utt2audio").exists() else _hashes(wavs)
        missing = [utt for utt in wavs if utt not in hashes]
        if missing:
            raise DataError(
                f"{data / 'utt2audio'}: {len(missing)} utterances of wav.scp are missing, first"
                f" {missing[0]!r}; {ON_DATA}"
            )
        return [
            Row(speed_name(utt, s), content_key(hashes[utt], s), wav, hashes[utt], s, round(samples[utt] / s))
            for s in self.speeds(name)
            for utt, wav in wavs.items()
        ]

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
            "speed": self.speeds(name),
        } | ({"mix": mix.facts()} if mix else {})

    def _encode(self, name: str, plan: Plan, todo: list[list[Row]]) -> None:
        """Encode batches into an archive of this run; UpstreamError names those whose features are not
        numbers.
        """
        samples = {r.key: r.samples for batch in todo for r in batch}
        messages = [
            {
                "ark": os.fspath(plan.key.ark(plan.key.new_run())),
                "utts": [[r.key, r.wav, r.sha, r.speed] for r in batch],
            }
            for batch in todo
        ]
        start, done, encoded, bad = time.monotonic(), 0.0, 0.0, {}
        count = min(self.workers.count, len(messages))
        with_ = f"with {count} processes" if count > 1 else "with one process"
        with Progress(
            f"features of {name}", round(sum(samples.values()) / SAMPLE_RATE), "s of speech"
        ) as progress:
            for answer in _by_name(self.executor.run(messages, ordered=False), todo):
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


class Plan:
    """The batches of a set, kept where an interrupted run finds them: the same batches give the same bits.

    ``{"key": folder of the store, "since": run, "needs": [content key, …], "batches": [[content key, …],
    …]}``; with --force only what was written from run ``since`` on counts.
    """

    def __init__(self, path: Path, key: Key, rows: list[Row], force: bool):
        self.path, self.key, self.rows = path, key, rows
        self.by_key = {r.key: r for r in rows}
        old = _read_json(path) or {}
        if (
            old.get("key") != key.folder.name
            or force > (old["since"] > 0)
            or not self.by_key.keys() >= {k for b in old["batches"] for k in b}
        ):
            old = {"since": key.new_run() if force else 0, "batches": []}
        self.since, self.batches = old["since"], old["batches"]
        self.have = set(self.entries())
        self.found = sum(r.key in self.have for r in rows)

    def entries(self) -> dict[str, tuple[Path, Entry]]:
        return self.key.entries(set(self.by_key), self.since)

    def todo(self, budget: Callable[[list[Row]], float]) -> list[list[Row]]:
        """Batches of which something is missing; ``budget``: the seconds of a batch of these rows."""
        planned = {k for batch in self.batches for k in batch}
        new = [r for k, r in self.by_key.items() if k not in self.have and k not in planned]
        if new:
            self.batches += [[r.key for r in batch] for batch in batches(new, budget(new))]
        write_json(
            self.path,
            {
                "key": self.key.folder.name,
                "since": self.since,
                "needs": list(self.by_key),
                "batches": self.batches,
            },
        )
        return [[self.by_key[k] for k in batch] for batch in self.batches if not self.have.issuperset(batch)]


def content_key(sha: str, speed: float) -> str:
    """What features are stored under: the hash of the audio, and the speed if it is not that of the audio."""
    return sha if speed == 1.0 else f"{sha}-sp{speed:g}"


def speed_name(name: str, speed: float) -> str:
    """The utterance or speaker ``name`` at a speed, as Kaldi's recipes call it: ``sp0.9-<name>``."""
    return name if speed == 1.0 else f"sp{speed:g}-{name}"


def batches(todo: list[Row], budget_s: float) -> list[list[Row]]:
    """Utterances of like length in batches of about ``budget_s`` seconds, the longest first."""
    grouped, size = [], 0.0
    for row in sorted(todo, key=lambda r: (-r.samples, r.utt)):
        seconds = row.samples / SAMPLE_RATE
        if not grouped or size + seconds > budget_s:
            grouped.append([])
            size = 0.0
        grouped[-1].append(row)
        size += seconds
    return grouped


def lengths(data: Path, wavs: dict[str, str]) -> dict[str, int]:
    """Samples at 16 kHz of each utterance, from the files' headers; DataError if a file is missing or cut
    short.
    """
    import soundfile

    if not wavs:
        raise DataError(f"{data / 'wav.scp'}: holds no utterances; {ON_DATA}")
    if (data / "segments").exists():
        raise DataError(
            f"{data / 'segments'}: stage 3 reads one file an utterance; import this directory with "
            "data.reader=kaldi data.dir=DIR, which cuts segments"
        )
    said = read_table(data / "utt2dur") if (data / "utt2dur").exists() else {}
    samples = {}
    for line, (utt, path) in enumerate(wavs.items(), 1):
        where = f"{data / 'wav.scp'}:{line}: utterance {utt}: {path}"
        if path.endswith("|"):
            raise DataError(
                f"{where}: is a command; import this directory with data.reader=kaldi data.dir=DIR "
                "data.allow_pipes=true, which runs commands"
            )
        try:
            info = soundfile.info(path)
        except (soundfile.LibsndfileError, OSError) as err:
            reason = "no such file" if not Path(path).exists() else f"not readable as audio ({err})"
            raise DataError(f"{where}: {reason}; {ON_DATA}") from None
        seconds = info.frames / info.samplerate
        if utt in said and abs(float(said[utt]) - seconds) > 0.02:
            raise DataError(
                f"{where}: is {seconds:.2f} s long, utt2dur says {said[utt]}: cut short or changed; {ON_DATA}"
            )
        samples[utt] = round(seconds * SAMPLE_RATE)
    return samples


def _hashes(wavs: dict[str, str]) -> dict[str, str]:
    """Hashes of the samples, for a data directory that stage 1 has not made."""
    from xlt.audio.files import read_wav
    from xlt.features.extract import audio_hash

    say(f"  no utt2audio: reads {len(wavs)} files to know their audio")
    return {utt: audio_hash(read_wav(path)) for utt, path in wavs.items()}


def _label(data: Path, partial: Path, speeds: list[float]) -> None:
    """Tables of texts and speakers for the copies of each utterance."""
    texts, speakers = read_table(data / "text"), read_table(data / "utt2spk")
    write_table(partial / "text", {speed_name(u, s): text for s in speeds for u, text in texts.items()})
    write_table(
        partial / "utt2spk",
        {speed_name(u, s): speed_name(spk, s) for s in speeds for u, spk in speakers.items()},
    )


def _by_name(answers: Iterator[dict], todo: list[list[Row]]) -> Iterator[dict]:
    """The same answers; an error that names a content key names the utterance."""
    try:
        yield from answers
    except DataError as err:
        text = str(err)
        row = next((r for batch in todo for r in batch if f"utterance {r.key}:" in text), None)
        raise DataError(text.replace(row.key, row.utt) if row else text) from None


def _read_json(path: Path) -> dict | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _same_upstream(folders: list[Path]) -> None:
    """UpstreamError if the sets were made with different weights: a model trained on one would not fit the
    others.
    """
    first, *others = [(f, (_read_json(f / "feats.json") or {}).get("upstream")) for f in folders]
    for folder, identity in others:
        if identity != first[1]:
            raise UpstreamError(
                f"{folder} and {first[0]} were made with different weights ({identity} and "
                f"{first[1]}); make all sets again: --stage 3 --stop_stage 3 --force"
            )
