"""Features or waves → text, by a model and a decoder. Used by stage 7 and by ``xlt transcribe``.

T frames, D dimensions, N samples.
"""

from __future__ import annotations

import dataclasses
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from xlt.core.errors import ConfigError
from xlt.core.registry import DECODERS
from xlt.core.settings import DecodeConfig
from xlt.decode.attention import has_ctc
from xlt.decode.combined import BEAM, COMBINED, Combined
from xlt.decode.confidence import Calibration, Votes
from xlt.decode.decoder import Candidate, Decoded, Decoder, weights_of
from xlt.decode.evidence import evidence
from xlt.decode.greedy import Greedy
from xlt.decode.labels import written_times
from xlt.decode.lattice import Candidate as Way
from xlt.decode.lattice import lattice
from xlt.decode.lexicon import LEXICON
from xlt.decode.partner import Pair
from xlt.decode.remember import remembering
from xlt.decode.times import Timed, word_times
from xlt.formats.model_folder import read_info
from xlt.formats.slf import Lattice
from xlt.formats.transcripts import Word
from xlt.lm.hotwords import Hotwords, read_hotwords, spell_by
from xlt.models.family import open_model
from xlt.nets.paths import as_array
from xlt.tokens.tokenizer import Tokenizer

if TYPE_CHECKING:
    import numpy as np

    from xlt.lm.model import LanguageModel


SEARCH = "beam"  # what hotwords are decoded by where the settings have no search


class Other(NamedTuple):
    """One of the n best texts, with natural log scores: see :class:`xlt.decode.decoder.Candidate`."""

    text: str
    acoustic: float
    lm: float
    score: float
    ctc: float | None = None
    attention: float | None = None
    partner: float | None = None


class Hypothesis(NamedTuple):
    """A text with its score, natural, and the language that the model predicted; None if it predicts none.

    ``greedy``: the text of CTC's best path; ``nbest``: the best texts, this one first, where the decoder has
    them; ``words``: of ``text``, with times from its beginning; ``lattice``: of the best texts, with
    decode.lattices, None where there are none; ``parts``: of a combination, the best text of each decoder in
    it; ``looped``: the attention decoder's likeliest text repeated itself. A model without CTC has no
    ``greedy``, and no times of words.
    """

    text: str
    score: float
    lang: str | None = None
    greedy: str = ""
    nbest: tuple[Other, ...] = ()
    words: tuple[Word, ...] = ()
    lattice: Lattice | None = None
    parts: Mapping[str, str] = MappingProxyType({})
    looped: bool = False


def refuse_hotwords(decode: DecodeConfig) -> None:
    """ConfigError if these settings write only words of a lexicon."""
    if decode.method == LEXICON:
        raise ConfigError(
            "decode.hotwords: this model writes only words of its lexicon; put them into a word list and give"
            " it in lm.words"
        )


def for_hotwords(decode: DecodeConfig, ctc: bool) -> DecodeConfig:
    """The search instead of a decoder that cannot prefer words: a combination, if one was tuned, else a beam
    search without language models. ConfigError for a model without CTC.
    """
    if not ctc:
        raise ConfigError(
            "decode.hotwords: this model has no CTC head, whose search could prefer words; use one that has"
        )
    if decode.combination is not None:
        return dataclasses.replace(decode, method=COMBINED)
    return dataclasses.replace(decode, method=SEARCH, lm_weight=0.0, length_bonus=0.0)


class Recogniser:
    """Decodes features with the model in ``folder`` (``exp/<tag>`` or a bundle); waves if it was trained on
    the fly.

    ``lms``: loads the language models for the model's tokens, once a decoder uses them; ``partner``: folder
    of a second model, with which inputs are :class:`~xlt.decode.partner.Both`.
    """

    def __init__(
        self,
        folder: Path,
        decode: DecodeConfig,
        lms: Callable[[Tokenizer], Sequence[LanguageModel]] = lambda tokenizer: (),
        partner: Path | None = None,
    ):
        model: Any = open_model(folder) if partner is None else Pair(folder, partner)
        info = model.info if isinstance(model, Pair) else read_info(folder)
        self.frame_rate = float(info["frame_rate"])
        self.spell = spell_by(info["normaliser"])
        self.model = remembering(model, most=1)
        self.tokenizer = self.model.tokenizer
        self.decode = decode
        self.has_ctc = has_ctc(self.model)
        self._load = lms
        self._lms: Sequence[LanguageModel] | None = None
        self._decoders: dict[str, Decoder] = {}
        self.costs: defaultdict[str, float] = defaultdict(float)  # CPU seconds beside the model's own
        self._hot: list[str] = []  # those with hotwords
        self._lists: dict[str, dict[str, float]] = {}  # of files with hotwords

    @property
    def cpu_s(self) -> dict[str, float]:
        """CPU seconds so far: ``ctc`` (encoder and CTC head), ``beam`` or another decoder of CTC's outputs,
        with language models, ``attention`` (its search), ``scoring`` of texts by it, and ``partner``, all of
        a second CTC. The first part that needs the encoder pays for it, none where features are stored.
        """
        spent = Counter(self.costs)
        spent.update(self.model.cpu_s)
        return dict(spent)

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
                    decode = for_hotwords(decode, self.has_ctc)
                    kind, lms = DECODERS.get(decode.method), self.lms
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
        by = decode or self.decode
        decoder = self.decoder(by, hotwords)
        decoded = self._timed(decoder, inputs, BEAM if isinstance(decoder, Combined) else by.method)
        if not self.has_ctc:
            return [self._untimed(found) for found in decoded]
        if any(found.best_path is None for found in decoded):
            best = Greedy(self.model, by, ())(inputs)
            decoded = [found._replace(best_path=path.ids) for found, path in zip(decoded, best, strict=True)]
        probs, lengths = self.model.log_probs(inputs)  # (B, T, V), (B,)
        return [
            self.hypothesis(found, row[:length], decoder, calibration, by.lattices)
            for found, row, length in zip(decoded, as_array(probs), lengths.tolist(), strict=True)
        ]

    def hypothesis(
        self,
        found: Decoded,
        log_probs: np.ndarray,
        decoder: Decoder,
        calibration: Calibration | None = None,
        lattices: bool = False,
    ) -> Hypothesis:
        """What ``decoder`` found in CTC's outputs (T, V), as text with times and confidences."""
        ballots = evidence(found, log_probs, self.tokenizer, decoder, self.frame_rate)
        return self._hypothesis(found, log_probs, ballots, calibration or Calibration(), lattices)

    def _timed(self, decoder: Decoder, inputs: list[np.ndarray], name: str) -> list[Decoded]:
        """What ``decoder`` finds; what it costs beside the model's parts is counted as ``name``."""
        start, before = time.process_time(), sum(self.model.cpu_s.values())
        decoded = decoder(inputs)
        own = time.process_time() - start - (sum(self.model.cpu_s.values()) - before)
        self.costs[name] += own
        return decoded

    def _untimed(self, found: Decoded) -> Hypothesis:
        """Of a model without CTC: there are no times of words."""
        return Hypothesis(
            found.text(self.tokenizer),
            found.score,
            nbest=self._others(found),
            parts=dict(found.parts),
            looped=found.looped,
        )

    def _others(self, found: Decoded) -> tuple[Other, ...]:
        return tuple(
            Other(one.text(self.tokenizer), *one[1:4], one.ctc, one.attention, one.partner)
            for one in found.nbest
        )

    def _hypothesis(
        self,
        found: Decoded,
        log_probs: np.ndarray,
        ballots: list[Votes],
        calibration: Calibration,
        lattices: bool,
    ) -> Hypothesis:
        """``log_probs``: (T, V)."""
        tokenizer = self.tokenizer
        nbest = self._others(found)
        words = self._times(log_probs, found)
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
            dict(found.parts),
            found.looped,
        )

    def _times(self, log_probs: np.ndarray, found: Decoded | Candidate) -> list[Timed]:
        """``log_probs``: (T, V)."""
        rate, tokenizer = self.frame_rate, self.tokenizer
        if found.written is not None:
            return written_times(log_probs, found.ids, found.written, tokenizer, rate)
        spelled, frames = (found.spelled, found.frames) if isinstance(found, Decoded) else (None, None)
        return word_times(log_probs, found.ids, tokenizer, rate, spelled, frames)

    def _lattice(self, found: Decoded, log_probs: np.ndarray) -> Lattice:
        """``log_probs``: (T, V)."""
        paths = []
        for one in found.nbest:
            words = self._times(log_probs, one)
            ends = [word.end_s for word in words]
            paths.append(Way([word.text for word in words], ends, one.acoustic, one.lm))
        return lattice(paths, len(log_probs) / self.frame_rate)
