"""How many frames CTC gets: of the upstream, after stacking, and after an encoder that shortens by itself.

T frames of the upstream.
"""

from __future__ import annotations

from collections.abc import Sequence

from xlt.audio.files import SAMPLE_RATE
from xlt.core.settings import TrainConfig

# ESPnet's input layers: kernel and stride of each convolution, none of them padded
_CONVOLUTIONS = {
    "conv2d": ((3, 2), (3, 2)),
    "conv2d1": ((3, 1), (3, 1)),
    "conv2d2": ((3, 2), (3, 1)),
    "conv2d6": ((3, 2), (5, 3)),
    "conv2d8": ((3, 2), (3, 2), (3, 2)),
    "conv1d1": ((3, 1), (3, 1)),
    "conv1d2": ((3, 1), (3, 2)),
    "conv1d3": ((3, 1), (5, 3)),
}
_SHORTEN = (
    "transformer",
    "transformer_multispkr",
    "conformer",
    "branchformer",
    "e_branchformer",
    "contextual_block_transformer",
    "contextual_block_conformer",
    "longformer",
    "multiconv_conformer",
)  # by conv2d unless told otherwise


def upstream_frames(dur_s: float, rate: float) -> int:
    """T of a clip."""
    return -(-round(dur_s * SAMPLE_RATE) // round(SAMPLE_RATE / rate))


def stacked(train: TrainConfig, rate: float) -> int:
    """How many of ``rate`` frames a second are stacked for ``train.frame_rate``."""
    return max(1, round(rate / train.frame_rate))


def input_layer(train: TrainConfig) -> str | None:
    """ESPnet's input layer if the encoder shortens by it; None for encoders that do not."""
    name = train.encoder_conf.get("input_layer", "conv2d") if train.encoder in _SHORTEN else None
    return name if name in _CONVOLUTIONS else None


def ctc_frames(train: TrainConfig, frames: int, rate: float) -> int:
    """Of T frames at ``rate`` a second, those that reach CTC."""
    left = -(-frames // stacked(train, rate))
    for kernel, stride in _CONVOLUTIONS.get(input_layer(train) or "", ()):
        left = (left - kernel) // stride + 1
    if train.encoder == "rnn":
        for factor in train.encoder_conf.get("subsample", (2, 2, 1, 1)) or ():
            left = (left + 1) // factor if factor > 1 else left  # as ESPnet counts
    if train.encoder == "vgg_rnn":
        left = -(-left // 4)
    return max(0, left)


def ctc_steps(labels: Sequence) -> int:
    """Frames that CTC needs: one a label, and a blank between two equal ones (Graves et al. 2006)."""
    return max(1, len(labels) + sum(a == b for a, b in zip(labels, labels[1:], strict=False)))
