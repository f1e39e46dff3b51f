"""Log-mels as Whisper's encoder reads them, on inputs shorter than the 30 s that transformers insists on.

B batch, N samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlt.audio.files import SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np
    import torch
    from transformers.models.whisper.feature_extraction_whisper import WhisperFeatureExtractor

# clips are padded to a multiple of this: Whisper was trained with silence behind the speech
GRID = 5 * SAMPLE_RATE
MAX_SAMPLES = 30 * SAMPLE_RATE
HOP = 320  # samples a frame


def grid_samples(num_samples: int) -> int:
    """Length to which a clip, or a window of it, is padded."""
    return min(MAX_SAMPLES, -(-num_samples // GRID) * GRID)


def log_mels(log_mel: WhisperFeatureExtractor, waves: list[np.ndarray], device: str) -> torch.Tensor:
    """Log-mels (B, mels, N / 160) of clips padded with silence to the longest one's :func:`grid_samples`."""
    import numpy as np

    padded = np.zeros((len(waves), grid_samples(max(map(len, waves)))), np.float32)  # (B, N)
    for row, wave in zip(padded, waves, strict=True):
        row[: len(wave)] = wave
    return log_mel(
        list(padded),
        sampling_rate=SAMPLE_RATE,
        padding="longest",
        truncation=False,
        return_tensors="pt",
        device=device,
    ).input_features
