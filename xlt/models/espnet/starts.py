"""A small network that has not begun to find the texts when it should have begins again.

CTC writes blanks only at first. How long depends on luck: with ten minutes of Czech sentences and one seed,
88% of characters were wrong on dev after 500 updates and 76% at the end, after 1,300; with other seeds, and
in other languages, 30% after 250. Other random numbers cost less than waiting.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from xlt.core.config import Config
from xlt.core.log import epochs as counted
from xlt.core.log import say
from xlt.core.settings import TrainConfig, hours_for
from xlt.core.stage import write_json
from xlt.models.budget import Plan

STARTS = 3  # at most
SHARE = 0.4  # of the epochs, at whose end dev is looked at
UPDATES = (500, 3000)  # not earlier and not later
STUCK = 0.8  # CER on dev: Tux Paint's recipes are below 0.5 there, with log-mels below 0.7; Greek is the last
_SEEDS = 1000  # between one start's seed and the next's: ESPnet adds the epoch to it
_FILE, _WATCH = "starts.json", "watch.json"


class Stuck(Exception):
    """``rate``: CER on dev at the end of ``epoch``."""

    def __init__(self, epoch: int, rate: float):
        super().__init__(epoch, rate)
        self.epoch, self.rate = epoch, rate


@dataclass(frozen=True)
class Start:
    """``before``: of each start that was given up, its ``epoch`` and CER there; ``epochs``: of this one."""

    before: list[dict[str, float]]
    epochs: int

    def seed(self, seed: int) -> int:
        """What this start is given in place of ``seed``; the first keeps it."""
        return seed + _SEEDS * len(self.before)


def current(work: Path, cfg: Config, plan: Plan) -> Start:
    """The start that training is at, by what is kept in ``work``; those before have taken of the time."""
    before = _kept(work)
    return Start(before, min(plan.epochs, _affordable(cfg.train, plan) - _gone(before)))


def watch(work: Path, cfg: Config, start: Start, plan: Plan, steps: int) -> None:
    """Have the trainer look at dev once, at the end of an epoch of ``steps`` updates.

    Only small networks on stored features, which start from random numbers: of others it is not known when
    they begin. Not in the second half of the epochs, at the last start, or without time for half the epochs
    behind it.
    """
    early, late = UPDATES
    epoch = math.ceil(min(max(SHARE * start.epochs * steps, early), late) / steps)
    left = min(plan.epochs, _affordable(cfg.train, plan) - _gone(start.before) - epoch)
    known = cfg.train.encoder == "blstm" and cfg.train.decoder == "none" and cfg.train.init is None
    known = known and not cfg.features.on_the_fly and _ngpu(cfg.train) < 2
    if known and len(start.before) + 1 < STARTS and 2 * epoch <= start.epochs and 2 * left >= plan.epochs:
        write_json(work / _WATCH, {"epoch": epoch})
    else:
        (work / _WATCH).unlink(missing_ok=True)


def look(out: Path, epoch: int, rate: float) -> None:
    """Called by the trainer behind dev of ``epoch``; Stuck if training in ``out`` is to begin again."""
    kept = out / "work" / _WATCH
    if kept.exists() and epoch == _read(kept)["epoch"] and rate >= STUCK:
        raise Stuck(epoch, rate)


def again(out: Path, start: Start, stuck: Stuck) -> None:
    """Remove what the start has written, then keep that it was given up: a run that is ended between the two
    comes to the same.
    """
    remove(out)
    write_json(out / "work" / _FILE, [*start.before, {"epoch": stuck.epoch, "cer": round(stuck.rate, 4)}])
    say(
        f"  after {counted(stuck.epoch)}, {100 * stuck.rate:.0f}% of characters are wrong on dev: the network"
        " has not begun to find the texts; training begins again with other random numbers"
    )


def facts(work: Path) -> dict[str, Any]:
    """For the stamp: the starts that were given up, if any."""
    before = _kept(work)
    return {"given_up": before} if before else {}


def remove(out: Path) -> None:
    """ESPnet's checkpoints, which come first, and the epochs' models."""
    for pattern in ("checkpoint*.pth", "latest.pth", "*epoch.pth", "valid.*.pth"):
        for path in out.glob(pattern):
            path.unlink(missing_ok=True)


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _kept(work: Path) -> list[dict[str, float]]:
    return _read(work / _FILE) if (work / _FILE).exists() else []


def _gone(before: list[dict[str, float]]) -> int:
    return sum(round(one["epoch"]) for one in before)


def _affordable(train: TrainConfig, plan: Plan) -> int:
    """How many epochs of all starts together there is time for."""
    hours = hours_for(train.max_hours, not _ngpu(train))
    if hours is None or not plan.epoch_s:
        return STARTS * plan.epochs
    return max(plan.epochs, int(3600 * hours / plan.epoch_s))


def _ngpu(train: TrainConfig) -> int:
    return torch.cuda.device_count() if train.ngpu is None else train.ngpu
