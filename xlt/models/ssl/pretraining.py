"""Epochs over speech without texts, and an encoder as an upstream in ``exp/<tag>``."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from xlt.audio.files import SAMPLE_RATE, read_wav
from xlt.core.context import Context
from xlt.core.errors import DataError, StageError
from xlt.core.log import Progress, epochs, left, say
from xlt.core.machine import Stopwatch
from xlt.core.registry import PRETRAINING
from xlt.core.stage import write_json
from xlt.formats import pretrained
from xlt.formats.model_folder import MANIFEST, training_manifest
from xlt.formats.tables import read_scp, read_table, write_table
from xlt.models import checkpoint
from xlt.models.budget import Budget, Plan
from xlt.models.ssl.method import Method, Step, Totals
from xlt.nets.batching import batches
from xlt.upstreams.base import Source

CHECKPOINT_STEPS = 500
DEV_S = 600.0  # of the clips that are only measured, at most
LOOKED_AT = 200  # clips that Method.prepare sees
WEIGHT_DECAY, BETAS, CLIP = 0.01, (0.9, 0.98), 5.0
TIMED = 6  # steps by which the time is foretold; the first, which is slow, does not count
SHARE = 20  # at most one step in so many of the training is timed, but one at least
POINTS = 200  # of curve.json, at most
REMEDY = "learn from less speech"


class Clip(NamedTuple):
    utt: str
    wav: str
    seconds: float


def fit(ctx: Context, source: Source | None, out: Path) -> dict[str, Any]:
    """Pre-train in ``out``, going on with what a killed run left there; returns facts for the stamp.
    ConfigError for sizes that cannot be, StageError for a training that fails. ``source``: the encoder that
    it starts from, if any.
    """
    device = "cuda" if torch.cuda.is_available() and ctx.cfg.train.ngpu != 0 else "cpu"
    cfg = ctx.cfg
    method = PRETRAINING.get(cfg.pretrain.method)(cfg.pretrain.model, cfg.seed, device, source)
    return Pretraining(ctx, method, device, out).run()


class Pretraining:
    """One training. All chance hangs on the seed and the number of the step, so one that was killed goes on
    as if it had not been.
    """

    def __init__(self, ctx: Context, method: Method, device: str, out: Path):
        self.ctx, self.cfg, self.method, self.device, self.out = ctx, ctx.cfg.pretrain, method, device, out
        self.seed = ctx.cfg.seed
        self.train, dev = _clips(ctx, ctx.cfg.heard_set), _clips(ctx, "dev")
        self.texts: dict[str, str] = {}
        if method.reads_texts:
            self.texts = {name: text for one in (ctx.cfg.heard_set, "dev") for name, text in _texts(ctx, one)}
            method.read(self.texts[clip.utt] for clip in self.train)
        step = max(1, round(sum(clip.seconds for clip in dev) / DEV_S))
        self.dev = dev[::step]
        self.history: list[dict[str, Any]] = []
        self.curve: list[dict[str, Any]] = []
        self.totals, self.window = Totals(), Totals()
        self.epoch = self.at = self.number = 0
        self.worked_s = 0.0
        self.per_epoch = len(self._batches(0))
        self.epochs = self.cfg.epochs
        self.optimiser = torch.optim.AdamW(
            method.module.parameters(), lr=self.cfg.lr, betas=BETAS, eps=1e-6, weight_decay=WEIGHT_DECAY
        )
        self.work = out / "work"
        self.work.mkdir(exist_ok=True)

    def run(self) -> dict[str, Any]:
        """Train, and write the folder; returns facts for the stamp."""
        torch.manual_seed(self.seed)
        trained = sum(p.numel() for p in self.method.module.parameters() if p.requires_grad)
        hours = sum(clip.seconds for clip in self.train) / 3600
        say(
            f"  {self.cfg.method}: {trained / 1e6:.1f} M parameters, {pretrained.hours(hours)} of speech,"
            f" {self.per_epoch} steps an epoch, {epochs(self.cfg.epochs)}"
        )
        state = checkpoint.read(self.work)
        if state is None or "window" not in state:  # an older version's lack what is needed
            self.method.prepare(self._wave(clip) for clip in _some(self.train, LOOKED_AT))
            self._plan()
        else:
            self._take_up(state)
        while self.epoch < self.epochs:
            self._run_epoch()
        self.method.save(self.out)
        write_table(self.out / MANIFEST, training_manifest(self.ctx.data / self.ctx.cfg.heard_set))
        write_json(self.out / "history.json", self.history)
        write_json(self.out / pretrained.CURVE, {"rows": self.curve})
        last = self.history[-1]["dev"] if self.history else self._judge()
        facts = {
            "hours": round(hours, 3),
            "parameters": trained,
            "epochs": len(self.history),
            "steps": self.number,
            "work_s": round(self.worked_s, 1),
            "measure": self.method.measure,
            "baseline": self.method.baseline,
            **last,
        }
        pretrained.write_facts(self.out, self.cfg.method, self.method.upstream, facts)
        shutil.rmtree(self.work)
        return facts

    @property
    def steps(self) -> int:
        """Of the whole training."""
        return self.per_epoch * self.epochs

    def _plan(self) -> None:
        """Settle how many epochs there is time for, by the first steps, which leave no trace; StageError if
        there is none.
        """
        if not self.steps:
            return
        module = self.method.module
        before = {name: value.detach().clone() for name, value in module.state_dict().items()}
        costs = []
        for batch in self._batches(0)[: max(1, min(TIMED, self.steps // SHARE))]:
            watch = self._watch()
            self._learn(batch)
            costs.append((watch.took(), sum(clip.seconds for clip in batch)))
        module.load_state_dict(before)
        self.optimiser.state.clear()
        self.number = 0
        timed = costs[1:] or costs
        rate = sum(took for took, _ in timed) / sum(heard for _, heard in timed)
        epoch_s = rate * sum(clip.seconds for clip in (*self.train, *self.dev))
        budget = Budget(self.ctx.cfg.train.max_hours, self.device == "cpu")
        plan: Plan = budget.plan(self.epochs, lambda count: count * epoch_s, REMEDY)
        self.epochs = plan.epochs

    def _watch(self) -> Stopwatch:
        return Stopwatch(self.device == "cpu")

    def _run_epoch(self) -> None:
        plan, began, first, watch = self._batches(self.epoch), time.monotonic(), self.at, self._watch()
        every = -(-self.steps // POINTS)
        with Progress(f"epoch {self.epoch + 1}", len(plan), "steps", every_s=120.0) as bar:
            bar.add(self.at)
            for batch in plan[self.at :]:
                step = self._learn(batch)
                self.totals.add(step)
                self.window.add(step)
                self.at += 1
                bar.add()
                if self.number % every == 0:
                    self.curve.append({"step": self.number, **self.window.row()})
                    self.window = Totals()
                if self.number % CHECKPOINT_STEPS == 0 and self.at < len(plan):
                    self.worked_s, watch = self.worked_s + watch.took(), self._watch()
                    self._store()
        spent = (time.monotonic() - began) / max(1, len(plan) - first)
        row = {"epoch": self.epoch + 1, "train": self.totals.row(), "dev": self._judge()}
        row["s_per_step"] = round(spent, 4)
        self.worked_s += watch.took()
        self.history.append(row)
        self.epoch, self.at, self.totals = self.epoch + 1, 0, Totals()
        minutes = spent * (self.epochs - self.epoch) * self.per_epoch / 60
        say(f"  epoch {self.epoch}/{self.epochs}{left(minutes)}: {self._line(row)}")
        self._refuse_collapse(row)
        self._store()

    def _line(self, row: dict[str, Any]) -> str:
        found, learned = row["dev"], row["train"]
        said = (
            f"{self.method.measure} {found['accuracy']:.1f}% on dev ({self.method.baseline}"
            f" {found['chance']:.1f}%), loss {found['loss']:.3f} (train {learned['loss']:.3f})"
        )
        if "codes" not in found:
            return said
        used = f"{100 * learned['used']:.0f}% used"
        return f"{said}, codebook perplexity {learned['perplexity']:.0f} of {found['codes']}, {used}"

    def _batches(self, epoch: int) -> list[list[Clip]]:
        """The clips of an epoch in batches of like length, in an order of its own."""
        rng = random.Random(f"{self.seed}-{epoch}")
        order = sorted(self.train, key=lambda clip: clip.seconds * rng.uniform(0.9, 1.1))
        plan = list(batches(order, lambda clip: clip.seconds, self.cfg.batch_s, padded=False))
        rng.shuffle(plan)
        return plan

    def _wave(self, clip: Clip) -> torch.Tensor:
        return torch.from_numpy(read_wav(clip.wav, SAMPLE_RATE)).to(self.device)

    def _step(self, batch: list[Clip], rng: np.random.Generator, done: float) -> Step:
        waves = [self._wave(clip) for clip in batch]
        if not self.texts:
            return self.method.step(waves, rng, done)
        return self.method.step(waves, rng, done, [self.texts[clip.utt] for clip in batch])

    def _learn(self, batch: list[Clip]) -> Step:
        """One step of the optimiser."""
        torch.manual_seed(hash((self.seed, self.number)) % 2**31)
        rng = np.random.default_rng([self.seed, self.number])
        self.method.module.train()
        step = self._step(batch, rng, self.number / self.steps)
        if not torch.isfinite(step.loss):
            raise StageError(
                f"pretrain.lr={self.cfg.lr}: the loss is not a number at step {self.number + 1} of"
                f" {self.steps} ({batch[0].utt} …); lower it, or raise pretrain.warm_up"
            )
        self.number += 1
        for group in self.optimiser.param_groups:
            group["lr"] = self.cfg.lr * self._schedule()
        self.optimiser.zero_grad()
        step.loss.backward()
        torch.nn.utils.clip_grad_norm_(self.method.module.parameters(), CLIP)
        self.optimiser.step()
        return step

    @property
    def _warm(self) -> int:
        return max(1, round(self.steps * self.cfg.warm_up))

    def _schedule(self) -> float:
        """Share of the peak learning rate: up to it, and down to 0."""
        down = (self.steps - self.number + 1) / max(1, self.steps - self._warm + 1)
        return min(self.number / self._warm, down)

    @torch.no_grad()
    def _judge(self) -> dict[str, float]:
        """The measures on dev, with the same masks in each epoch."""
        self.method.module.eval()
        totals, rng = Totals(), np.random.default_rng([self.seed, 2**31])
        order = sorted(self.dev, key=lambda clip: clip.seconds)
        torch.manual_seed(self.seed)
        for batch in batches(order, lambda clip: clip.seconds, self.cfg.batch_s, padded=False):
            totals.add(self._step(batch, rng, self.number / max(1, self.steps)))
        found = {**totals.row(), "chance": round(100 * self.method.chance(totals), 2)}
        return found if totals.codes is None else {**found, "codes": int(totals.codes.size)}

    def _refuse_collapse(self, row: dict[str, Any]) -> None:
        """StageError if hardly any codes are in use once the warm-up is over."""
        if not self.method.collapses or self.number < self._warm:
            return
        found, size = row["train"]["perplexity"], row["dev"]["codes"]
        if found >= self.cfg.least_codes * size:
            return
        shutil.rmtree(self.work)  # what has collapsed does not come back
        raise StageError(
            f"pretrain.least_codes={self.cfg.least_codes}: the codebook has collapsed: in epoch"
            f" {row['epoch']} its perplexity is {found:.1f} of {size} codes; lower pretrain.lr"
            f" ({self.cfg.lr}) or raise pretrain.warm_up ({self.cfg.warm_up}), then start again"
        )

    def _store(self) -> None:
        checkpoint.write(
            self.work,
            {
                "module": self.method.module.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "history": self.history,
                "curve": self.curve,
                "epochs": self.epochs,
                "worked_s": self.worked_s,
                "place": [self.epoch, self.at, self.number],
                "totals": _kept(self.totals),
                "window": _kept(self.window),
            },
        )

    def _take_up(self, state: dict[str, Any]) -> None:
        self.method.module.load_state_dict(state["module"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.history = state["history"]
        self.epoch, self.at, self.number = state["place"]
        self.curve, self.epochs, self.worked_s = state["curve"], state["epochs"], state["worked_s"]
        self.totals, self.window = _taken(state["totals"]), _taken(state["window"])
        say(f"  goes on behind step {self.number} of {self.steps} (epoch {self.epoch + 1})")


def _kept(totals: Totals) -> dict[str, Any]:
    """As a checkpoint can hold them."""
    codes = None if totals.codes is None else torch.from_numpy(totals.codes)
    return {**vars(totals), "codes": codes}


def _taken(kept: dict[str, Any]) -> Totals:
    return Totals(**{**kept, "codes": None if kept["codes"] is None else kept["codes"].numpy()})


def _clips(ctx: Context, name: str) -> list[Clip]:
    waves = read_scp(ctx.data / name / "wav.scp", ctx.recipe)
    seconds = read_table(ctx.data / name / "utt2dur")
    return [Clip(utt, wav, float(seconds[utt])) for utt, wav in waves.items()]


def _texts(ctx: Context, name: str) -> Iterator[tuple[str, str]]:
    """The text of each clip of set ``name``; DataError if one has none."""
    path = ctx.data / name / "text"
    known = read_table(path) if path.exists() else {}
    for utt in read_table(ctx.data / name / "utt2dur"):
        if not known.get(utt):
            raise DataError(
                f"{path}: no text of {utt!r}, from which pretrain.model.ctc_weight learns, too; set it to 0,"
                " or learn from the recipe's own training speech, without pretrain.recipes, folders and"
                " packages"
            )
        yield utt, known[utt]


def _some(clips: Sequence[Clip], count: int) -> Sequence[Clip]:
    """At most ``count`` of them, evenly drawn."""
    return clips[:: max(1, -(-len(clips) // count))]
