"""Jasper: blocks of 1-D convolutions with dense residual connections (Li et al. 2019, arXiv:1904.03288, table
1): QuartzNet's dense forerunner.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xlt.nets.encoders.timeconv import Layer, TimeConvEncoder, check_sizes, first_convolution, scaled
from xlt.nets.lengths import Strided

CHANNELS = (256, 384, 512, 640, 768)  # of the five kinds of blocks
KERNELS = (11, 13, 17, 21, 25)
DROPOUTS = (0.2, 0.2, 0.2, 0.3, 0.3)
FIRST, LAST = (256, 11, 0.2), ((896, 29, 0.4), (1024, 1, 0.4))  # channels, kernel, dropout
STRIDE = 2


class JasperEncoder(TimeConvEncoder):
    """Jasper ``blocks`` x ``repeats``; 10x5 (333 M parameters) is the paper's.

    ``width`` scales all numbers of channels, ``dropout`` all rates of dropout; ``dense``: each block adds the
    inputs of all blocks before it (Jasper DR), else only its own. ``stride`` is that of the first
    convolution.
    """

    def __init__(
        self,
        input_size: int,
        blocks: int = 10,
        repeats: int = 5,
        width: float = 1.0,
        stride: int = STRIDE,
        dropout: float = 1.0,
        dense: bool = True,
    ):
        sizes = {"blocks": blocks, "repeats": repeats, "width": width, "stride": stride, "dropout": dropout}
        check_sizes("jasper", len(KERNELS), sizes)
        each = blocks // len(KERNELS)
        kinds = zip(scaled(CHANNELS, width), KERNELS, DROPOUTS, strict=True)
        first, *last = scaled([FIRST[0], LAST[0][0], LAST[1][0]], width)
        super().__init__(
            input_size,
            Layer(first, FIRST[1], dropout * FIRST[2], False),
            [
                Layer(channels, kernel, dropout * p, False)
                for channels, kernel, p in kinds
                for _ in range(each)
            ],
            (
                Layer(last[0], LAST[0][1], dropout * LAST[0][2], False),
                Layer(last[1], LAST[1][1], dropout * LAST[1][2], False),
            ),
            repeats,
            stride,
            dense,
        )


def convolutions(conf: Mapping[str, Any]) -> tuple[Strided, ...]:
    """T frames become ceil(T/stride), at least 1: only the first convolution has a stride."""
    return (first_convolution(FIRST[1], conf.get("stride", STRIDE)),)
