"""Log-mel filter banks as Kaldi's ``compute-fbank-feats --num-mel-bins=80 --dither=0`` makes them: the
baseline.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from xlt.audio.files import SAMPLE_RATE
from xlt.upstreams.base import Source, Upstream, check_layers

if TYPE_CHECKING:
    import numpy as np
    import torch

    from xlt.nets.chunks import Chunks

MELS, SHIFT_MS, WINDOW_MS = 80, 10, 25
WINDOW, SHIFT = SAMPLE_RATE * WINDOW_MS // 1000, SAMPLE_RATE * SHIFT_MS // 1000


class Fbank(Upstream):
    """One layer; 100 frames a second. A clip shorter than one window is padded with silence to one frame."""

    default_layers = "last"
    packages = ("torch", "torchaudio")
    uses_gpu = False
    pretrained = False
    causal = True

    @staticmethod
    def find(name: str, path: str | None, cache: Path) -> Source:
        return Source(
            name, None, {"upstream": name, "mels": MELS, "shift_ms": SHIFT_MS, "window_ms": WINDOW_MS}
        )

    @classmethod
    def expected_rate(cls, name: str) -> float:
        return 1000 / SHIFT_MS

    @classmethod
    def expected_size(cls, name: str) -> tuple[int, int]:
        return 1, MELS

    def __init__(self, source: Source, dtype: str, device: str):
        self.name, self.frame_rate, self.num_layers, self.dim = source.upstream, 1000 / SHIFT_MS, 1, MELS

    def batch_key(self, num_samples: int) -> int:
        return num_samples

    def _window_frames(self, num_samples: int) -> int:
        return 1 + max(0, num_samples - WINDOW) // SHIFT

    def chunked(self, chunks: Chunks) -> Fbank:
        return self  # they hear nothing beyond their window

    def open_stream(self, chunks: Chunks | None = None) -> MelStream:
        """Log-mels of a stream. They hear nothing beyond their window, so that ``chunks`` have no say."""
        return MelStream()

    def encode(self, waves, layers):
        import torch

        check_layers(self, layers)
        rows = [kaldi_mels(torch.from_numpy(wave)) for wave in waves]
        return [torch.stack(rows)] * len(layers), [len(r) for r in rows]


class MelStream:
    """The rows of :func:`kaldi_mels` one after another; it keeps less than a window of samples."""

    def __init__(self) -> None:
        import numpy as np

        self._waiting = np.zeros(0, np.float32)
        self._frames = 0

    def push(self, samples: np.ndarray, last: bool = False) -> np.ndarray:
        """Samples (N,) in [-1, 1] → log-mels (1, T, MELS) of the windows that they complete, float32.

        ``last``: the stream ends; one shorter than a window gives one frame, as a clip does.
        """
        import numpy as np
        import torch

        waiting = np.concatenate([self._waiting, samples.astype(np.float32, copy=False)])
        count = max(0, len(waiting) - WINDOW + SHIFT) // SHIFT
        if last and not self._frames + count:
            count = 1  # padded with silence
        self._frames += count
        self._waiting = waiting[count * SHIFT :].copy()
        if not count:
            return np.zeros((1, 0, MELS), np.float32)
        return kaldi_mels(torch.from_numpy(waiting[: (count - 1) * SHIFT + WINDOW]))[None].numpy()


def kaldi_mels(wave: torch.Tensor) -> torch.Tensor:
    """Log-mels (T, MELS) of samples (N,) in [-1, 1]."""
    import torch
    from torchaudio.compliance.kaldi import fbank

    samples = wave[None] * 32768  # Kaldi's scale of samples
    samples = torch.nn.functional.pad(samples, (0, max(0, WINDOW - samples.shape[1])))
    return fbank(
        samples,
        num_mel_bins=MELS,
        frame_shift=SHIFT_MS,
        frame_length=WINDOW_MS,
        dither=0.0,
        sample_frequency=SAMPLE_RATE,
    )
