"""A torch module as an ONNX file: traced, quantised, and proven against what it was made of."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xlt.core.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor, nn

OPSET = 17  # of 2022: onnxruntime from 1.12, and what sherpa-onnx brings
FARTHEST = 2e-3  # that an output may be from torch's; seen: 3e-4
QUANTISED = ("MatMul", "Gemm")


def write(module: nn.Module, example: Tensor, path: Path, axes: dict[str, dict[int, str]]) -> None:
    """Trace ``module`` on ``example`` into ``path``. ``axes``: names of the input and the output, with those
    of their dimensions that may differ. ConfigError if it holds what ONNX has not.
    """
    import torch

    names = list(axes)
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # of shapes that become constants: proven() looks at results
            torch.onnx.export(
                module.eval(),
                (example,),
                str(path),
                input_names=names[:1],
                output_names=names[1:],
                dynamic_axes=axes,
                opset_version=OPSET,
                dynamo=False,
            )
    except (RuntimeError, ValueError, TypeError) as err:
        said = next(iter(str(err).strip().splitlines()), type(err).__name__)[:160]
        raise ConfigError(
            f"{path.stem}: torch cannot write this network as ONNX ({said}); use the bundle itself"
        ) from None
    finally:
        logging.disable(logging.NOTSET)


def proven(module: nn.Module, path: Path, examples: Sequence[Tensor]) -> float:
    """The largest difference between ``path`` in onnxruntime and ``module`` on other inputs; ConfigError if
    it is not rounding, as where the trace took a length for a constant.
    """
    import torch

    from xlt.models.onnx.model import Session

    session, worst = Session(path), 0.0
    for example in examples:
        with torch.inference_mode():
            expected = module(example).numpy()
        try:
            found = session(example.numpy())
        except Exception as err:  # onnxruntime's own, of no common class
            raise _differs(path, f"fails on an input of {tuple(example.shape)}: {str(err)[:100]}") from None
        if found.shape != expected.shape:
            raise _differs(path, f"gives {found.shape} instead of {expected.shape}")
        worst = max(worst, float(np.abs(found - expected).max()))
    if not worst <= FARTHEST:
        raise _differs(path, f"is {worst:.2g} off")
    return worst


def _differs(path: Path, how: str) -> ConfigError:
    return ConfigError(
        f"{path.stem}: this network cannot be exported: as ONNX it {how}; transcribe with the bundle itself"
    )


def quantise(path: Path) -> None:
    """Store the matrices in ``path`` in one byte a value, with a scale for each column, and let them multiply
    what comes in one byte a value, too.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    small = path.with_name(f"{path.stem}.int8.onnx")
    logging.disable(logging.WARNING)
    try:
        quantize_dynamic(
            str(path),
            str(small),
            op_types_to_quantize=list(QUANTISED),
            per_channel=True,
            weight_type=QuantType.QInt8,
        )
    finally:
        logging.disable(logging.NOTSET)
    small.replace(path)
