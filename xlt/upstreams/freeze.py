"""How much of the upstream is trained: ``train.freeze=auto`` decided by the amount of training speech, and on
a CPU by the time that there is.

Stages 3, 6, 7 and 8 call :func:`resolved` or :func:`decide` first, so that all of them know whether features
are stored or made as it goes. What was decided by the clock or by the machine is kept beside the experiment,
and in its stage.json: a later run, at another moment or on another machine, goes by that.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from xlt.core import jsons
from xlt.core.config import Config
from xlt.core.context import Context, need
from xlt.core.errors import ConfigError
from xlt.core.files import atomic_text
from xlt.core.log import say, spent
from xlt.core.machine import total_memory
from xlt.core.settings import FeaturesConfig, Freeze, hours_for
from xlt.core.stage import read_stamp
from xlt.formats.tables import read_table
from xlt.upstreams import upstream_class
from xlt.upstreams.base import has_gpu
from xlt.upstreams.size import TUNED_BYTES, upstream_size


class Amount(NamedTuple):
    """``freeze``: what is frozen from so many minutes of training speech on."""

    from_min: float
    freeze: Freeze


# The one place of these figures; docs/fine-tuning.md and base.yaml say the same (test_freeze.py).
# Not measured yet: egs/ces/experiments/hours.yaml does that, and its table comes into docs/fine-tuning.md.
AMOUNTS = (Amount(0, "upstream"), Amount(30, "extractor"), Amount(600, "none"))

# what versions went by that kept no reasons; their experiments stay as they are
_UNTIL_DECEMBER_2026: tuple[tuple[float, Freeze], ...] = ((600, "none"), (30, "extractor"), (0, "upstream"))

_SHARE = 0.8  # of the memory, that training may take
FACTS = "freezing"  # in stage.json of an experiment
_RESTS_ON = (  # settings that a choice by time depends on
    "features.upstream",
    "features.path",
    "train.batch_s",
    "train.family",
    "train.max_epochs",
    "train.max_hours",
    "train.min_updates",
    "train.ngpu",
)
_ELSEWHERE = ("cluster.gpus", "train.nodes", "train.processes")  # as well, where training is shared
_STATES = {
    "upstream": "stays frozen",
    "extractor": "is trained, except for its convolutions",
    "none": "is trained",
}

Pace = Callable[[Context, Freeze], float]  # → seconds of training for a second of speech, on this CPU


@dataclass(frozen=True)
class Freezing:
    """What was decided: ``cfg`` with ``train.freeze`` and ``features.on_the_fly`` as they come out, ``why``,
    and, of ``train.freeze=auto``, ``facts`` for the stamp.
    """

    cfg: Config
    why: str
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)

    def tell(self) -> None:
        """Print what was chosen, and why."""
        say(f"  the upstream {self.cfg.features.upstream} {_STATES[self.cfg.train.freeze]} ({self.why})")


class Choice(NamedTuple):
    """A value of ``train.freeze`` and why; ``rests_on``: what it was decided by, {} of what was set;
    ``pace``: what was measured for it, of training that freezes ``timed``.
    """

    freeze: Freeze
    why: str
    rests_on: dict[str, Any] = {}
    timed: Freeze | None = None
    pace: float | None = None


def decide(ctx: Context, pace: Pace | None = None) -> Freezing:
    """Settle ``train.freeze``; an upstream that is trained, or has adapters, encodes on the fly.

    ``pace`` is asked where the choice depends on the time that training takes, and the answer is kept;
    without it the amount of speech decides, unless an earlier choice is found. ConfigError if the settings
    ask for what this upstream cannot do.
    """
    cfg, chosen = ctx.cfg, choice(ctx, pace)
    on_the_fly = cfg.features.on_the_fly or chosen.freeze != "upstream" or cfg.train.adapter != "none"
    decided = dataclasses.replace(
        cfg,
        train=dataclasses.replace(cfg.train, freeze=chosen.freeze),
        features=dataclasses.replace(cfg.features, on_the_fly=on_the_fly),
    )
    return Freezing(decided, chosen.why, {FACTS: chosen._asdict()} if chosen.rests_on else {})


def resolved(ctx: Context) -> Context:
    """``ctx`` with the settings of :func:`decide`."""
    return dataclasses.replace(ctx, cfg=decide(ctx).cfg)


def choice(ctx: Context, pace: Pace | None = None) -> Choice:
    """What :func:`decide` settles; errors as there."""
    freeze, adapter = ctx.cfg.train.freeze, ctx.cfg.train.adapter
    if adapter != "none":
        if freeze not in ("auto", "upstream"):
            raise ConfigError(
                f"train.adapter={adapter} and train.freeze={freeze} do not fit: adapters are for a frozen "
                "upstream; give train.adapter=none or train.freeze=upstream"
            )
        _check_tunable(ctx.cfg.features, f"train.adapter={adapter}")
        return Choice("upstream", f"only its {adapter} adapters are trained")
    if freeze == "auto":
        return _auto(ctx, pace)
    if freeze != "upstream":
        _check_tunable(ctx.cfg.features, f"train.freeze={freeze}")
    return Choice(freeze, f"train.freeze={freeze}")


def _auto(ctx: Context, pace: Pace | None) -> Choice:
    """By an earlier choice for the same speech and settings, by the amount of speech, or by amount and
    time.
    """
    name, path = ctx.cfg.features.upstream, ctx.data / ctx.cfg.train_set / "utt2dur"
    minutes = sum(map(float, read_table(path).values())) / 60 if path.exists() else math.nan
    known = None if math.isnan(minutes) else round(minutes, 1)
    shared = ctx.cfg.train.nodes is not None or ctx.cfg.train.processes > 1
    rests_on = {"speech_min": known, **ctx.cfg.section(*_RESTS_ON, *(_ELSEWHERE if shared else ()))}
    if kept := _kept(ctx, rests_on, minutes):
        return kept
    amount = next((a for a in reversed(AMOUNTS) if not minutes < a.from_min), AMOUNTS[0])
    less = minutes < AMOUNTS[1].from_min
    limit = f"under {AMOUNTS[1].from_min:g}" if less else f"{amount.from_min:g} or more"
    if not less and not upstream_class(name).can_tune(
        name, ctx.cfg.features.path
    ):  # costs a look through s3prl's sources
        return Choice("upstream", "it cannot be trained", rests_on)
    need(ctx, path, stage="data")
    said = f"{minutes:.1f} minutes of speech"
    found = Choice(amount.freeze, f"{said}, {limit}; change with train.freeze", rests_on)
    if amount.freeze == "upstream" or pace is None:
        return found
    if not _on_gpus(ctx.cfg):
        found = _that_fits(ctx, found, minutes, pace)
    ctx.exp.parent.mkdir(parents=True, exist_ok=True)
    atomic_text(_record(ctx), json.dumps(found._asdict(), indent=1) + "\n")
    return found


def _on_gpus(cfg: Config) -> bool:
    """Whether training has GPUs: of this machine, or of those that it is sent to (``train.nodes``)."""
    if cfg.train.nodes is not None:
        return cfg.cluster.gpus > 0
    return has_gpu() and cfg.train.ngpu != 0


def _that_fits(ctx: Context, wanted: Choice, minutes: float, pace: Pace) -> Choice:
    """``wanted``, or a frozen upstream where training it on this CPU takes longer than there is time."""
    train = ctx.cfg.train
    if why := _too_large(ctx.cfg):
        said = f"{minutes:.1f} minutes of speech are enough to train it, but {why}"
        return wanted._replace(freeze="upstream", why=f"{said}; change with train.freeze")
    steps = math.ceil(60 * minutes / train.batch_s)  # of an epoch
    epochs = max(train.max_epochs, math.ceil(train.min_updates / steps))
    measured = _known_pace(ctx, wanted) or round(pace(ctx, wanted.freeze), 4)
    needed = epochs * 60 * minutes * measured / (train.processes * (train.nodes or 1))
    limit = hours_for(train.max_hours, on_cpu=True)
    wanted = wanted._replace(timed=wanted.freeze, pace=measured)
    if limit is None or needed <= 3600 * limit:
        return wanted
    why = (
        f"{minutes:.1f} minutes of speech are enough to train it, but on this CPU that would take about"
        f" {spent(needed)}, more than train.max_hours={limit:g}; with a GPU it {_STATES[wanted.freeze]};"
        " change with train.freeze or train.max_hours"
    )
    return wanted._replace(freeze="upstream", why=why)


def _too_large(cfg: Config) -> str | None:
    """Why this machine has not the memory to train the upstream, or None; to try it would end the program."""
    needed = TUNED_BYTES * upstream_size(cfg.features.upstream, cfg.features.path).parameters
    there = total_memory()
    if there is None or needed <= _SHARE * there:
        return None
    return f"that takes about {needed / 1e9:.1f} GB of memory, and this machine has {there / 1e9:.1f} GB"


def _known_pace(ctx: Context, wanted: Choice) -> float | None:
    """What another experiment of this recipe has measured of the same training: seeds are not to differ in
    what they train.
    """
    for path in sorted(ctx.exp.parent.glob(".*.freeze.json")):
        known = _read(path)
        if known.get("timed") == wanted.freeze and isinstance(known.get("pace"), float):
            before = known["rests_on"]
            if all(before.get(key) == wanted.rests_on[key] for key in _RESTS_ON[:3]):
                return known["pace"]
    return None


def _record(ctx: Context) -> Path:
    """Where a choice is kept until the experiment stands."""
    return ctx.exp.parent / f".{ctx.exp.name}.freeze.json"


def _read(path: Path) -> dict[str, Any]:
    """A choice; {} if there is none that is whole."""
    try:
        known = jsons.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) and isinstance(known.get("rests_on"), dict) else {}


def _kept(ctx: Context, rests_on: dict[str, Any], minutes: float) -> Choice | None:
    """What was chosen before, for the finished experiment or by a run that has not finished it."""
    stamp = read_stamp(ctx.exp) or {}
    for known in (stamp.get(FACTS), _read(_record(ctx))):
        if isinstance(known, dict) and known.get("rests_on") == rests_on and known.get("freeze") in _STATES:
            more = {key: known.get(key) for key in ("timed", "pace")}
            return Choice(known["freeze"], str(known.get("why")), rests_on, **more)
    config = stamp.get("config", {})
    if FACTS in stamp or config.get("features.upstream") != rests_on["features.upstream"]:
        return None
    before = next((freeze for least, freeze in _UNTIL_DECEMBER_2026 if minutes >= least), None)
    if before is None or config.get("train.freeze") != before:
        return None
    return Choice(before, "as this experiment was trained; change with train.freeze", rests_on)


def _check_tunable(features: FeaturesConfig, setting: str) -> None:
    name = features.upstream
    if not upstream_class(name).can_tune(name, features.path):
        raise ConfigError(
            f"{setting}: features.upstream={name} has nothing that can be trained; only Whisper, wav2vec 2.0,"
            " HuBERT and w2v-BERT 2.0 can: give train.freeze=upstream and train.adapter=none"
        )
