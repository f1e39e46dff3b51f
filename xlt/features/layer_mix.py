"""The layer mix: one weighted sum of all hidden states, its weights learned on a short probe and then frozen.

B clips of a batch, T frames, D feature dimensions, L layers.
"""

from __future__ import annotations

import functools
import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.audio.files import why_unreadable
from xlt.core.context import Context, need
from xlt.core.errors import ConfigError, DataError
from xlt.core.log import Progress, say
from xlt.core.stage import Unit, digest, read_json, read_stamp, run_unit, write_json
from xlt.data.groups import budget
from xlt.features.extract import Setup, encode_waves, load, prepare, read_audio, resolve_dtype
from xlt.features.mix import FILES, LARGEST, Mix
from xlt.fetch.files import cache_root
from xlt.formats.svg import Bar, bars
from xlt.formats.tables import read_scp, read_table
from xlt.nets.batching import batches
from xlt.upstreams.base import changed_weights, seen_weights

if TYPE_CHECKING:
    import numpy as np

    from xlt.features.probe import Learned
    from xlt.nets.moments import Moments
    from xlt.upstreams.base import Upstream

_BATCH_S = 20.0  # speech encoded at once, seconds: the hidden states of all layers must fit into memory


def make(ctx: Context, inherited: Path | None = None) -> Path:
    """``dump/<upstream>/mix``, learned on the first ``features.mix_minutes`` of the training speech, or taken
    over.

    Holds ``mix.json``, ``mix.npz`` and the figure ``mix.svg``. Training budgets that are no shorter have the
    same speech first, and so the same mix. Nothing but training speech is read. ``inherited``: the folder
    with the mix of the model that training starts from, which is taken.
    """
    out, theirs = ctx.dump / "mix", _theirs(ctx, inherited)
    run_unit(ctx, _taken(ctx, out, theirs) if theirs else _learned(ctx, out))
    return out


@dataclass(frozen=True)
class SomeSpeech:
    """What the probe hears: tables by utterance; ``seconds`` in all, ``everything``: no training speech is
    left.
    """

    wavs: dict[str, str]
    texts: dict[str, str]
    hashes: dict[str, str]
    durations: dict[str, float]
    everything: bool

    @property
    def seconds(self) -> float:
        return sum(self.durations.values())

    @property
    def digest(self) -> str:
        """Of ids, sounds and texts, whatever set they stand in."""
        lines = [
            f"{u} {self.hashes.get(u) or digest(Path(self.wavs[u]))} {self.texts[u]}\n"
            for u in sorted(self.wavs)
        ]
        return hashlib.sha256("".join(lines).encode()).hexdigest()[:20]


def some_speech(ctx: Context, name: str, minutes: float, setting: str) -> SomeSpeech:
    """The first ``minutes``, which ``setting`` asks for, of the set ``name`` in the order of budgets;
    DataError if that is nothing.
    """
    folder = ctx.data / name
    need(ctx, folder / "wav.scp", folder / "text", stage="data")
    wavs, texts = read_scp(folder / "wav.scp", ctx.recipe), read_table(folder / "text")
    hashes, said, contents = (
        read_table(t) if t.exists() else {}
        for t in (folder / "utt2audio", folder / "utt2dur", ctx.everything / "utt2content")
    )
    durations = {u: float(said[u]) if u in said else _seconds(u, path) for u, path in wavs.items()}
    chosen = budget(durations, {u: contents.get(u, u) for u in wavs}, minutes)
    if not chosen:
        raise DataError(
            f"{folder}: no utterance fits into {setting}={minutes:g}; ask for more minutes"
            if wavs
            else f"{folder}: no utterances; run stage 1 (data) again"
        )
    without = [u for u in chosen if not texts.get(u, "").strip()]
    if without:
        raise DataError(
            f"{folder / 'text'}: {len(without)} utterances without a text (first: {without[0]}), of"
            f" which {setting} can learn nothing: add texts, or leave them out (data.drop)"
        )
    return SomeSpeech(
        {u: wavs[u] for u in chosen},
        {u: texts[u] for u in chosen},
        {u: hashes[u] for u in chosen if u in hashes},
        {u: durations[u] for u in chosen},
        everything=len(chosen) == len(wavs),
    )


def _seconds(utt: str, path: str) -> float:
    import soundfile

    try:
        info = soundfile.info(path)
    except (soundfile.LibsndfileError, OSError) as err:
        raise DataError(
            f"utterance {utt}: {path}: {why_unreadable(path, err)}; run stage 1 (data) again"
        ) from None
    return info.frames / info.samplerate


def _learned(ctx: Context, out: Path) -> Unit:
    features = ctx.cfg.features
    speech = some_speech(ctx, ctx.cfg.train_set, features.mix_minutes, "features.mix_minutes")
    config = ctx.cfg.section(
        "features.mix_norm",
        "features.mix_head",
        "features.mix_minutes",
        "features.mix_updates",
        "features.mix_seed",
        "features.upstream",
        "features.path",
    )
    config |= {"features.dtype": resolve_dtype(features), "speech": speech.digest}
    inputs = [Path(features.path)] if features.path else []
    return Unit(
        "features",
        out,
        config,
        inputs,
        functools.partial(_learn, ctx, speech),
        stale=lambda: changed_weights(read_stamp(out) or {}),
    )


def _learn(ctx: Context, speech: SomeSpeech, partial: Path) -> dict:
    """Write a mix that is learned on ``speech``."""
    import numpy as np

    from xlt.features import probe

    features, start = ctx.cfg.features, time.monotonic()
    setup = prepare(features, cache_root(ctx.cfg.data.cache))
    minutes = round(speech.seconds / 60, 2)
    with probe.one_thread():
        upstream = load(setup)
        count = upstream.num_layers
        if count == 1:  # as s3prl's Featurizer has it: nothing to learn, nothing standardised
            say(f"  {upstream.name} has one layer: nothing to mix")
            return _write(ctx, setup, Mix([0], np.ones(1, np.float32), "none"), {}, partial)
        if speech.everything and minutes < 0.9 * features.mix_minutes:
            say(
                f"  note: {ctx.cfg.train_set} has only {minutes:g} of the {features.mix_minutes:g} minutes"
                " that features.mix_minutes asks for; takes them all"
            )
        say(
            f"  learns the weights of {count} layers on {minutes:g} minutes of {ctx.cfg.train_set}"
            f" ({len(speech.wavs)} utterances), {features.mix_head} head, {features.mix_updates} updates"
        )
        settings = probe.Settings(
            features.mix_norm, features.mix_head, features.mix_updates, features.mix_seed
        )
        hidden, moments = hidden_states(upstream, speech, settings.norm, partial / ".hidden")
        with Progress("layer mix", settings.updates, "updates") as progress:
            found = probe.learn(
                list(hidden.values()), [speech.texts[u] for u in hidden], moments, settings, progress.add
            )
    corpus = settings.norm == "corpus"
    mix = Mix(
        list(range(count)),
        found.weights,
        settings.norm,
        moments.mean.astype(np.float32) if corpus else None,
        moments.std.astype(np.float32) if corpus else None,
    )
    _tell(found, list(hidden))
    facts = {
        "head": settings.head,
        "minutes": minutes,
        "utterances": len(hidden) - len(found.left_out),
        "left_out": len(found.left_out),
        "updates": settings.updates,
        "seed": settings.seed,
        "lr": probe.LR,
        "weights_lr": probe.WEIGHTS_LR,
        "loss": round(found.loss, 4),
        "seconds": round(time.monotonic() - start, 1),
    }
    return _write(ctx, setup, mix, facts, partial)


def _tell(found: Learned, utts: list[str]) -> None:
    """Print what was learned from ``utts``."""
    if found.left_out:
        names = [utts[n] for n in found.left_out]
        say(f"  {len(names)} utterances left out, too short for their texts (first: {names[0]})")
    say(
        "  layer weights from 0: "
        + " ".join(f"{w:.2f}" for w in found.weights)
        + f"; CTC loss {found.loss:.2f} a character"
    )


def hidden_states(
    upstream: Upstream, speech: SomeSpeech, norm: str, scratch: Path, stack: int = 1
) -> tuple[dict[str, np.ndarray], Moments]:
    """Hidden states (T, L, D) of each utterance, float16 in the file ``scratch``, and their moments in full
    precision.

    For norm ``frame`` they are layer-normed; ``stack`` frames become one, (T/S, L, S·D). The file is gone
    from its folder, and its space with the last use.
    """
    import numpy as np
    import torch

    from xlt.nets.mix import frame_norm
    from xlt.nets.moments import Moments

    longest_first = sorted(speech.wavs, key=lambda u: (-speech.durations[u], u))
    layers, places, moments = list(range(upstream.num_layers)), {}, Moments()
    with (
        scratch.open("wb") as handle,
        Progress(f"hidden states of {upstream.name}", round(speech.seconds), "s") as progress,
    ):
        for batch in batches(longest_first, speech.durations.__getitem__, _BATCH_S, padded=False):
            waves = [read_audio(utt, speech.wavs[utt], speech.hashes.get(utt)) for utt in batch]
            for utt, joined in zip(
                batch, encode_waves(upstream, waves, layers, _BATCH_S, batch), strict=True
            ):
                hidden = joined.reshape(len(joined), len(layers), -1)  # (T, L, D)
                if norm == "frame":
                    hidden = frame_norm(torch.from_numpy(hidden)).numpy()
                if stack > 1:
                    hidden = _stacked(hidden, stack)
                places[utt] = (moments.count, moments.count + len(hidden))
                moments.add(Moments.of_layers(hidden))
                handle.write(hidden.clip(-LARGEST, LARGEST).astype(np.float16).tobytes())
            progress.add(round(sum(speech.durations[u] for u in batch), 1))
    whole = np.memmap(scratch, np.float16, "r", shape=(moments.count, *moments.mean.shape))
    scratch.unlink()
    return {utt: whole[slice(*places[utt])] for utt in sorted(places)}, moments


def _stacked(hidden: np.ndarray, stack: int) -> np.ndarray:
    """(T, L, D) → (ceil(T/S), L, S·D); what is lacking of the last is 0."""
    import numpy as np

    whole = np.pad(hidden, ((0, -len(hidden) % stack), (0, 0), (0, 0)))
    parts = whole.reshape(-1, stack, *hidden.shape[1:]).transpose(0, 2, 1, 3)  # (T/S, L, S, D)
    return parts.reshape(len(parts), hidden.shape[1], -1)


def _write(ctx: Context, setup: Setup, mix: Mix, facts: dict, partial: Path) -> dict:
    """Write the three files of a learned mix; returns what stands in stage.json."""
    import numpy as np

    arrays = {"weights": mix.weights, "mean": mix.mean, "std": mix.std}
    there = {name: a for name, a in arrays.items() if a is not None}
    np.savez(partial / "mix.npz", **there)  # type: ignore[arg-type]  # numpy's stub sees allow_pickle in it
    write_json(
        partial / "mix.json",
        {
            "layers": mix.layers,
            "norm": mix.norm,
            **mix.facts(),
            **facts,
            "upstream": setup.source.identity,
            "dtype": setup.dtype,
            "lang": ctx.cfg.lang,
        },
    )
    _draw(mix, setup, ctx.cfg.language, partial)
    return {"mix": mix.digest, "weights": seen_weights(setup.source)}


def _theirs(ctx: Context, inherited: Path | None) -> Path | None:
    """The folder of the mix that is to be taken over, None if it is to be learned here."""
    if ctx.cfg.features.mix_from is None:
        return inherited
    recipe = Path(ctx.cfg.features.mix_from)
    if all((recipe / name).exists() for name in FILES):  # an experiment, or a bundle
        return recipe
    theirs = recipe / "dump" / ctx.cfg.features.upstream / "mix"
    if recipe.resolve() == ctx.recipe.resolve():
        raise ConfigError("features.mix_from: is this very recipe; leave it out to learn the mix here")
    missing = [theirs / name for name in FILES if not (theirs / name).exists()]
    if missing:
        raise DataError(
            f"features.mix_from: {missing[0]}: not found; run stage 3 (features) with features.layers=mix and"
            f" features.upstream={ctx.cfg.features.upstream} in {recipe} first"
        )
    return theirs


def _taken(ctx: Context, out: Path, theirs: Path) -> Unit:
    """Where the mix stands is no part of the unit: the same mix of a recipe and of its experiment are one."""
    facts = read_json(theirs / "mix.json", "features")
    config = ctx.cfg.section("features.upstream", "features.path")
    config |= {"mix": facts.get("digest"), "from": facts.get("from") or facts.get("lang")}
    return Unit("features", out, config, [], functools.partial(_take, ctx, theirs))


def _take(ctx: Context, theirs: Path, partial: Path) -> dict:
    """Write a copy of the mix ``theirs`` that says whose it is."""
    setup = prepare(ctx.cfg.features, cache_root(ctx.cfg.data.cache))
    mix = Mix.load(theirs, setup.source.identity)
    facts = read_json(theirs / "mix.json", "features")
    facts["from"] = facts.get("from") or facts["lang"]
    (partial / "mix.npz").write_bytes((theirs / "mix.npz").read_bytes())
    write_json(partial / "mix.json", facts)
    _draw(mix, setup, facts["from"], partial)
    say(f"  layer weights of {facts['from']}, from 0: " + " ".join(f"{w:.2f}" for w in mix.weights))
    return {"mix": mix.digest, "from": facts["from"]}


def _draw(mix: Mix, setup: Setup, lang: str, partial: Path) -> None:
    """Write the figure of a mix that was learned on ``lang``."""
    weights = {
        str(n): [Bar(0, 100 * w, 100 * w, 100 * w)]
        for n, w in zip(mix.layers, map(float, mix.weights), strict=True)
    }
    title = f"Layer mix of {setup.source.upstream}, learned on {lang}"
    (partial / "mix.svg").write_text(
        bars(title, ["weight of each layer, percent"], weights), encoding="utf-8"
    )
