"""Stage 3 of ``features.on_the_fly``: nothing is encoded; the speech is read once, measured and checked."""

from __future__ import annotations

import functools
import importlib.metadata
from pathlib import Path

from xlt.audio.augment import Copy, check, copies, mask_values, masks, values
from xlt.audio.augment.sounds import FACTS, Sounds
from xlt.audio.files import SAMPLE_RATE
from xlt.core.context import Context, need
from xlt.core.errors import ConfigError, DataError
from xlt.core.log import Progress
from xlt.core.registry import FAMILIES
from xlt.core.stage import Unit, run_unit
from xlt.features.extract import (
    Setup,
    layer_numbers,
    load,
    prepare,
    resolve_dtype,
    resolve_layers,
)
from xlt.formats.features import write_features
from xlt.formats.tables import read_scp, read_table, write_table
from xlt.upstreams import upstream_class
from xlt.upstreams.base import check_layers


def run(ctx: Context) -> None:
    """Write ``dump/<upstream>_onfly/<set>/{utt2num_samples,feats.json}`` of the training, dev and test
    set.
    """
    features, drawn = ctx.cfg.features, FAMILIES.get(ctx.cfg.train.family).draws_copies
    check(features, ctx.cfg.data.noise)
    if mask_values(masks(features)):
        raise ConfigError(
            f"features.chunk_s={features.chunk_s}: features.on_the_fly encodes whole clips; set it to 0, or"
            " store features, with features.on_the_fly=false and a frozen upstream (train.freeze=upstream)"
        )
    if not drawn and copies(features) != [Copy()]:
        off, now = values(None), values(features)
        key = next(k for k in now if now[k] != off.get(k))
        raise ConfigError(
            f"features.{key}={now[key]}: features.on_the_fly encodes unaltered speech only; copies are made"
            " in the feature cache, with features.on_the_fly=false and a frozen upstream "
            "(train.freeze=upstream)"
        )
    if features.mix_from is not None:
        raise ConfigError(
            "features.mix_from: features.on_the_fly learns its layer weights with the head; another"
            " language's are taken with features.on_the_fly=false and a frozen upstream"
            " (train.freeze=upstream)"
        )
    sets = ctx.cfg.sets
    need(ctx, *(ctx.data / name / "wav.scp" for name in sets), stage="data")

    @functools.cache
    def facts() -> dict:
        return _facts(_setup(ctx), features.mix_norm)

    for name in sets:
        run_unit(ctx, _unit(ctx, name, facts))


def _draws(ctx: Context) -> bool:
    """Whether training draws copies with sounds of data/noise."""
    return bool(ctx.cfg.data.noise) and any(copy.draws for copy in copies(ctx.cfg.features))


def _setup(ctx: Context) -> Setup:
    from xlt.fetch.files import cache_root

    return prepare(ctx.cfg.features, cache_root(ctx.cfg.data.cache))


def _unit(ctx: Context, name: str, facts) -> Unit:
    features, data = ctx.cfg.features, ctx.data / name
    config = ctx.cfg.section("features.on_the_fly", "features.upstream", "features.path")
    layers = resolve_layers(features)
    config |= {"features.layers": layers, "features.dtype": resolve_dtype(features)}
    config |= ctx.cfg.section("features.mix_norm") if layers == "mix" else {}
    inputs = [data / "wav.scp", data / "utt2audio"] + ([Path(features.path)] if features.path else [])

    draws = name in ctx.cfg.learned_sets and _draws(ctx)
    inputs += [ctx.noise / FACTS] if draws else []

    def make(out: Path) -> dict:
        samples = _samples(ctx, name)
        write_table(out / "utt2num_samples", {utt: str(n) for utt, n in samples.items()})
        write_features(
            out, {**facts(), **({"noise": Sounds.open(ctx.noise, "train").digest} if draws else {})}
        )
        return {"utterances": len(samples), "audio_s": round(sum(samples.values()) / SAMPLE_RATE, 1)}

    return Unit(
        "features",
        ctx.dump / name,
        config,
        inputs,
        make,
        versions={p: importlib.metadata.version(p) for p in upstream_class(features.upstream).packages},
    )


def _facts(setup: Setup, norm: str) -> dict:
    upstream = load(setup)
    count = 1
    if setup.layers != "mix":
        numbers = layer_numbers(upstream, setup.layers)
        check_layers(upstream, numbers)
        count = len(numbers)
    return {
        "on_the_fly": True,
        "dim": upstream.dim * count,
        "frame_rate": upstream.frame_rate,
        "upstream": setup.source.identity,
        "layers": setup.layers,
        "dtype": setup.dtype,
        **({"mix_norm": norm} if setup.layers == "mix" else {}),
    }


def _samples(ctx: Context, name: str) -> dict[str, int]:
    """{utterance: samples} of set ``name``, each read whole; DataError if one is not the 16 kHz audio of
    stage 1.
    """
    import soundfile

    from xlt.features.extract import read_audio
    from xlt.features.plan import lengths

    data = ctx.data / name
    wavs = read_scp(data / "wav.scp", ctx.recipe)
    hashes = read_table(data / "utt2audio") if (data / "utt2audio").exists() else {}
    samples = lengths(data, wavs)
    with Progress(f"reads {name}", len(wavs), "utterances") as progress:
        for utt, path in wavs.items():
            info = soundfile.info(path)
            if (info.samplerate, info.channels) != (SAMPLE_RATE, 1):
                raise DataError(
                    f"{data / 'wav.scp'}: utterance {utt}: {path}: {info.samplerate} Hz, {info.channels}"
                    " channels; features.on_the_fly reads 16 kHz mono, which stage 1 makes: import this"
                    " directory with data.reader=kaldi data.dir=DIR"
                )
            samples[utt] = len(read_audio(utt, path, hashes.get(utt)))
            progress.add(1)
    return samples
