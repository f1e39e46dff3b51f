"""`xlt probe RECIPE`: which encoder suits the language, by small networks trained on minutes of its speech.

Each encoder that can be had is run once over five minutes of the training speech; a linear layer and a
bidirectional LSTM learn on what it gives, with CTC, and read the dev set. Whisper as it was published writes
some of dev, too, if it knows the language. The ranking goes to data/probe.json. Test is never read.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlt import __version__
from xlt.core.config import Config, load
from xlt.core.context import Context
from xlt.core.errors import ConfigError, UpstreamError
from xlt.core.log import messages_of, say
from xlt.core.stage import write_json

if TYPE_CHECKING:
    from xlt.features.encoders import Listening, Ranked, Settings
    from xlt.metrics.result import Score

MINUTES, UPDATES = 5.0, 400
READY = "whisper_base"  # the upstream whose decoder writes texts without training
READY_CLIPS = 24  # of dev: each takes a second or two of a processor
# What the small network (preset fast, with language model) has after ten minutes of training, as a share of
# the probe's characters wrong. The language model alone leaves 0.73 (median of nine published recipes, dev);
# twice the speech and four times the steps are guessed: tests/bench/probe.py measures the whole
AFTER_TEN_MINUTES = 0.5
SURE = 0.05
OUT = "probe.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__.replace("`", "")
    add = parser.add_argument
    add("recipe", type=Path, metavar="RECIPE", help="recipe folder, e.g. egs/ron; stage 1 has made its data")
    add(
        "settings",
        nargs="*",
        metavar="key=value",
        help="settings, e.g. features.path=DIR for the encoder of the recipe",
    )
    add(
        "--encoders",
        default="",
        metavar="NAMES",
        help="encoders to try, e.g. whisper_base,whisper_base:4,fbank (a number or last: that layer alone;"
        " default: the recipe's and all that need no download)",
    )
    add("--minutes", type=float, default=MINUTES, help="training speech (default: %(default)g)")
    add("--updates", type=int, default=UPDATES, help="gradient steps of each network (default: %(default)d)")
    add("--no_ready", action="store_true", help="do not try Whisper without training")


def main(args: argparse.Namespace) -> None:
    """Rank the encoders, print the table and the proposal."""
    for name, value, usual in (("minutes", args.minutes, MINUTES), ("updates", args.updates, UPDATES)):
        if not value > 0:
            raise ConfigError(f"--{name} {value:g}: expected more than 0, e.g. {usual:g}")
    cfg = load(args.cwd / args.recipe, args.settings, args.cwd)
    named = [word for word in args.encoders.split(",") if word]
    with messages_of(cfg.recipe):
        probe(cfg, named, args.minutes, args.updates, ready=not args.no_ready)


def probe(
    cfg: Config,
    named: Sequence[str] = (),
    minutes: float = MINUTES,
    updates: int = UPDATES,
    ready: bool = True,
) -> dict[str, Any]:
    """Say the ranking and the proposal; returns what data/probe.json holds."""
    from xlt.features import encoders

    start, ctx = time.process_time(), Context(cfg.recipe, cfg)
    settings = encoders.Settings(minutes, updates, cfg.seed, cfg.score.bootstrap)
    wanted = encoders.candidates(cfg, named)
    listening = encoders.Listening.of(ctx, minutes)
    say(
        f"probe: {cfg.lang}: {listening.train.seconds / 60:.1f} minutes of {cfg.train_set} to learn from,"
        f" {len(listening.dev.wavs)} utterances of dev ({listening.dev.seconds / 60:.1f} minutes) to read"
    )
    ranked, lacking = encoders.rank(cfg, listening, wanted, settings)
    p = encoders.against_best(ranked, settings)
    for line in table(ranked, p):
        say(line)
    own = _untrained(cfg, ctx, listening, ranked[0], settings) if ready else None
    for line in proposal(ranked, p, own):
        say(line)
    found = {
        "xlt": __version__,
        "lang": cfg.lang,
        "train_minutes": round(listening.train.seconds / 60, 2),
        "dev_utterances": len(listening.dev.wavs),
        "updates": updates,
        "seed": cfg.seed,
        "encoders": [_row(one, p) for one in ranked],
        "lacking": lacking,
        "ready": own,
        "cpu_s": round(time.process_time() - start, 1),
    }
    write_json(ctx.data / OUT, found)
    say(f"  {found['cpu_s']:.0f} s of a processor; all figures are in {ctx.display_path(ctx.data / OUT)}")
    return found


def _row(one: Ranked, p: dict[str, float]) -> dict[str, Any]:
    return {
        "name": one.candidate.name,
        "features": one.candidate.settings,
        "cer": {head: score.as_dict() for head, score in one.scores.items()},
        "p_against_best": p.get(one.candidate.name),
        "layer_weights": one.weights,
        "cpu_s": round(one.cpu_s, 1),
    }


def table(ranked: Sequence[Ranked], p: dict[str, float]) -> list[str]:
    """The ranking in lines of text."""
    rows = [["characters wrong on dev, %", "BLSTM", "linear", "processor", ""]]
    for one in ranked:
        even = p.get(one.candidate.name, 0.0)
        same = f"no worse that dev could show (p {even:.2f})" if even > SURE else ""
        cells = [_cell(one.scores[head]) for head in ("blstm", "linear")]
        rows.append([one.candidate.name, *cells, f"{one.cpu_s:.0f} s", same])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + "   ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _cell(score: Score) -> str:
    low, high = score.ci95
    return f"{score.value:.1f} [{low:.1f}, {high:.1f}]"


def proposal(ranked: Sequence[Ranked], p: dict[str, float], own: dict[str, Any] | None) -> list[str]:
    """What to put into recipe.yaml, and whether Whisper without training is already better."""
    best = ranked[0].candidate
    chosen = ", ".join(f"{key}: {value}" for key, value in best.settings.items())
    lines = [f"  best: {best.name}; in recipe.yaml: features: {{{chosen}}}"]
    if own is None or own["cer"] is None:
        return lines + ([f"  {own['why']}"] if own else [])
    cer, there = own["cer"]["value"], own["probe_cer"]
    foretold = AFTER_TEN_MINUTES * there
    low, high = own["cer"]["ci95"]
    lines.append(
        f"  Whisper without training: {cer:.1f} [{low:.1f}, {high:.1f}] on {own['clips']} utterances of dev,"
        f" where the best network above has {there:.1f}; trained on ten minutes it would have about"
        f" {foretold:.1f}"
    )
    if cer < foretold:
        lines.append(
            "  Whisper is better already than a small network trained on ten minutes: preset=whisper_zero"
            " uses it as it is, preset=whisper_ed tunes it"
        )
    return lines


def _untrained(
    cfg: Config, ctx: Context, listening: Listening, best: Ranked, settings: Settings
) -> dict[str, Any] | None:
    """What Whisper without training makes of some of dev, beside what ``best`` makes of the same; None if its
    weights cannot be had.
    """
    import numpy as np

    from xlt.data.normalisers import normaliser_of
    from xlt.features import encoders
    from xlt.features.extract import read_audio
    from xlt.metrics.cer import CER
    from xlt.models.whisper import ready
    from xlt.text.normalise import normalise

    try:
        folder = encoders.prepared(cfg, READY).source.folder
        token = ready.token_for(folder, cfg.lang) if cfg.lang else ""
    except UpstreamError:
        return None
    if not token:
        unknown = cfg.lang or "several languages at once"
        return {"cer": None, "why": f"Whisper without training was not tried: it does not know {unknown}"}
    dev, start = listening.dev, time.process_time()
    short = [utt for utt in sorted(dev.wavs) if dev.durations[utt] <= 30]
    chosen = short[:: -(-len(short) // READY_CLIPS)]
    if not chosen:
        return {"cer": None, "why": "Whisper without training was not tried: all of dev is longer than 30 s"}
    waves = [read_audio(utt, dev.wavs[utt], dev.hashes.get(utt)) for utt in chosen]
    name = normaliser_of(cfg)
    texts = [normalise(text, name) for text in ready.transcribe(folder, token, waves)]

    def score(hyps: Sequence[str]) -> Score:
        pairs = [(dev.texts[utt], hyp) for utt, hyp in zip(chosen, hyps, strict=True)]
        return CER.score(pairs, settings.resamples, np.random.default_rng(settings.seed))

    probed = score([best.texts[encoders.JUDGED_BY][utt] for utt in chosen])
    return {
        "cer": score(texts).as_dict(),
        "clips": len(chosen),
        "token": token,
        "probe_cer": round(probed.value, 3),
        "cpu_s": round(time.process_time() - start, 1),
    }
