"""Exported models as a family: `xlt export onnx` makes them, everything that opens a bundle can use them, and
no recipe can train them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from xlt.core.context import Context
from xlt.core.errors import ConfigError
from xlt.features.mix import FILES as MIX
from xlt.features.speech import Speech
from xlt.formats.model_folder import INFO, ONNX
from xlt.models.onnx import BACKBONE, HEAD
from xlt.tokens.tokenizer import Tokenizer

if TYPE_CHECKING:
    from xlt.models.onnx.model import OnnxModel
    from xlt.models.resolved import Resolved


class OnnxFamily:
    """See :class:`xlt.models.family.Family`."""

    settings: tuple[str, ...] = ()
    needed = (HEAD, INFO, "tokens.txt")
    files = (*needed, BACKBONE, *MIX, "bpe.model")
    weights = (HEAD, BACKBONE)
    starts_from: tuple[str, ...] = ()
    packages = ("onnxruntime",)
    zero_shot = draws_copies = False
    holds_upstream = True

    def check(self, ctx: Context) -> None:
        raise _untrainable()

    def tokens(self, ctx: Context) -> Tokenizer:
        return Tokenizer(ctx.tokens)

    def needs(self, ctx: Context, name: str) -> Speech:
        raise _untrainable()

    def fit(self, run: Resolved, out: Path) -> dict:
        raise _untrainable()

    def load(self, folder: Path, device: str) -> OnnxModel:
        from xlt.models.onnx.model import OnnxModel

        return OnnxModel(folder)


def _untrainable() -> ConfigError:
    return ConfigError(
        f"train.family={ONNX}: exported models cannot be trained; use the bundle that it was exported from"
    )


FAMILY = OnnxFamily()
