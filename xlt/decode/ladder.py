"""What each decoder reaches on dev, alone and combined, and how they are best combined.

U utterances, N candidates, F features.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from xlt.core.settings import DecodeConfig
from xlt.decode.attention import Attention
from xlt.decode.combination import BEST, MBR, ROVER, SHARES, Combination
from xlt.decode.combined import BEAM, COMBINED, PARTNER, WRITTEN, Combined, Pool
from xlt.decode.decoder import weights_of
from xlt.decode.greedy import Greedy
from xlt.decode.rules import take
from xlt.decode.tuning import Rates, Texts, confidence, rounded, tune, units_of
from xlt.decode.weighting import ALIKE, STRENGTHS, List, Lists, fit, held_out

if TYPE_CHECKING:
    from xlt.decode.recognise import Recogniser

GREEDY, ORACLE, WITHOUT = "greedy", "oracle", "without_partner"  # in ``rates``, beside the methods
SCALES = (1.0, 0.5)  # of posteriors, for the rules that go by them
BETTER = 1.03  # times the least loss, within which a simpler rule is taken


class Tried(NamedTuple):
    """A rule with a scale, on utterances that the weights were not fitted on."""

    rule: str
    scale: float
    rates: Rates


RULES = ((BEST, 1.0), *((rule, scale) for rule in (MBR, ROVER) for scale in SCALES))  # the simplest first


def tune_combined(
    recogniser: Recogniser, decode: DecodeConfig, inputs: list[list[Any]], refs: list[str], phones: bool
) -> dict[str, Any]:
    """What :func:`xlt.decode.tuning.tune` finds for the beam, ``rates`` of each decoder, ``combination``, and
    which ``method`` has the fewest errors.

    The rates of ``combined`` are cross-validated: the weights for each utterance are those of the others.
    ``oracle``: of the best text in each list; ``partner``: of a second CTC's search, which takes part where
    ``combined`` has fewer errors with it than ``without_partner``.
    """
    found = _beam(recogniser, decode, inputs, refs, phones)
    point = found["best"] or found["least_bad"]
    settings = dataclasses.replace(
        decode, lm_weight=point["lm_weight"], length_bonus=point["length_bonus"], combination=None
    )
    texts = Texts(refs, units_of(phones))
    combined = Combined(recogniser.model, settings, recogniser.lms)
    pools: list[Pool] = []
    greedy: list[str] = []
    for batch in inputs:
        pools += combined.pools(batch)
        greedy += [one.text(recogniser.tokenizer) for one in Greedy(recogniser.model, decode, ())(batch)]
    rates = {
        GREEDY: texts.rates(greedy),
        BEAM: texts.rates([pool.beam for pool in pools]),
        WRITTEN: texts.rates([pool.attention for pool in pools]),
    }
    by, more = _combination(decode, pools, texts, rates[GREEDY], *weights_of(settings, len(recogniser.lms)))
    rates |= more.pop("rates")
    loss = {name: one.relative_to(rates[GREEDY]) for name, one in rates.items()}
    method = min((COMBINED, WRITTEN, BEAM, GREEDY), key=lambda name: loss[name])
    final = Combined(
        recogniser.model, dataclasses.replace(settings, combination=by.to_json()), recogniser.lms
    )
    if method == COMBINED:
        if final.second is None:
            pools = [pool.without_partner() for pool in pools]
        sure = confidence([final.decided(pool) for pool in pools], refs, recogniser.tokenizer)
    elif method == WRITTEN:
        alone = Attention(recogniser.model, settings, ())
        lists = [alone.decoded(pool.written, pool.best_path) for pool in pools]
        sure = confidence(lists, refs, recogniser.tokenizer)
    else:
        sure = found.get("confidence")
    return {
        **found,
        "greedy": rounded(rates[GREEDY].values),
        "rates": {name: rounded(one.values) for name, one in rates.items()},
        "method": method,
        "combination": by.to_json(),
        "candidates": round(float(np.mean([len(pool.texts) for pool in pools])), 1),
        **more,
        "confidence": sure,
    }


def _beam(
    recogniser: Recogniser, decode: DecodeConfig, inputs: list[list[Any]], refs: list[str], phones: bool
) -> dict[str, Any]:
    """The weights of CTC's search; none are tuned without language models."""
    if recogniser.lms and (decode.lm_weight is None or decode.length_bonus is None):
        return tune(recogniser, dataclasses.replace(decode, method=BEAM), inputs, refs, phones)
    point = {
        "lm_weight": decode.lm_weight if recogniser.lms else [],
        "length_bonus": decode.length_bonus or 0.0,
    }
    return {"tried": [], "widened": [], "best": point, "least_bad": point}


class Fitted(NamedTuple):
    """A combination, what was tried for it, and its cross-validated rates."""

    by: Combination
    rates: Rates
    facts: dict[str, Any]


def _combination(
    decode: DecodeConfig, pools: Sequence[Pool], texts: Texts, reference: Rates, lm: list[float], bonus: float
) -> tuple[Combination, dict[str, Any]]:
    """How to combine, ``rates`` and what was tried; a given ``decode.combination`` is only measured."""
    second = pools[0].partner is not None
    errors = texts.errors([pool.texts for pool in pools], reference)
    best = [pool.texts[int(each.argmin())] for pool, each in zip(pools, errors, strict=True)]
    rates = {ORACLE: texts.rates(best)}
    if second:
        rates[PARTNER] = texts.rates([pool.partner or "" for pool in pools])
    if decode.combination is not None:
        given = Combination.of(decode.combination, len(lm))
        if given.partner is None:
            pools = [pool.without_partner() for pool in pools]
        vectors = np.tile(given.vector, (len(pools), 1))
        rates[COMBINED] = texts.rates(taken_by(pools, vectors, given.rule, given.scale))
        return given, {"rates": rates}
    starts = {share: Combination.prior(lm, bonus, share, second) for share in SHARES}
    found = _fitted(pools, errors, texts, reference, starts)
    if second:
        own = [pool.without_partner() for pool in pools]
        fewer = [each[: pool.own] for pool, each in zip(pools, errors, strict=True)]
        starts = {share: Combination.prior(lm, bonus, share) for share in SHARES}
        without = _fitted(own, fewer, texts, reference, starts)
        rates[WITHOUT] = without.rates
        if without.rates.relative_to(reference) <= found.rates.relative_to(reference):
            found = without
    return found.by, {"rates": rates | {COMBINED: found.rates}, **found.facts}


def _fitted(
    pools: Sequence[Pool],
    errors: Sequence[np.ndarray],
    texts: Texts,
    reference: Rates,
    starts: Mapping[float, Combination],
) -> Fitted:
    """The fit, share and rule with the fewest errors; ``starts``: by the share of the attention decoder."""
    lists = Lists([List(pool.features, each) for pool, each in zip(pools, errors, strict=True)])
    tried = {}
    for strength in STRENGTHS:  # the stiffest first, and of each the usual share
        for share, start in starts.items():
            vectors = held_out(lists, start.vector, strength)
            tried[strength, share] = vectors, texts.rates(taken_by(pools, vectors, BEST, 1.0))
    loss = {way: one.relative_to(reference) for way, (_, one) in tried.items()}
    strength, share = next(way for way in tried if loss[way] <= ALIKE * min(loss.values()))
    vectors = tried[strength, share][0]
    rules = [Tried(rule, scale, texts.rates(taken_by(pools, vectors, rule, scale))) for rule, scale in RULES]
    least = min(one.rates.relative_to(reference) for one in rules)
    taken = next(one for one in rules if one.rates.relative_to(reference) <= BETTER * least)
    start = starts[share]
    by = dataclasses.replace(
        start.with_vector(fit(lists, start.vector, strength)), rule=taken.rule, scale=taken.scale
    )
    facts = {
        "strength": strength,
        "share": share,
        "fits": [{"strength": s, "share": p, **rounded(one.values)} for (s, p), (_, one) in tried.items()],
        "rules": [{"rule": one.rule, "scale": one.scale, **rounded(one.rates.values)} for one in rules],
    }
    return Fitted(by, taken.rates, facts)


def taken_by(pools: Sequence[Pool], vectors: np.ndarray, rule: str, scale: float) -> list[str]:
    """The text of each utterance by a rule; ``vectors``: weights for each, (U, F)."""
    return [
        take(rule, pool.texts, pool.features @ vector, scale)
        for pool, vector in zip(pools, vectors, strict=True)
    ]
