"""How many frames CTC gets: of the upstream, after stacking, and after an encoder that shortens by itself.

T frames of the upstream. An encoder of this package that shortens declares its convolutions beside itself and
names them in the registry SHORTENING; those of ESPnet's encoders are listed here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from xlt.audio.files import SAMPLE_RATE
from xlt.core.registry import SHORTENING
from xlt.core.settings import TrainConfig


class Strided(NamedTuple):
    """A convolution over time, as far as it changes the number of frames."""

    kernel: int
    stride: int
    padding: int = 0


# ESPnet's input layers
_CONVOLUTIONS = {
    "conv2d": (Strided(3, 2), Strided(3, 2)),
    "conv2d1": (Strided(3, 1), Strided(3, 1)),
    "conv2d2": (Strided(3, 2), Strided(3, 1)),
    "conv2d6": (Strided(3, 2), Strided(5, 3)),
    "conv2d8": (Strided(3, 2), Strided(3, 2), Strided(3, 2)),
    "conv1d1": (Strided(3, 1), Strided(3, 1)),
    "conv1d2": (Strided(3, 1), Strided(3, 2)),
    "conv1d3": (Strided(3, 1), Strided(5, 3)),
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


def through(frames: Any, convolutions: Iterable[Strided]) -> Any:
    """Frames, a number or a tensor of them, behind convolutions: (T + 2·padding - kernel) // stride + 1."""
    for kernel, stride, padding in convolutions:
        frames = (frames + 2 * padding - kernel) // stride + 1
    return frames


def convolutions(encoder: str, conf: Mapping[str, Any]) -> tuple[Strided, ...]:
    """Those of the encoder that change the number of frames."""
    if encoder in SHORTENING:
        return SHORTENING.get(encoder)(conf)
    return _CONVOLUTIONS.get(_input_layer(encoder, conf) or "", ())


def least_frames(encoder: str, conf: Mapping[str, Any]) -> int:
    """The fewest frames of which the encoder leaves one."""
    return least_of(convolutions(encoder, conf))


def least_of(convolutions: Sequence[Strided]) -> int:
    """The fewest frames of which convolutions leave one."""
    frames = 1
    for kernel, stride, padding in reversed(convolutions):
        frames = max(1, (frames - 1) * stride + kernel - 2 * padding)
    return frames


def shortening(train: TrainConfig) -> int:
    """How many frames at the encoder's input become one at its output."""
    if train.encoder == "rnn":
        return math.prod(train.encoder_conf.get("subsample", (2, 2, 1, 1)) or ())
    if train.encoder == "vgg_rnn":
        return 4
    return math.prod(one.stride for one in convolutions(train.encoder, train.encoder_conf))


def upstream_frames(dur_s: float, rate: float) -> int:
    """T of a clip."""
    return -(-round(dur_s * SAMPLE_RATE) // round(SAMPLE_RATE / rate))


def stacked(train: TrainConfig, rate: float) -> int:
    """How many of ``rate`` frames a second are stacked for ``train.frame_rate``."""
    return max(1, round(rate / train.frame_rate))


def input_layer(train: TrainConfig) -> str | None:
    """ESPnet's input layer if the encoder shortens by it; None for encoders that do not."""
    return _input_layer(train.encoder, train.encoder_conf)


def _input_layer(encoder: str, conf: Mapping[str, Any]) -> str | None:
    name = conf.get("input_layer", "conv2d") if encoder in _SHORTEN else None
    return name if name in _CONVOLUTIONS else None


def ctc_frames(train: TrainConfig, frames: int, rate: float) -> int:
    """Of T frames at ``rate`` a second, those that reach CTC."""
    left = -(-frames // stacked(train, rate))
    left = through(left, convolutions(train.encoder, train.encoder_conf))
    if train.encoder == "rnn":
        for factor in train.encoder_conf.get("subsample", (2, 2, 1, 1)) or ():
            left = (left + 1) // factor if factor > 1 else left  # as ESPnet counts
    if train.encoder == "vgg_rnn":
        left = -(-left // 4)
    return max(0, left)


def ctc_steps(labels: Sequence) -> int:
    """Frames that CTC needs: one a label, and a blank between two equal ones (Graves et al. 2006)."""
    return max(1, len(labels) + sum(a == b for a, b in zip(labels, labels[1:], strict=False)))
