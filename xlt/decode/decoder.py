"""What a decoder is: it turns what a model gives, with language models or without, into tokens.

A new one is a module with a class as :class:`Decoder` and a line of DECODERS in :mod:`xlt.core.registry`;
``decode.method`` chooses it. This one writes nothing where the model is not sure enough::

    class Sure:
        settings = ()
        batched = True
        uses_lm = False

        @classmethod
        def files(cls, ctx):
            return []

        def __init__(self, model, decode, lms):
            self.greedy = Greedy(model, decode, lms)

        def __call__(self, inputs):
            return [found if found.score > -10 else Decoded([], 0.0) for found in self.greedy(inputs)]

One that uses the language models of stage 5 has ``uses_lm = True``, ``settings = ("lm",)`` and returns
``xlt.lm.files(ctx)`` as its files, so that another language model makes the hypotheses again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Protocol

from xlt.core.context import Context
from xlt.core.errors import ConfigError
from xlt.core.settings import DecodeConfig

if TYPE_CHECKING:
    import numpy as np

    from xlt.lm.model import LanguageModel
    from xlt.models.family import Model
    from xlt.tokens.tokenizer import Tokenizer


class Candidate(NamedTuple):
    """One of the n best: tokens, and natural log scores: by the acoustic model, by the language models with
    their weights and the length bonus, and the sum.

    ``written``: the text, where it is not that of the tokens. Of a combination, ``acoustic`` is the weighted
    sum of ``ctc``, ``attention`` and ``partner`` (a second CTC), which are log probabilities; None where a
    decoder has not asked.
    """

    ids: tuple[int, ...]
    acoustic: float
    lm: float
    score: float
    written: str | None = None
    ctc: float | None = None
    attention: float | None = None
    partner: float | None = None

    def text(self, tokenizer: Tokenizer) -> str:
        """What is written."""
        return tokenizer.decode(list(self.ids)) if self.written is None else self.written


class Spelled(NamedTuple):
    """A word that is written otherwise than its tokens: its spelling, and how many tokens it has."""

    word: str
    tokens: int


class Decoded(NamedTuple):
    """The tokens of an utterance and their score, natural; the n best, where a decoder has them, and CTC's
    best path, where it has that at hand. ``spelled``: the words, from a decoder that turns phones into words.

    ``frames``: in which a transducer wrote each token.

    ``written``: the text, where it is not that of the tokens, which are then those of its characters that the
    tokens can write; ``parts``: of a combination, the best text of each decoder in it, by name; ``looped``:
    the attention decoder's likeliest text repeated itself.
    """

    ids: list[int]
    score: float
    nbest: tuple[Candidate, ...] = ()
    best_path: list[int] | None = None
    spelled: tuple[Spelled, ...] | None = None
    written: str | None = None
    parts: Mapping[str, str] = MappingProxyType({})
    looped: bool = False
    frames: tuple[int, ...] | None = None

    def text(self, tokenizer: Tokenizer) -> str:
        """What is written: the words, or the tokens' text."""
        if self.written is not None:
            return self.written
        if self.spelled is not None:
            return " ".join(one.word for one in self.spelled)
        return tokenizer.decode(self.ids)


def weights_of(decode: DecodeConfig, count: int) -> tuple[list[float], float]:
    """The weights of ``count`` language models and the length bonus; 1 and 0 where the settings have none.

    ConfigError if ``decode.lm_weight`` lists another number of weights.
    """
    given = decode.lm_weight
    weights = [1.0] * count if given is None else given if isinstance(given, list) else [given] * count
    if len(weights) != count or not all(isinstance(w, (int, float)) for w in weights):
        raise ConfigError(
            f"decode.lm_weight={given}: expected {count} numbers, one for each language model; give one for"
            " all, or leave it out to have it tuned on dev"
        )
    return [float(w) for w in weights], decode.length_bonus or 0.0


class Decoder(Protocol):
    settings: tuple[
        str, ...
    ]  # keys or sections that it reads beside BASE of decode/__init__.py: for the stamp
    batched: bool  # whether it is faster with several utterances at once
    uses_lm: bool  # whether language models are loaded for it, and weights of theirs are tuned on dev

    @classmethod
    def files(cls, ctx: Context) -> list[Path]:
        """What it reads beside the model: for the stamp; MissingInput if it is not there."""

    def __init__(self, model: Model, decode: DecodeConfig, lms: Sequence[LanguageModel]):
        """ConfigError if the model lacks what it needs."""

    def __call__(self, inputs: list[np.ndarray]) -> list[Decoded]:
        """Matrices (T, D), or waves (N,), → what was said in each."""
