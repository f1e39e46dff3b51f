"""Language models in ESPnet's beam search, beside CTC and attention.

V tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from espnet2.legacy.nets.beam_search import BeamSearch
from espnet2.legacy.nets.scorer_interface import ScorerInterface
from espnet2.legacy.nets.scorers.length_bonus import LengthBonus

if TYPE_CHECKING:
    from xlt.lm.model import LanguageModel


class Scorer(ScorerInterface):
    """A language model as ESPnet asks one: all tokens at once."""

    def __init__(self, model: LanguageModel, tokens: int, eos: int):
        self.model, self.tokens, self.eos = model, tokens, eos

    def score(self, y: torch.Tensor, state: Any, x: torch.Tensor) -> tuple[torch.Tensor, Any]:
        """Scores (V,) of what may follow the tokens ``y``; ``state``: that before the last of them."""
        state = self.model.start() if state is None else self.model.score(state, int(y[-1]))[1]
        scores = [self.model.score(state, token)[0] for token in range(self.tokens)]
        scores[self.eos] = self.model.end(state)
        return torch.tensor(scores, dtype=torch.float32, device=x.device), state


def beam_search(
    plain: Any,
    beam_size: int,
    ctc_weight: float,
    lms: Sequence[tuple[LanguageModel, float]],
    length_bonus: float,
) -> Any:
    """ESPnet's search like ``plain``, which knows decoder and CTC only, with language models and a bonus for
    each token.
    """
    if not lms and not length_bonus:
        return plain
    count = plain.n_vocab
    scorers = {**plain.full_scorers, **plain.part_scorers, "length_bonus": LengthBonus(count)}
    weights = {"decoder": 1.0 - ctc_weight, "ctc": ctc_weight, "length_bonus": length_bonus}
    for number, (model, weight) in enumerate(lms):
        scorers[f"lm{number}"] = Scorer(model, count, plain.eos)
        weights[f"lm{number}"] = weight
    return BeamSearch(
        beam_size=min(beam_size, count),  # it asks for so many tokens at once
        weights=weights,
        scorers=scorers,
        sos=plain.sos,
        eos=plain.eos,
        vocab_size=count,
        # where CTC leads, candidates must not be chosen by the other scores alone: that gave a CER of 208%
        pre_beam_score_key=None if ctc_weight == 1.0 else "full",
    )
