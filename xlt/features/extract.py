"""Waveforms → features, in this process: the one path that extraction and ``xlt transcribe`` share."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from xlt.audio.augment import ORIGINAL, Copy, masks
from xlt.audio.augment.chunk import Mask
from xlt.audio.augment.sounds import Sounds
from xlt.audio.files import SAMPLE_RATE
from xlt.core.errors import ConfigError, DataError, UpstreamError
from xlt.core.executor import Work, Workers
from xlt.core.settings import FeaturesConfig
from xlt.nets.batching import batches
from xlt.nets.chunks import Chunks
from xlt.upstreams import upstream_class
from xlt.upstreams.base import (
    Source,
    Upstream,
    cannot_stream,
    choose_gpus,
    has_fast_bf16,
    has_gpu,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from xlt.features.mix import Mix


@dataclass(frozen=True)
class Setup:
    """Everything that a process needs to encode as every other process does."""

    source: Source
    layers: str | int | list  # last, a number, a list of them, or "mix"
    dtype: str
    batch_s: float
    mix: str | None = None  # folder of the layer mix, with layers="mix"
    storage: str = "f32"
    mask: Mask | None = None  # what is heard at once, None: the whole clip


def resolve_dtype(features: FeaturesConfig) -> str:
    """``features.dtype`` with ``auto`` decided for this machine, without importing torch."""
    kind = upstream_class(features.upstream)
    if features.dtype == "int8" and (features.on_the_fly or not kind.has_int8):
        where = "features.on_the_fly" if features.on_the_fly else f"features.upstream={features.upstream}"
        raise ConfigError(f"features.dtype=int8: {where} does not have it; use float32")
    if features.dtype != "auto":
        return features.dtype
    pays = kind.bf16_pays and (has_fast_bf16() or bool(choose_gpus(features.ngpu)))
    return "bfloat16" if pays else "float32"


def resolve_layers(features: FeaturesConfig) -> str | int | list:
    """``features.layers`` with ``auto`` decided for this upstream; ConfigError for anything but layers."""
    layers = features.layers
    if layers == "auto":
        layers = upstream_class(features.upstream).default_layers
    wanted = layers if isinstance(layers, list) else [layers]
    if layers == "mix":
        return layers
    if not wanted or not all(n == "last" or (isinstance(n, int) and not isinstance(n, bool)) for n in wanted):
        raise ConfigError(
            f"features.layers: found {layers!r}, expected auto, last, mix, a layer number, or a list of"
            " numbers"
        )
    return layers


def prepare(features: FeaturesConfig, cache: Path, mix: Path | None = None) -> Setup:
    """Find the upstream's weights and fix the settings; raises ConfigError or UpstreamError before any long
    work.

    ``mix``: folder of the layer mix, needed to encode with ``features.layers=mix``.
    """
    layers = resolve_layers(features)
    source = upstream_class(features.upstream).find(features.upstream, features.path, cache)
    return Setup(
        source, layers, resolve_dtype(features), features.batch_s, str(mix) if mix else None, features.storage
    )


def load(setup: Setup) -> Upstream:
    """The upstream, ready to encode, on a GPU if this process is shown one (CUDA_VISIBLE_DEVICES)."""
    device = "cpu"
    if has_gpu():
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
    return upstream_class(setup.source.upstream)(setup.source, setup.dtype, device)


def layer_numbers(upstream: Upstream, layers: str | int | list) -> list[int]:
    """``last``, a number or a list of them → numbers."""
    wanted = layers if isinstance(layers, list) else [layers]
    return [upstream.num_layers - 1 if n == "last" else int(n) for n in wanted]


def under(upstream: Upstream, mask: Mask | None) -> Upstream:
    """The upstream as it hears speech under ``mask``; UpstreamError if it cannot, ConfigError for sizes that
    are no multiples of its frame.
    """
    if mask is None or not mask.chunk_s:
        return upstream
    return upstream.chunked(Chunks.of_seconds(*mask, upstream.frame_rate))


def check_masks(features: FeaturesConfig) -> None:
    """The errors of :func:`under` for ``features.chunk_s``, as far as they are known before the upstream is
    loaded.
    """
    kind = upstream_class(features.upstream)
    for mask in masks(features):
        if mask.chunk_s:
            Chunks.of_seconds(*mask, kind.expected_rate(features.upstream))
            if why := kind.whole_clips(features.upstream, features.path):
                raise cannot_stream(why)


def encode_waves(
    upstream: Upstream,
    waves: list[np.ndarray],
    layers: str | int | list = "last",
    batch_s: float = 80.0,
    ids: list[str] | None = None,
    mix: Mix | None = None,
) -> list[np.ndarray]:
    """Features (T, D) float32 of each wave (N,), 16 kHz; several layers are concatenated along D, or mixed by
    ``mix``.

    Waves that the upstream takes together share a batch of at most ``batch_s`` seconds; waves longer than it
    takes are cut into windows. UpstreamError names the wave (by ``ids``) whose features are not numbers.
    """
    import numpy as np

    joined, _ = encode_raw(upstream, waves, layers, batch_s, mix)
    for w, feats in enumerate(joined):
        if not np.isfinite(feats).all():
            raise UpstreamError(
                f"{upstream.name}: the features of {ids[w] if ids else f'clip {w + 1}'} are not finite "
                "numbers; use features.dtype=float32, or the weights are damaged"
            )
    return joined


def encode_raw(
    upstream: Upstream, waves: list[np.ndarray], layers: str | int | list, batch_s: float, mix: Mix | None
) -> tuple[list[np.ndarray], float]:
    """As :func:`encode_waves`, without a look at the values; and the seconds that were encoded, padding
    included.
    """
    import numpy as np

    numbers = mix.layers if mix else layer_numbers(upstream, layers)
    windows: dict[tuple[int, int], np.ndarray] = {}  # (wave, start) → samples
    for w, wave in enumerate(waves):
        step = upstream.max_samples or max(1, len(wave))
        for start in range(0, max(1, len(wave)), step):
            windows[w, start] = wave[start : start + step]
    encoded: dict[tuple[int, int], np.ndarray] = {}
    padded = 0
    for batch in _batches(upstream, {place: len(samples) for place, samples in windows.items()}, batch_s):
        padded += upstream.padded_samples([len(windows[p]) for p in batch])
        outputs, lengths = upstream.encode([windows[p] for p in batch], numbers)  # one (B, T, D) a layer
        outputs = [mix.apply(outputs)] if mix else outputs
        for row, (place, length) in enumerate(zip(batch, lengths, strict=True)):
            encoded[place] = np.concatenate([o[row, :length].cpu().numpy() for o in outputs], axis=1)
    joined = [np.concatenate([encoded[p] for p in sorted(windows) if p[0] == w]) for w in range(len(waves))]
    return joined, padded / SAMPLE_RATE


def _batches(
    upstream: Upstream, samples: dict[tuple[int, int], int], batch_s: float
) -> Iterator[list[tuple[int, int]]]:
    """Places of like length that the upstream takes together, at most ``batch_s`` seconds with their
    padding.
    """
    keys = {place: upstream.batch_key(size) for place, size in samples.items()}
    budget = min(batch_s, upstream.best_batch_s or batch_s) * SAMPLE_RATE
    alike = None if upstream.packs else keys.__getitem__
    # equal keys stay in their order
    return batches(sorted(keys, key=keys.__getitem__), keys.__getitem__, budget, padded=False, alike=alike)


def shape(setup: Setup) -> dict:
    """``{"dim", "frame_rate"}`` of the features, found by encoding a second of silence."""
    import numpy as np

    upstream = load(setup)
    (feats,) = encode_waves(
        upstream, [np.zeros(SAMPLE_RATE, dtype=np.float32)], setup.layers, mix=load_mix(setup)
    )
    return {"dim": feats.shape[1], "frame_rate": upstream.frame_rate}


def load_mix(setup: Setup) -> Mix | None:
    """The layer mix of a setup, None unless its layers are mixed."""
    from xlt.features.mix import Mix

    if setup.layers != "mix":
        return None
    assert setup.mix is not None  # stage 3 makes the mix before it prepares to encode with it
    return Mix.load(Path(setup.mix), setup.source.identity)


def workers(setup: Setup, jobs: int, ngpu: int | None = 0) -> Workers:
    """Processes of this machine that encode: one a GPU (``ngpu`` as ``features.ngpu``), or ``jobs`` that see
    no GPU.

    ConfigError if there are fewer GPUs.
    """
    gpus = choose_gpus(ngpu) if upstream_class(setup.source.upstream).uses_gpu else []
    return Workers(jobs, gpus, in_process=not has_gpu())


class Clip(NamedTuple):
    """What a worker encodes: the copy ``recipe`` of the sound file ``wav``, stored under the content ``key``.

    ``sha``: hash of the file's samples, None: any; ``utt``: how errors call it; ``sounds``: for the noise of
    the copy.
    """

    key: str
    utt: str
    wav: str
    sha: str | None = None
    recipe: str = ORIGINAL
    sounds: Sounds | None = None


class Shard(Work):
    """The work of one process: batches of audio → matrices in an archive of the shared store."""

    label, relief = "features", "--nj or features.batch_s"
    setup: Setup

    def __init__(self, setup: Setup, number: int):
        super().__init__(setup, number)
        self.upstream: Upstream | None = None
        self.mix: Mix | None = None
        self.shard: tuple[str, Path] | None = None  # of a cluster: its name, and the folder to write into
        self.written: dict[Path, Path] = {}  # archive in that folder → its place in the store

    @staticmethod
    def describe(message: dict) -> str:
        first, *others = message["utts"]
        return f"utterance {first.utt}" + (f" and {len(others)} more" if others else "")

    @staticmethod
    def utterances(message: dict) -> int:
        return len(message["utts"])

    def open_shard(self, name: str, scratch: Path) -> None:
        self.shard = name, scratch

    def close_shard(self) -> None:
        from xlt.formats.archives import move_archive

        for ark, target in self.written.items():
            move_archive(ark, target)
        self.written = {}

    def prepare(self, message: dict) -> list[np.ndarray]:
        """The waves (N,) of a message, copies as they are to sound; DataError if one is not the audio that
        stage 1 wrote.
        """
        return [
            Copy(clip.recipe).wave(read_audio(clip.utt, clip.wav, clip.sha), clip.key, clip.sounds)
            for clip in message["utts"]
        ]

    def run(self, message: dict, prepared: list[np.ndarray] | None = None) -> dict:
        """Encode one batch ``{"ark": archive to append to, "utts": [Clip, …]}``.

        ``prepared``: the waves, if they were read before. Returns ``{"entries": {content key:
        [offset, frames, crc32]}, "bad": {content key: what is wrong with its features}, "dim": D,
        "frame_rate": Hz, "audio_s": seconds of audio, "padded_s": the same with padding}``; what is bad is
        not stored.
        """
        import numpy as np

        from xlt.formats.archives import ArkWriter

        if self.upstream is None:
            one_thread()
            self.upstream, self.mix = load(self.setup), load_mix(self.setup)
        waves = self.prepare(message) if prepared is None else prepared
        keys = [clip.key for clip in message["utts"]]
        feats, padded_s = self._encoded(waves, [Copy(clip.recipe).mask for clip in message["utts"]])
        bad = {
            key: "not finite numbers" for key, m in zip(keys, feats, strict=True) if not np.isfinite(m).all()
        }
        with ArkWriter(self._archive(Path(message["ark"])), self.setup.storage) as writer:
            if self.shard:
                self.written[writer.ark] = Path(message["ark"]).with_name(writer.ark.name)
            for key, matrix in zip(keys, feats, strict=True):
                if key not in bad:
                    writer.write(key, matrix)
        return {
            "entries": {key: list(e[:3]) for key, e in writer.entries.items()},
            "bad": bad,
            "dim": feats[0].shape[1],
            "frame_rate": self.upstream.frame_rate,
            "audio_s": sum(map(len, waves)) / SAMPLE_RATE,
            "padded_s": padded_s,
        }

    def _archive(self, ark: Path) -> Path:
        """Where this process writes what is to be appended to ``ark``: no other process has that name, so
        that nothing depends on locks, which some network file systems lack.
        """
        if self.shard:
            return self.shard[1] / ark.with_suffix(f".{self.shard[0]}.ark").name
        return ark if self.number == 1 else ark.with_suffix(f".w{self.number}.ark")

    def _encoded(self, waves: list[np.ndarray], heard: list[Mask | None]) -> tuple[list[np.ndarray], float]:
        """See :func:`encode_raw`; each wave under its mask."""
        assert self.upstream is not None
        setup, feats, padded_s = self.setup, dict[int, Any](), 0.0
        for mask in dict.fromkeys(heard):
            places = [n for n, own in enumerate(heard) if own == mask]
            upstream = under(self.upstream, mask)
            found, seconds = encode_raw(
                upstream, [waves[n] for n in places], setup.layers, setup.batch_s, self.mix
            )
            feats.update(zip(places, found, strict=True))
            padded_s += seconds
        return [feats[n] for n in range(len(waves))], padded_s


def read_audio(utt: str, path: str, sha: str | None) -> np.ndarray:
    """The wave (N,), 16 kHz, of utterance ``utt``; DataError if it cannot be read or has not the hash ``sha``
    (None: any).
    """
    from xlt.audio.files import read_wav

    try:
        wave = read_wav(path)
    except DataError as err:
        raise DataError(f"utterance {utt}: {err}; run stage 1 (data) again with --force") from None
    if sha and audio_hash(wave) != sha:
        raise DataError(
            f"utterance {utt}: {path}: is not the audio that stage 1 wrote (its hash differs from utt2audio):"
            " changed or cut short; run stage 1 (data) again with --force"
        )
    return wave


def audio_hash(wave: np.ndarray) -> str:
    """First 20 hex digits of the SHA-256 of the int16 samples, as ``utt2audio`` has them."""
    import hashlib

    import numpy as np

    return hashlib.sha256(np.round(wave * 32768).clip(-32768, 32767).astype("<i2").tobytes()).hexdigest()[:20]


def one_thread() -> None:
    """Let torch use one thread: several in one process waste processor time, and processes are what is
    parallel.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    torch.set_num_threads(1)
