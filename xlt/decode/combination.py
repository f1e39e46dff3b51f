"""How the scores of a list of texts are put together: a log-linear model, and a rule that takes a text.

N texts, F features: those of :attr:`Combination.vector`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from xlt.core.errors import ConfigError

BEST, MBR, ROVER = "best", "mbr", "rover"
RULES = (BEST, MBR, ROVER)  # the simplest first
SETTING = "decode.combination"
# of the attention decoder, the usual one first, and how much more the language model counts than in the beam:
# on dev of three languages (tests/bench/combination.py)
SHARES = (0.6, 0.5, 0.7, 0.4, 0.8)
LM_MORE = 1.3
EVEN = 0.5  # of CTC's share, what the second CTC has
_WEIGHTS = ("ctc", "lm", "attention", "words", "chars", "partner")


@dataclass(frozen=True)
class Combination:
    """score = ctc · log p(y | sound) by CTC + Σ lmᵢ · log pᵢ(y) + attention · log p(y | sound) by the
    attention decoder + words · words in y + chars · characters in y [+ partner · log p(y | sound) by a second
    CTC, None without one]; all logarithms are natural.

    ``rule``: ``best``, the text with the best score; ``mbr``, that with the fewest errors to expect, or
    ``rover``, the words that most of the list agrees on, under posteriors softmax(``scale`` · score).
    """

    ctc: float
    lm: tuple[float, ...]
    attention: float
    words: float = 0.0
    chars: float = 0.0
    rule: str = BEST
    scale: float = 1.0
    partner: float | None = None

    @classmethod
    def prior(
        cls, lm_weights: Sequence[float], bonus: float, share: float = SHARES[0], second: bool = False
    ) -> Combination:
        """Where a fit starts, and what it is drawn to: the attention decoder has a ``share``, the tuned beam
        the rest, of which the ``second`` CTC has EVEN.
        """
        rest = 1 - share
        lm = tuple(rest * LM_MORE * weight for weight in lm_weights)
        other = rest * EVEN if second else None
        return cls(rest - (other or 0.0), lm, share, 0.0, rest * LM_MORE * bonus, partner=other)

    @classmethod
    def of(cls, given: Mapping[str, Any], models: int) -> Combination:
        """From decode.combination, for ``models`` language models; weights that it lacks are 0, and a single
        number is the weight of each language model. ConfigError for what it cannot be.
        """
        weights = given.get("weights")
        if unknown := sorted(set(given) - {"rule", "scale", "weights"}):
            _refuse(given, f"found {unknown[0]!r}, expected rule, scale and weights")
        if given.get("rule", BEST) not in RULES:
            _refuse(given, f"found the rule {given['rule']!r}, expected one of {', '.join(RULES)}")
        if not isinstance(weights, Mapping) or not set(weights) <= set(_WEIGHTS):
            _refuse(given, f"expected weights of {', '.join(_WEIGHTS)}")
        lm = weights.get("lm", 0.0)
        each = lm if isinstance(lm, list) else [lm] * models
        single = {name: weights.get(name, 0.0) for name in _WEIGHTS if name not in ("lm", "partner")}
        single |= {"partner": weights["partner"]} if "partner" in weights else {}
        scale = given.get("scale", 1.0)
        if not all(map(_number, [*single.values(), *each, scale])) or scale <= 0:
            _refuse(given, "expected numbers, and a scale above 0")
        if len(each) != models:
            _refuse(given, f"has {len(each)} weights of language models, expected {models}")
        return cls(**single, lm=tuple(each), rule=given.get("rule", BEST), scale=scale)

    def to_json(self) -> dict[str, Any]:
        """What :meth:`of` reads."""
        weights = {name: getattr(self, name) for name in _WEIGHTS} | {"lm": list(self.lm)}
        if self.partner is None:
            del weights["partner"]
        return {"rule": self.rule, "scale": self.scale, "weights": weights}

    @property
    def vector(self) -> np.ndarray:
        """The weights (F,): of CTC, of the second CTC if there is one, of each language model, attention,
        words and characters.
        """
        second = [] if self.partner is None else [self.partner]
        return np.array([self.ctc, *second, *self.lm, self.attention, self.words, self.chars])

    @property
    def acoustic(self) -> float:
        """The weights of all that hears the speech."""
        return self.ctc + self.attention + (self.partner or 0.0)

    def with_lms(self, lm: Sequence[float]) -> Combination:
        """The same with these weights of language models."""
        return dataclasses.replace(self, lm=tuple(lm))

    def with_vector(self, vector: np.ndarray) -> Combination:
        """The same rule with other weights (F,)."""
        ctc, *lm, attention, words, chars = (round(float(one), 4) for one in vector)
        second = None if self.partner is None else lm.pop(0)
        return Combination(ctc, tuple(lm), attention, words, chars, self.rule, self.scale, second)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _refuse(given: Mapping[str, Any], fault: str) -> NoReturn:
    raise ConfigError(
        f"{SETTING}={dict(given)}: {fault}; copy it from exp/<tag>/fusion/fusion.json, or leave it out to"
        " have it tuned on dev"
    )
