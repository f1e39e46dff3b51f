"""Which encoder suits a language: small CTC heads on each, learned on minutes of speech, and how they read
dev.

T frames, L layers, D dimensions, S frames that are stacked.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from xlt.core.config import Config
from xlt.core.context import Context
from xlt.core.errors import ConfigError, UpstreamError
from xlt.core.log import Progress, say
from xlt.core.registry import UPSTREAMS
from xlt.features.extract import layer_numbers, load, prepare
from xlt.features.layer_mix import SomeSpeech, hidden_states, some_speech
from xlt.fetch.files import cache_root
from xlt.metrics.cer import CER
from xlt.nets.moments import Moments
from xlt.upstreams import FALLBACK, upstream_class

if TYPE_CHECKING:
    import numpy as np

    from xlt.features.extract import Setup
    from xlt.features.probe import Learned
    from xlt.metrics.result import Score

HEADS = ("linear", "blstm")
JUDGED_BY = "blstm"  # the head of a small network, as preset fast has it
MIX, LAST = "mix", "last"
FRAME_RATE = 50.0  # of faster features several frames are stacked, as train.frame_rate has it
DEV_MINUTES = 3.0


class Candidate(NamedTuple):
    """An encoder and what is taken of its layers: mix, last or a number."""

    upstream: str
    layers: str | int

    @property
    def name(self) -> str:
        usual = upstream_class(self.upstream).default_layers
        return self.upstream if self.layers == usual else f"{self.upstream}:{self.layers}"

    @property
    def settings(self) -> dict[str, str | int]:
        """What chooses it in recipe.yaml, below ``features``; ``layers`` where it is not what auto means."""
        chosen: dict[str, str | int] = {"upstream": self.upstream}
        usual = upstream_class(self.upstream).default_layers
        return chosen if self.layers == usual else chosen | {"layers": self.layers}


@dataclasses.dataclass(frozen=True)
class Ranked:
    """What the heads made of a candidate: texts of dev by head and utterance, their CER, and the processor
    seconds of learning and, once an upstream, of encoding.
    """

    candidate: Candidate
    texts: dict[str, dict[str, str]]
    scores: dict[str, Score]
    weights: list[float]
    cpu_s: float

    @property
    def cer(self) -> float:
        return self.scores[JUDGED_BY].value


@dataclasses.dataclass(frozen=True)
class Settings:
    """``minutes`` of training speech, at most; ``updates`` of each head; ``resamples`` of the bootstrap."""

    minutes: float
    updates: int
    seed: int
    resamples: int


@dataclasses.dataclass
class Listening:
    """Training and dev speech on which encoders are compared."""

    train: SomeSpeech
    dev: SomeSpeech

    @classmethod
    def of(cls, ctx: Context, minutes: float) -> Listening:
        """DataError if stage 1 has not made the sets, or one has no speech with texts."""
        train = some_speech(ctx, ctx.cfg.train_set, minutes, "--minutes")
        return cls(train, some_speech(ctx, "dev", DEV_MINUTES, "--minutes"))


def candidates(cfg: Config, named: Sequence[str]) -> list[Candidate]:
    """Those of ``named``, each UPSTREAM or UPSTREAM:LAYERS; without, the recipe's own encoder and all of the
    registry, each with its usual layers and, where there are several, with the last alone.

    ConfigError for layers that are no number, mix or last.
    """
    if named:
        return list(dict.fromkeys(_parsed(word) for word in named))
    own = [cfg.features.upstream, *(name for name in UPSTREAMS.entries if name != FALLBACK)]
    found = []
    for name in dict.fromkeys(own):
        usual = upstream_class(name).default_layers
        found += [
            Candidate(name, layers) for layers in dict.fromkeys((usual, LAST)) if not isinstance(layers, list)
        ]
    return found


def _parsed(word: str) -> Candidate:
    name, _, layers = word.partition(":")
    if not layers:
        usual = upstream_class(name).default_layers
        return Candidate(name, LAST if isinstance(usual, list) else usual)
    if layers in (MIX, LAST):
        return Candidate(name, layers)
    if not layers.isdecimal():
        raise ConfigError(f"--encoders {word}: found layers {layers!r}, expected mix, last or a number")
    return Candidate(name, int(layers))


def rank(
    cfg: Config, listening: Listening, wanted: Sequence[Candidate], settings: Settings
) -> tuple[list[Ranked], dict[str, str]]:
    """The candidates, the best first, and why others cannot be had: ``{upstream: why}``.

    UpstreamError if none can be had.
    """
    setups: dict[str, Setup] = {}
    lacking: dict[str, str] = {}
    for upstream in dict.fromkeys(one.upstream for one in wanted):  # all, before any is run
        try:
            setups[upstream] = prepared(cfg, upstream)
        except (UpstreamError, ConfigError) as err:  # ConfigError: one that has no weights but one's own
            lacking[upstream] = next(iter(str(err).splitlines()))
            say(f"  {upstream}: left out: {lacking[upstream]}")
    ranked: list[Ranked] = []
    for upstream, setup in setups.items():
        ranked += _try(setup, listening, [one for one in wanted if one.upstream == upstream], settings)
    if not ranked:
        raise UpstreamError(
            f"features.upstream: none of {', '.join(lacking)} can be had; put its weights into features.path"
        )
    return sorted(ranked, key=lambda one: one.cer), lacking


def prepared(cfg: Config, upstream: str) -> Setup:
    """The upstream with its weights, looked for where stage 3 looks; UpstreamError if they cannot be had.
    ``features.path`` is that of the recipe's own encoder.
    """
    own = upstream == cfg.features.upstream
    path = cfg.features.path if own else None
    features = dataclasses.replace(cfg.features, upstream=upstream, path=path, layers=LAST, dtype="auto")
    return prepare(features, cache_root(cfg.data.cache))


def _try(setup: Setup, listening: Listening, wanted: Sequence[Candidate], settings: Settings) -> list[Ranked]:
    """Both heads on all wanted layers of one upstream, which encodes each utterance once."""
    from xlt.features.probe import one_thread

    start = time.process_time()
    with one_thread():
        upstream = load(setup)
        stack = max(1, round(upstream.frame_rate / FRAME_RATE))
        with tempfile.TemporaryDirectory() as scratch:
            place = Path(scratch) / "hidden"
            train, moments = hidden_states(upstream, listening.train, "corpus", place, stack)
            dev, _ = hidden_states(upstream, listening.dev, "corpus", place, stack)
    hidden = _Hidden(train, dev, moments)
    encoding_s = time.process_time() - start
    found = []
    for candidate in wanted:
        if candidate.layers == MIX:
            numbers = list(range(upstream.num_layers))
        else:
            numbers = layer_numbers(upstream, candidate.layers)
        if not 0 <= numbers[-1] < upstream.num_layers:
            raise ConfigError(
                f"--encoders {candidate.name}: {upstream.name} has the layers 0 to {upstream.num_layers - 1}"
            )
        part = hidden.layers(slice(numbers[0], numbers[-1] + 1))
        found.append(_learned(candidate, part, listening, settings, encoding_s))
        say(f"  {candidate.name}: {found[-1].cer:.1f}% of characters wrong on dev")
        encoding_s = 0.0
    return found


@dataclasses.dataclass(frozen=True)
class _Hidden:
    """Hidden states (T, L, D) of training and dev utterances, and the moments of the former."""

    train: dict[str, np.ndarray]
    dev: dict[str, np.ndarray]
    moments: Moments

    def layers(self, numbers: slice) -> _Hidden:
        """Some of the layers."""
        total, products = self.moments.total[numbers], self.moments.products[numbers, numbers]
        train, dev = (
            {utt: hidden[:, numbers] for utt, hidden in part.items()} for part in (self.train, self.dev)
        )
        return _Hidden(train, dev, Moments(self.moments.count, total, products))

    def mixed(self, weights: np.ndarray) -> _Hidden:
        """One layer: the sum of all by ``weights`` (L,), each with mean 0 and deviation 1."""
        import numpy as np

        factor = (weights[:, None] / self.moments.std).astype(np.float32)  # (L, D)
        train, dev = (
            {utt: np.einsum("tld,ld->td", h, factor)[:, None] for utt, h in part.items()}
            for part in (self.train, self.dev)
        )
        moments = Moments()
        for hidden in train.values():
            moments.add(Moments.of_layers(hidden))
        return _Hidden(train, dev, moments)


def _learned(
    candidate: Candidate, hidden: _Hidden, listening: Listening, settings: Settings, encoding_s: float
) -> Ranked:
    """Both heads on one candidate; the linear one learns the weights of the layers, if there are several."""
    start = time.process_time()
    texts: dict[str, dict[str, str]] = {}
    weights = None
    for head in HEADS:
        learned = _learn(candidate, hidden, listening, settings, head)
        texts[head] = {utt: learned.read(one) for utt, one in hidden.dev.items()}
        if weights is None:
            weights = learned.weights
            hidden = hidden.mixed(weights) if len(weights) > 1 else hidden
    scores = {head: _score(listening.dev.texts, found, settings) for head, found in texts.items()}
    shown = [round(float(weight), 4) for weight in weights] if weights is not None else []
    return Ranked(candidate, texts, scores, shown, encoding_s + time.process_time() - start)


def _learn(
    candidate: Candidate, hidden: _Hidden, listening: Listening, settings: Settings, head: str
) -> Learned:
    from xlt.features import probe

    how = probe.Settings("corpus", head, settings.updates, settings.seed, quick=True)
    texts = [listening.train.texts[utt] for utt in hidden.train]
    with Progress(f"{candidate.name}, {head} head", settings.updates, "updates") as progress:
        return probe.learn(list(hidden.train.values()), texts, hidden.moments, how, progress.add)


def _score(refs: dict[str, str], hyps: dict[str, str], settings: Settings) -> Score:
    import numpy as np

    pairs = [(refs[utt], hyps[utt]) for utt in sorted(hyps)]
    return CER.score(pairs, settings.resamples, np.random.default_rng(settings.seed))


def against_best(ranked: Sequence[Ranked], settings: Settings) -> dict[str, float]:
    """Two-sided p of each candidate against the first, by a paired bootstrap over the utterances of dev."""
    import numpy as np

    from xlt.metrics.bootstrap import paired_with_all

    counts = [one.scores[JUDGED_BY].utterances for one in ranked]
    errors = np.array([[count.errors for count in row] for row in counts]).T  # (N, S)
    n_ref = np.array([count.n_ref for count in counts[0]])  # (N,)
    found = paired_with_all(errors, n_ref, settings.resamples, np.random.default_rng(settings.seed))
    return {one.candidate.name: found[0, n].p for n, one in enumerate(ranked) if n}
