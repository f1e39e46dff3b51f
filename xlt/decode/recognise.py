"""Features or waves → text, by a model and a decoder. Used by stage 7 and by ``xlt transcribe``.

T frames, D dimensions, N samples.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from xlt.core.errors import ConfigError
from xlt.core.registry import DECODERS
from xlt.core.settings import DecodeConfig
from xlt.decode.confidence import Calibration, Votes
from xlt.decode.decoder import Decoded, Decoder, weights_of
from xlt.decode.evidence import evidence
from xlt.decode.greedy import Greedy
from xlt.decode.lattice import Candidate, lattice
from xlt.decode.lexicon import LEXICON
from xlt.decode.remember import remembering
from xlt.decode.times import word_times
from xlt.formats.model_folder import read_info
from xlt.formats.slf import Lattice
from xlt.formats.transcripts import Word
from xlt.lm.hotwords import Hotwords, read_hotwords, spell_by
from xlt.models.family import open_model
from xlt.tokens.tokenizer import Tokenizer

if TYPE_CHECKING:
    import numpy as np
    import torch

    from xlt.lm.model import LanguageModel


SEARCH = "beam"  # what hotwords are decoded by where the settings have no search


class Other(NamedTuple):
    """One of the n best texts, with natural log scores: see :class:`xlt.decode.decoder.Candidate`."""

    text: str
    acoustic: float
    lm: float
    score: float


class Hypothesis(NamedTuple):
    """A text with its score, natural, and the language that the model predicted; None if it predicts none.

    ``greedy``: the text of CTC's best path; ``nbest``: the best texts, this one first, where the decoder has
    them; ``words``: of ``text``, with times from its beginning; ``lattice``: of the best texts, with
    decode.lattices, None where there are none.
    """

    text: str
    score: float
    lang: str | None = None
    greedy: str = ""
    nbest: tuple[Other, ...] = ()
    words: tuple[Word, ...] = ()
    lattice: Lattice | None = None


def refuse_hotwords(decode: DecodeConfig) -> None:
    """ConfigError if these settings write only words of a lexicon."""
    if decode.method == LEXICON:
        raise ConfigError(
            "decode.hotwords: this model writes only words of its lexicon; put them into a word list and give"
            " it in lm.words"
        )


class Recogniser:
    """Decodes features with the model in ``folder`` (``exp/<tag>`` or a bundle); waves if it was trained on
    the fly.

    ``lms``: loads the language models for the model's tokens, once a decoder uses them.
    """

    def __init__(
        self,
        folder: Path,
        decode: DecodeConfig,
        lms: Callable[[Tokenizer], Sequence[LanguageModel]] = lambda tokenizer: (),
    ):
        info = read_info(folder)
        self.frame_rate = float(info["frame_rate"])
        self.spell = spell_by(info["normaliser"])
        self.model = remembering(open_model(folder), most=1)
        self.tokenizer = self.model.tokenizer
        self.decode = decode
        self._load = lms
        self._lms: Sequence[LanguageModel] | None = None
        self._decoders: dict[str, Decoder] = {}
        self._hot: list[str] = []  # those with hotwords
        self._lists: dict[str, dict[str, float]] = {}  # of files with hotwords

    @property
    def lms(self) -> Sequence[LanguageModel]:
        """The language models."""
        if self._lms is None:
            self._lms = self._load(self.tokenizer)
        return self._lms

    def decoder(self, decode: DecodeConfig, hotwords: Mapping[str, float] | None = None) -> Decoder:
        """A decoder by these settings; kept, one with hotwords until others come.

        ``hotwords``: log probability for each character of these words, beside those of decode.hotwords. A
        decoder without language models is replaced by a beam search that has only these.
        """
        hot = {**self._listed(decode), **(hotwords or {})}
        if hot:
            refuse_hotwords(decode)
        key = repr(decode) + (repr(sorted(hot.items())) if hot else "")
        if key not in self._decoders:
            kind = DECODERS.get(decode.method)
            lms = self.lms if kind.uses_lm else ()
            if hot:
                for old in self._hot:
                    del self._decoders[old]
                self._hot = [key]
                if not kind.uses_lm:
                    decode = dataclasses.replace(decode, method=SEARCH, lm_weight=None, length_bonus=None)
                    kind = DECODERS.get(SEARCH)
                weights, bonus = weights_of(decode, len(lms))
                decode = dataclasses.replace(decode, lm_weight=[*weights, 1.0], length_bonus=bonus)
                lms = [*lms, Hotwords(hot, self.tokenizer, 1.0)]
            self._decoders[key] = kind(self.model, decode, lms)
        return self._decoders[key]

    def _listed(self, decode: DecodeConfig) -> dict[str, float]:
        """The words of decode.hotwords with their weights."""
        if decode.hotwords is None:
            return {}
        if decode.hotwords not in self._lists:
            self._lists[decode.hotwords] = read_hotwords(Path(decode.hotwords), self.spell, self.tokenizer)
        factors = self._lists[decode.hotwords]
        return {word: factor * decode.hotword_weight for word, factor in factors.items()}

    def __call__(
        self,
        inputs: list[np.ndarray],
        decode: DecodeConfig | None = None,
        hotwords: Mapping[str, float] | None = None,
        calibration: Calibration | None = None,
    ) -> list[Hypothesis]:
        """Matrices (T, D), or waves (N,), → the hypothesis of each; ``decode``: other settings than usual;
        ``hotwords``: see :meth:`decoder`; ``calibration``: of the words' confidences.
        """
        decoder = self.decoder(decode or self.decode, hotwords)
        decoded = decoder(inputs)
        if any(found.best_path is None for found in decoded):
            best = Greedy(self.model, decode or self.decode, ())(inputs)
            decoded = [found._replace(best_path=path.ids) for found, path in zip(decoded, best, strict=True)]
        probs, lengths = self.model.log_probs(inputs)  # (B, T, V), (B,)
        return [
            self._hypothesis(
                found,
                row[:length],
                evidence(found, row[:length], self.tokenizer, decoder, self.frame_rate),
                calibration or Calibration(),
                (decode or self.decode).lattices,
            )
            for found, row, length in zip(decoded, probs, lengths.tolist(), strict=True)
        ]

    def _hypothesis(
        self,
        found: Decoded,
        log_probs: torch.Tensor,
        ballots: list[Votes],
        calibration: Calibration,
        lattices: bool,
    ) -> Hypothesis:
        """``log_probs``: (T, V)."""
        tokenizer = self.tokenizer
        nbest = tuple(
            Other(tokenizer.decode(list(one.ids)), one.acoustic, one.lm, one.score) for one in found.nbest
        )
        words = word_times(log_probs, found.ids, tokenizer, self.frame_rate, found.spelled)
        sure: list[float | None] = [None] * len(words)
        if ballots:
            sure = [round(float(one), 4) for ballot in ballots for one in calibration(ballot)]
        return Hypothesis(
            found.text(tokenizer),
            found.score,
            tokenizer.language(found.ids),
            tokenizer.decode(found.best_path or []),
            nbest,
            tuple(
                Word(text=word.text, start_s=word.start_s, end_s=word.end_s, confidence=confidence)
                for word, confidence in zip(words, sure, strict=True)
            ),
            self._lattice(found, log_probs) if nbest and lattices else None,
        )

    def _lattice(self, found: Decoded, log_probs: torch.Tensor) -> Lattice:
        """``log_probs``: (T, V)."""
        paths = []
        for one in found.nbest:
            words = word_times(log_probs, one.ids, self.tokenizer, self.frame_rate)
            ends = [word.end_s for word in words]
            paths.append(Candidate([word.text for word in words], ends, one.acoustic, one.lm))
        return lattice(paths, len(log_probs) / self.frame_rate)
