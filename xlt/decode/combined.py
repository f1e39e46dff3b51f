"""Candidates of CTC's beam search and of an attention decoder, put together and scored by both (two-pass
rescoring as in Sainath et al. 2019, arXiv 1908.10992, with the lists of both passes). A partner's CTC beside
them adds its candidates, and a score.

B batch, T frames, D dimensions, N candidates, F features: see :class:`xlt.decode.combination.Combination`.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xlt import lm
from xlt.core.context import Context
from xlt.core.errors import ConfigError
from xlt.core.settings import DecodeConfig
from xlt.decode.attention import distinct, has_ctc, ran_into_loop, tags_of, writing
from xlt.decode.beam import Beam
from xlt.decode.combination import SETTING, Combination
from xlt.decode.decoder import Candidate, Decoded, weights_of
from xlt.decode.forward import ctc_losses
from xlt.decode.labels import Labels, labels
from xlt.decode.rules import take

if TYPE_CHECKING:
    import torch

    from xlt.lm.model import LanguageModel
    from xlt.models.family import Model, Written

COMBINED = "combined"  # the method
BEAM, WRITTEN, PARTNER = "beam", "attention", "partner"  # its parts
MOST = 16  # candidates of a beam search at most: each is scored by the attention decoder
# candidates and beam of the attention decoder: the best of 8 has 27% of words wrong on dev of bel, 12 of cat,
# 19 of rus and 42 of ell; of 5, as xlt.decode.attention has, 35, 15, 21 and 42%. The first one is no better
WRITTEN_MOST = 8
FLOOR = -12.0  # nats for each token that a text needs and CTC does not have, by CTC and by language models
LEAST = -20.0  # nats by CTC for each token of a text that has more of them than fit into the speech


class Pool(NamedTuple):
    """The candidates of an utterance: ``texts``, with their ``labels`` and ``features`` (N, F); ``beam`` and
    ``attention``: the best text of each decoder; ``written``: all of the latter; ``best_path``: of CTC;
    ``partner``: the best text of the second CTC, None without one; ``own``: how many of the texts, which come
    first, do not come from that alone.
    """

    texts: list[str]
    labels: list[list[int]]
    features: np.ndarray
    beam: str
    attention: str
    written: list[Written]
    best_path: list[int]
    own: int
    partner: str | None = None

    def without_partner(self) -> Pool:
        """What it would be without the second CTC."""
        if self.partner is None:
            return self
        features = np.delete(self.features[: self.own], 1, axis=1)
        return self._replace(
            texts=self.texts[: self.own], labels=self.labels[: self.own], features=features, partner=None
        )


class Combined:
    """See :class:`~xlt.decode.decoder.Decoder`. Without decode.combination, it has the weights of
    :meth:`Combination.prior`. A second CTC is used unless decode.combination has no weight for it.

    Language models beyond those that decode.combination has weights for are of hotwords. They keep their
    weight of decode.lm_weight against both acoustic scores together.
    """

    settings: tuple[str, ...] = (
        "lm",
        "decode.beam_size",
        "decode.lm_weight",
        "decode.length_bonus",
        "decode.combination",
    )
    batched = True
    uses_lm = True

    @classmethod
    def files(cls, ctx: Context) -> list[Path]:
        return lm.files(ctx)

    def __init__(self, model: Model, decode: DecodeConfig, lms: Sequence[LanguageModel]):
        self.model, self.writer, self.lms = model, writing(model, decode), lms
        if not has_ctc(model):
            raise ConfigError(
                f"decode.method={decode.method}: this model has no CTC head; use decode.method=attention"
            )
        self.beam = Beam(model, decode, lms)
        second = getattr(model, "second", None)
        weights, bonus = weights_of(decode, len(lms))
        own = sum(not is_hot(one) for one in lms)
        if decode.combination is None:
            found = Combination.prior(weights[:own], bonus, second=second is not None)
        else:
            found = Combination.of(decode.combination, own)
        if found.partner is not None and second is None:
            raise ConfigError(
                f"{SETTING}={decode.combination}: has a weight of a partner, but there is no second CTC; give"
                " decode.partner, or leave the weight out"
            )
        self.second = None if found.partner is None else second
        self._timed = getattr(model, "timed", contextlib.nullcontext)
        self.other_beam = self.second and Beam(self.second, decode, lms)
        more = [found.acoustic * weight for weight in weights[own:]]
        self.combination = found.with_lms([*found.lm, *more])

    def __call__(self, inputs: list[np.ndarray]) -> list[Decoded]:
        return [self.decided(pool) for pool in self.pools(inputs)]

    def pools(self, inputs: list[np.ndarray]) -> list[Pool]:
        """Matrices (T, D), or waves (N,), → the candidates of each."""
        tokenizer = self.model.tokenizer
        lists = self.beam(inputs)
        written = self.writer.write(inputs, WRITTEN_MOST, WRITTEN_MOST)
        texts, firsts = [], []
        for found, own in zip(lists, written, strict=True):
            theirs = list(distinct(own, found.best_path == []))
            texts.append(list(dict.fromkeys([*self._texts(found), *theirs])))
            firsts.append((_plain(found.text(tokenizer)), theirs[0]))
        counts = list(map(len, texts))
        others = self._others(inputs)
        if others:
            texts = [list(dict.fromkeys([*own, *other])) for own, other in zip(texts, others, strict=True)]
        attention = self.writer.score_texts(inputs, texts)
        by_partner = self._partner_scores(inputs, texts)
        probs, lengths = self.model.log_probs(inputs)  # (B, T, V), (B,)
        pools = []
        for number, (row, length, rows, scores, (beam, best), found, own) in enumerate(
            zip(probs, lengths.tolist(), texts, attention, firsts, lists, written, strict=True)
        ):
            tags = tags_of(found.ids, tokenizer)
            parts = [labels(text, tokenizer) for text in rows]
            ids = [[*tags, *one.ids] for one in parts]
            ctc = ctc_scores(row[:length], ids, parts)
            by_lm = [list(map(lm_score, itertools.repeat(one), ids, parts)) for one in self.lms]
            words, chars = [len(text.split()) for text in rows], list(map(len, rows))
            second = [by_partner[number]] if by_partner else []
            features = np.column_stack([ctc, *second, *by_lm, finite(scores), words, chars])
            partner = others[number][0] if others else None
            path = found.best_path or []
            pools.append(Pool(rows, ids, features, beam, best, own, path, counts[number], partner))
        return pools

    def _texts(self, found: Decoded) -> list[str]:
        """The best texts of a beam search, MOST of them at most."""
        texts = dict.fromkeys(_plain(one.text(self.model.tokenizer)) for one in found.nbest)
        return list(texts)[:MOST]

    def _others(self, inputs: list[np.ndarray]) -> list[list[str]]:
        """The candidates of the second CTC for each input; [] without one."""
        if not self.other_beam:
            return []
        with self._timed(PARTNER):
            return [self._texts(found) or [""] for found in self.other_beam(inputs)]

    def _partner_scores(self, inputs: list[np.ndarray], texts: list[list[str]]) -> list[list[float]]:
        """What the second CTC says of the texts of each input; [] without one."""
        if not self.second:
            return []
        tokenizer = self.second.tokenizer
        with self._timed(PARTNER):
            probs, lengths = self.second.log_probs(inputs)  # (B, T, V), (B,)
            found = []
            for row, length, rows in zip(probs, lengths.tolist(), texts, strict=True):
                parts = [labels(text, tokenizer) for text in rows]
                found.append(ctc_scores(row[:length], [one.ids for one in parts], parts))
        return found

    def decided(self, pool: Pool) -> Decoded:
        """The text that the combination takes, and the candidates by score."""
        by, tokenizer = self.combination, self.model.tokenizer
        acoustic = pool.features[:, 0] * by.ctc + pool.features[:, -3] * by.attention
        if by.partner is not None:
            acoustic = acoustic + pool.features[:, 1] * by.partner
        scores = pool.features @ by.vector
        text = take(by.rule, pool.texts, scores, by.scale)
        nbest = tuple(
            Candidate(
                tuple(pool.labels[i]),
                float(acoustic[i]),
                float(scores[i] - acoustic[i]),
                float(scores[i]),
                pool.texts[i],
                float(pool.features[i, 0]),
                float(pool.features[i, -3]),
                None if by.partner is None else float(pool.features[i, 1]),
            )
            for i in map(int, np.argsort(-scores, kind="stable"))
        )
        taken = next((one for one in nbest if one.written == text), None)
        tags = tags_of(pool.labels[0], tokenizer)
        ids = list(taken.ids) if taken else [*tags, *labels(text, tokenizer).ids]
        return Decoded(
            ids,
            (taken or nbest[0]).score,
            nbest,
            pool.best_path,
            written=text,
            parts={BEAM: pool.beam, WRITTEN: pool.attention}
            | ({} if pool.partner is None else {PARTNER: pool.partner}),
            looped=ran_into_loop(pool.written),
        )


def is_hot(model: LanguageModel) -> bool:
    """Whether a language model is one of hotwords."""
    from xlt.lm.hotwords import Hotwords

    return isinstance(model, Hotwords)


def finite(scores: Sequence[float]) -> list[float]:
    """The scores, where one is infinite as far below the worst of the others as a token costs at least."""
    known = [score for score in scores if math.isfinite(score)]
    least = min(known, default=0.0) + LEAST
    return [score if math.isfinite(score) else least for score in scores]


def ctc_scores(log_probs: torch.Tensor, ids: Sequence[Sequence[int]], parts: Sequence[Labels]) -> list[float]:
    """log p(text | sound) of texts by CTC, (T, V), with floors for what it cannot write and what does not
    fit.
    """
    losses = ctc_losses(log_probs, ids)
    return [
        (-loss if loss < float("inf") else LEAST * len(each)) + FLOOR * part.missing
        for loss, each, part in zip(losses, ids, parts, strict=True)
    ]


def lm_score(model: LanguageModel, ids: Sequence[int], part: Labels) -> float:
    """log p(text) by a language model, with a floor for what the tokens cannot write."""
    state, total = model.start(), FLOOR * part.missing
    for token in ids:
        logp, state = model.score(state, token)
        total += logp
    return total + model.end(state)


def _plain(text: str) -> str:
    return " ".join(text.split())
