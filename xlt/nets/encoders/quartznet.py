"""QuartzNet: 1-D time-channel separable convolutions (Kriman et al. 2019, arXiv:1910.10261, table 1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xlt.nets.encoders.timeconv import Layer, TimeConvEncoder, check_sizes, first_convolution, scaled
from xlt.nets.lengths import Strided

CHANNELS = (256, 256, 512, 512, 512)  # of the five kinds of blocks
KERNELS = (33, 39, 51, 63, 75)
FIRST, LAST = (256, 33), ((512, 87), (1024, 1))  # channels and kernel
STRIDE = 2


class QuartzNetEncoder(TimeConvEncoder):
    """QuartzNet ``blocks`` x ``repeats``: 5x5 (6.7 M parameters with 29 letters) and 15x5 (18.9 M) are the
    paper's.

    ``width`` scales all numbers of channels, ``stride`` is that of the first convolution: 100 log-mels a
    second become 50 frames. Dropout as in NeMo's configurations of small corpora; the paper has none.
    """

    def __init__(
        self,
        input_size: int,
        blocks: int = 5,
        repeats: int = 5,
        width: float = 1.0,
        stride: int = STRIDE,
        dropout: float = 0.0,
    ):
        sizes = {"blocks": blocks, "repeats": repeats, "width": width, "stride": stride, "dropout": dropout}
        check_sizes("quartznet", len(KERNELS), sizes)
        each = blocks // len(KERNELS)
        kinds = zip(scaled(CHANNELS, width), KERNELS, strict=True)
        (first,), last = scaled(FIRST[:1], width), scaled([channels for channels, _ in LAST], width)
        super().__init__(
            input_size,
            Layer(first, FIRST[1], dropout, True),
            [Layer(channels, kernel, dropout, True) for channels, kernel in kinds for _ in range(each)],
            (Layer(last[0], LAST[0][1], dropout, True), Layer(last[1], LAST[1][1], dropout, False)),
            repeats,
            stride,
        )


def convolutions(conf: Mapping[str, Any]) -> tuple[Strided, ...]:
    """T frames become ceil(T/stride), at least 1: only the first convolution has a stride."""
    return (first_convolution(FIRST[1], conf.get("stride", STRIDE)),)
