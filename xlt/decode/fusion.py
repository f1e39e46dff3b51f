"""How the sets of an experiment are decoded: the method, and the weights of the language models.

``exp/<tag>/fusion/fusion.json`` has what was tried on dev, and what was chosen.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlt import lm
from xlt.core.context import Context
from xlt.core.errors import ConfigError
from xlt.core.log import say
from xlt.core.registry import DECODERS
from xlt.core.settings import DecodeConfig
from xlt.core.stage import Unit, run_unit, write_json
from xlt.decode.partner import SETTING as PARTNER
from xlt.decode.work import Tune, frames_of
from xlt.formats.model_folder import ATTENTION, CTC, INFO, TRANSDUCER, parts_of, read_info
from xlt.formats.tables import read_table
from xlt.formats.versioned import Format
from xlt.metrics.metric import tokens

if TYPE_CHECKING:
    from xlt.core.executor import Executor
    from xlt.decode.confidence import Calibration
    from xlt.decode.partner import Partner
    from xlt.features.speech import Speech
    from xlt.formats.model_folder import Trained

JOINT = "joint"
AUTO = "auto"  # a setting, and what it chooses from:
GREEDY, SEARCH, WORDS, COMBINED = "greedy", "beam", "lexicon", "combined"
FACTS = "fusion.json"
FORMAT = Format(FACTS, 2, {1: lambda old: {"combination": None, **old}})
TUNING_S, WORD_TUNING_S = 600.0, 150.0  # of dev at most, evenly drawn; a lexicon's search takes longer
_AGAIN = "make it again with --stage 7 --force"
_CHOSEN = ("method", "lm_weight", "length_bonus", "combination")
_TUNED = ("decode.lm_weight", "decode.length_bonus")


def plain(ctx: Context, model: Trained) -> DecodeConfig:
    """The settings for sets of other languages than the language model's, and for other models than the one
    that weights were tuned for: greedy, the transducer alone, or the attention decoder of a model that writes
    text.
    """
    method = ctx.cfg.decode.method
    decode = dataclasses.replace(ctx.cfg.decode, hotwords=None, lattices=False)
    parts = _parts(ctx) if model.folder == ctx.exp else model.parts
    if ATTENTION in parts:
        return dataclasses.replace(decode, method=ATTENTION)
    if TRANSDUCER in parts:
        return _alone(decode)
    no_lm = method in (AUTO, ATTENTION) or DECODERS.get(method).uses_lm
    return dataclasses.replace(decode, method=GREEDY) if no_lm else decode


def settings(
    ctx: Context,
    model: Trained,
    executor: Callable[[Path], Executor],
    second: Partner | None = None,
) -> DecodeConfig:
    """The settings of this experiment, with ``auto`` and ``null`` replaced by what is best on dev.

    Hotwords are decoded by a beam, also where ``auto`` keeps greedy: without the language model then.
    """
    return _complete(ctx, _settings(ctx, model, executor, second))


def _complete(ctx: Context, found: DecodeConfig) -> DecodeConfig:
    """``found`` with the beam that hotwords need; ConfigError for what its method cannot do."""
    if found.hotwords and not DECODERS.get(found.method).uses_lm:
        if ctx.cfg.decode.method != AUTO:
            raise ConfigError(
                f"decode.hotwords: decode.method={found.method} cannot prefer words; give decode.method=beam"
                " or auto"
            )
        from xlt.decode.recognise import for_hotwords

        found = for_hotwords(found, CTC in _parts(ctx))
    if found.lattices and CTC not in _parts(ctx):
        raise ConfigError(
            "decode.lattices: this model has no CTC head, which says when words were said; leave it out"
        )
    if found.lattices and found.method in (GREEDY, JOINT):
        raise ConfigError(
            f"decode.lattices: decode.method={found.method} has one text for each utterance; give"
            " decode.method=beam"
        )
    return found


def _alone(decode: DecodeConfig) -> DecodeConfig:
    """The transducer without language models."""
    return dataclasses.replace(decode, method=TRANSDUCER, lm_weight=0.0, length_bonus=0.0)


def _parts(ctx: Context) -> tuple[str, ...]:
    """What the model of this experiment can decode by, with its partner; CTC as long as there is none."""
    if ctx.cfg.decode.partner is not None:
        return CTC, ATTENTION
    return parts_of(read_info(ctx.exp)) if (ctx.exp / INFO).exists() else (CTC,)


def _settings(
    ctx: Context, model: Trained, executor: Callable[[Path], Executor], second: Partner | None
) -> DecodeConfig:
    found = chosen(ctx)
    if found is not None:
        return found
    decode = ctx.cfg.decode
    method = _search(ctx)
    decode = dataclasses.replace(decode, method=method)
    decoder, files = DECODERS.get(method), model.family.needs(ctx, "dev")
    files.need(ctx)
    other = second.needs("dev") if second else None
    if second and other:
        other.need(second.ctx)
    unit = Unit(
        "decode",
        folder(ctx),
        ctx.cfg.section("decode.method", *decoder.settings, *([PARTNER] if second else [])),
        [
            *(model.folder / file for file in model.family.weights),
            files.content,
            files.info,
            ctx.reference("dev"),
            *decoder.files(ctx),
            *(second.files("dev") if second else []),
        ],
        lambda out: _tune(ctx, executor(model.folder), files, other, decode, out),
    )
    run_unit(ctx, unit)
    return read(ctx, decode) if (folder(ctx) / FACTS).exists() else decode  # a dry run has made none


def _search(ctx: Context) -> str:
    """The method to be tuned."""
    if ctx.cfg.decode.method != AUTO:
        return ctx.cfg.decode.method
    if ATTENTION in _parts(ctx):
        return COMBINED if CTC in _parts(ctx) else ATTENTION
    if ctx.cfg.lm.spell:
        return WORDS
    return TRANSDUCER if TRANSDUCER in _parts(ctx) else SEARCH


def chosen(ctx: Context) -> DecodeConfig | None:
    """The same where nothing is to be tuned, else None."""
    decode = ctx.cfg.decode
    method = _search(ctx)
    if method == COMBINED:
        weighted = ctx.cfg.lm.type == lm.NONE or None not in (decode.lm_weight, decode.length_bonus)
        given = weighted and decode.combination is not None
        return dataclasses.replace(decode, method=method) if given else None
    if decode.method == AUTO and method != ATTENTION and ctx.cfg.lm.type == lm.NONE:
        return _alone(decode) if method == TRANSDUCER else dataclasses.replace(decode, method=GREEDY)
    if method == WORDS and not ctx.cfg.lm.training_texts:  # nor may those of dev say how to weight them
        from xlt.decode.lexicon import BONUS, WEIGHT

        decode = dataclasses.replace(
            decode,
            lm_weight=WEIGHT if decode.lm_weight is None else decode.lm_weight,
            length_bonus=BONUS if decode.length_bonus is None else decode.length_bonus,
        )
    tuned = set(_TUNED) <= set(DECODERS.get(method).settings) and ctx.cfg.lm.type != lm.NONE
    if tuned and (decode.lm_weight is None or decode.length_bonus is None):
        return None
    return dataclasses.replace(decode, method=method)


def decided(ctx: Context) -> DecodeConfig:
    """What the sets were decoded by, after stage 7; MissingInput before it."""
    from xlt.core.context import need

    found = chosen(ctx)
    if found is None:
        need(ctx, folder(ctx) / FACTS, stage="decode")
        found = read(ctx, ctx.cfg.decode)
    return _complete(ctx, found)


def folder(ctx: Context) -> Path:
    return ctx.exp / "fusion"


def read(ctx: Context, decode: DecodeConfig) -> DecodeConfig:
    """What stage 7 has chosen; DataError if its file is damaged."""
    facts = FORMAT.read(folder(ctx) / FACTS, _AGAIN)
    return dataclasses.replace(decode, **{key: facts[key] for key in _CHOSEN})


def facts(ctx: Context) -> dict[str, Any]:
    """With what the sets were decoded, {} without language models."""
    given = chosen(ctx)
    if given is not None:
        used = ctx.cfg.lm.type != lm.NONE and DECODERS.get(given.method).uses_lm
        return _told({key: getattr(given, key) for key in _CHOSEN}) if used else {}
    if not (folder(ctx) / FACTS).exists():
        return {}
    found = FORMAT.read(folder(ctx) / FACTS, _AGAIN)
    return _told({key: found[key] for key in (*_CHOSEN, "utterances")})


def _told(found: dict[str, Any]) -> dict[str, Any]:
    """Without a combination where nothing was combined."""
    return {key: value for key, value in found.items() if key != "combination" or value is not None}


def confidence(ctx: Context, decode: DecodeConfig) -> dict[str, float] | None:
    """How confidences are calibrated (:class:`xlt.decode.confidence.Calibration`) for what ``decode`` finds;
    None if it is not known, as no weights were tuned.
    """
    if chosen(ctx) is not None or not (folder(ctx) / FACTS).exists() or decode.method == GREEDY:
        return None
    found = FORMAT.read(folder(ctx) / FACTS, _AGAIN)
    return found.get("confidence") if decode.method in (found["method"], _search(ctx)) else None


def calibration(ctx: Context, found: dict[str, float] | None) -> Calibration | None:
    """What :func:`confidence` found, to be used."""
    from xlt.decode.confidence import Calibration

    return Calibration.from_json(found, str(folder(ctx) / FACTS)) if found else None


def stamp(decode: DecodeConfig, keys: Sequence[str]) -> dict[str, Any]:
    """What a set's stamp says instead of ``auto`` and ``null``: the method, and the weights if they are among
    ``keys``.
    """
    known = {key for key in _CHOSEN if f"decode.{key}" in ("decode.method", *keys)}
    return {f"decode.{key}": getattr(decode, key) for key in sorted(known)}


def _tune(
    ctx: Context,
    executor: Executor,
    files: Speech,
    other: Speech | None,
    decode: DecodeConfig,
    out: Path,
) -> dict:
    frames, rate = frames_of(files)
    texts = {utt: text for utt, text in read_table(ctx.reference("dev")).items() if utt in frames}
    limit = WORD_TUNING_S if decode.method == WORDS else TUNING_S
    ids = _some(list(texts), frames, limit * rate)
    ids.sort(key=lambda utt: (frames[utt], utt))
    if len(ids) < len(texts):
        say(f"  weights are tuned on {len(ids)} of {len(texts)} utterances of dev")
    phones = ctx.cfg.tokens.type == "phone" and not ctx.cfg.lm.spell
    message = Tune(files, ids, [frames[u] for u in ids], [texts[u] for u in ids], decode, phones, other)
    (found,) = executor.run([message])
    best, auto = found["best"], ctx.cfg.decode.method == AUTO
    facts = {"utterances": len(ids), "combination": None, **found}
    if decode.method == COMBINED:
        best = best or found["least_bad"]
        facts |= {key: best[key] for key in ("lm_weight", "length_bonus")}
        facts["method"] = found["method"] if auto else COMBINED
        write_json(out / FACTS, FORMAT.stamped(facts))
        _say_ladder(facts, auto)
        return {}
    if best is None and auto and decode.method == TRANSDUCER:
        facts |= {"method": TRANSDUCER, "lm_weight": [0.0] * len(found["tried"][0]["lm_weight"])}
        facts["length_bonus"] = 0.0
    elif best is None and auto and decode.method != WORDS:
        facts |= {"method": GREEDY, "lm_weight": None, "length_bonus": None}
    else:
        best = best or found["least_bad"]
        facts |= {
            "method": decode.method,
            "lm_weight": best["lm_weight"],
            "length_bonus": best["length_bonus"],
        }
    write_json(out / FACTS, FORMAT.stamped(facts))
    _say(facts, found["best"] is None)
    return {}


def _say_ladder(facts: dict[str, Any], auto: bool) -> None:
    """What each decoder reaches on dev, and which one is used."""
    names = {token.name: token.plural for token in tokens().values()}
    unit = list(facts["rates"][GREEDY])[-1]  # words, or phones

    def rate(name: str) -> str:
        return f"{facts['rates'][name][unit]:.1f}%"

    say(
        f"  dev, {names[unit]} wrong: {rate('greedy')} greedy, {rate('beam')} by the beam search,"
        f" {rate('attention')} by the attention decoder, {rate('combined')} by both together"
        f" ({rate('oracle')} if the best text were always chosen)"
    )
    if "without_partner" in facts["rates"]:
        taken = "partner" in facts["combination"]["weights"]
        say(
            f"  {rate('partner')} by the partner's beam search; "
            + (
                f"without the partner the combination has {rate('without_partner')}"
                if taken
                else "the combination is no better with the partner, and does without it"
            )
        )
    if auto and facts["method"] != COMBINED:
        say(f"  alone, {facts['method']} is better on dev than combined: decode.method={facts['method']}")


def _some(utts: list[str], frames: dict[str, int], limit: float) -> list[str]:
    """Every n-th of ``utts``, n the smallest number with which they have at most ``limit`` frames."""
    step = 1
    while sum(frames[utt] for utt in utts[::step]) > limit and step < len(utts):
        step += 1
    return utts[::step]


def _say(facts: dict[str, Any], worse: bool) -> None:
    """What was found on dev; ``worse``: nothing that is better than greedy."""
    names = {token.name: token.plural for token in tokens().values()}
    units = [key for key in facts["tried"][0] if key in names]

    def rates(row: dict[str, Any]) -> str:
        return " and ".join(f"{row[unit]:.1f}% of {names[unit]}" for unit in units)

    if facts["widened"]:
        say(f"  the best weights are outside the usual range: {', '.join(facts['widened'])}")
    if worse and facts["greedy"]:
        alone = facts["method"] in (GREEDY, TRANSDUCER) and not any(facts["lm_weight"] or ())
        name = "the transducer alone" if facts["method"] == TRANSDUCER else "greedy"
        kept = f"{name} is kept" if alone else "it is used as decode.method asks for it"
        say(
            f"  no weight of the language model is better than {name} on dev"
            f" ({rates(facts['greedy'])} wrong); {kept}"
        )
        return
    row = next(
        row
        for row in facts["tried"]
        if (row["lm_weight"], row["length_bonus"]) == (facts["lm_weight"], facts["length_bonus"])
    )
    weights = ", ".join(f"{weight:g}" for weight in facts["lm_weight"])
    how = f"weight {weights}, bonus {facts['length_bonus']:g}; {len(facts['tried'])} pairs tried"
    what = "the language model" if facts["greedy"] else "the lexicon and the language model"
    before = f"; {rates(facts['greedy'])} without it" if facts["greedy"] else ""
    say(f"  dev: {rates(row)} wrong with {what} ({how}){before}")
