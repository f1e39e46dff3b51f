"""Two models of a recipe as one (``decode.partner``): CTC of one and the attention decoder of the other, or
CTC of the other beside both parts of one.

B batch, T frames, D dimensions, N samples, V tokens.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from xlt.core.context import Context
from xlt.core.errors import ConfigError
from xlt.core.paths import located
from xlt.decode.remember import forget
from xlt.features.speech import Speech
from xlt.formats.model_folder import ATTENTION, CTC, Trained, parts_of, read_info, recipe_of
from xlt.formats.weights import stored

if TYPE_CHECKING:
    import numpy as np
    import torch

    from xlt.models.family import Written

SETTING = "decode.partner"


@dataclass(frozen=True)
class Partner:
    """The second model, and the context with the features that it was trained on."""

    model: Trained
    ctx: Context

    def needs(self, name: str) -> Speech:
        """What it reads of set ``name``."""
        return self.model.family.needs(self.ctx, name)

    def files(self, name: str) -> list[Path]:
        """What hypotheses of set ``name`` depend on."""
        speech = self.needs(name)
        weights = [stored(self.model.folder / file) for file in self.model.family.weights]
        return [*weights, speech.content, speech.info]


class Both(NamedTuple):
    """An utterance as each of the two models reads it: a matrix (T, D), or a wave (N,)."""

    own: np.ndarray
    other: np.ndarray


class Encoders(NamedTuple):
    """Waves → what each of two models reads of them, by its own encoder."""

    own: Callable[[list], list]
    other: Callable[[list], list]

    def __call__(self, waves: list) -> list[Both]:
        return [Both(*pair) for pair in zip(self.own(waves), self.other(waves), strict=True)]


class Roles(NamedTuple):
    """Whether the partner gives CTC, and whether it gives the attention decoder; the model gives the rest.
    ``second``: the partner's CTC is used beside that of the model.
    """

    ctc: bool
    attention: bool
    second: bool = False


def partner(ctx: Context, model: Trained) -> Partner | None:
    """The partner of ``model`` that decode.partner names; None without one. ConfigError or DataError if it
    cannot be one.
    """
    tag = ctx.cfg.decode.partner
    if tag is None:
        return None
    setting = f"{SETTING}={tag}"
    if tag == ctx.cfg.tag:
        raise ConfigError(f"{setting}: is this experiment itself; name another tag of this recipe")
    other = Trained.load(ctx.recipe / "exp" / tag, setting)
    if roles(model.info, other.info, setting).second and model.tokens != other.tokens:
        raise ConfigError(
            f"{setting}: its CTC has other tokens ({len(other.tokens)}, this model has {len(model.tokens)});"
            " train it with the same tokens.* settings and the same texts"
        )
    settings = other.info["features"]["settings"]
    path = settings["features.path"]
    features = dataclasses.replace(
        ctx.cfg.features,
        upstream=settings["features.upstream"],
        on_the_fly=bool(other.info["features"].get("on_the_fly")),
        path=None if path is None else located(path, recipe_of(other.folder)),
    )
    return Partner(other, dataclasses.replace(ctx, cfg=dataclasses.replace(ctx.cfg, features=features)))


def roles(own: dict[str, Any], other: dict[str, Any], setting: str) -> Roles:
    """Who gives what, by the ``xlt.json`` of both: the partner gives what the model lacks; to one that has
    both parts, CTC as a second one, or its attention decoder if it has only that. ConfigError, which begins
    with ``setting``.
    """
    if own["normaliser"] != other["normaliser"]:
        raise ConfigError(
            f"{setting}: writes texts of the normaliser {other['normaliser']}, this model those of"
            f" {own['normaliser']}; name one that was trained on the same texts"
        )
    ours, theirs = parts_of(own), parts_of(other)
    if {CTC, ATTENTION} <= set(ours) and CTC in theirs:
        return Roles(ctc=False, attention=False, second=True)
    for part, rest in ((ATTENTION, CTC), (CTC, ATTENTION)):
        if rest in ours and part in theirs:
            return Roles(part == CTC, part == ATTENTION)
    lacking = CTC if CTC not in (*ours, *theirs) else ATTENTION
    raise ConfigError(
        f"{setting}: neither model has {'a CTC head' if lacking == CTC else 'an attention decoder'}; name one"
        " that has"
    )


class Second:
    """CTC of the partner, a :class:`~xlt.models.family.Model`; inputs are :class:`Both`."""

    def __init__(self, model: Any):
        self._model, self.tokenizer = model, model.tokenizer

    def log_probs(self, inputs: list[Both]) -> tuple[torch.Tensor, torch.Tensor]:
        return self._model.log_probs([one.other for one in inputs])


class Pair:
    """:class:`~xlt.models.family.Model` and :class:`~xlt.models.family.Writing` made of the models in two
    folders; inputs are :class:`Both`. ``info``: that of the one that gives CTC; ``second``: CTC of the
    partner, where it is used beside that of the model.
    """

    has_ctc = True

    def __init__(self, own: Path, other: Path):
        from xlt.models.family import open_model

        infos = read_info(own), read_info(other)
        by = roles(*infos, str(other))
        models: tuple[Any, Any] = open_model(own), open_model(other)
        self.info, self._models = infos[by.ctc], models
        self._ctc, self._attention = models[by.ctc], models[by.attention]
        self._roles, self.tokenizer = by, self._ctc.tokenizer
        self.second = Second(models[1]) if by.second else None

    @property
    def ctc(self) -> tuple[Any, int]:
        """The model that gives CTC, and which of :class:`Both` it reads."""
        return self._ctc, int(self._roles.ctc)

    def log_probs(self, inputs: list[Both]) -> tuple[torch.Tensor, torch.Tensor]:
        return self._ctc.log_probs([one[self._roles.ctc] for one in inputs])

    def write(self, inputs: list[Both], beam_size: int, n_best: int) -> list[list[Written]]:
        return self._attention.write([one[self._roles.attention] for one in inputs], beam_size, n_best)

    def score_texts(self, inputs: list[Both], texts: list[list[str]]) -> list[list[float]]:
        return self._attention.score_texts([one[self._roles.attention] for one in inputs], texts)

    def forget(self) -> None:
        """Let go of what the models keep for those who ask again."""
        for model in self._models:
            forget(model)


def dispensable(own: dict[str, Any], other: dict[str, Any], combination: Mapping[str, Any] | None) -> bool:
    """Whether ``combination``, as decode.combination has it, does without the partner. Arguments else as of
    :func:`roles`.
    """
    return roles(own, other, SETTING).second and "partner" not in (combination or {}).get("weights", {})
