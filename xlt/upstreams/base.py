"""What every upstream offers: 16 kHz waveforms → layer outputs and their frame rate.

Letters: B clips of a batch, T frames, D feature dimensions, N samples.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from xlt.audio.files import SAMPLE_RATE
from xlt.core.errors import ConfigError, UpstreamError

if TYPE_CHECKING:
    import numpy as np
    import torch

    from xlt.nets.chunks import Chunks
    from xlt.upstreams.chunked.net import Parts as ChunkedParts
    from xlt.upstreams.tunable import Pieces

MIN_SAMPLES = 800  # s3prl's own minimum, 0.05 s; shorter clips are padded to it


@dataclass(frozen=True)
class Source:
    """Where an upstream's weights are, found once before any work and handed to every process.

    ``path``: a directory or file, None if there are no weights; ``identity``: what determines the features
    (name, SHA-256 of the weights …), kept in ``feats.json``; ``files``: what a bundle must copy so that
    ``features.path`` on the copy gives the same upstream.
    """

    upstream: str
    path: str | None
    identity: dict
    files: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """``path`` of an upstream that has weights; UpstreamError without."""
        if self.path is None:
            raise UpstreamError(f"features.upstream: {self.upstream} has no weights to load")
        return Path(self.path)


class Stream(Protocol):
    """A stream of speech through an upstream. What it keeps does not grow with its length."""

    def push(self, samples: np.ndarray, last: bool = False) -> np.ndarray:
        """Samples (N,), float32 at 16 kHz, behind those of the call before → all hidden states (L, T, D),
        float32, of the frames that are complete, T = 0 if none is; with ``last`` all that are lacking.
        """


class Upstream(ABC):
    """A loaded upstream. Its outputs never depend on the other clips of a batch (beyond rounding)."""

    bf16_pays = (
        False  # whether features.dtype=auto may choose bfloat16: set where it was measured faster and as good
    )
    default_layers: str | int | list = "mix"  # features.layers=auto
    packages: tuple[str, ...] = ("torch",)  # whose versions stand in the stamp
    max_samples: int | None = None  # longer clips are cut into windows of this length
    padding: str = "none"  # how clips are padded, in words: part of the store's key
    packs = False  # clips of any lengths share a batch, each padded to its own batch_key only
    best_batch_s: float | None = None  # batches of more seconds are slower, whatever features.batch_s allows
    has_int8 = False  # whether features.dtype=int8 can be had
    uses_gpu = True  # whether a GPU makes it faster
    pretrained = True  # False: a baseline without weights
    causal = False  # True: hears nothing behind a frame, so that features of a stream are those of a clip
    frontend = "xlt_upstream"  # ESPnet's frontend that encodes on the fly, a name of FRONTENDS

    name: str
    frame_rate: float  # Hz
    num_layers: int  # hidden states: layers + 1
    dim: int

    @abstractmethod
    def __init__(self, source: Source, dtype: str, device: str):
        """Load the weights; ``dtype`` and ``device`` as torch calls them, and int8."""

    @staticmethod
    @abstractmethod
    def find(name: str, path: str | None, cache: Path) -> Source:
        """Find (or fetch, or convert) the weights without importing torch where that can be;
        UpstreamError.
        """

    @classmethod
    def can_tune(cls, name: str, path: str | None = None) -> bool:
        """Whether the upstream ``name`` with the weights in ``path`` can be trained
        (:mod:`xlt.upstreams.tunable`); known without loading it.
        """
        return False

    @classmethod
    def pieces(cls, source: Source) -> Pieces:
        """What can be trained, with its pretrained weights; UpstreamError if there is nothing."""
        raise UpstreamError(f"{source.upstream}: {cls.__name__} has nothing that can be trained")

    @classmethod
    def bare_pieces(cls, name: str, folder: Path) -> Pieces:
        """The same build with random weights, from the config.json in ``folder``; a trained model brings its
        own.
        """
        raise UpstreamError(f"{name}: {cls.__name__} has nothing that can be trained")

    @classmethod
    def whole_clips(cls, name: str, path: str | None = None) -> str | None:
        """Why the upstream ``name`` cannot stream, as far as that is known without loading it; None: it
        can, or it is not known.
        """
        can = cls.streaming is not Upstream.streaming or cls.chunked is not Upstream.chunked
        return None if can else f"{name} hears whole clips only"

    @classmethod
    def expected_rate(cls, name: str) -> float:
        """Frames a second of the upstream ``name``, before it has been run."""
        return 50.0

    @classmethod
    def expected_size(cls, name: str) -> tuple[int, int]:
        """Hidden states and dimensions of the upstream ``name``, a guess before its weights are there."""
        return 13, 768

    @abstractmethod
    def batch_key(self, num_samples: int) -> int:
        """Length in samples to which a clip is padded; clips of equal key may share a batch (all may with
        ``packs``).
        """

    def padded_samples(self, lengths: list[int]) -> int:
        """Samples that are encoded for a batch of clips of these lengths."""
        return sum(map(self.batch_key, lengths))

    def num_frames(self, num_samples: int) -> int:
        """Frames that a clip of ``num_samples`` gives, known without encoding it; windows are counted
        apart.
        """
        step = self.max_samples or max(1, num_samples)
        windows = [min(step, num_samples - start) for start in range(0, max(1, num_samples), step)]
        return sum(self._window_frames(max(1, n)) for n in windows)

    def _window_frames(self, num_samples: int) -> int:
        return -(-num_samples // round(SAMPLE_RATE / self.frame_rate))

    @abstractmethod
    def encode(self, waves: list[np.ndarray], layers: list[int]) -> tuple[list[torch.Tensor], list[int]]:
        """Outputs of the given layers, each (B, T, D) float32, and the number of valid frames of each clip.

        ``waves``: float32 (N,) in [-1, 1] with one batch_key.
        """

    def chunked(self, chunks: Chunks) -> Upstream:
        """The same upstream under chunk-wise attention, with the same weights; UpstreamError if it cannot
        stream.
        """
        return self.streaming().under(chunks, self)

    def streaming(self) -> ChunkedParts:
        """What chunk-wise attention computes with; UpstreamError, as of :func:`cannot_stream`, without."""
        raise cannot_stream(type(self).whole_clips(self.name) or "")

    def open_stream(self, chunks: Chunks) -> Stream:
        """A stream of 16 kHz speech → hidden states of complete chunks, those of :meth:`chunked`; many may
        share the upstream.
        """
        return self.streaming().under(chunks, self).open_stream()


def cannot_stream(reason: str) -> UpstreamError:
    """The error for an encoder that cannot hear speech chunk by chunk."""
    return UpstreamError(
        f"features.chunk_s: {reason}; set features.chunk_s=0, or features.upstream to an encoder that can"
        " stream, such as whisper_base or xls_r_300m"
    )


def seen(path: Path) -> list[int] | None:
    """Size and time of a file, by which a change is noticed without reading it; None if it is gone."""
    try:
        info = path.stat()
    except OSError:
        return None
    return [info.st_size, info.st_mtime_ns]


def seen_weights(source: Source) -> dict[str, list[int] | None]:
    """:func:`seen` of an upstream's files, and of what says which revision of the hub's cache is the newest;
    for a stamp.
    """
    files = [Path(f).absolute() for f in source.files]
    hub = {
        f.parents[2] / "refs" / "main"
        for f in files
        if len(f.parents) > 2 and f.parents[1].name == "snapshots"
    }
    return {os.fspath(f): seen(f) for f in sorted({*files, *hub})}


def changed_weights(stamp: dict) -> str | None:
    """Which of the files in a stamp's ``weights`` has changed since."""
    return next(
        (f"{path} changed" for path, was in stamp.get("weights", {}).items() if seen(Path(path)) != was), None
    )


def check_layers(upstream: Upstream, layers: list[int]) -> None:
    """ConfigError unless every layer exists."""
    wrong = [n for n in layers if not 0 <= n < upstream.num_layers]
    if wrong:
        raise ConfigError(
            f"features.layers: {upstream.name} has the layers 0 to {upstream.num_layers - 1}, "
            f"found {wrong[0]}"
        )


def unpacked(hidden: torch.Tensor, spans: list[tuple[int, int]], lengths: list[int]) -> torch.Tensor:
    """Rows (N, D) of clips one behind the other → (B, T, D), ``lengths`` frames of each, its last one
    repeated up to there.
    """
    import torch

    rows = torch.arange(max(lengths))  # (T,)
    index = torch.stack(
        [
            begin + rows.clamp(max=min(end - begin, length) - 1)
            for (begin, end), length in zip(spans, lengths, strict=True)
        ]
    )  # (B, T)
    return hidden[index].float()


def has_fast_bf16() -> bool:
    """Whether the processor multiplies bfloat16 matrices faster than float32 ones: with AMX.

    avx512_bf16 alone does not pay: XLS-R-300M took 0.55 processor seconds a second of audio against 0.34 in
    float32. Nor does AMX that oneDNN may not use (ONEDNN_MAX_CPU_ISA).
    """
    allowed = os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or "ALL"
    if allowed.upper() not in ("ALL", "DEFAULT") and "AMX" not in allowed.upper():
        return False
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return "amx_bf16" in flags


def has_gpu() -> bool:
    """Whether there is a GPU for this process."""
    return bool(visible_gpus())


def visible_gpus() -> list[str]:
    """NVIDIA GPUs for this process, as CUDA_VISIBLE_DEVICES names them; cheap, imports nothing.

    Without that variable: ``0`` … as many as the driver has; with it, its entries up to the first that is not
    there.
    """
    driver = Path("/proc/driver/nvidia/gpus")
    count = len(list(driver.iterdir())) if driver.is_dir() else 0
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return [str(n) for n in range(count)]
    there = []
    for name in filter(None, (n.strip() for n in named.split(","))):
        if count == 0 or (name.lstrip("-").isdigit() and not 0 <= int(name) < count):
            break
        there.append(name)
    return there


def choose_gpus(ngpu: int | None) -> list[str]:
    """The GPUs for ``features.ngpu``: null = all there are; ConfigError if there are not so many."""
    there = visible_gpus()
    if ngpu is None:
        return there
    if not 0 <= ngpu <= len(there):
        hidden = ", as CUDA_VISIBLE_DEVICES has it" if "CUDA_VISIBLE_DEVICES" in os.environ else ""
        raise ConfigError(
            f"features.ngpu: found {ngpu}, but this machine shows {len(there)} NVIDIA GPUs{hidden}; give "
            f"{'a number up to ' + str(len(there)) if there else '0'}, or null for all there are"
        )
    return there[:ngpu]
