"""The beam search of a model whose attention decoder writes text, such as Whisper's, by itself.

N samples, T frames, D dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.core.context import Context
from xlt.core.errors import ConfigError
from xlt.core.settings import DecodeConfig
from xlt.decode.decoder import Candidate, Decoded
from xlt.decode.labels import labels
from xlt.models.family import Writing, Written
from xlt.nets.paths import best_path

if TYPE_CHECKING:
    import numpy as np

    from xlt.lm.model import LanguageModel
    from xlt.models.family import Model
    from xlt.tokens.tokenizer import Tokenizer

BEAM_SIZE = 5  # what decode.beam_size=null means here
N_BEST = 5


class Attention:
    """See :class:`~xlt.decode.decoder.Decoder`. Where the model has a CTC head, too, its tokens are aligned
    for the times of words, and its best path says the language.
    """

    settings: tuple[str, ...] = ("decode.beam_size",)
    batched = True
    uses_lm = False

    @classmethod
    def files(cls, ctx: Context) -> list[Path]:
        return []

    def __init__(self, model: Model, decode: DecodeConfig, lms: Sequence[LanguageModel]):
        self.model, self.writer = model, writing(model, decode)
        self.size = decode.beam_size or BEAM_SIZE

    def __call__(self, inputs: list[np.ndarray]) -> list[Decoded]:
        written = self.writer.write(inputs, self.size, max(N_BEST, self.size))
        paths: list[list[int] | None] = [None] * len(inputs)
        if self.writer.has_ctc:
            probs, lengths = self.model.log_probs(inputs)  # (B, T, V), (B,)
            best = probs.argmax(dim=-1)
            paths = [best_path(row[:length]) for row, length in zip(best, lengths.tolist(), strict=True)]
        return [self.decoded(found, path) for found, path in zip(written, paths, strict=True)]

    def decoded(self, found: list[Written], path: list[int] | None) -> Decoded:
        """What was written, the best text first; ``path``: CTC's best, None without CTC."""
        tokenizer = self.model.tokenizer
        tags = tags_of(path or [], tokenizer)
        nbest = tuple(
            Candidate(
                (*tags, *labels(text, tokenizer).ids), one.score, 0.0, one.score, text, attention=one.score
            )
            for text, one in distinct(found, path == []).items()
        )
        best = nbest[0]
        return Decoded(
            list(best.ids), best.score, nbest, path, written=best.written, looped=ran_into_loop(found)
        )


def writing(model: Model, decode: DecodeConfig) -> Writing:
    """The model as one that writes; ConfigError if it does not."""
    if not isinstance(model, Writing):
        raise ConfigError(
            f"decode.method={decode.method}: this model has no attention decoder that writes text; use"
            " decode.method=auto"
        )
    return model


def distinct(found: Sequence[Written], silent: bool) -> dict[str, Written]:
    """By text, with single spaces, the best of each; what was cut where it repeated itself comes last, and
    before that no text at all, which each token makes likelier than a long one, unless CTC hears nothing
    either (``silent``).
    """
    texts: dict[str, Written] = {}
    for one in sorted(found, key=lambda one: (one.looped, not (silent or one.text.strip()))):
        texts.setdefault(" ".join(one.text.split()), one)
    return texts or {"": Written("", 0.0)}


def ran_into_loop(found: Sequence[Written]) -> bool:
    """Whether the likeliest text repeated itself, so that another one was taken, or the repetition cut."""
    return any(one.avoided for one in found) or max(found, key=_score, default=Written("", 0.0)).looped


def _score(one: Written) -> float:
    return one.score


def tags_of(path: Sequence[int], tokenizer: Tokenizer) -> list[int]:
    """The token of the language that a best path says first, if it says one."""
    return [i for i in path if i in tokenizer.tags][:1]


def has_ctc(model: Model) -> bool:
    """Whether a model's log probabilities can be asked for."""
    return not isinstance(model, Writing) or model.has_ctc
