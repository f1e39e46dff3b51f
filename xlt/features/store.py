"""The feature store: one directory a set with archives, resumed and reused by utterance."""

from __future__ import annotations

import importlib.metadata
import json
import time
from pathlib import Path

from xlt.errors import DataError, UpstreamError
from xlt.features.extract import Setup, prepare, resolve_dtype, resolve_layers, shape, upstream_class
from xlt.features.upstreams.base import SAMPLE_RATE, has_gpu
from xlt.kaldi_io import ArkWriter, FeatureReader, read_table, write_table
from xlt.log import Progress, say
from xlt.stage import Context, Unit, need, read_stamp, run_unit, write_json

ON_DATA = "run stage 1 (data) again with --force"


def run(ctx: Context) -> None:
    """Stage 3: features of the training, dev and test set."""
    sets = list(dict.fromkeys([ctx.cfg.train_set, "dev", "test"]))
    need(ctx, *(ctx.data / name / "wav.scp" for name in sets), stage="data")
    store = Store(ctx)
    try:
        for name in sets:
            run_unit(ctx, store.unit(name))
    finally:
        store.close()
    if not ctx.dry_run:
        _same_upstream([ctx.dump / name for name in sets])


class Store:
    """Makes the sets of one run; the weights are found, and the workers started, once and only if there is work."""

    def __init__(self, ctx: Context):
        self.ctx = ctx
        self._setup: Setup | None = None
        self._pool = None

    def close(self) -> None:
        if self._pool is not None:
            self._pool.close()

    @property
    def setup(self) -> Setup:
        if self._setup is None:
            from xlt.data.fetch import cache_root

            self._setup = prepare(self.ctx.cfg.features, cache_root(self.ctx.cfg.data.cache))
        return self._setup

    @property
    def pool(self):
        if self._pool is None:
            from xlt.features.pool import Pool

            self._pool = Pool(self.setup, 1 if has_gpu() else self.ctx.cfg.jobs)
        return self._pool

    def unit(self, name: str) -> Unit:
        """The unit of set ``name``; cheap: no weights are looked at."""
        features, data = self.ctx.cfg.features, self.ctx.data / name
        config = self.ctx.cfg.section("features.upstream", "features.path")
        config |= {"features.layers": resolve_layers(features), "features.dtype": resolve_dtype(features)}
        inputs = [data / "wav.scp", data / "utt2audio"] + ([Path(features.path)] if features.path else [])
        versions = {p: importlib.metadata.version(p) for p in upstream_class(features.upstream).packages}
        return Unit("features", self.ctx.dump / name, config, inputs, lambda partial: self.make(name, partial),
                    resume=True, versions=versions)

    def make(self, name: str, partial: Path) -> dict:
        """Write the features of set ``name`` into ``partial``, going on from what is there."""
        data, out = self.ctx.data / name, self.ctx.dump / name
        wavs = read_table(data / "wav.scp")
        hashes = read_table(data / "utt2audio") if (data / "utt2audio").exists() else {}
        samples = _lengths(data, wavs)
        setup = self.setup
        made = {"utterances": len(wavs), "audio_s": round(sum(samples.values()) / SAMPLE_RATE, 1)}
        if (partial / "feats.json").exists():  # written last: only the cleaning is left
            _clean(partial)
            return {**made, "encoded": 0}
        frames = _finished(partial, out, set(wavs))
        if frames:
            say(f"  {len(frames)} of {len(wavs)} utterances are there already")
        facts = _read_json(partial / "facts.json") or {}
        if not self.ctx.force:
            missing = {u: h for u, h in hashes.items() if u in wavs and u not in frames}
            copied, found = self._reuse(name, partial, missing)
            frames, facts = {**frames, **copied}, facts or found
        todo = [[u, wavs[u], hashes.get(u)] for u in wavs if u not in frames]
        if todo:
            facts = self._encode(name, partial, todo, samples, frames)
        facts = facts or shape(setup)  # a run that was ended just behind its last archive has not kept them
        places = {}
        for scp in sorted(partial.glob("feats.*.scp")):
            places.update(read_table(scp))
        write_table(partial / "feats.scp", {u: places[u] for u in wavs})
        write_table(partial / "utt2num_frames", {u: str(frames[u]) for u in wavs})
        if hashes:
            write_table(partial / "utt2audio", {u: hashes[u] for u in wavs if u in hashes})
        write_json(partial / "feats.json", {**facts, "upstream": setup.source.identity, "layers": setup.layers,
                                            "dtype": setup.dtype})
        _clean(partial)
        return {**made, "encoded": len(todo)}

    def _encode(self, name: str, partial: Path, todo: list, samples: dict[str, int], frames: dict[str, int]) -> dict:
        """Encode ``todo``, filling ``frames``; returns ``{"dim", "frame_rate"}``."""
        total = sum(samples[u] for u, _, _ in todo) / SAMPLE_RATE
        jobs = self.pool.jobs
        messages = [{"dir": str(partial), "final": str(self.ctx.dump / name), "utts": batch}
                    for batch in batches(todo, samples, min(self.setup.batch_s, max(5.0, total / (4 * jobs))))]
        facts, start, done, workers = {}, time.monotonic(), 0.0, min(jobs, len(messages))
        with_ = f"with {workers} processes" if workers > 1 else "with one process"
        with Progress(f"features of {name}", round(total), "s of speech") as progress:
            for answer in self.pool.run(messages):
                frames.update(answer["frames"])
                if not facts:
                    facts = {"dim": answer["dim"], "frame_rate": answer["frame_rate"]}
                    write_json(partial / "facts.json", facts)
                before, done = done, done + sum(samples[u] for u in answer["frames"]) / SAMPLE_RATE
                rtf = (time.monotonic() - start) / done
                progress.add(round(done) - round(before), f"real-time factor {rtf:.3f} {with_}")
        return facts

    def _reuse(self, name: str, partial: Path, wanted: dict[str, str]) -> tuple[dict[str, int], dict]:
        """Copy features of equal audio from finished sets of equal settings; ``({id: T}, their dim and rate)``."""
        out, facts, frames = self.ctx.dump / name, {}, {}
        request = self.unit(name)
        with ArkWriter(partial / "feats.0.ark", partial / "feats.0.scp", out / "feats.0.ark") as writer:
            for folder in sorted(self.ctx.dump.glob("[!.]*/")):
                stamp, meta = read_stamp(folder), _read_json(folder / "feats.json")
                if not stamp or not meta or not (folder / "utt2audio").exists():
                    continue
                versions = {k: stamp.get("versions", {}).get(k) for k in request.versions}
                if ((stamp.get("config"), versions) != (request.config, request.versions)
                        or meta["upstream"] != self.setup.source.identity):
                    continue
                theirs = {h: u for u, h in read_table(folder / "utt2audio").items()}
                reader = FeatureReader(folder / "feats.scp")
                copied = 0
                for utt, sha in wanted.items():
                    if utt in frames or sha not in theirs:
                        continue
                    try:
                        matrix = reader[theirs[sha]]
                    except DataError:
                        continue  # damaged there: encoded anew here
                    writer.write(utt, matrix)
                    frames[utt], copied = len(matrix), copied + 1
                if copied:
                    say(f"  {copied} utterances copied from {self.ctx.shown(folder)}")
                    facts = {"dim": meta["dim"], "frame_rate": meta["frame_rate"]}
        if not frames and not (partial / "feats.0.scp").stat().st_size:
            (partial / "feats.0.ark").unlink()
            (partial / "feats.0.scp").unlink()
        elif facts:
            write_json(partial / "facts.json", facts)
        return frames, facts


def batches(todo: list, samples: dict[str, int], budget_s: float) -> list[list]:
    """Utterances of like length in batches of about ``budget_s`` seconds, the longest first."""
    grouped, size = [], 0.0
    for item in sorted(todo, key=lambda item: (-samples[item[0]], item[0])):
        seconds = samples[item[0]] / SAMPLE_RATE
        if not grouped or size + seconds > budget_s:
            grouped.append([])
            size = 0.0
        grouped[-1].append(item)
        size += seconds
    return grouped


def _lengths(data: Path, wavs: dict[str, str]) -> dict[str, int]:
    """Samples at 16 kHz of each utterance, from the files' headers; DataError if a file is missing or cut short."""
    import soundfile

    if not wavs:
        raise DataError(f"{data / 'wav.scp'}: holds no utterances; {ON_DATA}")
    if (data / "segments").exists():
        raise DataError(f"{data / 'segments'}: stage 3 reads one file an utterance; import this directory with "
                        "data.reader=kaldi data.dir=DIR, which cuts segments")
    said = read_table(data / "utt2dur") if (data / "utt2dur").exists() else {}
    samples = {}
    for line, (utt, path) in enumerate(wavs.items(), 1):
        where = f"{data / 'wav.scp'}:{line}: utterance {utt}: {path}"
        if path.endswith("|"):
            raise DataError(f"{where}: is a command; import this directory with data.reader=kaldi data.dir=DIR, which "
                            "runs commands")
        try:
            info = soundfile.info(path)
        except (soundfile.LibsndfileError, OSError) as err:
            reason = "no such file" if not Path(path).exists() else f"not readable as audio ({err})"
            raise DataError(f"{where}: {reason}; {ON_DATA}") from None
        seconds = info.frames / info.samplerate
        if utt in said and abs(float(said[utt]) - seconds) > 0.02:
            raise DataError(f"{where}: is {seconds:.2f} s long, utt2dur says {said[utt]}: cut short or changed; "
                            f"{ON_DATA}")
        samples[utt] = round(seconds * SAMPLE_RATE)
    return samples


def _finished(partial: Path, out: Path, wanted: set[str]) -> dict[str, int]:
    """Frames of the utterances that an interrupted run left whole in ``partial``."""
    frames = {}
    for scp in sorted(partial.glob("feats.*.scp")):
        ark = scp.with_suffix(".ark")
        with ArkWriter(ark, scp, out / ark.name) as writer:
            frames.update({u: n for u, n in writer.num_frames.items() if u in wanted})
    return frames


def _clean(partial: Path) -> None:
    """Remove what only an interrupted run would need."""
    for leftover in [*partial.glob("feats.*.scp"), partial / "facts.json"]:
        leftover.unlink(missing_ok=True)


def _read_json(path: Path) -> dict | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _same_upstream(folders: list[Path]) -> None:
    """UpstreamError if the sets were made with different weights: a model trained on one would not fit the others."""
    first, *others = [(f, (_read_json(f / "feats.json") or {}).get("upstream")) for f in folders]
    for folder, identity in others:
        if identity != first[1]:
            raise UpstreamError(f"{folder} and {first[0]} were made with different weights ({identity} and "
                                f"{first[1]}); make all sets again: --stage 3 --stop_stage 3 --force")
