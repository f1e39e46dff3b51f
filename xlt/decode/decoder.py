"""What a decoder is: it turns what a model gives, with language models or without, into tokens.

A new one is a module with a class as :class:`Decoder` and a line of DECODERS in :mod:`xlt.core.registry`;
``decode.method`` chooses it. This one writes nothing where the model is not sure enough::

    class Sure:
        settings = ()
        batched = True

        @classmethod
        def files(cls, ctx):
            return []

        def __init__(self, model, decode, lms):
            self.greedy = Greedy(model, decode, lms)

        def __call__(self, inputs):
            return [found if found.score > -10 else Decoded([], 0.0) for found in self.greedy(inputs)]

One that uses the language models of stage 5 has ``settings = ("lm",)`` and returns ``xlt.lm.files(ctx)`` as
its files, so that another language model makes the hypotheses again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from xlt.core.context import Context
from xlt.core.settings import DecodeConfig

if TYPE_CHECKING:
    import numpy as np

    from xlt.lm.model import LanguageModel
    from xlt.models.family import Model


class Decoded(NamedTuple):
    """The tokens of an utterance and their log probability, natural."""

    ids: list[int]
    score: float


class Decoder(Protocol):
    settings: tuple[
        str, ...
    ]  # keys or sections that it reads beside BASE of decode/__init__.py: for the stamp
    batched: bool  # whether it is faster with several utterances at once

    @classmethod
    def files(cls, ctx: Context) -> list[Path]:
        """What it reads beside the model: for the stamp; MissingInput if it is not there."""

    def __init__(self, model: Model, decode: DecodeConfig, lms: Sequence[LanguageModel]):
        """ConfigError if the model lacks what it needs."""

    def __call__(self, inputs: list[np.ndarray]) -> list[Decoded]:
        """Matrices (T, D), or waves (N,), → what was said in each."""
