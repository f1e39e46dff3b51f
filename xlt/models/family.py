"""What a family of models is: stages 4 to 10 go through it and know nothing of its network or its files.

A new family is a package here, e.g. ``models/whisper/``, with an object as :class:`Family`, and a line of
FAMILIES in :mod:`xlt.core.registry`; ``train.family`` chooses it, and ``xlt.json`` of a trained model says
which it is. The module that the registry names is imported by stages that are up to date, too: it imports
torch only where it trains or loads. ``tests/models/template_family.py`` is a whole family in sixty lines,
which the tests take from training to a bundle that transcribes.

B batch, T frames, D dimensions, N samples, V tokens.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from xlt.core.context import Context
from xlt.features.speech import Speech
from xlt.fetch.hub import offline
from xlt.formats.model_folder import family_of, in_bundle, read_info
from xlt.tokens.tokenizer import Tokenizer
from xlt.upstreams.base import has_gpu

if TYPE_CHECKING:
    import numpy as np
    import torch

    from xlt.lm.model import LanguageModel
    from xlt.models.resolved import Resolved
    from xlt.nets.transducer import Transducer


class Model(Protocol):
    """A loaded model. What it gives is decoded by a :class:`~xlt.decode.decoder.Decoder`."""

    tokenizer: Tokenizer

    def log_probs(self, inputs: list[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
        """What :meth:`Family.needs` names, matrices (T, D) or waves (N,), → log probabilities of the tokens,
        token 0 being CTC's blank, (B, T, V), and their frames (B,); both on the CPU. Exported models give
        arrays, which :func:`xlt.nets.paths.as_array` makes of tensors, too.
        """


@runtime_checkable
class Searching(Protocol):
    """A model that brings a beam search of its own."""

    def search(
        self,
        beam_size: int,
        ctc_weight: float,
        lms: Sequence[tuple[LanguageModel, float]] = (),
        length_bonus: float = 0.0,
    ) -> Callable[[np.ndarray], tuple[list[int], float]]:
        """A function: matrix (T, D), or wave (N,), → the best tokens and their score, natural.

        ``ctc_weight``: share of CTC beside an attention decoder, ConfigError without one; ``lms``: language
        models with the weight of each.
        """


class Transducing(Protocol):
    """A model that may have a transducer (RNN-T) beside CTC; its ``xlt.json`` then says so: ``parts`` are ctc
    and transducer.
    """

    transducer: Transducer | None

    def hidden(self, inputs: list[np.ndarray]) -> list[torch.Tensor]:
        """What :meth:`Family.needs` names → what the transducer reads of each, (T, H)."""


class Written(NamedTuple):
    """A text that a model wrote, in the recipe's spelling, and its log probability, natural, with its end;
    ``looped``: repetitions that it ran into were cut off; ``avoided``: the best text, but a likelier one
    repeated itself.
    """

    text: str
    score: float
    looped: bool = False
    avoided: bool = False


@runtime_checkable
class Writing(Protocol):
    """A model whose attention decoder writes text in a vocabulary of its own. Its ``xlt.json`` says so:
    ``parts`` are ctc and attention, or attention alone (:meth:`Resolved.write_info`).
    """

    has_ctc: bool  # whether log_probs can be asked

    def write(self, inputs: list[np.ndarray], beam_size: int, n_best: int) -> list[list[Written]]:
        """What :meth:`Family.needs` names → by beam search the best texts of each, the best one first, none
        twice.
        """

    def score_texts(self, inputs: list[np.ndarray], texts: list[list[str]]) -> list[list[float]]:
        """The log probability, natural, of each of the texts of each input, with its end."""


class Family(Protocol):
    """A kind of model: what it reads, what it leaves in ``exp/<tag>``, how it is trained and loaded."""

    settings: tuple[str, ...]  # sections or keys that its training reads: for the stamp
    needed: tuple[str, ...]  # files that every finished model folder has, xlt.json and tokens.txt among them
    files: tuple[str, ...]  # all files and folders that one may have: for bundles and transfer
    weights: tuple[str, ...]  # those of ``needed`` that hypotheses depend on, the parameters first
    starts_from: tuple[str, ...]  # those that a training reads of the model of train.init
    packages: tuple[str, ...]  # whose versions stand in the stamp
    zero_shot: bool  # whether train.zero_shot needs no train.init: the upstream writes texts by itself
    holds_upstream: bool  # whether ``files`` have the upstream's weights in them where speech is not stored
    draws_copies: bool  # whether its training draws altered copies anew in each epoch; none are stored

    def check(self, ctx: Context) -> None:
        """ConfigError for settings that it cannot train with; called before anything is encoded."""

    def tokens(self, ctx: Context) -> Tokenizer:
        """The tokens that are trained: of stage 4, or its own."""

    def needs(self, ctx: Context, name: str) -> Speech:
        """What it reads of set ``name``: stored features, or waves."""

    def fit(self, run: Resolved, out: Path) -> dict:
        """Train in ``out``, going on with what an interrupted run left there; returns facts for the stamp.

        The speech to learn is :meth:`Resolved.training_speech`, which has what a teacher labelled in it.
        It leaves ``files``, of them xlt.json last (:meth:`Resolved.write_info`).
        """

    def load(self, folder: Path, device: str) -> Model:
        """The model in ``folder``, ready to use; DataError if it is damaged."""


def open_model(folder: Path) -> Model:
    """The model in an experiment or a bundle, by the family that trained it, on a GPU if there is one."""
    family: Family = family_of(folder, read_info(folder))
    with offline(in_bundle(folder)):
        return family.load(folder, _device())


def _device() -> str:
    """What torch calls it. Without a GPU torch is not imported: a model may need none of it."""
    if not has_gpu() or importlib.util.find_spec("torch") is None:
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
