"""How long an epoch takes here, by its first batches, on a model that is then thrown away.

Training itself begins as if nothing had been: ESPnet seeds all random numbers at its start.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from xlt.core.log import say
from xlt.core.machine import Stopwatch
from xlt.core.settings import TrainConfig
from xlt.core.stage import write_json
from xlt.models.budget import Budget, Plan
from xlt.models.espnet.task import NEWEST, XltTask, quiet

TIMED = 6  # batches; before them one that does not count, since it warms up
SHARE = 20  # at most one step in so many of the training is timed
FILE = "time.json"
REMEDY = (
    "keep the encoder frozen, its features stored: train.freeze=upstream features.on_the_fly=false"
    " train.adapter=none"
)


@dataclass(frozen=True)
class Pace:
    """Seconds. ``head_s``: of a step in which only the head learns, ``freeze_updates`` of them come first;
    ``step_s``: of the others; ``dev_s``: of dev behind each epoch; ``steps``: of an epoch.
    """

    step_s: float
    head_s: float
    freeze_updates: int
    dev_s: float
    steps: int

    def seconds(self, epochs: int) -> float:
        """What so many epochs take."""
        steps = epochs * self.steps
        early = min(self.freeze_updates, steps)
        return early * self.head_s + (steps - early) * self.step_s + epochs * self.dev_s


def planned(config: Path, train: TrainConfig, wanted: int, out: Path) -> Plan:
    """How many of the ``wanted`` epochs there is time for, as an interrupted run has found or by timing;
    StageError if not one. ``config``: of ``espnet2.bin.asr_train``; ``out``: where training writes.
    """
    kept = out / "work" / FILE
    if kept.exists():
        return Plan(**json.loads(kept.read_text(encoding="utf-8")))
    if (out / NEWEST).exists() or train.nodes is not None:  # begun by a version that timed nothing; elsewhere
        return Plan(wanted, wanted, 0.0)
    pace = measure(config, train, wanted)
    plan = Budget(train.max_hours, not _ngpu(train)).plan(wanted, pace.seconds, REMEDY)
    write_json(kept, vars(plan))
    return plan


def facts(out: Path) -> dict[str, Any]:
    """For the stamp: what :func:`planned` has found."""
    kept = out / "work" / FILE
    return {"time": Plan(**json.loads(kept.read_text(encoding="utf-8"))).facts} if kept.exists() else {}


def wanted_epochs(train: TrainConfig, frames: float, frame_rate: float) -> int:
    """``train.max_epochs``, or as many more as ``train.min_updates`` gradient steps take; a batch is one
    step.

    ``frames``: of an epoch.
    """
    steps = batches(train, frames, frame_rate)
    epochs = max(train.max_epochs, math.ceil(train.min_updates / steps))
    if epochs > train.max_epochs:
        say(
            f"  {epochs} epochs of about {steps} batches, to reach {train.min_updates} updates"
            " (train.min_updates)"
        )
    return epochs


def batches(train: TrainConfig, frames: float, frame_rate: float) -> int:
    """About how many batches an epoch of ``frames`` has."""
    return math.ceil(frames / (train.batch_s * frame_rate))


def measure(config: Path, train: TrainConfig, wanted: int) -> Pace:
    """Time the first batches of ``config``, of the training set and of dev."""
    args = XltTask.get_parser().parse_args(["--config", str(config)])
    args.distributed = False
    device = "cuda" if args.ngpu else "cpu"
    with quiet(), torch.random.fork_rng():
        torch.manual_seed(args.seed)
        model: Any = XltTask.build_model(args).to(device)
        optimiser, *_ = XltTask.build_optimizers(args, model)
        iterators = {mode: _batches(args, mode) for mode in ("train", "valid")}
        ranks = args.ngpu or train.processes  # each takes its part of every batch
        steps = max(1, len(iterators["train"]) // ranks)
        most = max(1, min(TIMED, wanted * steps // SHARE))

        def learn(batch: dict) -> None:
            model.train()
            loss, *_ = model(**batch)
            optimiser.zero_grad()
            loss.mean().backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), args.grad_clip)
            optimiser.step()

        def judge(batch: dict) -> None:
            model.eval()
            with torch.no_grad():
                model(**batch)

        updates = getattr(getattr(model, "frontend", None), "updates", None)
        head_s, frozen = 0.0, 0
        if updates is not None and train.freeze_updates:
            frozen = train.freeze_updates
            head_s = _mean(iterators["train"], learn, most, device)
            updates.fill_(frozen)
        step_s = _mean(iterators["train"], learn, most, device)
        dev_s = _mean(iterators["valid"], judge, most, device) * len(iterators["valid"])
    return Pace(step_s, head_s, frozen, dev_s, steps)


def _batches(args: Any, mode: str) -> Any:
    """ESPnet's iterator of the first epoch."""
    from espnet2.train.distributed_utils import DistributedOption

    return XltTask.build_iter_factory(args, DistributedOption(), mode).build_iter(1)


def _mean(batches: Any, step: Callable[[dict], None], most: int, device: str) -> float:
    """Seconds of a batch, read and taken: the mean of ``most``, behind one that does not count unless it is
    the only one. What other programs take of the processor at the moment does not count.
    """
    spent, watch = [], Stopwatch(device != "cuda")
    for utts, batch in itertools.islice(batches, most + 1):
        step({"utt_id": utts} | {name: value.to(device) for name, value in batch.items()})
        if device == "cuda":
            torch.cuda.synchronize()
        spent.append(watch.took())
        watch = Stopwatch(device != "cuda")
    counted = spent[1:] or spent
    return sum(counted) / len(counted)


def _ngpu(train: TrainConfig) -> int:
    return torch.cuda.device_count() if train.ngpu is None else train.ngpu
