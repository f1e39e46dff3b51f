"""How much of the upstream is trained: ``train.freeze=auto`` decided by the amount of training speech.

Stages 3, 6, 7 and 8 call :func:`resolved` first, so that all of them know whether features are stored or made
as it goes.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from xlt.core.config import Config
from xlt.core.context import Context, need
from xlt.core.errors import ConfigError
from xlt.core.log import say
from xlt.core.settings import Freeze
from xlt.formats.tables import read_table
from xlt.upstreams import upstream_class

TUNE_FROM_MIN = 30.0  # under so many minutes of training speech the upstream stays frozen
ALL_FROM_MIN = 600.0  # from so many on even the convolutions are trained


_STATES = {
    "upstream": "stays frozen",
    "extractor": "is trained, except for its convolutions",
    "none": "is trained",
}


@dataclass(frozen=True)
class Freezing:
    """What was decided: ``cfg`` with ``train.freeze`` and ``features.on_the_fly`` as they come out, and
    ``why``.
    """

    cfg: Config
    why: str

    def tell(self) -> None:
        """Print what was chosen, and why."""
        say(f"  the upstream {self.cfg.features.upstream} {_STATES[self.cfg.train.freeze]} ({self.why})")


def decide(ctx: Context) -> Freezing:
    """Settle ``train.freeze``; an upstream that is trained, or has adapters, encodes on the fly.

    ConfigError if the settings ask for what this upstream cannot do.
    """
    cfg, (freeze, why) = ctx.cfg, choice(ctx)
    on_the_fly = cfg.features.on_the_fly or freeze != "upstream" or cfg.train.adapter != "none"
    decided = dataclasses.replace(
        cfg,
        train=dataclasses.replace(cfg.train, freeze=freeze),
        features=dataclasses.replace(cfg.features, on_the_fly=on_the_fly),
    )
    return Freezing(decided, why)


def resolved(ctx: Context) -> Context:
    """``ctx`` with the settings of :func:`decide`."""
    return dataclasses.replace(ctx, cfg=decide(ctx).cfg)


def choice(ctx: Context) -> tuple[Freeze, str]:
    """``upstream``, ``extractor`` or ``none``, and why; errors as in :func:`decide`."""
    freeze, adapter, upstream = ctx.cfg.train.freeze, ctx.cfg.train.adapter, ctx.cfg.features.upstream
    if adapter != "none":
        if freeze not in ("auto", "upstream"):
            raise ConfigError(
                f"train.adapter={adapter} and train.freeze={freeze} do not fit: adapters are for a frozen "
                "upstream; give train.adapter=none or train.freeze=upstream"
            )
        _check_tunable(upstream, f"train.adapter={adapter}")
        return "upstream", f"only its {adapter} adapters are trained"
    if freeze == "auto":
        return _by_amount(ctx)
    if freeze != "upstream":
        _check_tunable(upstream, f"train.freeze={freeze}")
    return freeze, f"train.freeze={freeze}"


def _by_amount(ctx: Context) -> tuple[Freeze, str]:
    """What is chosen for the training set, and why."""
    name, path = ctx.cfg.features.upstream, ctx.data / ctx.cfg.train_set / "utt2dur"
    minutes = sum(map(float, read_table(path).values())) / 60 if path.exists() else TUNE_FROM_MIN
    why = "{minutes:.1f} minutes of speech, {limit}; change with train.freeze"
    if minutes < TUNE_FROM_MIN:
        return "upstream", why.format(minutes=minutes, limit=f"under {TUNE_FROM_MIN:g}")
    if not upstream_class(name).can_tune(name):  # costs a look through s3prl's sources
        return "upstream", "it cannot be trained"
    need(ctx, path, stage="data")
    if minutes < ALL_FROM_MIN:
        return "extractor", why.format(minutes=minutes, limit=f"{TUNE_FROM_MIN:g} or more")
    return "none", why.format(minutes=minutes, limit=f"{ALL_FROM_MIN:g} or more")


def _check_tunable(name: str, setting: str) -> None:
    if not upstream_class(name).can_tune(name):
        raise ConfigError(
            f"{setting}: features.upstream={name} has nothing that can be trained; only whisper_base, wav2vec"
            " 2.0 and HuBERT can: give train.freeze=upstream and train.adapter=none"
        )
